//! Dense matrices where a backend computes.

use ndarray::{Array2, ArrayView2};

/// Arithmetic on dense matrices, in float32 unless a method says otherwise.
///
/// When a method returns, its work may still be under way on a device; [`Linalg::synchronize`] waits for it, and the recipe
/// calls it before it stops the clock of a stage.
pub trait Linalg {
    /// A dense matrix, rows x columns.
    type Matrix;
    /// A number for each column of a matrix, float64, where the backend computes.
    type Scalars;
    /// What can go wrong.
    type Error: std::error::Error;

    /// Copies a matrix to where the backend computes.
    fn upload(&mut self, matrix: ArrayView2<'_, f32>) -> Result<Self::Matrix, Self::Error>;

    /// Copies a matrix back.
    fn download(&mut self, matrix: &Self::Matrix) -> Result<Array2<f32>, Self::Error>;

    /// Rows and columns.
    fn shape(&self, matrix: &Self::Matrix) -> (usize, usize);

    /// A matrix of zeros.
    fn zeros(&mut self, rows: usize, columns: usize) -> Result<Self::Matrix, Self::Error>;

    /// A copy that is the caller's.
    fn copy(&mut self, matrix: &Self::Matrix) -> Result<Self::Matrix, Self::Error>;

    /// The matrix product `a` `b`.
    fn matmul(&mut self, a: &Self::Matrix, b: &Self::Matrix) -> Result<Self::Matrix, Self::Error>;

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
