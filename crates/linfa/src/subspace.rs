//! Leading right singular vectors: a basis that holds them, and the vectors out of the basis.

use linfa_linalg::Order;
use ndarray::{Array1, Array2, Axis, s};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use crate::{Real, dense, matrix::Matrix};

/// Columns up to which all of A^T A is formed: its eigenvectors take a fraction of a second.
const EXACT_COLUMNS: usize = 1024;

/// An orthonormal basis, columns x `width`, close to the leading right singular vectors; of a matrix with few
/// columns, those vectors themselves, to the accuracy of `F`. Nothing where an eigenvalue iteration does not
/// converge.
pub(crate) fn randomized<F: Real>(
    matrix: &Matrix<'_, F>,
    width: usize,
    iterations: usize,
    seed: u64,
) -> Option<Array2<F>> {
    let columns = matrix.dim().1;
    if columns <= EXACT_COLUMNS {
        let gram = matrix.gram_product(Array2::eye(columns).view()).mapv(Real::wide);
        return Some(descending_eigen(&gram)?.1.slice(s![.., ..width]).mapv(F::of));
    }
    let mut basis = gaussian(columns, width, seed);
    for _ in 0..iterations {
        basis = dense::orthonormal(matrix.gram_product(basis.view()).view());
    }
    Some(if iterations == 0 { dense::orthonormal(basis.view()) } else { basis })
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
        Ok(best) | Err((_, Some(best))) => Ok(dense::orthonormal(best.eigvecs.view())),
        Err((error, None)) => {
            Err(format!("LOBPCG broke down: {error}; `Solver::Randomized` has no such limit"))
        }
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
pub(crate) fn rayleigh_ritz<F: Real>(matrix: &Matrix<'_, F>, basis: &Array2<F>) -> Option<Ritz<F>> {
    let projected = matrix.product(basis.view());
    let (values, rotation) = descending_eigen(&gram(&projected))?;
    let rotation = rotation.mapv(F::of);
    Some(Ritz {
        values: values.mapv(|square| F::of(square.max(0.0).sqrt())),
        vectors: dense::product(basis.view(), rotation.view()),
        scores: dense::product(projected.view(), rotation.view()),
    })
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

fn descending_eigen(matrix: &Array2<f64>) -> Option<(Array1<f64>, Array2<f64>)> {
    let (values, vectors) = dense::symmetric_eigen(matrix.view())?;
    let vectors = vectors.slice_move(s![.., ..;-1]);
    Some((values.slice_move(s![..;-1]), vectors.as_standard_layout().into_owned()))
}

fn gaussian<F: Real>(rows: usize, columns: usize, seed: u64) -> Array2<F> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    Array2::from_shape_simple_fn((rows, columns), || F::of(rng.sample(StandardNormal)))
}
