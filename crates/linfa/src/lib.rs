//! TSVD, kernel ridge regression and the baselines on the CPU.
//!
//! [`TruncatedSvd`] and [`KernelRidge`] are linfa estimators, generic over `f32` and `f64` and of use outside
//! this project. [`CpuStages`] puts their arithmetic behind the recipe of `modality-recipe`, and the binary of
//! this package is the runner that `cargo xtask reproduce` starts. All of it runs on the current rayon pool.

mod baselines;
mod columns;
mod kernel;
mod kernel_ridge;
mod matrix;
pub mod memory;
mod product_rate;
mod real;
mod rounds;
mod shared_kernel;
mod sparse;
mod stages;
mod subspace;
mod truncated_svd;

pub use baselines::{Ridge, knn, mean};
pub use kernel::Kernel;
pub use kernel_ridge::{KernelRidge, KernelRidgeError, KernelRidgeParams, KernelRidgeValidParams};
pub use product_rate::product_rate;
pub use real::Real;
pub use shared_kernel::SharedKernel;
pub use sparse::CsrView;
pub use stages::{CpuStages, StageError};
pub use truncated_svd::{
    Solver, SparseRows, TruncatedSvd, TruncatedSvdError, TruncatedSvdParams,
    TruncatedSvdValidParams,
};
