//! What can go wrong on a GPU, as sentences.

use cudarc::{
    cublas::result::CublasError,
    cusolver::result::CusolverError,
    driver::{
        result::DriverError,
        sys::{CUresult, cuGetErrorString},
    },
};
use modality_dense::NotConverged;
use modality_protocol::{DeviceId, runner::size};

/// Rows of a float32 matrix whose Cholesky factorisation has no more entries than the library counts.
pub(crate) const MOST_FACTORISED: usize = 46_340;

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// This machine lacks something.
    #[error("{0}")]
    Unavailable(String),
    /// Not a CUDA device.
    #[error("this computes on a CUDA device, `cuda` or `cuda:N`, not on `{0}`")]
    NotCuda(DeviceId),
    /// A text that names no way to compute something.
    #[error(
        "{ways} names `{0}`; there are {all}, each with `no-` before it where it is not to be taken",
        ways = crate::WAYS,
        all = crate::Ways::names()
    )]
    Way(String),
    /// The device has no room left.
    #[error(
        "the GPU's memory is full: {} more were asked for and {} are free; other programs may be using it",
        size(*.needed),
        size(*.free)
    )]
    Memory {
        /// Bytes.
        needed: u64,
        /// Bytes.
        free: u64,
    },
    /// Kernels that cannot be had.
    #[error("the kernels in {file} cannot be {what}: {reason}")]
    Kernels {
        /// Name of the source file.
        file: &'static str,
        /// Compiled or loaded.
        what: &'static str,
        /// What the compiler or driver said.
        reason: String,
    },
    /// The driver refused, or a kernel failed.
    #[error("the CUDA driver says: {}", describe(*.0))]
    Driver(DriverError),
    /// cuBLAS refused.
    #[error("cuBLAS says {:?}", .0.0)]
    Blas(#[from] CublasError),
    /// cuSOLVER refused.
    #[error("cuSOLVER says {:?}", .0.0)]
    Solver(#[from] CusolverError),
    /// Something that is no number, or too large.
    #[error("{0} hold NaN or infinite values")]
    NotFinite(&'static str),
    /// A matrix without a Cholesky factorisation.
    #[error(
        "K + alpha I is not positive definite in float32; is alpha ({alpha}) too small for these cells?"
    )]
    NotPositiveDefinite {
        /// The hyperparameter.
        alpha: f64,
    },
    /// A preconditioner without one.
    #[error("the preconditioner cannot be factorised; do the scores hold NaN?")]
    Preconditioner,
    /// Eigenvectors that cannot be found.
    #[error(
        "the eigenvectors of a matrix of {0} rows cannot be found; are there values that are NaN, or too large to be squared?"
    )]
    Eigen(usize),
    /// More rows than can be factorised.
    #[error(
        "a fit of {0} cells has a larger kernel matrix than cuSOLVER can factorise ({MOST_FACTORISED} rows); `solver = \"pcg\"` has no such limit"
    )]
    TooLong(usize),
    /// More of something than the libraries can count.
    #[error("a matrix of {0} rows or columns is more than cuBLAS and cuSOLVER can count")]
    TooLarge(usize),
}

/// What a call gives.
pub type Result<T> = std::result::Result<T, Error>;

impl From<DriverError> for Error {
    fn from(error: DriverError) -> Self {
        Self::Driver(error)
    }
}

impl From<NotConverged> for Error {
    fn from(NotConverged(rows): NotConverged) -> Self {
        Self::Eigen(rows)
    }
}

/// The driver's own words.
pub(crate) fn describe(error: DriverError) -> String {
    let mut text = std::ptr::null();
    // SAFETY: the driver writes a pointer to a text that lives as long as the process, or null.
    let known = unsafe { cuGetErrorString(error.0, &mut text) } == CUresult::CUDA_SUCCESS;
    if !known || text.is_null() {
        return format!("{:?}", error.0);
    }
    // SAFETY: as above; the text ends with zero.
    let text = unsafe { std::ffi::CStr::from_ptr(text) }.to_string_lossy();
    format!("{text} ({:?})", error.0)
}
