//! Dense linear algebra for ndarray: a thin layer over faer, on all threads of the current pool unless a function says
//! otherwise.
//!
//! faer is generic to the last loop, and every crate that calls it compiles what it calls. Here that is done once, for
//! float32 and float64, and all others call what is finished.
//!
//! Results do not depend on the number of threads. faer's products and Cholesky factorisation have that
//! property; its QR and eigenvalue decompositions have it on one thread only.

mod decompositions;
mod gram;
mod scalar;

use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis, parallel::prelude::*};

pub use decompositions::{
    Cholesky, NotConverged, descending_eigen, inverse_cholesky_factor, right_vectors,
    solve_symmetric,
};
pub use gram::{near_identity, normalising};
pub use scalar::Scalar;

/// Rows and columns of a result that one thread computes at a time.
const PIECE: (usize, usize) = (256, 1024);

/// `out` = `a` `b`.
pub fn product_into<F: Scalar>(
    a: ArrayView2<'_, F>,
    b: ArrayView2<'_, F>,
    out: ArrayViewMut2<'_, F>,
) {
    in_pieces(F::multiply, a, b, out);
}

/// `out` += `a` `b`.
pub fn add_product<F: Scalar>(
    a: ArrayView2<'_, F>,
    b: ArrayView2<'_, F>,
    out: ArrayViewMut2<'_, F>,
) {
    in_pieces(F::multiply_add, a, b, out);
}

/// [`product_into`] on the calling thread alone.
pub fn product_into_here<F: Scalar>(
    a: ArrayView2<'_, F>,
    b: ArrayView2<'_, F>,
    out: ArrayViewMut2<'_, F>,
) {
    F::multiply(a, b, out);
}

/// [`add_product`] on the calling thread alone.
pub fn add_product_here<F: Scalar>(
    a: ArrayView2<'_, F>,
    b: ArrayView2<'_, F>,
    out: ArrayViewMut2<'_, F>,
) {
    F::multiply_add(a, b, out);
}

/// Pieces of the result go to threads. faer's own threads wait for one another by turning round, which takes the
/// processor from whoever else needs it.
fn in_pieces<F: Scalar>(
    multiply: fn(ArrayView2<'_, F>, ArrayView2<'_, F>, ArrayViewMut2<'_, F>),
    a: ArrayView2<'_, F>,
    b: ArrayView2<'_, F>,
    mut out: ArrayViewMut2<'_, F>,
) {
    let rows = a.axis_chunks_iter(Axis(0), PIECE.0).into_par_iter();
    rows.zip(out.axis_chunks_iter_mut(Axis(0), PIECE.0)).for_each(|(a, mut out)| {
        let columns = b.axis_chunks_iter(Axis(1), PIECE.1).into_par_iter();
        columns
            .zip(out.axis_chunks_iter_mut(Axis(1), PIECE.1))
            .for_each(|(b, out)| multiply(a, b, out));
    });
}

/// `a` `b`.
pub fn product<F: Scalar>(a: ArrayView2<'_, F>, b: ArrayView2<'_, F>) -> Array2<F> {
    let mut out = Array2::zeros((a.nrows(), b.ncols()));
    product_into(a, b, out.view_mut());
    out
}

/// Lower triangle of X X^T, column-major, into `out`; what stands above the diagonal is left as it is.
pub fn gram_lower<F: Scalar>(x: ArrayView2<'_, F>, out: &mut [F]) {
    F::gram_lower(x, out);
}

/// Solves A X = `rhs` for symmetric positive definite A, whose lower triangle is in `a`, column-major. Leaves
/// the Cholesky factor in `a` and X in `rhs`.
///
/// # Errors
/// The index of the pivot at which A turned out not to be positive definite.
pub fn cholesky_solve<F: Scalar>(a: &mut [F], rhs: &mut Array2<F>) -> Result<(), usize> {
    F::cholesky_solve(a, rhs.view_mut())
}

/// An orthonormal basis of the columns of `a`, no more of them than rows, by Householder reflections.
pub fn orthonormal<F: Scalar>(a: ArrayView2<'_, F>) -> Array2<F> {
    F::orthonormal(a)
}
