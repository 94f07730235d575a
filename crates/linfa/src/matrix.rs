//! What a decomposition needs of a matrix, sparse or dense.

use std::cell::Cell;

use modality_dense as dense;
use ndarray::{Array2, ArrayView2, Axis};

use crate::{
    Real,
    sparse::{CsrView, Scratch, Tiles},
};

/// Rows of a dense matrix that are multiplied at a time, so that A B need not stand whole.
const BLOCK: usize = 2048;

/// A matrix that counts the operations of its products.
pub(crate) struct Matrix<'a, F> {
    kind: Kind<'a, F>,
    operations: Cell<f64>,
}

enum Kind<'a, F> {
    Sparse(Tiles<F>),
    Dense(ArrayView2<'a, F>),
}

impl<'a, F: Real> Matrix<'a, F> {
    /// The blocks on top of one another, copied.
    pub(crate) fn sparse(blocks: &[CsrView<'_, F>]) -> Self {
        Self { kind: Kind::Sparse(Tiles::new(blocks)), operations: Cell::new(0.0) }
    }

    /// Borrowed.
    pub(crate) fn dense(matrix: ArrayView2<'a, F>) -> Self {
        Self { kind: Kind::Dense(matrix), operations: Cell::new(0.0) }
    }

    /// Rows and columns.
    pub(crate) fn dim(&self) -> (usize, usize) {
        match &self.kind {
            Kind::Sparse(tiles) => tiles.dim(),
            Kind::Dense(matrix) => matrix.dim(),
        }
    }

    pub(crate) fn is_finite(&self) -> bool {
        let finite = |value: &F| num_traits::Float::is_finite(*value);
        match &self.kind {
            Kind::Sparse(tiles) => tiles.values().iter().all(finite),
            Kind::Dense(matrix) => matrix.iter().all(finite),
        }
    }

    /// Floating-point operations so far, a multiplication and an addition counting as two: of the products, and
    /// what else was [counted](Self::count).
    pub(crate) fn operations(&self) -> f64 {
        self.operations.get()
    }

    /// Counts a product of `rows` x `inner` and `inner` x `columns` that was formed elsewhere.
    pub(crate) fn count(&self, rows: usize, inner: usize, columns: usize) {
        self.add_operations(2.0 * rows as f64 * inner as f64 * columns as f64);
    }

    fn add_operations(&self, operations: f64) {
        self.operations.set(self.operations.get() + operations);
    }

    /// Operations of A times one column.
    fn operations_a_column(&self) -> f64 {
        let entries = match &self.kind {
            Kind::Sparse(tiles) => tiles.values().len(),
            Kind::Dense(matrix) => matrix.len(),
        };
        2.0 * entries as f64
    }

    /// A `b`.
    pub(crate) fn product(&self, b: ArrayView2<'_, F>) -> Array2<F> {
        assert_eq!(
            self.dim().1,
            b.nrows(),
            "the matrix has another number of columns than was fitted on"
        );
        self.add_operations(self.operations_a_column() * b.ncols() as f64);
        match &self.kind {
            Kind::Sparse(tiles) => tiles.product(b),
            Kind::Dense(matrix) => dense::product(matrix.view(), b),
        }
    }

    /// A^T A `b`; products that follow one another share `scratch`.
    pub(crate) fn gram_product(&self, b: ArrayView2<'_, F>, scratch: &mut Scratch<F>) -> Array2<F> {
        self.add_operations(2.0 * self.operations_a_column() * b.ncols() as f64);
        let mut out = Array2::zeros(b.dim());
        match &self.kind {
            Kind::Sparse(tiles) => tiles.gram_product_into(b, out.view_mut(), scratch),
            Kind::Dense(matrix) => {
                for rows in matrix.axis_chunks_iter(Axis(0), BLOCK) {
                    let product = dense::product(rows, b);
                    dense::add_product(rows.t(), product.view(), out.view_mut());
                }
            }
        }
        out
    }
}
