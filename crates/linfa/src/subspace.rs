//! Leading right singular vectors: a basis that holds them, and the vectors out of the basis.

use faer::{Mat, Side};
use linfa_linalg::Order;
use ndarray::{Array1, Array2, Axis, s};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use crate::{Real, dense, matrix::Matrix};

/// An orthonormal basis, columns x `width`, close to the leading right singular vectors.
pub(crate) fn randomized<F: Real>(
    matrix: &Matrix<'_, F>,
    width: usize,
    iterations: usize,
    seed: u64,
) -> Array2<F> {
    let columns = matrix.dim().1;
    if width == columns {
        return Array2::eye(columns);
    }
    let mut basis = gaussian(columns, width, seed);
    for _ in 0..iterations {
        basis = orthonormal(&matrix.gram_product(basis.view()));
    }
    if iterations == 0 { orthonormal(&basis) } else { basis }
}

/// The leading right singular vectors as LOBPCG finds them, columns x `n_components`.
///
/// # Errors
/// What stopped it, if it found nothing.
pub(crate) fn lobpcg<F: Real>(
    matrix: &Matrix<'_, F>,
    n_components: usize,
    tolerance: f32,
    max_iterations: usize,
    seed: u64,
) -> Result<Array2<F>, String> {
    let start = gaussian(matrix.dim().1, n_components, seed);
    let operator = |x: ndarray::ArrayView2<'_, F>| matrix.gram_product(x);
    let found = linfa_linalg::lobpcg::lobpcg(
        operator,
        start,
        |_| (),
        None,
        tolerance,
        max_iterations,
        Order::Largest,
    );
    // Short of the tolerance, the best vectors so far come beside the reason.
    match found {
        Ok(best) | Err((_, Some(best))) => Ok(orthonormal(&best.eigvecs)),
        Err((error, None)) => Err(format!("LOBPCG broke down: {error}")),
    }
}

/// The best approximations to singular values and vectors that a basis holds.
pub(crate) struct Ritz<F> {
    /// Descending.
    pub(crate) values: Array1<F>,
    /// Right singular vectors, columns x width.
    pub(crate) vectors: Array2<F>,
    /// A times the vectors, rows x width.
    pub(crate) scores: Array2<F>,
}

/// Singular values and vectors of A Q Q^T from the eigenvectors of (A Q)^T (A Q). That matrix is formed in
/// float64: its condition is the square of A's, too much for sums in float32.
pub(crate) fn rayleigh_ritz<F: Real>(matrix: &Matrix<'_, F>, basis: &Array2<F>) -> Ritz<F> {
    let projected = matrix.product(basis.view());
    let (values, rotation) = descending_eigen(&gram(&projected));
    let rotation = rotation.mapv(F::of);
    Ritz {
        values: values.mapv(|square| F::of(square.max(0.0).sqrt())),
        vectors: dense::product(basis.view(), rotation.view()),
        scores: dense::product(projected.view(), rotation.view()),
    }
}

/// Y^T Y in float64.
fn gram<F: Real>(y: &Array2<F>) -> Array2<f64> {
    const BLOCK: usize = 4096;
    let mut sum = Array2::zeros((y.ncols(), y.ncols()));
    for rows in y.axis_chunks_iter(Axis(0), BLOCK) {
        let rows = rows.mapv(Real::wide);
        dense::add_product(rows.t(), rows.view(), sum.view_mut());
    }
    sum
}

fn descending_eigen(matrix: &Array2<f64>) -> (Array1<f64>, Array2<f64>) {
    let n = matrix.nrows();
    let symmetric = Mat::from_fn(n, n, |i, j| matrix[[i, j]]);
    // QR iterations on a finite symmetric matrix converge.
    let Ok(eigen) = symmetric.self_adjoint_eigen(Side::Lower) else {
        return (Array1::from_elem(n, f64::NAN), Array2::from_elem((n, n), f64::NAN));
    };
    let values = Array1::from_shape_fn(n, |i| eigen.S()[n - 1 - i]);
    let vectors = dense::to_array(eigen.U()).slice_move(s![.., ..;-1]);
    (values, vectors.as_standard_layout().into_owned())
}

/// An orthonormal basis of the columns of `a`, by Householder reflections.
fn orthonormal<F: Real>(a: &Array2<F>) -> Array2<F> {
    dense::to_array(dense::view(&a.view()).qr().compute_thin_Q().as_ref())
}

fn gaussian<F: Real>(rows: usize, columns: usize, seed: u64) -> Array2<F> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    Array2::from_shape_simple_fn((rows, columns), || F::of(rng.sample(StandardNormal)))
}
