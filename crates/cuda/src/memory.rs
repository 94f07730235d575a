//! GPU memory of a run, from the shapes of its data alone. In bytes.

use modality_data::prepared::Shape;
use modality_methods::{KernelEntries, Solver, TsvdKrrParams};
use modality_protocol::runner::size;
use modality_recipe::{Groups, MORE_LANDMARKS, Nystrom};

use crate::{
    CudaStages,
    error::{Error, Result},
    halves::ALIGNMENT,
    rbf::{packed_bytes, row_bytes, vector_bytes},
    shared, svd,
    ways::Ways,
};

const FLOAT: usize = size_of::<f32>();
const DOUBLE: usize = size_of::<f64>();
/// A context, the kernels, and the workspaces of cuBLAS and cuSOLVER, which have a handle for each stream.
const PROGRAM: u64 = 768 << 20;

/// What TSVD + KRR takes of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Needs {
    /// At the peak of a truncated SVD.
    tsvd: u64,
    /// While the fits are solved, beside the kernel matrix.
    solving: u64,
    /// The same where a fit has to be tried again with more landmarks.
    again: u64,
    kernel: Kernel,
}

/// The kernel matrix: bytes of all of it, of what of it must be there, and of what is kept or not as a whole beside that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kernel {
    all: u64,
    least: u64,
    piece: u64,
}

impl Needs {
    /// Of TSVD + KRR with these fits, on a device with so much `memory` in all.
    pub(crate) fn of(
        shape: &Shape,
        params: &TsvdKrrParams,
        fits: &[Vec<u32>],
        (memory, ways): (u64, Ways),
    ) -> Self {
        let (components, targets) = (
            params.input_components.or_all(shape.input.features).min(shape.input.features),
            params.target_components.min(shape.target.features),
        );
        let inputs = shape.input.bytes(shape.cells()) + shape.target.bytes(shape.train_cells);
        let scores = shape.cells() * components * FLOAT;
        let common = scores + 2 * shape.train_cells * targets * FLOAT;
        let tsvd = svd::workspace((shape.cells(), shape.input.features), components, memory);
        let of_target = svd::workspace((shape.train_cells, shape.target.features), targets, memory);
        let landmarks = params.landmarks(shape.train_cells);
        let by_pcg = |landmarks: usize| {
            let landmarks = landmarks.min(shape.train_cells);
            of_pcg(shape, params, (components, targets, landmarks), fits)
        };
        let ((solving, mut kernel), again) = match params.solver {
            Solver::Cholesky => (of_cholesky(components, targets, fits), 0),
            Solver::Pcg => (by_pcg(landmarks), by_pcg(MORE_LANDMARKS * landmarks).0),
        };
        if !ways.part {
            kernel.piece = kernel.all;
        }
        let beside = PROGRAM + common as u64;
        Self {
            tsvd: PROGRAM + (inputs + 2 * scores) as u64 + tsvd.max(of_target),
            solving: beside + solving,
            again: beside + solving.max(again),
            kernel,
        }
    }

    /// With the whole kernel matrix, if it is to be kept.
    pub(crate) fn peak(&self) -> u64 {
        self.tsvd.max(self.solving + self.kernel.all)
    }

    /// With as little of the kernel matrix as will do.
    pub(crate) fn least(&self) -> u64 {
        self.tsvd.max(self.solving + self.kernel.least)
    }

    /// What the run will take of `free` bytes, at its peak.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if that is not enough.
    pub(crate) fn expected(&self, free: u64) -> Result<u64> {
        if self.least() > free {
            return Err(Error::Unavailable(format!(
                "it needs at least {} of GPU memory, and {} are free",
                size(self.least()),
                size(free)
            )));
        }
        if self.peak() <= free {
            return Ok(self.peak());
        }
        let pieces = self.room(free) / self.kernel.piece.max(1);
        let kept = (pieces * self.kernel.piece).clamp(self.kernel.least, self.kernel.all);
        Ok(self.tsvd.max(self.solving + kept))
    }

    /// What the run itself will take of `free` bytes, without what the driver and the libraries take.
    ///
    /// # Errors
    /// As [`Needs::expected`].
    pub(crate) fn own(&self, free: u64) -> Result<u64> {
        Ok(self.expected(free)? - PROGRAM)
    }

    /// What is left for the kernel matrix of `free` bytes.
    pub(crate) fn room(&self, free: u64) -> u64 {
        match self.solving + self.kernel.all <= free {
            true => free - self.solving,
            // What is kept in part leaves room for a second attempt.
            false => free.saturating_sub(self.again),
        }
    }
}

fn of_cholesky(components: usize, targets: usize, fits: &[Vec<u32>]) -> (u64, Kernel) {
    let longest = fits.iter().map(Vec::len).max().unwrap_or(0);
    let whole = (longest * longest * FLOAT) as u64;
    let kernel = Kernel { all: whole, least: whole, piece: whole };
    let rows = (longest * (components + 2 * targets) * FLOAT) as u64;
    (rows + packed_bytes(longest.div_ceil(crate::rbf::TILE), components), kernel)
}

fn of_pcg(
    shape: &Shape,
    params: &TsvdKrrParams,
    (components, targets, landmarks): (usize, usize, usize),
    fits: &[Vec<u32>],
) -> (u64, Kernel) {
    let m = Nystrom::<CudaStages>::rank(landmarks);
    let square = m * m;
    let groups = Groups::new(fits);
    let longest = groups.iter().map(|group| group.cells.len()).max().unwrap_or(0);
    // F and the Gram matrices; once more what of F is in the hands of the solver that makes it; and the factor of landmarks.
    let floats = Nystrom::<CudaStages>::floats(shape.train_cells, landmarks, fits.len());
    let factor = (floats + longest * m + square) * FLOAT;
    // The inverses in float64, and a factor, its inverse and a workspace for each that is under way.
    let under_way = crate::device::LANES.min(fits.len());
    let squares = (fits.len() + 3 * under_way) * square * DOUBLE;
    let (all, by_fit) = shared::layout(&groups);
    // Landmarks x targets, for every fit of every group.
    let width = |fits: usize| (fits * targets).next_multiple_of(ALIGNMENT);
    let sides: usize = groups.iter().map(|group| width(group.fits.len()) * m * FLOAT).sum();
    // Targets, dual coefficients, solution, residual, direction, its product; and the preconditioned residual, side by side
    // and by itself.
    let vectors: usize = fits.iter().map(|fit| 8 * fit.len() * width(1) * FLOAT).sum();
    let fragments: u64 =
        by_fit.iter().map(|tiles| vector_bytes(tiles.len() * crate::rbf::TILE, targets)).sum();
    let rows = shape.train_cells * components * FLOAT;
    let packed = 2 * packed_bytes(all.len(), components);
    let row = row_bytes(all.len());
    let kernel = match params.kernel {
        KernelEntries::Kept => Kernel { all: row * all.len() as u64, least: 0, piece: row },
        KernelEntries::Formed => Kernel { all: 0, least: 0, piece: 0 },
    };
    ((factor + squares + vectors + sides + rows) as u64 + fragments + packed, kernel)
}

#[cfg(test)]
mod tests {
    use modality_data::prepared::Extent;

    use super::*;

    const SHAPE: Shape = Shape {
        train_cells: 40_000,
        test_cells: 500,
        input: Extent { features: 3000, nonzeros: Some(1_000_000) },
        target: Extent { features: 90, nonzeros: None },
    };

    fn needs(params: &TsvdKrrParams) -> Needs {
        let fits: Vec<Vec<u32>> =
            (0..2).map(|half| (half * 20_000..(half + 1) * 20_000).collect()).collect();
        Needs::of(&SHAPE, params, &fits, (16 << 30, Ways::default()))
    }

    #[test]
    fn entries_are_formed_where_they_do_not_fit() {
        let needs = needs(&TsvdKrrParams::default());
        // 2,500 tiles a row, 512 bytes each.
        let row = 2500 * 512;
        assert_eq!(needs.kernel, Kernel { all: 2500 * row, least: 0, piece: row });
        assert_eq!(needs.expected(needs.peak()).unwrap(), needs.peak());
        // What is missing, and what a second attempt takes.
        let more = (needs.again - needs.solving).next_multiple_of(row);
        let one_less = needs.expected(needs.peak() - 1).unwrap();
        assert!(needs.again > needs.solving && one_less == needs.peak() - more);
        assert_eq!(needs.expected(needs.peak() - row - 1).unwrap(), one_less - row);
        assert_eq!(needs.expected(needs.least()).unwrap(), needs.least());
        let refused = needs.expected(needs.least() - 1).unwrap_err().to_string();
        assert!(
            refused.starts_with("it needs at least") && refused.contains("GPU memory"),
            "{refused}"
        );
    }

    #[test]
    fn a_whole_kernel_cannot_be_had_in_part() {
        let needs = needs(&TsvdKrrParams { solver: Solver::Cholesky, ..TsvdKrrParams::default() });
        let whole = 1_600_000_000;
        assert_eq!(needs.kernel, Kernel { all: whole, least: whole, piece: whole });
        assert_eq!(needs.least(), needs.peak());
    }
}
