//! Leading singular vectors of a matrix in this machine's memory: block Krylov iterations, and LOBPCG.

use linfa_linalg::Order;
use modality_dense::{self as dense, NotConverged, descending_eigen};
use modality_recipe::krylov::{Span, Tall};
use ndarray::{Array1, Array2, ArrayView1, Axis, s};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use crate::{
    Real, Solver,
    matrix::Matrix,
    sparse::{PARTS, Scratch, WIDTH},
};

/// Columns up to which all of A^T A is formed: its eigenvectors take a fraction of a second.
const EXACT_COLUMNS: usize = 1024;

/// Rows of matrices that are multiplied in float64 at a time.
const BLOCK: usize = 4096;

/// A matrix whose decomposition is under way.
pub(crate) struct Search<'m, 'a, F> {
    matrix: &'m Matrix<'a, F>,
    span: Span,
    scratch: Scratch<F>,
    rng: ChaCha8Rng,
}

impl<'m, 'a, F: Real> Search<'m, 'a, F> {
    pub(crate) fn new(matrix: &'m Matrix<'a, F>, span: Span, seed: u64) -> Self {
        let rng = ChaCha8Rng::seed_from_u64(seed);
        Self { matrix, span, scratch: Scratch::default(), rng }
    }
}

/// Blocks of as many vectors as a product with a sparse matrix takes at a time.
pub(crate) fn span(expansion: f64, n_steps: usize) -> Span {
    Span { block: WIDTH, expansion, least_blocks: n_steps, exact_columns: EXACT_COLUMNS }
}

/// Numbers that the default solver holds at once for `n_components` of rows x columns, beside the matrix.
pub(crate) fn workspace((rows, columns): (usize, usize), n_components: usize) -> usize {
    match Solver::default().span().width((rows, columns), n_components) {
        None => {
            // A^T A and its eigenvectors, in float64.
            6 * columns * columns
        }
        // Basis and images; the small eigenproblem and blocks of both, in float64; the parts of a product.
        Some(width) => {
            let parts = PARTS * columns * WIDTH;
            2 * columns * width + 6 * width * width + 4 * BLOCK * width + parts
        }
    }
}

impl<F: Real> Tall for Search<'_, '_, F> {
    type Dense = Array2<F>;
    type Error = NotConverged;

    fn span(&self) -> Span {
        self.span
    }

    fn shape(&self) -> (usize, usize) {
        self.matrix.dim()
    }

    fn product(&mut self, x: &Array2<F>) -> Result<Array2<F>, NotConverged> {
        Ok(self.matrix.product(x.view()))
    }

    fn gram_product(&mut self, x: &Array2<F>) -> Result<Array2<F>, NotConverged> {
        Ok(self.matrix.gram_product(x.view(), &mut self.scratch))
    }

    fn gram(&mut self) -> Result<Array2<f64>, NotConverged> {
        Ok(self.gram_product(&Array2::eye(self.matrix.dim().1))?.mapv(Real::wide))
    }

    fn gaussian(&mut self, width: usize, divisor: f64) -> Result<Array2<F>, NotConverged> {
        let numbers = gaussian((self.matrix.dim().1, width), &mut self.rng);
        Ok(numbers / F::of(divisor))
    }

    fn zeros(&mut self, width: usize) -> Result<Array2<F>, NotConverged> {
        Ok(Array2::zeros((self.matrix.dim().1, width)))
    }

    fn upload(&mut self, matrix: &Array2<f64>) -> Result<Array2<F>, NotConverged> {
        Ok(matrix.mapv(F::of))
    }

    fn matmul(&mut self, x: &Array2<F>, y: &Array2<F>) -> Result<Array2<F>, NotConverged> {
        self.matrix.count(x.nrows(), x.ncols(), y.ncols());
        Ok(dense::product(x.view(), y.view()))
    }

    fn cross(&mut self, x: &Array2<F>, y: &Array2<F>) -> Result<Array2<f64>, NotConverged> {
        self.matrix.count(x.ncols(), x.nrows(), y.ncols());
        let mut sum = Array2::zeros((x.ncols(), y.ncols()));
        for (x, y) in x.axis_chunks_iter(Axis(0), BLOCK).zip(y.axis_chunks_iter(Axis(0), BLOCK)) {
            dense::add_product(x.mapv(Real::wide).t(), y.mapv(Real::wide).view(), sum.view_mut());
        }
        Ok(sum)
    }

    fn remove(
        &mut self,
        block: &mut Array2<F>,
        basis: &Array2<F>,
        width: usize,
    ) -> Result<(), NotConverged> {
        let q = basis.slice(s![.., ..width]);
        let inside = dense::product(q.t(), block.view());
        *block -= &dense::product(q, inside.view());
        (0..2).for_each(|_| self.matrix.count(block.nrows(), width, block.ncols()));
        Ok(())
    }

    fn cut(&mut self, x: Array2<F>, width: usize) -> Result<Array2<F>, NotConverged> {
        Ok(x.slice_move(s![.., ..width]))
    }

    fn put(
        &mut self,
        target: &mut Array2<F>,
        first: usize,
        source: &Array2<F>,
    ) -> Result<(), NotConverged> {
        target.slice_mut(s![.., first..first + source.ncols()]).assign(source);
        Ok(())
    }

    fn eigen(&mut self, matrix: &Array2<f64>) -> Result<(Array1<f64>, Array2<f64>), NotConverged> {
        descending_eigen(matrix)
    }

    fn fix_signs(
        &mut self,
        scores: &mut Array2<F>,
        vectors: &mut Array2<F>,
    ) -> Result<(), NotConverged> {
        let signs: Array1<F> = vectors.columns().into_iter().map(sign_of_largest).collect();
        *scores *= &signs;
        *vectors *= &signs;
        Ok(())
    }
}

fn sign_of_largest<F: Real>(vector: ArrayView1<'_, F>) -> F {
    let magnitude = |value: F| num_traits::Float::abs(value);
    let largest =
        vector.iter().fold(F::zero(), |a, &b| if magnitude(b) > magnitude(a) { b } else { a });
    if largest < F::zero() { -F::one() } else { F::one() }
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
    let start = gaussian((matrix.dim().1, n_components), &mut rng);
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

fn gaussian<F: Real>(shape: (usize, usize), rng: &mut ChaCha8Rng) -> Array2<F> {
    Array2::from_shape_simple_fn(shape, || F::of(rng.sample(StandardNormal)))
}
