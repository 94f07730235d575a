//! Decompositions in float64.

use faer::{
    Mat, MatRef, Par, Side,
    diag::Diag,
    dyn_stack::{MemBuffer, MemStack},
    linalg::{
        evd::{ComputeEigenvectors, self_adjoint_evd, self_adjoint_evd_scratch},
        solvers::Solve as _,
        triangular_solve::solve_lower_triangular_in_place,
    },
};
use ndarray::{Array1, Array2, ArrayView2};

use crate::scalar::{factorise, solve_factored, threads, to_array};

/// The eigenvalue iteration of a symmetric matrix with so many rows ended without a result, as it does for none that is finite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the eigenvalue iteration of {0} x {0} numbers did not converge")]
pub struct NotConverged(pub usize);

/// Eigenvalues, descending, and eigenvectors, in columns, of a symmetric matrix. Runs on the calling thread alone, so that
/// results do not depend on the number of threads.
///
/// # Errors
/// [`NotConverged`].
pub fn descending_eigen(matrix: &Array2<f64>) -> Result<(Array1<f64>, Array2<f64>), NotConverged> {
    let n = matrix.nrows();
    if n == 0 {
        return Ok((Array1::zeros(0), Array2::zeros((0, 0))));
    }
    let standard = matrix.as_standard_layout();
    let entries = standard.as_slice().expect("it was given standard layout");
    let (mut values, mut vectors) = (Diag::zeros(n), Mat::zeros(n, n));
    let scratch =
        self_adjoint_evd_scratch::<f64>(n, ComputeEigenvectors::Yes, Par::Seq, Default::default());
    self_adjoint_evd(
        MatRef::from_row_major_slice(entries, n, n),
        values.as_mut(),
        Some(vectors.as_mut()),
        Par::Seq,
        MemStack::new(&mut MemBuffer::new(scratch)),
        Default::default(),
    )
    .map_err(|_| NotConverged(n))?;
    let values = Array1::from_shape_fn(n, |i| values[n - 1 - i]);
    Ok((values, Array2::from_shape_fn((n, n), |(i, j)| vectors[(i, n - 1 - j)])))
}

/// A Cholesky factor, kept for many solves.
#[derive(Debug)]
pub struct Cholesky(Vec<f64>);

impl Cholesky {
    /// Of A + `shift` I for the symmetric A whose upper triangle is in `a`; nothing where that is not positive definite.
    pub fn new(a: ArrayView2<'_, f32>, shift: f64) -> Option<Self> {
        let n = a.nrows();
        // The upper triangle in row-major order is the lower one in column-major order.
        let mut factor: Vec<f64> = a.iter().map(|&value| f64::from(value)).collect();
        factor.iter_mut().step_by(n + 1).for_each(|value| *value += shift);
        factorise(&mut factor, n, Par::Seq).ok()?;
        Some(Self(factor))
    }

    /// The inverse times `rhs`.
    pub fn solve(&self, rhs: ArrayView2<'_, f32>) -> Array2<f32> {
        let mut columns = Mat::from_fn(rhs.nrows(), rhs.ncols(), |i, j| f64::from(rhs[[i, j]]));
        solve_factored(&self.0, columns.as_mut(), Par::Seq);
        Array2::from_shape_fn(rhs.dim(), |(i, j)| columns[(i, j)] as f32)
    }

    /// L^-1 for the factor L, n x n.
    pub fn inverse_factor(&self, n: usize) -> Array2<f64> {
        let mut inverse = Mat::<f64>::identity(n, n);
        let factor = MatRef::from_column_major_slice(&self.0, n, n);
        solve_lower_triangular_in_place(factor, inverse.as_mut(), threads());
        to_array(inverse.as_ref())
    }
}

/// X of A X = `rhs` for a symmetric A, definite or not, by LBL^T.
pub fn solve_symmetric(a: &Array2<f64>, rhs: &Array2<f64>) -> Array2<f64> {
    to_array(to_faer(a).lblt(Side::Lower).solve(to_faer(rhs)).as_ref())
}

/// L^-1 for A = L L^T; nothing where A is not positive definite.
pub fn inverse_cholesky_factor(a: &Array2<f64>) -> Option<Array2<f64>> {
    let factor = to_faer(a).llt(Side::Lower).ok()?;
    let identity = Mat::<f64>::identity(a.nrows(), a.nrows());
    Some(to_array(factor.L().partial_piv_lu().solve(identity).as_ref()))
}

/// V^T of the leading right singular vectors, `n_components` x columns, by a full decomposition; nothing where it does not
/// converge, as for none that is finite.
pub fn right_vectors(matrix: &Array2<f64>, n_components: usize) -> Option<Array2<f64>> {
    let svd = to_faer(matrix).thin_svd().ok()?;
    let v = svd.V();
    Some(Array2::from_shape_fn((n_components, matrix.ncols()), |(i, j)| v[(j, i)]))
}

fn to_faer(matrix: &Array2<f64>) -> Mat<f64> {
    Mat::from_fn(matrix.nrows(), matrix.ncols(), |i, j| matrix[[i, j]])
}
