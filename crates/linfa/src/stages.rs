//! The recipe's arithmetic on the CPU, in float32.

mod linalg;
mod low_rank;
mod rbf;
mod rows;

use modality_methods::KernelEntries;
use modality_protocol::runner::size;

use crate::{KernelRidgeError, TruncatedSvdError};

/// [`Stages`](modality_recipe::Stages) on the current rayon pool.
#[derive(Debug)]
pub struct CpuStages {
    /// Memory of the last kernel matrix, kept for the next: the first touch of fresh memory is slow.
    spare: Vec<f32>,
    /// Bytes that a kernel matrix may take.
    room: u64,
    entries: KernelEntries,
    flops: f64,
}

impl Default for CpuStages {
    fn default() -> Self {
        Self::new(u64::MAX, KernelEntries::Kept)
    }
}

impl CpuStages {
    /// Stages with `room` bytes for a kernel matrix, used for a shared one if its entries are to be kept.
    pub fn new(room: u64, entries: KernelEntries) -> Self {
        Self { spare: Vec::new(), room, entries, flops: 0.0 }
    }
}

/// Why a stage failed.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// In a decomposition.
    #[error(transparent)]
    Tsvd(#[from] TruncatedSvdError),
    /// In a preconditioner.
    #[error("the preconditioner cannot be factorised; do the scores hold NaN?")]
    Preconditioner,
    /// A kernel matrix that has to stand whole.
    #[error(
        "the kernel matrix of {cells} cells takes {} and {} are left for it; `--memory` sets what a run may take",
        size(*.needed),
        size(*.allowed)
    )]
    KernelMemory {
        /// Its rows.
        cells: usize,
        /// Bytes.
        needed: u64,
        /// Bytes.
        allowed: u64,
    },
    /// In a kernel ridge regression.
    #[error(transparent)]
    KernelRidge(#[from] KernelRidgeError),
}

#[cfg(test)]
mod tests {
    use modality_recipe::{Rbf as _, Rows as _};
    use ndarray::Array2;

    use super::*;

    #[test]
    fn conforms_to_the_recipe() {
        modality_recipe::conformance::check(&mut CpuStages::default(), 1e-4);
    }

    #[test]
    fn results_do_not_depend_on_the_run() {
        let x = Array2::from_shape_fn((700, 40), |(i, j)| ((i * 31 + j * 17) % 97) as f32 / 97.0);
        let t = Array2::from_shape_fn((700, 9), |(i, j)| ((i * 13 + j * 7) % 89) as f32 / 89.0);
        let run = || {
            let mut stages = CpuStages::default();
            let rows = stages.upload_rows(&[x.view().into()]).unwrap();
            let scores = stages.tsvd(&rows, 20, 5).unwrap().scores.remove(0);
            let kernel = stages.kernel(&scores, 0.1).unwrap();
            let c = stages.solve(kernel, 0.2, &t).unwrap();
            stages.kernel_product(&scores, &scores, 0.1, &c).unwrap()
        };
        let first = run();
        for _ in 0..3 {
            assert!(run() == first, "another run gave other bits");
        }
    }
}
