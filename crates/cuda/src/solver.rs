//! cuSOLVER on symmetric matrices, for which it does not matter whether rows or columns lie one behind the other.

use std::ffi::c_int;

use cudarc::{
    cusolver::sys::{
        cublasFillMode_t, cusolverDnDpotrf, cusolverDnDpotrf_bufferSize, cusolverDnDsyevd,
        cusolverDnDsyevd_bufferSize, cusolverDnHandle_t, cusolverDnSpotrf,
        cusolverDnSpotrf_bufferSize, cusolverEigMode_t, cusolverStatus_t,
    },
    driver::{CudaSlice, DevicePtrMut as _, DeviceRepr},
};
use ndarray::{Array1, Array2, s};

use crate::{
    algebra::int,
    device::Device,
    error::{Error, MOST_FACTORISED, Result},
    matrix::Matrix,
};

/// The lower triangle, columns one behind the other: the libraries' own order.
const LOWER: cublasFillMode_t = cublasFillMode_t::CUBLAS_FILL_MODE_LOWER;
const VECTORS: cusolverEigMode_t = cusolverEigMode_t::CUSOLVER_EIG_MODE_VECTOR;

/// What a routine will say of its success, once it has run.
pub(crate) struct Info(CudaSlice<c_int>);

impl Device {
    /// Overwrites the symmetric `a` by its Cholesky factor: L of L L^T = A, columns one behind the other.
    pub(crate) fn factorise_f32(&self, a: &mut Matrix) -> Result<Info> {
        if a.rows > MOST_FACTORISED {
            return Err(Error::TooLong(a.rows));
        }
        let (n, at) = (int(a.rows)?, a.values.device_ptr_mut(&self.stream).0 as *mut f32);
        // SAFETY: `a` is n x n, and `call` gives what is asked for.
        self.call(
            |handle, length| unsafe {
                cusolverDnSpotrf_bufferSize(handle, LOWER, n, at, n, length)
            },
            |handle, work, length, info| unsafe {
                cusolverDnSpotrf(handle, LOWER, n, at, n, work, length, info)
            },
        )
    }

    /// The same of the n x n `a`.
    pub(crate) fn factorise(&self, a: &mut CudaSlice<f64>, n: usize) -> Result<Info> {
        let (n, at) = (int(n)?, a.device_ptr_mut(&self.stream).0 as *mut f64);
        // SAFETY: as in `factorise_f32`.
        self.call(
            |handle, length| unsafe {
                cusolverDnDpotrf_bufferSize(handle, LOWER, n, at, n, length)
            },
            |handle, work, length, info| unsafe {
                cusolverDnDpotrf(handle, LOWER, n, at, n, work, length, info)
            },
        )
    }

    /// Eigenvalues, descending, and eigenvectors in the columns of the other, of a symmetric matrix.
    pub(crate) fn eigen(&self, matrix: &Array2<f64>) -> Result<(Array1<f64>, Array2<f64>)> {
        let rows = matrix.nrows();
        if !matrix.iter().all(|value| value.is_finite()) {
            return Err(Error::Eigen(rows));
        }
        let standard = matrix.as_standard_layout();
        let mut a = self.send(standard.as_slice().expect("it was given standard layout"))?;
        let mut values = self.allocate::<f64>(rows)?;
        let (n, at) = (int(rows)?, a.device_ptr_mut(&self.stream).0 as *mut f64);
        let values_at = values.device_ptr_mut(&self.stream).0 as *mut f64;
        // SAFETY: as in `factorise_f32`; there is room for n values.
        let converged = self.call(
            |handle, length| unsafe {
                cusolverDnDsyevd_bufferSize(handle, VECTORS, LOWER, n, at, n, values_at, length)
            },
            |handle, work, length, info| unsafe {
                cusolverDnDsyevd(handle, VECTORS, LOWER, n, at, n, values_at, work, length, info)
            },
        )?;
        if !self.succeeded(&[converged])?[0] {
            return Err(Error::Eigen(rows));
        }
        let values = Array1::from(self.fetch(&values.slice(..rows))?);
        // A row each, ascending, as columns lie one behind the other.
        let vectors = self.fetch(&a.slice(..rows * rows))?;
        let vectors = Array2::from_shape_vec((rows, rows), vectors)
            .expect("as many values as were asked for");
        let vectors = vectors.slice(s![..;-1, ..]).t().as_standard_layout().into_owned();
        Ok((values.slice(s![..;-1]).to_owned(), vectors))
    }

    /// Whether each routine came to a result; waits for all of them at once.
    pub(crate) fn succeeded(&self, routines: &[Info]) -> Result<Vec<bool>> {
        let mut all = self.allocate::<c_int>(routines.len())?;
        for (i, Info(info)) in routines.iter().enumerate() {
            self.stream.memcpy_dtod(info, &mut all.slice_mut(i..=i))?;
        }
        Ok(self.fetch(&all.slice(..routines.len()))?.into_iter().map(|info| info == 0).collect())
    }

    /// Asks for the length of a routine's workspace and queues the routine with one.
    fn call<W: DeviceRepr>(
        &self,
        length: impl FnOnce(cusolverDnHandle_t, *mut c_int) -> cusolverStatus_t,
        routine: impl FnOnce(cusolverDnHandle_t, *mut W, c_int, *mut c_int) -> cusolverStatus_t,
    ) -> Result<Info> {
        let (handle, mut wanted) = (self.solver.cu(), 0);
        length(handle, &mut wanted).result()?;
        let length = usize::try_from(wanted).map_err(|_| Error::TooLarge(i32::MAX as usize))?;
        let (mut work, mut info) = (self.allocate::<W>(length)?, self.allocate::<c_int>(1)?);
        let work_at = work.device_ptr_mut(&self.stream).0 as *mut W;
        let info_at = info.device_ptr_mut(&self.stream).0 as *mut c_int;
        routine(handle, work_at, wanted, info_at).result()?;
        Ok(Info(info))
    }
}
