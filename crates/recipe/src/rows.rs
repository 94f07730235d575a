//! Cells by features where a backend computes.

use modality_data::ValuesView;

use crate::Linalg;

/// Tall matrices of cells x features.
pub trait Rows: Linalg {
    /// Cells x features of one or more blocks of cells, one on top of the other, sparse or dense, where the backend
    /// computes.
    type Rows<'a>;

    /// Brings blocks of cells to where the backend computes: at least one, all sparse or all dense, with the same
    /// features.
    fn upload_rows<'a>(&mut self, blocks: &[ValuesView<'a>])
    -> Result<Self::Rows<'a>, Self::Error>;

    /// Each block as a dense matrix.
    fn densify(&mut self, rows: &Self::Rows<'_>) -> Result<Vec<Self::Matrix>, Self::Error>;

    /// TSVD without centring of all blocks, stacked; components in descending order of singular value, each with the sign
    /// that makes the entry of largest magnitude in its row of V^T positive.
    fn tsvd(
        &mut self,
        rows: &Self::Rows<'_>,
        n_components: usize,
        seed: u64,
    ) -> Result<Tsvd<Self::Matrix>, Self::Error>;
}

/// A truncated singular value decomposition: `scores` `components` is the best approximation of its rank.
#[derive(Debug, Clone)]
pub struct Tsvd<M> {
    /// U S = A V of each block, rows x `n_components`.
    pub scores: Vec<M>,
    /// V^T, `n_components` x columns.
    pub components: M,
}
