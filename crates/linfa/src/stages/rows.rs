//! Cells by features.

use linfa::ParamGuard as _;
use modality_data::ValuesView;
use modality_recipe::{Rows, Tsvd};
use ndarray::{Array2, ArrayView2, Axis, CowArray, Ix2, concatenate};

use super::{CpuStages, StageError};
use crate::{SparseRows, TruncatedSvd};

impl Rows for CpuStages {
    type Rows<'a> = Vec<ValuesView<'a>>;

    fn upload_rows<'a>(
        &mut self,
        blocks: &[ValuesView<'a>],
    ) -> Result<Vec<ValuesView<'a>>, StageError> {
        Ok(blocks.to_vec())
    }

    fn densify(&mut self, rows: &Vec<ValuesView<'_>>) -> Result<Vec<Array2<f32>>, StageError> {
        Ok(rows.iter().map(|block| block.to_dense()).collect())
    }

    fn tsvd(
        &mut self,
        rows: &Vec<ValuesView<'_>>,
        n_components: usize,
        seed: u64,
    ) -> Result<Tsvd<Array2<f32>>, StageError> {
        let params = TruncatedSvd::params(n_components).random_state(seed).check()?;
        let (svd, scores, flops) = match stacked(rows) {
            Stacked::Sparse(rows) => params.fit_transform_counted(&rows)?,
            Stacked::Dense(rows) => params.fit_transform_dense_counted(&rows)?,
        };
        self.flops += flops;
        Ok(Tsvd { scores: cut(scores, rows), components: svd.components().clone() })
    }
}

/// Blocks of cells, one on top of the other.
enum Stacked<'a> {
    Sparse(SparseRows<'a, f32>),
    Dense(CowArray<'a, f32, Ix2>),
}

fn stacked<'a>(rows: &[ValuesView<'a>]) -> Stacked<'a> {
    let sparse: Option<Vec<_>> = rows
        .iter()
        .map(|block| match block {
            ValuesView::Sparse(csr) => Some(csr.view()),
            ValuesView::Dense(_) => None,
        })
        .collect();
    if let Some(sparse) = sparse {
        return Stacked::Sparse(SparseRows::stacked(sparse));
    }
    let dense = |block: &ValuesView<'a>| match block {
        ValuesView::Dense(dense) => *dense,
        ValuesView::Sparse(_) => panic!("blocks are all sparse or all dense"),
    };
    let dense: Vec<ArrayView2<'a, f32>> = rows.iter().map(dense).collect();
    Stacked::Dense(match dense.as_slice() {
        [only] => (*only).into(),
        blocks => concatenate(Axis(0), blocks).expect("blocks have the same features").into(),
    })
}

/// The rows of each block.
fn cut(matrix: Array2<f32>, blocks: &[ValuesView<'_>]) -> Vec<Array2<f32>> {
    if blocks.len() == 1 {
        return vec![matrix];
    }
    let mut below = matrix.view();
    let mut parts = Vec::with_capacity(blocks.len());
    for block in blocks {
        let (here, rest) = below.split_at(Axis(0), block.rows());
        parts.push(here.to_owned());
        below = rest;
    }
    parts
}
