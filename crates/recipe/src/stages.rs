//! What a backend has to compute.

use modality_data::ValuesView;
use ndarray::{Array2, ArrayView2};

use crate::Groups;

/// The arithmetic of the recipe on one backend, in float32 unless a stage says otherwise.
///
/// A [`Stages::Matrix`] is dense and lives where the backend computes. When a method returns, its work may
/// still be under way on a device; [`Stages::synchronize`] waits for it, and the recipe calls it before it
/// stops the clock of a stage.
pub trait Stages {
    /// A dense matrix, rows x columns.
    type Matrix;
    /// Cells x features of one or more blocks of cells, one on top of the other, sparse or dense, where the backend
    /// computes.
    type Rows<'a>;
    /// A number for each column of a matrix, float64, where the backend computes.
    type Scalars;
    /// A square kernel matrix, ready to be solved with.
    type Kernel;
    /// The kernel matrix of all cells, ready for products with the parts that fits are made of; in what form is the
    /// backend's choice.
    type Shared;
    /// Stands in for the inverse of each fit's K + alpha I.
    type Preconditioner;
    /// What can go wrong.
    type Error: std::error::Error;

    /// Copies a matrix to where the backend computes.
    fn upload(&mut self, matrix: ArrayView2<'_, f32>) -> Result<Self::Matrix, Self::Error>;

    /// Copies a matrix back.
    fn download(&mut self, matrix: &Self::Matrix) -> Result<Array2<f32>, Self::Error>;

    /// Brings blocks of cells to where the backend computes: at least one, all sparse or all dense, with the same
    /// features.
    fn upload_rows<'a>(&mut self, blocks: &[ValuesView<'a>])
    -> Result<Self::Rows<'a>, Self::Error>;

    /// Each block as a dense matrix.
    fn densify(&mut self, rows: &Self::Rows<'_>) -> Result<Vec<Self::Matrix>, Self::Error>;

    /// TSVD without centring of all blocks, stacked; components in descending order of singular value, each with the sign
    /// that makes the entry of largest magnitude in its row of V^T positive.
    fn tsvd(
        &mut self,
        rows: &Self::Rows<'_>,
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

    /// K = exp(-gamma ||x - x'||^2) over the rows of `x`, cells in the order of `groups`.
    fn shared_kernel(
        &mut self,
        x: &Self::Matrix,
        gamma: f64,
        groups: &Groups,
    ) -> Result<Self::Shared, Self::Error>;

    /// K_f V for each fit f and V in `vectors`, where K_f is the kernel among the fit's cells; rows in the order of the
    /// fit's parts. A fit may be left out, and the number of columns may differ from fit to fit. An entry of the kernel may be off by 1e-5.
    fn shared_products(
        &mut self,
        kernel: &Self::Shared,
        groups: &Groups,
        vectors: &[(usize, &Self::Matrix)],
    ) -> Result<Vec<Self::Matrix>, Self::Error>;

    /// Nystrom's: for each fit (F_f F_f^T + alpha I)^-1 with F = K(x, z) L^-T and L L^T = K(z, z), where z are the rows
    /// `landmarks` of `x` and K is the kernel of `gamma`; the order of cells is that of `groups`.
    fn preconditioner(
        &mut self,
        x: &Self::Matrix,
        gamma: f64,
        alpha: f64,
        landmarks: &[u32],
        groups: &Groups,
    ) -> Result<Self::Preconditioner, Self::Error>;

    /// The preconditioner of each fit f times R in `residuals`; rows as in [`Stages::shared_products`].
    fn precondition(
        &mut self,
        preconditioner: &Self::Preconditioner,
        groups: &Groups,
        residuals: &[(usize, &Self::Matrix)],
    ) -> Result<Vec<Self::Matrix>, Self::Error>;

    /// A copy that is the caller's.
    fn copy(&mut self, matrix: &Self::Matrix) -> Result<Self::Matrix, Self::Error>;

    /// The inner product of each column of `a` with that of `b`, added up in float64.
    fn column_dots(
        &mut self,
        a: &Self::Matrix,
        b: &Self::Matrix,
    ) -> Result<Self::Scalars, Self::Error>;

    /// Numbers brought to where the backend computes.
    fn scalars(&mut self, values: &[f64]) -> Result<Self::Scalars, Self::Error>;

    /// Brings numbers back, waiting for all work that leads to them: the only wait inside conjugate gradients.
    fn read(&mut self, scalars: &[&Self::Scalars]) -> Result<Vec<Vec<f64>>, Self::Error>;

    /// Y = Y diag(`keep`) + X diag(`take`).
    fn combine_columns(
        &mut self,
        y_keep: (&mut Self::Matrix, &Self::Scalars),
        x_take: (&Self::Matrix, &Self::Scalars),
    ) -> Result<(), Self::Error>;

    /// `direction` = `next` + `direction` diag(`new` / `old`), where a [`ratio`] with zero above is zero; without
    /// `old`, `direction` = `next`.
    fn turn(
        &mut self,
        direction: &mut Self::Matrix,
        next: &Self::Matrix,
        new: &Self::Scalars,
        old: Option<&Self::Scalars>,
    ) -> Result<(), Self::Error>;

    /// One step along the direction: see [`Step`].
    fn step(
        &mut self,
        step: Step<'_, Self::Matrix, Self::Scalars>,
    ) -> Result<Stepped<Self::Scalars>, Self::Error>;

    /// The columns of `matrix` named in `columns`, in that order.
    fn select_columns(
        &mut self,
        matrix: &Self::Matrix,
        columns: &[u32],
    ) -> Result<Self::Matrix, Self::Error>;

    /// Overwrites column `columns[k]` of `target` by column k of `source`.
    fn put_columns(
        &mut self,
        target: &mut Self::Matrix,
        columns: &[u32],
        source: &Self::Matrix,
    ) -> Result<(), Self::Error>;

    /// Floating-point operations since the last call, a multiplication and an addition counted as two; zero where a
    /// backend does not count.
    fn take_flops(&mut self) -> f64 {
        0.0
    }

    /// Waits until all work is done.
    fn synchronize(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}

/// A truncated singular value decomposition: `scores` `components` is the best approximation of its rank.
#[derive(Debug, Clone)]
pub struct Tsvd<M> {
    /// U S = A V of each block, rows x `n_components`.
    pub scores: Vec<M>,
    /// V^T, `n_components` x columns.
    pub components: M,
}

/// What a step of conjugate gradients changes and needs, column by column.
///
/// With lambda the [`ratio`] of `rho` to the [`Stepped::curvature`]: `solution` += D diag(lambda) and `residual` -=
/// (K + `alpha` I) D diag(lambda).
#[derive(Debug)]
pub struct Step<'a, M, V> {
    /// Rows x columns, like all matrices here.
    pub solution: &'a mut M,
    /// Of the solution as it is.
    pub residual: &'a mut M,
    /// D.
    pub direction: &'a M,
    /// K D; becomes (K + `alpha` I) D.
    pub product: M,
    /// Added to the kernel's diagonal.
    pub alpha: f64,
    /// Residual times preconditioned residual.
    pub rho: &'a V,
}

/// What a step leaves to be judged, by column.
#[derive(Debug, Clone)]
pub struct Stepped<V> {
    /// D^T (K + alpha I) D.
    pub curvature: V,
    /// Squared norms of the new residual.
    pub squares: V,
}

/// `a` / `b`, where nothing of nothing is nothing.
pub fn ratio(a: f64, b: f64) -> f64 {
    if a == 0.0 { 0.0 } else { a / b }
}
