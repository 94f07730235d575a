//! Orthonormal bases of blocks of vectors.

use cudarc::driver::CudaSlice;
use modality_dense::near_identity;
use modality_recipe::krylov::Tall as _;

use super::{Work, fetched};
use crate::{device::Device, error::Result, matrix::Matrix, solver::Info};

/// How the columns of a block become an orthonormal basis.
pub(super) enum Orthonormal {
    /// By eigenvectors of its Gram matrix, as often as it takes. The host waits for each Gram matrix.
    Surely,
    /// By two Cholesky factorisations (Yamamoto, Nakatsukasa, Yanagisawa and Fukaya 2015), for which the host does not wait: it looks
    /// afterwards whether each came to a result, and whether the second one had nearly nothing to do.
    Swiftly { infos: Vec<Info>, second: Vec<(CudaSlice<f64>, usize)> },
}

impl Orthonormal {
    pub(super) fn swiftly() -> Self {
        Self::Swiftly { infos: Vec::new(), second: Vec::new() }
    }

    /// Whether all that it left is orthonormal; waits for it.
    pub(super) fn is_good(&self, device: &Device) -> Result<bool> {
        let Self::Swiftly { infos, second } = self else { return Ok(true) };
        if infos.is_empty() {
            return Ok(true);
        }
        if !device.succeeded(infos)?.into_iter().all(|good| good) {
            return Ok(false);
        }
        for (gram, width) in second {
            if !near_identity(&fetched(device, gram, (*width, *width))?) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Work<'_> {
    /// As [`krylov::orthonormalise`](modality_recipe::krylov::orthonormalise), to be judged by [`Orthonormal::is_good`].
    pub(super) fn swiftly_orthonormal(
        &mut self,
        mut block: Matrix,
        earlier: Option<(&Matrix, usize)>,
    ) -> Result<Matrix> {
        let (rows, width) = (block.rows, block.columns);
        for is_second in [false, true] {
            if let Some((basis, columns)) = earlier {
                self.remove(&mut block, basis, columns)?;
            }
            let mut gram = self.cross_here(&block, &block)?;
            let before = is_second.then(|| self.device.stream.clone_dtod(&gram)).transpose()?;
            let info = self.device.factorise(&mut gram, width)?;
            let Orthonormal::Swiftly { infos, second } = &mut self.how else {
                unreachable!("nothing would look at what the factorisations came to");
            };
            infos.push(info);
            second.extend(before.map(|gram| (gram, width)));
            let factor = self.device.narrow(&gram, width, width)?;
            self.device.solve_transposed(&mut block, &factor)?;
            self.count(rows, width, width / 2);
        }
        Ok(block)
    }
}
