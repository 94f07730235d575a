//! Dense arithmetic: a thin layer over faer for ndarray views, on all threads of the current pool.
//!
//! Results do not depend on the number of threads. faer's products and Cholesky factorisation have that
//! property; its QR and eigenvalue decompositions have it on one thread only.

use faer::{
    Accum, Conj, Mat, MatMut, MatRef, Par,
    dyn_stack::{MemBuffer, MemStack},
    linalg::{
        cholesky::llt::{
            factor::{LltError, LltRegularization, cholesky_in_place, cholesky_in_place_scratch},
            solve::{solve_in_place, solve_in_place_scratch},
        },
        householder,
        matmul::{
            matmul,
            triangular::{self, BlockStructure},
        },
        qr::no_pivoting::factor::{qr_in_place, qr_in_place_scratch, recommended_block_size},
        triangular_solve::solve_lower_triangular_in_place,
    },
};
use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis, parallel::prelude::*};

use crate::Real;

/// Rows and columns of a result that one thread computes at a time.
const PIECE: (usize, usize) = (256, 1024);

/// As faer sees it.
fn view<'a, F: Real>(a: &ArrayView2<'a, F>) -> MatRef<'a, F> {
    let strides = a.strides();
    // SAFETY: pointer, shape and strides are those of elements that `a` borrows for 'a.
    unsafe { MatRef::from_raw_parts(a.as_ptr(), a.nrows(), a.ncols(), strides[0], strides[1]) }
}

fn view_mut<'a, F: Real>(a: &'a mut ArrayViewMut2<'_, F>) -> MatMut<'a, F> {
    let (rows, columns) = a.dim();
    let (row_stride, column_stride) = (a.strides()[0], a.strides()[1]);
    // SAFETY: pointer, shape and strides are those of elements that `a` borrows mutably for 'a.
    unsafe { MatMut::from_raw_parts_mut(a.as_mut_ptr(), rows, columns, row_stride, column_stride) }
}

/// As ndarray sees it, in row-major order.
fn to_array<F: Real>(a: MatRef<'_, F>) -> Array2<F> {
    Array2::from_shape_fn((a.nrows(), a.ncols()), |(i, j)| a[(i, j)])
}

fn threads() -> Par {
    Par::rayon(0)
}

/// `out` = `a` `b`.
pub(crate) fn product_into<F: Real>(
    a: ArrayView2<'_, F>,
    b: ArrayView2<'_, F>,
    out: ArrayViewMut2<'_, F>,
) {
    in_pieces(Accum::Replace, a, b, out);
}

/// `out` += `a` `b`.
pub(crate) fn add_product<F: Real>(
    a: ArrayView2<'_, F>,
    b: ArrayView2<'_, F>,
    out: ArrayViewMut2<'_, F>,
) {
    in_pieces(Accum::Add, a, b, out);
}

/// [`product_into`] on the calling thread alone.
pub(crate) fn product_into_here<F: Real>(
    a: ArrayView2<'_, F>,
    b: ArrayView2<'_, F>,
    out: ArrayViewMut2<'_, F>,
) {
    multiply(Accum::Replace, a, b, out);
}

/// [`add_product`] on the calling thread alone.
pub(crate) fn add_product_here<F: Real>(
    a: ArrayView2<'_, F>,
    b: ArrayView2<'_, F>,
    out: ArrayViewMut2<'_, F>,
) {
    multiply(Accum::Add, a, b, out);
}

/// Pieces of the result go to threads. faer's own threads wait for one another by turning round, which takes the
/// processor from whoever else needs it.
fn in_pieces<F: Real>(
    accumulate: Accum,
    a: ArrayView2<'_, F>,
    b: ArrayView2<'_, F>,
    mut out: ArrayViewMut2<'_, F>,
) {
    let rows = a.axis_chunks_iter(Axis(0), PIECE.0).into_par_iter();
    rows.zip(out.axis_chunks_iter_mut(Axis(0), PIECE.0)).for_each(|(a, mut out)| {
        let columns = b.axis_chunks_iter(Axis(1), PIECE.1).into_par_iter();
        columns
            .zip(out.axis_chunks_iter_mut(Axis(1), PIECE.1))
            .for_each(|(b, out)| multiply(accumulate, a, b, out));
    });
}

fn multiply<F: Real>(
    accumulate: Accum,
    a: ArrayView2<'_, F>,
    b: ArrayView2<'_, F>,
    mut out: ArrayViewMut2<'_, F>,
) {
    let one = <F as num_traits::One>::one();
    matmul(view_mut(&mut out), accumulate, view(&a), view(&b), one, Par::Seq);
}

/// `a` `b`.
pub(crate) fn product<F: Real>(a: ArrayView2<'_, F>, b: ArrayView2<'_, F>) -> Array2<F> {
    let mut out = Array2::zeros((a.nrows(), b.ncols()));
    product_into(a, b, out.view_mut());
    out
}

/// Lower triangle of X X^T, column-major, into `out`; what stands above the diagonal is left as it is.
pub(crate) fn gram_lower<F: Real>(x: ArrayView2<'_, F>, out: &mut [F]) {
    let n = x.nrows();
    let x = view(&x);
    triangular::matmul(
        MatMut::from_column_major_slice_mut(out, n, n),
        BlockStructure::TriangularLower,
        Accum::Replace,
        x,
        BlockStructure::Rectangular,
        x.transpose(),
        BlockStructure::Rectangular,
        <F as num_traits::One>::one(),
        threads(),
    );
}

/// Solves A X = `rhs` for symmetric positive definite A, whose lower triangle is in `a`, column-major. Leaves
/// the Cholesky factor in `a` and X in `rhs`.
///
/// # Errors
/// The index of the pivot at which A turned out not to be positive definite.
pub(crate) fn cholesky_solve<F: Real>(a: &mut [F], rhs: &mut Array2<F>) -> Result<(), usize> {
    factorise(a, rhs.nrows(), threads())?;
    solve_factored(a, view_mut(&mut rhs.view_mut()), threads());
    Ok(())
}

/// Replaces the lower triangle of `a`, column-major, n x n, by its Cholesky factor.
fn factorise<F: Real>(a: &mut [F], n: usize, par: Par) -> Result<(), usize> {
    let scratch = cholesky_in_place_scratch::<F>(n, par, Default::default());
    cholesky_in_place(
        MatMut::from_column_major_slice_mut(a, n, n),
        LltRegularization::default(),
        par,
        MemStack::new(&mut MemBuffer::new(scratch)),
        Default::default(),
    )
    .map(drop)
    .map_err(|LltError::NonPositivePivot { index }| index)
}

/// Solves L L^T X = `rhs` in place, for L in the lower triangle of `factor`, column-major.
fn solve_factored<F: Real>(factor: &[F], rhs: MatMut<'_, F>, par: Par) {
    let n = rhs.nrows();
    let factor = MatRef::from_column_major_slice(factor, n, n);
    let scratch = solve_in_place_scratch::<F>(n, rhs.ncols(), par);
    solve_in_place(factor, rhs, par, MemStack::new(&mut MemBuffer::new(scratch)));
}

/// A Cholesky factor, kept for many solves.
#[derive(Debug)]
pub struct Cholesky(Vec<f64>);

impl Cholesky {
    /// Of A + `shift` I for the symmetric A whose upper triangle is in `a`; nothing where that is not positive definite.
    pub(crate) fn new(a: ArrayView2<'_, f32>, shift: f64) -> Option<Self> {
        let n = a.nrows();
        // The upper triangle in row-major order is the lower one in column-major order.
        let mut factor: Vec<f64> = a.iter().map(|&value| f64::from(value)).collect();
        factor.iter_mut().step_by(n + 1).for_each(|value| *value += shift);
        factorise(&mut factor, n, Par::Seq).ok()?;
        Some(Self(factor))
    }

    /// The inverse times `rhs`.
    pub(crate) fn solve(&self, rhs: ArrayView2<'_, f32>) -> Array2<f32> {
        let mut columns = Mat::from_fn(rhs.nrows(), rhs.ncols(), |i, j| f64::from(rhs[[i, j]]));
        solve_factored(&self.0, columns.as_mut(), Par::Seq);
        Array2::from_shape_fn(rhs.dim(), |(i, j)| columns[(i, j)] as f32)
    }

    /// L^-1 for the factor L, n x n.
    pub(crate) fn inverse_factor(&self, n: usize) -> Array2<f64> {
        let mut inverse = Mat::<f64>::identity(n, n);
        let factor = MatRef::from_column_major_slice(&self.0, n, n);
        solve_lower_triangular_in_place(factor, inverse.as_mut(), threads());
        to_array(inverse.as_ref())
    }
}

/// An orthonormal basis of the columns of `a`, no more of them than rows, by Householder reflections.
pub(crate) fn orthonormal<F: Real>(a: ArrayView2<'_, F>) -> Array2<F> {
    let mut reflections = view(&a).to_owned();
    let (rows, columns) = a.dim();
    let block = recommended_block_size::<F>(rows, columns);
    let mut factors = Mat::zeros(block, columns);
    let scratch = qr_in_place_scratch::<F>(rows, columns, block, Par::Seq, Default::default());
    qr_in_place(
        reflections.as_mut(),
        factors.as_mut(),
        Par::Seq,
        MemStack::new(&mut MemBuffer::new(scratch)),
        Default::default(),
    );
    let mut basis = Mat::identity(rows, columns);
    let scratch = householder::apply_block_householder_sequence_on_the_left_in_place_scratch::<F>(
        rows, block, columns,
    );
    householder::apply_block_householder_sequence_on_the_left_in_place_with_conj(
        reflections.as_ref(),
        factors.as_ref(),
        Conj::No,
        basis.as_mut(),
        threads(),
        MemStack::new(&mut MemBuffer::new(scratch)),
    );
    to_array(basis.as_ref())
}
