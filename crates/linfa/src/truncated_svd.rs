//! Truncated singular value decomposition without centring.

use std::marker::PhantomData;

use linfa::{
    DatasetBase, ParamGuard,
    dataset::Records,
    traits::{Fit, Transformer},
};
use modality_dense::NotConverged;
use modality_recipe::krylov::{self, Ritz, Span};
use ndarray::{Array1, Array2, ArrayBase, Data, Ix2};

use crate::{
    Real,
    matrix::Matrix,
    sparse::CsrView,
    subspace::{self, Search},
};

type Result<T, E = TruncatedSvdError> = std::result::Result<T, E>;

/// With scores, and the floating-point operations of all products, a multiplication and an addition counting as two;
/// eigenvalues of small matrices are left out.
type Decomposition<F> = (TruncatedSvd<F>, Array2<F>, f64);

/// A setting or matrix that has no such decomposition.
#[derive(Debug, thiserror::Error)]
pub enum TruncatedSvdError {
    /// `n_components` is zero.
    #[error("n_components is 0; it must be at least 1")]
    NoComponents,
    /// More components than the matrix has rows or columns.
    #[error("n_components is {n_components}; a matrix of {rows} x {columns} has at most {most}", most = rows.min(columns))]
    TooManyComponents {
        /// As asked for.
        n_components: usize,
        /// Of the matrix.
        rows: usize,
        /// Of the matrix.
        columns: usize,
    },
    /// NaN or infinity.
    #[error("the matrix holds NaN or infinite values")]
    NotFinite,
    /// LOBPCG broke down.
    #[error("{0}")]
    Breakdown(String),
    /// The eigenvectors of a small matrix were not found.
    #[error(transparent)]
    NotConverged(#[from] NotConverged),
    /// From linfa.
    #[error(transparent)]
    Linfa(#[from] linfa::Error),
}

/// How the leading singular vectors are found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Solver {
    /// Block Krylov iterations ([`modality_recipe::krylov`]) from a Gaussian block of 32 vectors. A matrix of at most 1,024
    /// columns is decomposed without iterating, by the eigenvectors of A^T A.
    Randomized {
        /// Vectors of the span for each component wanted, at least; less than 1 counts as 1.
        expansion: f64,
        /// Blocks of the span, at least.
        n_steps: usize,
    },
    /// Locally optimal block preconditioned conjugate gradients on A^T A, as linfa-reduction's `Pca` uses it.
    Lobpcg {
        /// Largest residual norm of an eigenvector of A^T A; the best vectors found short of it are used too.
        tolerance: f32,
        /// Steps at most.
        max_iterations: usize,
    },
}

/// Three vectors a component, eight blocks at least. For 300 components of 67,175 generated cells x 13,953 genes,
/// ||A V||_F is 4.6e-5 short of exact, relative to it, after 4.3e11 operations on the 1.0e8 entries; with 2.67 vectors a
/// component 1.8e-4 after 3.9e11, with 3.2 vectors 2.7e-5 after 4.5e11. Subspace iteration with 30 oversamples is 1.5e-3
/// short after six iterations and 8.6e11 operations. On two cores of an AMD EPYC (Zen 5) in use by others as well, this
/// took 6.6 s, that 15 s.
impl Default for Solver {
    fn default() -> Self {
        Self::Randomized { expansion: 3.0, n_steps: 8 }
    }
}

impl Solver {
    /// Of the basis; LOBPCG has none of its own.
    pub(crate) fn span(self) -> Span {
        let (expansion, n_steps) = match self {
            Self::Randomized { expansion, n_steps } => (expansion, n_steps),
            Self::Lobpcg { .. } => (1.0, 1),
        };
        subspace::span(expansion, n_steps)
    }
}

/// Truncated SVD: the best approximation A = U S V^T of given rank, of a sparse or dense matrix as it is, not
/// centred, so that sparsity is kept. Rows are samples.
///
/// Components come in descending order of singular value. The sign of each is the one that makes the entry of
/// largest magnitude in its row of V^T positive, as scikit-learn's `TruncatedSVD` has it.
///
/// ```
/// use backend_linfa::TruncatedSvd;
/// use linfa::{DatasetBase, traits::{Fit, Transformer}};
/// use ndarray::array;
///
/// // Five cells x three genes of rank two.
/// let a = array![[2.0, 0.0, 1.0], [4.0, 0.0, 2.0], [0.0, 3.0, 0.0], [2.0, 3.0, 1.0], [0.0, 6.0, 0.0]];
/// let svd = TruncatedSvd::params(2).fit(&DatasetBase::from(a.clone()))?;
/// let scores = svd.transform(a.view());
/// assert_eq!(scores.dim(), (5, 2));
/// let difference = scores.dot(svd.components()) - &a;
/// assert!(difference.iter().all(|d: &f64| d.abs() < 1e-9));
/// # Ok::<(), backend_linfa::TruncatedSvdError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct TruncatedSvd<F> {
    components: Array2<F>,
    singular_values: Array1<F>,
}

/// Settings of [`TruncatedSvd`], not checked yet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TruncatedSvdParams<F>(TruncatedSvdValidParams<F>);

/// Settings of [`TruncatedSvd`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TruncatedSvdValidParams<F> {
    n_components: usize,
    solver: Solver,
    random_state: u64,
    float: PhantomData<F>,
}

impl<F: Real> TruncatedSvd<F> {
    /// Settings for `n_components` components: randomized, seed 0.
    pub fn params(n_components: usize) -> TruncatedSvdParams<F> {
        TruncatedSvdParams(TruncatedSvdValidParams {
            n_components,
            solver: Solver::default(),
            random_state: 0,
            float: PhantomData,
        })
    }

    /// V^T, components x columns.
    pub fn components(&self) -> &Array2<F> {
        &self.components
    }

    /// Diagonal of S, descending.
    pub fn singular_values(&self) -> &Array1<F> {
        &self.singular_values
    }
}

impl<F> TruncatedSvdParams<F> {
    /// How the singular vectors are found.
    pub fn solver(mut self, solver: Solver) -> Self {
        self.0.solver = solver;
        self
    }

    /// Seed of the random start.
    pub fn random_state(mut self, seed: u64) -> Self {
        self.0.random_state = seed;
        self
    }
}

impl<F> ParamGuard for TruncatedSvdParams<F> {
    type Checked = TruncatedSvdValidParams<F>;
    type Error = TruncatedSvdError;

    fn check_ref(&self) -> Result<&Self::Checked> {
        if self.0.n_components == 0 {
            return Err(TruncatedSvdError::NoComponents);
        }
        Ok(&self.0)
    }

    fn check(self) -> Result<Self::Checked> {
        self.check_ref()?;
        Ok(self.0)
    }
}

/// Sparse rows as linfa's records: one matrix, or several on top of one another that need not be copied into
/// one.
///
/// ```
/// use backend_linfa::{SparseRows, TruncatedSvd};
/// use linfa::{DatasetBase, traits::{Fit, Transformer}};
/// use sprs::CsMatI;
///
/// let train = CsMatI::<f32, u32, usize>::new((2, 3), vec![0, 1, 3], vec![0, 1, 2], vec![2.0, 1.0, 3.0]);
/// let test = CsMatI::<f32, u32, usize>::new((1, 3), vec![0, 2], vec![0, 1], vec![1.0, 1.0]);
/// let rows = SparseRows::stacked(vec![train.view(), test.view()]);
/// let svd = TruncatedSvd::params(2).fit(&DatasetBase::new(rows.clone(), ()))?;
/// assert_eq!(svd.transform(rows).dim(), (3, 2));
/// # Ok::<(), backend_linfa::TruncatedSvdError>(())
/// ```
#[derive(Debug, Clone)]
pub struct SparseRows<'a, F>(Vec<CsrView<'a, F>>);

impl<'a, F> SparseRows<'a, F> {
    /// The blocks on top of one another.
    ///
    /// # Panics
    /// If there is none, they differ in their number of columns, or one is stored by columns.
    pub fn stacked(blocks: Vec<CsrView<'a, F>>) -> Self {
        assert!(
            blocks.iter().all(|block| block.is_csr()),
            "sparse rows are stored by rows; `to_csr` turns columns into rows"
        );
        assert!(
            blocks.windows(2).all(|pair| pair[0].cols() == pair[1].cols()) && !blocks.is_empty(),
            "blocks of sparse rows need one number of columns"
        );
        Self(blocks)
    }
}

impl<F> Records for SparseRows<'_, F> {
    type Elem = F;

    fn nsamples(&self) -> usize {
        self.0.iter().map(|block| block.rows()).sum()
    }

    fn nfeatures(&self) -> usize {
        self.0[0].cols()
    }
}

impl<F: Real> TruncatedSvdValidParams<F> {
    /// Fits the decomposition and gives the scores U S of the rows it was fitted on, rows x components,
    /// without another pass over them.
    ///
    /// # Errors
    /// [`TruncatedSvdError`] for more components than rows or columns, NaN and infinities.
    pub fn fit_transform(&self, rows: &SparseRows<'_, F>) -> Result<(TruncatedSvd<F>, Array2<F>)> {
        let (svd, scores, _) = self.fit_transform_counted(rows)?;
        Ok((svd, scores))
    }

    /// [`Self::fit_transform`], and the floating-point operations it took.
    pub(crate) fn fit_transform_counted(
        &self,
        rows: &SparseRows<'_, F>,
    ) -> Result<Decomposition<F>> {
        self.decompose(&Matrix::sparse(&rows.0))
    }

    /// As [`Self::fit_transform`], for a dense matrix.
    ///
    /// # Errors
    /// As [`Self::fit_transform`].
    pub fn fit_transform_dense<D: Data<Elem = F>>(
        &self,
        rows: &ArrayBase<D, Ix2>,
    ) -> Result<(TruncatedSvd<F>, Array2<F>)> {
        let (svd, scores, _) = self.fit_transform_dense_counted(rows)?;
        Ok((svd, scores))
    }

    /// [`Self::fit_transform_dense`], and the floating-point operations it took.
    pub(crate) fn fit_transform_dense_counted<D: Data<Elem = F>>(
        &self,
        rows: &ArrayBase<D, Ix2>,
    ) -> Result<Decomposition<F>> {
        self.decompose(&Matrix::dense(rows.view()))
    }

    fn decompose(&self, matrix: &Matrix<'_, F>) -> Result<Decomposition<F>> {
        let (rows, columns) = matrix.dim();
        let n_components = self.n_components;
        if n_components > rows.min(columns) {
            return Err(TruncatedSvdError::TooManyComponents { n_components, rows, columns });
        }
        if !matrix.is_finite() {
            return Err(TruncatedSvdError::NotFinite);
        }
        let seed = self.random_state;
        let mut search = Search::new(matrix, self.solver.span(), seed);
        let basis = match self.solver {
            Solver::Randomized { .. } => krylov::basis(&mut search, n_components)?,
            Solver::Lobpcg { tolerance, max_iterations } => {
                subspace::lobpcg(matrix, n_components, tolerance, max_iterations, seed)
                    .map_err(TruncatedSvdError::Breakdown)?
            }
        };
        let Ritz { values, scores, vectors } = krylov::ritz(&mut search, &basis)?;
        let components = vectors.t().as_standard_layout().into_owned();
        let svd = TruncatedSvd { components, singular_values: values.mapv(F::of) };
        Ok((svd, scores, matrix.operations()))
    }
}

impl<F: Real, T> Fit<SparseRows<'_, F>, T, TruncatedSvdError> for TruncatedSvdValidParams<F> {
    type Object = TruncatedSvd<F>;

    fn fit(&self, dataset: &DatasetBase<SparseRows<'_, F>, T>) -> Result<TruncatedSvd<F>> {
        Ok(self.decompose(&Matrix::sparse(&dataset.records.0))?.0)
    }
}

impl<F: Real, D: Data<Elem = F>, T> Fit<ArrayBase<D, Ix2>, T, TruncatedSvdError>
    for TruncatedSvdValidParams<F>
{
    type Object = TruncatedSvd<F>;

    fn fit(&self, dataset: &DatasetBase<ArrayBase<D, Ix2>, T>) -> Result<TruncatedSvd<F>> {
        Ok(self.decompose(&Matrix::dense(dataset.records.view()))?.0)
    }
}

/// Scores A V, rows x components.
///
/// # Panics
/// If the number of columns is not that of the matrix the decomposition was fitted on.
impl<F: Real> Transformer<SparseRows<'_, F>, Array2<F>> for TruncatedSvd<F> {
    fn transform(&self, rows: SparseRows<'_, F>) -> Array2<F> {
        Matrix::sparse(&rows.0).product(self.components.t())
    }
}

/// Scores A V, rows x components.
///
/// # Panics
/// If the number of columns is not that of the matrix the decomposition was fitted on.
impl<F: Real, D: Data<Elem = F>> Transformer<ArrayBase<D, Ix2>, Array2<F>> for TruncatedSvd<F> {
    fn transform(&self, rows: ArrayBase<D, Ix2>) -> Array2<F> {
        Matrix::dense(rows.view()).product(self.components.t())
    }
}
