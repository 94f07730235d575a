//! What a backend has to compute.

use modality_data::Csr;
use ndarray::{Array2, ArrayView2};

/// The arithmetic of the recipe on one backend, in float32 unless a stage says otherwise.
///
/// A [`Stages::Matrix`] is dense and lives where the backend computes. When a method returns, its work may
/// still be under way on a device; [`Stages::synchronize`] waits for it, and the recipe calls it before it
/// stops the clock of a stage.
pub trait Stages {
    /// A dense matrix, rows x columns.
    type Matrix;
    /// A square kernel matrix, ready to be solved with.
    type Kernel;
    /// What can go wrong.
    type Error: std::error::Error;

    /// Copies a matrix to where the backend computes.
    fn upload(&mut self, matrix: ArrayView2<'_, f32>) -> Result<Self::Matrix, Self::Error>;

    /// Copies a matrix back.
    fn download(&mut self, matrix: &Self::Matrix) -> Result<Array2<f32>, Self::Error>;

    /// A sparse matrix as a dense one.
    fn densify(&mut self, matrix: &Csr) -> Result<Self::Matrix, Self::Error>;

    /// TSVD without centring of `train` stacked on `test` (cells x genes): the scores X V of both,
    /// cells x `n_components`, components in descending order of singular value, each with the sign that
    /// makes the entry of largest magnitude in its row of V^T positive.
    fn tsvd_gex(
        &mut self,
        train: &Csr,
        test: &Csr,
        n_components: usize,
        seed: u64,
    ) -> Result<(Self::Matrix, Self::Matrix), Self::Error>;

    /// TSVD without centring of `adt`, cells x proteins; order and signs as in [`Stages::tsvd_gex`].
    fn tsvd_adt(
        &mut self,
        adt: &Self::Matrix,
        n_components: usize,
        seed: u64,
    ) -> Result<Tsvd<Self::Matrix>, Self::Error>;

    /// Subtracts from each row its mean and divides it by its population standard deviation; a deviation of
    /// zero counts as one.
    fn standardize_rows(&mut self, matrix: &mut Self::Matrix) -> Result<(), Self::Error>;

    /// The rows of `matrix` named in `rows`, in that order.
    fn gather_rows(
        &mut self,
        matrix: &Self::Matrix,
        rows: &[u32],
    ) -> Result<Self::Matrix, Self::Error>;

    /// Adds row i of `source` to row `rows[i]` of `target`.
    fn scatter_add_rows(
        &mut self,
        target: &mut Self::Matrix,
        rows: &[u32],
        source: &Self::Matrix,
    ) -> Result<(), Self::Error>;

    /// A matrix of zeros.
    fn zeros(&mut self, rows: usize, columns: usize) -> Result<Self::Matrix, Self::Error>;

    /// K = exp(-gamma ||x - x'||^2) over the rows of `x`.
    fn kernel(&mut self, x: &Self::Matrix, gamma: f64) -> Result<Self::Kernel, Self::Error>;

    /// C with (K + alpha I) C = `targets`, by Cholesky; rows x targets.
    fn solve(
        &mut self,
        kernel: Self::Kernel,
        alpha: f64,
        targets: &Self::Matrix,
    ) -> Result<Self::Matrix, Self::Error>;

    /// K(`x`, `y`) `coefficients` for the kernel of [`Stages::kernel`]: rows of `x` x columns of
    /// `coefficients`. The kernel between `x` and `y` need never stand whole.
    fn kernel_product(
        &mut self,
        x: &Self::Matrix,
        y: &Self::Matrix,
        gamma: f64,
        coefficients: &Self::Matrix,
    ) -> Result<Self::Matrix, Self::Error>;

    /// The matrix product `a` `b`.
    fn matmul(&mut self, a: &Self::Matrix, b: &Self::Matrix) -> Result<Self::Matrix, Self::Error>;

    /// Waits until all work is done.
    fn synchronize(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}

/// A truncated singular value decomposition: `scores` `components` is the best approximation of its rank.
#[derive(Debug, Clone)]
pub struct Tsvd<M> {
    /// U S = A V, rows x `n_components`.
    pub scores: M,
    /// V^T, `n_components` x columns.
    pub components: M,
}
