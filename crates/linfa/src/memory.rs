//! Peak memory of a run, from the shapes of its data alone. In bytes; good to about a tenth. A fit that does not converge
//! and is solved otherwise may take more.

use modality_data::prepared::{Extent, Shape};
use modality_methods::{KernelEntries, Solver, TsvdKrrParams};
use modality_protocol::runner::Expected;
use modality_recipe::{Groups, Nystrom};

use crate::{CpuStages, SharedKernel, baselines, subspace};

const FLOAT: usize = size_of::<f32>();
const DOUBLE: usize = size_of::<f64>();
/// The program itself, and what no formula below counts.
const PROGRAM: usize = 8 << 20;

/// What TSVD + KRR takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    /// While the fits are solved, beside the kernel matrix.
    solving: u64,
    /// At the peak of all other stages.
    elsewhere: u64,
    /// The kernel matrix: all of it, and what of it must be there.
    kernel: (u64, u64),
}

/// The program with its inputs and predictions.
pub fn inputs(shape: &Shape) -> u64 {
    let input = shape.input.bytes(shape.cells());
    let target = shape.target.bytes(shape.train_cells) + shape.target.dense_bytes(shape.test_cells);
    (PROGRAM + input + target) as u64
}

/// Up to the scores of the input, which are there from then on.
pub fn tsvd(shape: &Shape, n_components: usize) -> u64 {
    inputs(shape) + decomposition(shape.input, shape.cells(), n_components) as u64
}

/// A truncated SVD of so many cells, its scores among it.
fn decomposition(of: Extent, cells: usize, n_components: usize) -> usize {
    let scores = cells * n_components.min(of.features) * FLOAT;
    if of.features <= n_components {
        return scores;
    }
    let copy = match of.nonzeros {
        // In tiles, with 16-bit indices.
        Some(nonzeros) => nonzeros * (FLOAT + size_of::<u16>()),
        // On top of one another.
        None => of.dense_bytes(cells),
    };
    let basis = subspace::workspace((cells, of.features), n_components) * FLOAT;
    // A V, A V rotated and that in another order, at the end.
    copy + basis.max(scores) + 2 * scores
}

/// Of ridge regression on scores, in float64.
pub fn linear(shape: &Shape, n_components: usize) -> u64 {
    let wide = scores(shape, n_components) / FLOAT * DOUBLE;
    let target = match shape.target.nonzeros {
        // Its weights, and the other way round; predictions before they are narrow.
        Some(_) => 2 * n_components * shape.target.features * DOUBLE,
        None => 2 * shape.target.dense_bytes(shape.train_cells),
    };
    let predicted = 2 * shape.target.dense_bytes(shape.test_cells);
    tsvd(shape, n_components).max(inputs(shape) + (wide + target + predicted) as u64)
}

/// Of the nearest neighbours among all training cells.
pub fn knn(shape: &Shape, n_components: usize) -> u64 {
    let products = baselines::TILE * shape.train_cells * FLOAT;
    tsvd(shape, n_components).max(inputs(shape) + (products + scores(shape, n_components)) as u64)
}

fn scores(shape: &Shape, n_components: usize) -> usize {
    shape.cells() * n_components.min(shape.input.features) * FLOAT
}

impl Needs {
    /// Of TSVD + KRR with these fits.
    pub fn of_tsvd_krr(
        shape: &Shape,
        params: &TsvdKrrParams,
        fits: &[Vec<u32>],
        threads: usize,
    ) -> Self {
        let targets = params.target_components.min(shape.target.features);
        let columns =
            |fits: &[Vec<u32>]| fits.iter().map(Vec::len).sum::<usize>() * targets * FLOAT;
        let longest = fits.iter().map(Vec::len).max().unwrap_or(0);
        let scores = scores(shape, params.input_components.or_all(shape.input.features));
        let common = inputs(shape) as usize + scores + 2 * shape.train_cells * targets * FLOAT;
        let (solving, kernel) = match params.solver {
            Solver::Cholesky => {
                let whole = (longest * longest * FLOAT) as u64;
                let components =
                    params.input_components.or_all(shape.input.features).min(shape.input.features);
                (longest * (components + 2 * targets) * FLOAT, (whole, whole))
            }
            Solver::Pcg => {
                let m = params.landmarks(shape.train_cells);
                let floats = Nystrom::<CpuStages>::floats(shape.train_cells, m, fits.len());
                // A Cholesky factor a fit, and one more in the hands of each thread.
                let inverses = (fits.len() + threads) * m * m * DOUBLE;
                let preconditioner = floats * FLOAT + inverses;
                // Targets, dual coefficients, solution, residual, direction and its product.
                let vectors = 6 * columns(fits);
                let groups = Groups::new(fits);
                let all = match params.kernel {
                    KernelEntries::Kept => SharedKernel::bytes(&groups),
                    KernelEntries::Formed => 0,
                };
                // Of each thread: a tile, and vectors and products of half the fits.
                let edge = groups.blocks().iter().map(|block| block.rows.len()).max().unwrap_or(0);
                let buffers = threads * edge * (edge + fits.len() * targets) * FLOAT;
                (2 * scores + preconditioner + vectors + buffers, (all, 0))
            }
        };
        let of_target = decomposition(shape.target, shape.train_cells, targets);
        let elsewhere = tsvd(shape, params.input_components.or_all(shape.input.features))
            .max(inputs(shape) + (scores + of_target) as u64);
        Self { solving: (common + solving) as u64, elsewhere, kernel }
    }

    /// What is left for a kernel matrix if the run may come to `allowed`.
    pub fn room(&self, allowed: u64) -> u64 {
        allowed.saturating_sub(self.solving)
    }

    /// What a kernel matrix takes of that.
    pub fn kernel(&self, allowed: u64) -> u64 {
        self.room(allowed).clamp(self.kernel.1, self.kernel.0)
    }

    /// With `allowed` bytes for the run.
    pub fn expected(&self, allowed: u64) -> Expected {
        let peak = |kernel: u64| self.elsewhere.max(self.solving + kernel);
        Expected { peak: peak(self.kernel(allowed)), least: peak(self.kernel.1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape {
        train_cells: 4000,
        test_cells: 500,
        input: Extent { features: 3000, nonzeros: Some(1_000_000) },
        target: Extent { features: 90, nonzeros: None },
    };

    fn needs(params: &TsvdKrrParams) -> Needs {
        let fits: Vec<Vec<u32>> =
            (0..2).map(|half| (half * 2000..(half + 1) * 2000).collect()).collect();
        Needs::of_tsvd_krr(&SHAPE, params, &fits, 2)
    }

    #[test]
    fn the_kernel_takes_what_is_left() {
        let params = TsvdKrrParams { landmarks: Some(100), ..TsvdKrrParams::default() };
        let needs = needs(&params);
        let all = needs.kernel(u64::MAX);
        // Two halves of 2,000 cells that share no tile: lower triangles, 16 bits an entry, and blocks on the diagonal.
        assert!((8_000_000..12_000_000).contains(&all), "{all}");
        assert_eq!(needs.expected(u64::MAX).peak, needs.elsewhere.max(needs.solving + all));
        assert_eq!(needs.kernel(needs.solving + 1_000_000), 1_000_000);
        assert_eq!(needs.kernel(0), 0);
        let formed = TsvdKrrParams { kernel: KernelEntries::Formed, ..params };
        assert_eq!(self::needs(&formed).kernel(u64::MAX), 0);
    }

    #[test]
    fn a_whole_kernel_cannot_be_had_in_part() {
        let needs = needs(&TsvdKrrParams { solver: Solver::Cholesky, ..TsvdKrrParams::default() });
        assert_eq!((needs.kernel(0), needs.kernel(u64::MAX)), (16_000_000, 16_000_000));
        assert_eq!(needs.expected(0).least, needs.expected(u64::MAX).peak);
    }
}
