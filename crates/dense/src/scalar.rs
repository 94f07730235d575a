//! What is compiled once for each of the two kinds of numbers.

use faer::{
    Accum, Conj, Mat, MatMut, MatRef, Par,
    dyn_stack::{MemBuffer, MemStack},
    linalg::{
        cholesky::llt::{
            factor::{LltError, LltRegularization, cholesky_in_place, cholesky_in_place_scratch},
            solve::{solve_in_place, solve_in_place_scratch},
        },
        householder, matmul,
        matmul::triangular::{self, BlockStructure},
        qr::no_pivoting::factor::{qr_in_place, qr_in_place_scratch, recommended_block_size},
    },
    traits::RealField,
};
use ndarray::{Array2, ArrayView2, ArrayViewMut2};

/// `f32` and `f64`. The functions of this crate say what each method does.
pub trait Scalar: Copy + Send + Sync + num_traits::Zero + 'static {
    #[doc(hidden)]
    fn multiply(a: ArrayView2<'_, Self>, b: ArrayView2<'_, Self>, out: ArrayViewMut2<'_, Self>);
    #[doc(hidden)]
    fn multiply_add(a: ArrayView2<'_, Self>, b: ArrayView2<'_, Self>, out: ArrayViewMut2<'_, Self>);
    #[doc(hidden)]
    fn gram_lower(x: ArrayView2<'_, Self>, out: &mut [Self]);
    #[doc(hidden)]
    fn cholesky_solve(a: &mut [Self], rhs: ArrayViewMut2<'_, Self>) -> Result<(), usize>;
    #[doc(hidden)]
    fn orthonormal(a: ArrayView2<'_, Self>) -> Array2<Self>;
}

macro_rules! scalar {
    ($float:ty) => {
        impl Scalar for $float {
            fn multiply(
                a: ArrayView2<'_, Self>,
                b: ArrayView2<'_, Self>,
                out: ArrayViewMut2<'_, Self>,
            ) {
                multiply(Accum::Replace, a, b, out);
            }

            fn multiply_add(
                a: ArrayView2<'_, Self>,
                b: ArrayView2<'_, Self>,
                out: ArrayViewMut2<'_, Self>,
            ) {
                multiply(Accum::Add, a, b, out);
            }

            fn gram_lower(x: ArrayView2<'_, Self>, out: &mut [Self]) {
                gram_lower(x, out);
            }

            fn cholesky_solve(
                a: &mut [Self],
                mut rhs: ArrayViewMut2<'_, Self>,
            ) -> Result<(), usize> {
                factorise(a, rhs.nrows(), threads())?;
                solve_factored(a, view_mut(&mut rhs), threads());
                Ok(())
            }

            fn orthonormal(a: ArrayView2<'_, Self>) -> Array2<Self> {
                orthonormal(a)
            }
        }
    };
}

scalar!(f32);
scalar!(f64);

/// As faer sees it.
fn view<'a, F>(a: &ArrayView2<'a, F>) -> MatRef<'a, F> {
    let strides = a.strides();
    // SAFETY: pointer, shape and strides are those of elements that `a` borrows for 'a.
    unsafe { MatRef::from_raw_parts(a.as_ptr(), a.nrows(), a.ncols(), strides[0], strides[1]) }
}

fn view_mut<'a, F>(a: &'a mut ArrayViewMut2<'_, F>) -> MatMut<'a, F> {
    let (rows, columns) = a.dim();
    let (row_stride, column_stride) = (a.strides()[0], a.strides()[1]);
    // SAFETY: pointer, shape and strides are those of elements that `a` borrows mutably for 'a.
    unsafe { MatMut::from_raw_parts_mut(a.as_mut_ptr(), rows, columns, row_stride, column_stride) }
}

/// As ndarray sees it, in row-major order.
pub(crate) fn to_array<F: Copy>(a: MatRef<'_, F>) -> Array2<F> {
    Array2::from_shape_fn((a.nrows(), a.ncols()), |(i, j)| a[(i, j)])
}

pub(crate) fn threads() -> Par {
    Par::rayon(0)
}

fn multiply<F: RealField>(
    accumulate: Accum,
    a: ArrayView2<'_, F>,
    b: ArrayView2<'_, F>,
    mut out: ArrayViewMut2<'_, F>,
) {
    matmul::matmul(view_mut(&mut out), accumulate, view(&a), view(&b), F::one_impl(), Par::Seq);
}

fn gram_lower<F: RealField>(x: ArrayView2<'_, F>, out: &mut [F]) {
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
        F::one_impl(),
        threads(),
    );
}

/// Replaces the lower triangle of `a`, column-major, n x n, by its Cholesky factor.
pub(crate) fn factorise<F: RealField>(a: &mut [F], n: usize, par: Par) -> Result<(), usize> {
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
pub(crate) fn solve_factored<F: RealField>(factor: &[F], rhs: MatMut<'_, F>, par: Par) {
    let n = rhs.nrows();
    let factor = MatRef::from_column_major_slice(factor, n, n);
    let scratch = solve_in_place_scratch::<F>(n, rhs.ncols(), par);
    solve_in_place(factor, rhs, par, MemStack::new(&mut MemBuffer::new(scratch)));
}

fn orthonormal<F: RealField + Copy>(a: ArrayView2<'_, F>) -> Array2<F> {
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
