//! Leading right singular vectors: a basis that holds them, and the vectors out of the basis.

use linfa_linalg::Order;
use modality_recipe::eigen::{descending_eigen, near_identity, normalising};
use ndarray::{Array1, Array2, ArrayView2, Axis, s};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use crate::{
    Real, Solver, dense,
    matrix::Matrix,
    sparse::{PARTS, Scratch, WIDTH},
};

/// Columns up to which all of A^T A is formed: its eigenvectors take a fraction of a second.
const EXACT_COLUMNS: usize = 1024;

/// Rows of matrices that are multiplied in float64 at a time.
const BLOCK: usize = 4096;

/// Times that a block is made orthogonal to the blocks before it, at most.
const PASSES: usize = 5;

/// An orthonormal basis, columns x `n_components`, close to the leading right singular vectors; of a matrix with few
/// columns, those vectors themselves, to the accuracy of `F`. Nothing where an eigenvalue iteration does not
/// converge.
///
/// It is A^T A times the best approximations in the span of G, A^T A G, (A^T A)^2 G, ... for a Gaussian G of [`WIDTH`]
/// columns: at least `n_steps` of these blocks, and at least `expansion` x `n_components` vectors.
pub(crate) fn randomized<F: Real>(
    matrix: &Matrix<'_, F>,
    n_components: usize,
    expansion: f64,
    n_steps: usize,
    seed: u64,
) -> Option<Array2<F>> {
    let (rows, columns) = matrix.dim();
    let mut scratch = Scratch::default();
    if columns <= EXACT_COLUMNS {
        let gram = matrix.gram_product(Array2::eye(columns).view(), &mut scratch);
        let (_, vectors) = descending_eigen(&gram.mapv(Real::wide))?;
        return Some(vectors.slice(s![.., ..n_components]).mapv(F::of));
    }
    let wanted = (n_components as f64 * expansion.max(1.0)).ceil() as usize;
    // One block more than the rank spans all that A^T A maps to.
    let width = wanted.next_multiple_of(WIDTH).max(n_steps * WIDTH).min(rows + WIDTH).min(columns);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut basis = Array2::zeros((columns, width));
    let mut images = Array2::zeros((columns, width));
    let mut block = gaussian(columns, WIDTH, &mut rng);
    for start in (0..width).step_by(WIDTH) {
        let span = start..(start + WIDTH).min(width);
        block.slice_collapse(s![.., ..span.len()]);
        let (earlier, mut here) = basis.multi_slice_mut((s![.., ..start], s![.., span.clone()]));
        let orthonormal = orthonormalise(matrix, block, earlier.view(), &mut rng)?;
        here.assign(&orthonormal);
        block = matrix.gram_product(orthonormal.view(), &mut scratch);
        images.slice_mut(s![.., span]).assign(&block);
    }
    let projected = cross(matrix, &basis, &images);
    let (_, rotation) = descending_eigen(&((&projected + &projected.t()) / 2.0))?;
    let rotation = rotation.slice(s![.., ..n_components]).mapv(F::of);
    matrix.count(columns, width, n_components);
    let leading = dense::product(images.view(), rotation.view());
    orthonormalise(matrix, leading, basis.slice(s![.., ..0]), &mut rng)
}

/// Numbers that the default solver holds at once for `n_components` of so many columns, beside the matrix.
pub(crate) fn workspace(columns: usize, n_components: usize) -> usize {
    if columns <= EXACT_COLUMNS {
        // A^T A and its eigenvectors, in float64.
        return 6 * columns * columns;
    }
    let Solver::Randomized { expansion, n_steps } = Solver::default() else { return 0 };
    let width = ((n_components as f64 * expansion) as usize).max(n_steps * WIDTH).min(columns);
    // Basis and images; the small eigenproblem and blocks of both, in float64; the parts of a product.
    let parts = PARTS * columns * WIDTH;
    2 * columns * width + 6 * width * width + 4 * BLOCK * width + parts
}

/// An orthonormal basis of what the columns of `block` have outside the orthonormal `earlier`, filled up with random
/// vectors where they have less than their number: block Gram-Schmidt, repeated.
fn orthonormalise<F: Real>(
    matrix: &Matrix<'_, F>,
    mut block: Array2<F>,
    earlier: ArrayView2<'_, F>,
    rng: &mut ChaCha8Rng,
) -> Option<Array2<F>> {
    let (rows, width) = block.dim();
    for pass in 1..=PASSES {
        let inside = dense::product(earlier.t(), block.view());
        block -= &dense::product(earlier, inside.view());
        (0..2).for_each(|_| matrix.count(rows, earlier.ncols(), width));
        let gram = cross(matrix, &block, &block);
        let (rotation, rank) = normalising(&gram)?;
        matrix.count(rows, width, width);
        block = dense::product(block.view(), rotation.mapv(F::of).view());
        if pass > 1 && near_identity(&gram) {
            break;
        }
        let mut random = gaussian(rows, width - rank, rng);
        random /= F::of((rows as f64).sqrt());
        block.slice_mut(s![.., rank..]).assign(&random);
    }
    Some(block)
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
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let start = gaussian(matrix.dim().1, n_components, &mut rng);
    let operator = |x: ndarray::ArrayView2<'_, F>| matrix.gram_product(x, &mut Scratch::default());
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
    let (values, rotation) = descending_eigen(&cross(matrix, &projected, &projected))?;
    let rotation = rotation.mapv(F::of);
    let (rows, columns) = matrix.dim();
    matrix.count(rows + columns, rotation.nrows(), rotation.ncols());
    Some(Ritz {
        values: values.mapv(|square| F::of(square.max(0.0).sqrt())),
        vectors: dense::product(basis.view(), rotation.view()),
        scores: dense::product(projected.view(), rotation.view()),
    })
}

/// X^T Y in float64.
fn cross<F: Real>(matrix: &Matrix<'_, F>, x: &Array2<F>, y: &Array2<F>) -> Array2<f64> {
    matrix.count(x.ncols(), x.nrows(), y.ncols());
    let mut sum = Array2::zeros((x.ncols(), y.ncols()));
    for (x, y) in x.axis_chunks_iter(Axis(0), BLOCK).zip(y.axis_chunks_iter(Axis(0), BLOCK)) {
        dense::add_product(x.mapv(Real::wide).t(), y.mapv(Real::wide).view(), sum.view_mut());
    }
    sum
}

fn gaussian<F: Real>(rows: usize, columns: usize, rng: &mut ChaCha8Rng) -> Array2<F> {
    Array2::from_shape_simple_fn((rows, columns), || F::of(rng.sample(StandardNormal)))
}
