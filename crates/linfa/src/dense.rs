//! Dense arithmetic: a thin layer over faer for ndarray views, on all threads of the current pool.
//!
//! Results do not depend on the number of threads. faer's products and Cholesky factorisation have that
//! property; its QR and eigenvalue decompositions have it on one thread only.

use faer::{
    Accum, Conj, Mat, MatMut, MatRef, Par,
    diag::Diag,
    dyn_stack::{MemBuffer, MemStack},
    linalg::{
        cholesky::llt::{
            factor::{LltError, LltRegularization, cholesky_in_place, cholesky_in_place_scratch},
            solve::{solve_in_place, solve_in_place_scratch},
        },
        evd::{ComputeEigenvectors, self_adjoint_evd, self_adjoint_evd_scratch},
        householder,
        matmul::{
            matmul,
            triangular::{self, BlockStructure},
        },
        qr::no_pivoting::factor::{qr_in_place, qr_in_place_scratch, recommended_block_size},
        triangular_solve::solve_lower_triangular_in_place,
    },
};
use ndarray::{Array1, Array2, ArrayView2, ArrayViewMut2};

use crate::Real;

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
    multiply(Accum::Replace, threads(), a, b, out);
}

/// `out` += `a` `b`.
pub(crate) fn add_product<F: Real>(
    a: ArrayView2<'_, F>,
    b: ArrayView2<'_, F>,
    out: ArrayViewMut2<'_, F>,
) {
    multiply(Accum::Add, threads(), a, b, out);
}

/// [`add_product`] on so many threads.
pub(crate) fn add_product_on<F: Real>(
    par: Par,
    a: ArrayView2<'_, F>,
    b: ArrayView2<'_, F>,
    out: ArrayViewMut2<'_, F>,
) {
    multiply(Accum::Add, par, a, b, out);
}

fn multiply<F: Real>(
    accumulate: Accum,
    par: Par,
    a: ArrayView2<'_, F>,
    b: ArrayView2<'_, F>,
    mut out: ArrayViewMut2<'_, F>,
) {
    let one = <F as num_traits::One>::one();
    matmul(view_mut(&mut out), accumulate, view(&a), view(&b), one, par);
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
    factorise(a, rhs.nrows())?;
    solve_factored(a, rhs);
    Ok(())
}

/// Replaces the lower triangle of `a`, column-major, n x n, by its Cholesky factor.
fn factorise<F: Real>(a: &mut [F], n: usize) -> Result<(), usize> {
    let par = threads();
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
fn solve_factored<F: Real>(factor: &[F], rhs: &mut Array2<F>) {
    let (n, par) = (rhs.nrows(), threads());
    let factor = MatRef::from_column_major_slice(factor, n, n);
    let scratch = solve_in_place_scratch::<F>(n, rhs.ncols(), par);
    let mut rhs = rhs.view_mut();
    let stack = &mut MemBuffer::new(scratch);
    solve_in_place(factor, view_mut(&mut rhs), par, MemStack::new(stack));
}

/// A Cholesky factor, kept for many solves.
#[derive(Debug)]
pub(crate) struct Cholesky(Vec<f64>);

impl Cholesky {
    /// Of the symmetric matrix `a` + `shift` I; nothing where that is not positive definite.
    pub(crate) fn new(mut a: Array2<f64>, shift: f64) -> Option<Self> {
        a.diag_mut().mapv_inplace(|value| value + shift);
        let n = a.nrows();
        // Symmetric, so that the order of rows and columns does not matter.
        let mut factor = a.as_standard_layout().into_owned().into_raw_vec_and_offset().0;
        factorise(&mut factor, n).ok()?;
        Some(Self(factor))
    }

    /// The inverse times `rhs`, in place.
    pub(crate) fn solve(&self, rhs: &mut Array2<f64>) {
        solve_factored(&self.0, rhs);
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

/// Eigenvalues, ascending, and eigenvectors, in columns, of the symmetric matrix `a`; nothing where the
/// iteration does not converge, as it does for every finite matrix.
pub(crate) fn symmetric_eigen(a: ArrayView2<'_, f64>) -> Option<(Array1<f64>, Array2<f64>)> {
    let n = a.nrows();
    let (mut values, mut vectors) = (Diag::zeros(n), Mat::zeros(n, n));
    let scratch =
        self_adjoint_evd_scratch::<f64>(n, ComputeEigenvectors::Yes, Par::Seq, Default::default());
    self_adjoint_evd(
        view(&a),
        values.as_mut(),
        Some(vectors.as_mut()),
        Par::Seq,
        MemStack::new(&mut MemBuffer::new(scratch)),
        Default::default(),
    )
    .ok()?;
    Some((Array1::from_shape_fn(n, |i| values[i]), to_array(vectors.as_ref())))
}
