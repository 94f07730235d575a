//! Cells by features.

use modality_data::ValuesView;
use modality_recipe::{Rows, Tsvd};

use super::CudaStages;
use crate::{error::Result, matrix::Matrix, svd, upload};

impl Rows for CudaStages {
    type Rows<'a> = svd::Rows;

    fn upload_rows(&mut self, blocks: &[ValuesView<'_>]) -> Result<svd::Rows> {
        upload::rows(&self.device, blocks)
    }

    fn densify(&mut self, rows: &svd::Rows) -> Result<Vec<Matrix>> {
        self.device.densify(rows)
    }

    fn tsvd(&mut self, rows: &svd::Rows, n_components: usize, seed: u64) -> Result<Tsvd<Matrix>> {
        let (tsvd, cost) = self.device.tsvd(rows, n_components, seed)?;
        self.flops += cost.flops;
        if cost.was_repeated {
            let again = "the basis of a truncated SVD was not orthonormal by Cholesky factorisations and was made anew by eigenvectors";
            self.notes.push(again.to_owned());
        }
        Ok(tsvd)
    }
}
