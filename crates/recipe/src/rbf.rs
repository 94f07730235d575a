//! Kernel matrices where a backend computes.

use crate::{Groups, LowRank};

/// Kernels exp(-gamma ||x - x'||^2) between rows of matrices, products with them, and what solves for them; preconditioners are [`Nystrom`](crate::Nystrom)'s.
pub trait Rbf: LowRank {
    /// A square kernel matrix, ready to be solved with.
    type Kernel;
    /// The kernel matrix of all cells, ready for products with the parts that fits are made of; in what form is the
    /// backend's choice.
    type Shared;

    /// K = exp(-gamma ||x - x'||^2) over the rows of `x`.
    fn kernel(&mut self, x: &Self::Matrix, gamma: f64) -> Result<Self::Kernel, Self::Error>;

    /// C with (K + alpha I) C = `targets`, by Cholesky; rows x targets.
    fn solve(
        &mut self,
        kernel: Self::Kernel,
        alpha: f64,
        targets: &Self::Matrix,
    ) -> Result<Self::Matrix, Self::Error>;

    /// K(`x`, `y`) `coefficients` for the kernel of [`Rbf::kernel`]: rows of `x` x columns of
    /// `coefficients`. The kernel between `x` and `y` need never stand whole.
    fn kernel_product(
        &mut self,
        x: &Self::Matrix,
        y: &Self::Matrix,
        gamma: f64,
        coefficients: &Self::Matrix,
    ) -> Result<Self::Matrix, Self::Error>;

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
}
