//! Truncated SVD by block Krylov iterations, on any backend.
//!
//! Block Lanczos on A^T A (Golub and Underwood, in Mathematical Software III, 1977) from a Gaussian block G, every block made
//! orthogonal to all before it; then the leading approximations in the span of G, A^T A G, (A^T A)^2 G, ... (Musco and Musco,
//! NeurIPS 2015), one more product with A^T A that costs nothing, and a Rayleigh-Ritz step in float64. A matrix of few columns
//! is decomposed without iterating, by the eigenvectors of A^T A.

use modality_dense::{NotConverged, near_identity, normalising};
use ndarray::{Array1, Array2, s};

/// Times that a block is made orthogonal to the blocks before it, at most.
const PASSES: usize = 5;

/// How many vectors a basis has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span {
    /// Vectors of a block.
    pub block: usize,
    /// Vectors for each component wanted, at least; less than 1 counts as 1.
    pub expansion: f64,
    /// Blocks, at least.
    pub least_blocks: usize,
    /// Columns up to which A^T A is decomposed whole.
    pub exact_columns: usize,
}

impl Span {
    /// Vectors of the basis for so many components of rows x columns; nothing where A^T A is decomposed whole.
    pub fn width(&self, (rows, columns): (usize, usize), n_components: usize) -> Option<usize> {
        if columns <= self.exact_columns {
            return None;
        }
        let wanted = (n_components as f64 * self.expansion.max(1.0)).ceil() as usize;
        let wanted = wanted.next_multiple_of(self.block).max(self.least_blocks * self.block);
        // One block more than the rank spans all that A^T A maps to.
        Some(wanted.min(rows + self.block).min(columns))
    }
}

/// A tall matrix A, rows x columns, with the arithmetic that its decomposition takes.
pub trait Tall {
    /// A dense matrix where the backend computes.
    type Dense;
    /// What can go wrong.
    type Error: From<NotConverged>;

    /// How many vectors the basis has.
    fn span(&self) -> Span;

    /// Rows and columns of A.
    fn shape(&self) -> (usize, usize);

    /// A X.
    fn product(&mut self, x: &Self::Dense) -> Result<Self::Dense, Self::Error>;

    /// A^T A X. What is off here turns the directions by as little, and captures less by the square of that.
    fn gram_product(&mut self, x: &Self::Dense) -> Result<Self::Dense, Self::Error>;

    /// A^T A.
    fn gram(&mut self) -> Result<Array2<f64>, Self::Error>;

    /// Columns of A x `width`, standard normal numbers divided by `divisor`; others in each call.
    fn gaussian(&mut self, width: usize, divisor: f64) -> Result<Self::Dense, Self::Error>;

    /// Columns of A x `width`.
    fn zeros(&mut self, width: usize) -> Result<Self::Dense, Self::Error>;

    /// Rounded to the precision of a dense matrix.
    fn upload(&mut self, matrix: &Array2<f64>) -> Result<Self::Dense, Self::Error>;

    /// X Y.
    fn matmul(&mut self, x: &Self::Dense, y: &Self::Dense) -> Result<Self::Dense, Self::Error>;

    /// X^T Y, in float64: its condition is the square of X's, too much for sums in float32.
    fn cross(&mut self, x: &Self::Dense, y: &Self::Dense) -> Result<Array2<f64>, Self::Error>;

    /// `block` -= Q Q^T `block` for the first `width` columns Q of `basis`, which are orthonormal; the others are zero.
    fn remove(
        &mut self,
        block: &mut Self::Dense,
        basis: &Self::Dense,
        width: usize,
    ) -> Result<(), Self::Error>;

    /// The first `width` columns.
    fn cut(&mut self, x: Self::Dense, width: usize) -> Result<Self::Dense, Self::Error>;

    /// Overwrites the columns of `target` from `first` on.
    fn put(
        &mut self,
        target: &mut Self::Dense,
        first: usize,
        source: &Self::Dense,
    ) -> Result<(), Self::Error>;

    /// Eigenvalues, descending, and eigenvectors, in columns, of a symmetric matrix.
    fn eigen(&mut self, matrix: &Array2<f64>) -> Result<(Array1<f64>, Array2<f64>), Self::Error>;

    /// Makes the entry of largest magnitude of each column of `vectors` positive, and turns the columns of `scores` with them.
    fn fix_signs(
        &mut self,
        scores: &mut Self::Dense,
        vectors: &mut Self::Dense,
    ) -> Result<(), Self::Error>;

    /// An orthonormal basis of what the columns of `block` have outside the first columns of a basis, as in [`Tall::remove`].
    fn orthonormalise(
        &mut self,
        block: Self::Dense,
        earlier: Option<(&Self::Dense, usize)>,
    ) -> Result<Self::Dense, Self::Error> {
        orthonormalise(self, block, earlier)
    }
}

/// The best approximations to singular values and vectors that a basis holds.
#[derive(Debug, Clone)]
pub struct Ritz<D> {
    /// Descending.
    pub values: Array1<f64>,
    /// A times the vectors, rows x components.
    pub scores: D,
    /// Right singular vectors, columns x components.
    pub vectors: D,
}

/// An orthonormal basis, columns x `n_components`, close to the leading right singular vectors; of a matrix with few
/// columns, those vectors themselves, to the accuracy of a dense matrix.
///
/// # Errors
/// Those of the arithmetic; where an eigenvalue iteration does not converge.
pub fn basis<T: Tall>(a: &mut T, n_components: usize) -> Result<T::Dense, T::Error> {
    let Some(width) = a.span().width(a.shape(), n_components) else {
        let gram = a.gram()?;
        return leading(a, &gram, n_components);
    };
    let most = a.span().block;
    let (mut basis, mut images) = (a.zeros(width)?, a.zeros(width)?);
    let mut block = a.gaussian(most.min(width), 1.0)?;
    for start in (0..width).step_by(most) {
        if width - start < most {
            block = a.cut(block, width - start)?;
        }
        let earlier = (start > 0).then_some((&basis, start));
        let orthonormal = a.orthonormalise(block, earlier)?;
        block = a.gram_product(&orthonormal)?;
        a.put(&mut images, start, &block)?;
        a.put(&mut basis, start, &orthonormal)?;
    }
    let projected = a.cross(&basis, &images)?;
    drop(basis);
    let rotation = leading(a, &((&projected + &projected.t()) / 2.0), n_components)?;
    let best = a.matmul(&images, &rotation)?;
    drop(images);
    a.orthonormalise(best, None)
}

/// Leading eigenvectors of a symmetric matrix.
fn leading<T: Tall>(
    a: &mut T,
    matrix: &Array2<f64>,
    n_components: usize,
) -> Result<T::Dense, T::Error> {
    let (_, vectors) = a.eigen(matrix)?;
    a.upload(&vectors.slice(s![.., ..n_components]).to_owned())
}

/// Singular values and vectors of A Q Q^T for an orthonormal Q, from the eigenvectors of (A Q)^T (A Q).
///
/// # Errors
/// As [`basis`].
pub fn ritz<T: Tall>(a: &mut T, basis: &T::Dense) -> Result<Ritz<T::Dense>, T::Error> {
    let projected = a.product(basis)?;
    let gram = a.cross(&projected, &projected)?;
    let (squares, rotation) = a.eigen(&gram)?;
    let rotation = a.upload(&rotation)?;
    let mut scores = a.matmul(&projected, &rotation)?;
    let mut vectors = a.matmul(basis, &rotation)?;
    a.fix_signs(&mut scores, &mut vectors)?;
    Ok(Ritz { values: squares.mapv(|square| square.max(0.0).sqrt()), scores, vectors })
}

/// [`Tall::orthonormalise`] by eigenvectors of Gram matrices: block Gram-Schmidt, repeated, filled up with random vectors where
/// a block has fewer directions than columns. What is not orthonormal after five passes is taken as it is: it captures less, and
/// the share that was captured is told.
///
/// # Errors
/// As [`basis`].
pub fn orthonormalise<T: Tall + ?Sized>(
    a: &mut T,
    mut block: T::Dense,
    earlier: Option<(&T::Dense, usize)>,
) -> Result<T::Dense, T::Error> {
    for pass in 1..=PASSES {
        if let Some((basis, width)) = earlier {
            a.remove(&mut block, basis, width)?;
        }
        let gram = a.cross(&block, &block)?;
        let (rotation, rank) = normalising(&gram)?;
        let rotation = a.upload(&rotation)?;
        block = a.matmul(&block, &rotation)?;
        if pass > 1 && near_identity(&gram) {
            break;
        }
        let missing = gram.nrows() - rank;
        if missing > 0 {
            let random = a.gaussian(missing, (a.shape().1 as f64).sqrt())?;
            a.put(&mut block, rank, &random)?;
        }
    }
    Ok(block)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Span = Span { block: 32, expansion: 3.0, least_blocks: 8, exact_columns: 1024 };

    #[test]
    fn a_basis_is_no_wider_than_what_it_spans() {
        for (shape, n_components, width) in [
            ((5000, 1024), 300, None),
            ((5000, 4000), 300, Some(928)),
            ((5000, 4000), 10, Some(256)),
            ((60, 4000), 50, Some(92)),
            ((9000, 1025), 500, Some(1025)),
        ] {
            assert_eq!(SPAN.width(shape, n_components), width, "{shape:?}");
        }
        assert_eq!(Span { expansion: 0.5, ..SPAN }.width((5000, 4000), 300), Some(320));
    }
}
