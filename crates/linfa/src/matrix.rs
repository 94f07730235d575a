//! What a decomposition needs of a matrix, sparse or dense.

use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis, s};

use crate::{
    Real, dense,
    sparse::{self, CsrView},
};

/// Rows of a dense matrix that are multiplied at a time, so that A B need not stand whole.
const BLOCK: usize = 2048;

/// A matrix, borrowed.
pub(crate) enum Matrix<'a, F> {
    /// Blocks on top of one another.
    Sparse(&'a [CsrView<'a, F>]),
    /// One block.
    Dense(ArrayView2<'a, F>),
}

impl<F: Real> Matrix<'_, F> {
    /// Rows and columns.
    pub(crate) fn dim(&self) -> (usize, usize) {
        match self {
            Self::Sparse(blocks) => {
                (blocks.iter().map(|block| block.rows()).sum(), blocks[0].cols())
            }
            Self::Dense(matrix) => matrix.dim(),
        }
    }

    pub(crate) fn is_finite(&self) -> bool {
        let finite = |value: &F| num_traits::Float::is_finite(*value);
        match self {
            Self::Sparse(blocks) => blocks.iter().all(|block| block.data().iter().all(finite)),
            Self::Dense(matrix) => matrix.iter().all(finite),
        }
    }

    /// A `b`.
    pub(crate) fn product(&self, b: ArrayView2<'_, F>) -> Array2<F> {
        assert_eq!(
            self.dim().1,
            b.nrows(),
            "the matrix has another number of columns than was fitted on"
        );
        match self {
            Self::Sparse(blocks) => {
                let mut out = Array2::zeros((self.dim().0, b.ncols()));
                let mut below: ArrayViewMut2<'_, F> = out.view_mut();
                for &block in *blocks {
                    let (here, rest) = below.split_at(Axis(0), block.rows());
                    sparse::product_into(block, b, here);
                    below = rest;
                }
                out
            }
            Self::Dense(matrix) => dense::product(matrix.view(), b),
        }
    }

    /// A^T A `b`.
    pub(crate) fn gram_product(&self, b: ArrayView2<'_, F>) -> Array2<F> {
        match self {
            Self::Sparse(blocks) => sparse::gram_product(blocks, b),
            Self::Dense(matrix) => {
                let mut out = Array2::zeros(b.dim());
                for rows in matrix.axis_chunks_iter(Axis(0), BLOCK) {
                    dense::add_product(
                        rows.t(),
                        dense::product(rows, b).view(),
                        out.slice_mut(s![.., ..]),
                    );
                }
                out
            }
        }
    }
}
