//! cuBLAS and cuSOLVER on matrices whose rows lie one behind the other.
//!
//! The libraries take columns to lie one behind the other. To them, such a matrix is its transpose, and its lower
//! triangle the upper one; so C = A B is asked for as C^T = B^T A^T, and L L^T as U^T U.

use cudarc::{
    cublas::{
        Gemm, GemmConfig,
        sys::{
            cublasDiagType_t::CUBLAS_DIAG_NON_UNIT, cublasFillMode_t, cublasOperation_t,
            cublasSideMode_t, cublasSsyrk_v2, cublasStrsm_v2,
        },
    },
    cusolver::sys as solver,
    driver::{CudaSlice, CudaView, CudaViewMut, DevicePtr as _, DevicePtrMut as _},
};
use ndarray::{Array1, Array2, s};

use crate::{
    device::Device,
    error::{Error, Result},
    kernels::{THREADS, blocks, launch},
    matrix::Matrix,
};

/// The lower triangle, rows one behind the other.
const LOWER: cublasFillMode_t = cublasFillMode_t::CUBLAS_FILL_MODE_UPPER;
const SOLVER_LOWER: solver::cublasFillMode_t = solver::cublasFillMode_t::CUBLAS_FILL_MODE_UPPER;

/// A factor of a product: rows x columns as they lie, and whether its transpose is meant.
#[derive(Clone, Copy)]
pub(crate) struct Factor<'a, T> {
    values: &'a CudaView<'a, T>,
    rows: usize,
    columns: usize,
    transposed: bool,
}

impl<'a, T> Factor<'a, T> {
    pub(crate) fn new(values: &'a CudaView<'a, T>, rows: usize, columns: usize) -> Self {
        Self { values, rows, columns, transposed: false }
    }

    /// The transpose.
    pub(crate) fn t(self) -> Self {
        Self { transposed: !self.transposed, ..self }
    }

    fn shape(&self) -> (usize, usize) {
        if self.transposed { (self.columns, self.rows) } else { (self.rows, self.columns) }
    }

    fn operation(&self) -> cublasOperation_t {
        if self.transposed {
            cublasOperation_t::CUBLAS_OP_T
        } else {
            cublasOperation_t::CUBLAS_OP_N
        }
    }
}

impl Device {
    /// `c` = `alpha` `a` `b` + `beta` `c`; with a `beta` of zero, `c` need not hold numbers before.
    pub(crate) fn multiply<T: Copy>(
        &self,
        alpha: T,
        (a, b): (Factor<'_, T>, Factor<'_, T>),
        beta: T,
        c: &mut CudaViewMut<'_, T>,
    ) -> Result<()>
    where
        cudarc::cublas::CudaBlas: Gemm<T>,
    {
        let ((m, k), (same, n)) = (a.shape(), b.shape());
        assert!(
            k == same && c.len() == m * n,
            "a product of {m} x {k} and {same} x {n} of {}",
            c.len()
        );
        if m == 0 || n == 0 {
            return Ok(());
        }
        let config = GemmConfig {
            transa: b.operation(),
            transb: a.operation(),
            m: int(n)?,
            n: int(m)?,
            k: int(k)?,
            alpha,
            lda: int(b.columns.max(1))?,
            ldb: int(a.columns.max(1))?,
            beta,
            ldc: int(n)?,
        };
        // SAFETY: all three are as long as their shapes, by the assertion and by `Factor::new`'s callers.
        unsafe { self.blas.gemm(config, b.values, a.values, c) }?;
        Ok(())
    }

    /// `a` `b`.
    pub(crate) fn matmul(&self, a: &Matrix, b: &Matrix) -> Result<Matrix> {
        let mut c = self.matrix(a.rows, b.columns)?;
        let (left, right) = (a.rows(0..a.rows), b.rows(0..b.rows));
        let factors =
            (Factor::new(&left, a.rows, a.columns), Factor::new(&right, b.rows, b.columns));
        self.multiply(1.0, factors, 0.0, &mut c.rows_mut(0..a.rows))?;
        Ok(c)
    }

    /// X^T X of the rows `x`, columns x columns, its lower triangle alone.
    pub(crate) fn gram(
        &self,
        x: &CudaView<'_, f32>,
        columns: usize,
        gram: &mut Matrix,
    ) -> Result<()> {
        let (n, k) = (int(columns)?, int(x.len() / columns.max(1))?);
        let (one, zero) = (1.0, 0.0);
        let (x, _x) = x.device_ptr(&self.stream);
        let (out, _out) = gram.values.device_ptr_mut(&self.stream);
        let operation = cublasOperation_t::CUBLAS_OP_N;
        // SAFETY: `x` has k rows of n numbers and `gram` n rows of n.
        unsafe {
            cublasSsyrk_v2(
                *self.blas.handle(),
                LOWER,
                operation,
                n,
                k,
                &one,
                x as _,
                n,
                &zero,
                out as _,
                n,
            )
        }
        .result()?;
        Ok(())
    }

    /// X with (`a` + `alpha` I) X = `b`, for a symmetric `a`, which is overwritten.
    pub(crate) fn solve(&self, a: &mut Matrix, alpha: f64, b: &Matrix) -> Result<Matrix> {
        let (n, value) = (a.rows, alpha as f32);
        launch!(self, add_to_diagonal, blocks(n), (THREADS as u32, 1), (&mut a.values, &n, &value));
        if !self.factorise_f32(a)? {
            return Err(Error::NotPositiveDefinite { alpha });
        }
        let mut x = self.copy(b)?;
        // X^T = B^T U^-1 U^-T
        let right = cublasSideMode_t::CUBLAS_SIDE_RIGHT;
        for operation in [cublasOperation_t::CUBLAS_OP_N, cublasOperation_t::CUBLAS_OP_T] {
            self.divide(right, operation, a, &mut x)?;
        }
        Ok(x)
    }

    /// `x` L^-T, in place, for the lower triangle L in `factor`.
    pub(crate) fn divide_by_transposed(&self, x: &mut Matrix, factor: &Matrix) -> Result<()> {
        // U^-T X^T
        self.divide(cublasSideMode_t::CUBLAS_SIDE_LEFT, cublasOperation_t::CUBLAS_OP_T, factor, x)
    }

    /// To cuBLAS, `x` is columns x rows and `factor` an upper triangle.
    fn divide(
        &self,
        side: cublasSideMode_t,
        operation: cublasOperation_t,
        factor: &Matrix,
        x: &mut Matrix,
    ) -> Result<()> {
        if x.len() == 0 {
            return Ok(());
        }
        let (m, n, lda, one) = (int(x.columns)?, int(x.rows)?, int(factor.columns)?, 1.0);
        let (factor, _factor) = factor.values.device_ptr(&self.stream);
        let (out, _out) = x.values.device_ptr_mut(&self.stream);
        let handle = *self.blas.handle();
        // SAFETY: `factor` is square, with as many rows as `x` has on that side.
        unsafe {
            cublasStrsm_v2(
                handle,
                side,
                LOWER,
                operation,
                CUBLAS_DIAG_NON_UNIT,
                m,
                n,
                &one,
                factor as _,
                lda,
                out as _,
                m,
            )
        }
        .result()?;
        Ok(())
    }

    /// Overwrites the lower triangle of `a` by its Cholesky factor; whether there is one.
    fn factorise_f32(&self, a: &mut Matrix) -> Result<bool> {
        let (n, handle, mut length) = (int(a.rows)?, self.solver.cu(), 0);
        let mut info = self.allocate::<i32>(1)?;
        let (at, _at) = a.values.device_ptr_mut(&self.stream);
        // SAFETY: `a` is n x n; the workspace is as long as the library says.
        unsafe {
            solver::cusolverDnSpotrf_bufferSize(handle, SOLVER_LOWER, n, at as _, n, &mut length)
                .result()?;
            let mut work = self.allocate::<f32>(length.max(0) as usize)?;
            let (work_at, _work) = work.device_ptr_mut(&self.stream);
            let (info_at, _info) = info.device_ptr_mut(&self.stream);
            solver::cusolverDnSpotrf(
                handle,
                SOLVER_LOWER,
                n,
                at as _,
                n,
                work_at as _,
                length,
                info_at as _,
            )
            .result()?;
        }
        self.succeeded(&info)
    }

    /// Overwrites the lower triangle of the n x n `a` by its Cholesky factor; whether there is one.
    pub(crate) fn factorise(&self, a: &mut CudaSlice<f64>, n: usize) -> Result<bool> {
        let (n, handle, mut length) = (int(n)?, self.solver.cu(), 0);
        let mut info = self.allocate::<i32>(1)?;
        let (at, _at) = a.device_ptr_mut(&self.stream);
        // SAFETY: as in `factorise_f32`.
        unsafe {
            solver::cusolverDnDpotrf_bufferSize(handle, SOLVER_LOWER, n, at as _, n, &mut length)
                .result()?;
            let mut work = self.allocate::<f64>(length.max(0) as usize)?;
            let (work_at, _work) = work.device_ptr_mut(&self.stream);
            let (info_at, _info) = info.device_ptr_mut(&self.stream);
            solver::cusolverDnDpotrf(
                handle,
                SOLVER_LOWER,
                n,
                at as _,
                n,
                work_at as _,
                length,
                info_at as _,
            )
            .result()?;
        }
        self.succeeded(&info)
    }

    /// From the Cholesky factor of an n x n matrix, its inverse, whole; whether there is one.
    pub(crate) fn invert_factorised(&self, a: &mut CudaSlice<f64>, n: usize) -> Result<bool> {
        let (size, handle, mut length) = (int(n)?, self.solver.cu(), 0);
        let mut info = self.allocate::<i32>(1)?;
        {
            let (at, _at) = a.device_ptr_mut(&self.stream);
            // SAFETY: as in `factorise_f32`.
            unsafe {
                solver::cusolverDnDpotri_bufferSize(
                    handle,
                    SOLVER_LOWER,
                    size,
                    at as _,
                    size,
                    &mut length,
                )
                .result()?;
                let mut work = self.allocate::<f64>(length.max(0) as usize)?;
                let (work_at, _work) = work.device_ptr_mut(&self.stream);
                let (info_at, _info) = info.device_ptr_mut(&self.stream);
                solver::cusolverDnDpotri(
                    handle,
                    SOLVER_LOWER,
                    size,
                    at as _,
                    size,
                    work_at as _,
                    length,
                    info_at as _,
                )
                .result()?;
            }
        }
        launch!(self, mirror, blocks(n * n), (THREADS as u32, 1), (a, &n));
        self.succeeded(&info)
    }

    /// Eigenvalues, descending, and eigenvectors in the columns of the other.
    pub(crate) fn eigen(&self, matrix: &Array2<f64>) -> Result<(Array1<f64>, Array2<f64>)> {
        let rows = matrix.nrows();
        if !matrix.iter().all(|value| value.is_finite()) {
            return Err(Error::Eigen(rows));
        }
        let (n, handle, mut length) = (int(rows)?, self.solver.cu(), 0);
        let standard = matrix.as_standard_layout();
        let mut a = self.send(standard.as_slice().unwrap_or_default())?;
        let (mut values, mut info) = (self.allocate::<f64>(rows)?, self.allocate::<i32>(1)?);
        {
            let (at, _at) = a.device_ptr_mut(&self.stream);
            let (values_at, _values) = values.device_ptr_mut(&self.stream);
            let vectors = solver::cusolverEigMode_t::CUSOLVER_EIG_MODE_VECTOR;
            // SAFETY: as in `factorise_f32`; `values` has n numbers.
            unsafe {
                let sized = solver::cusolverDnDsyevd_bufferSize(
                    handle,
                    vectors,
                    SOLVER_LOWER,
                    n,
                    at as _,
                    n,
                    values_at as _,
                    &mut length,
                );
                sized.result()?;
                let mut work = self.allocate::<f64>(length.max(0) as usize)?;
                let (work_at, _work) = work.device_ptr_mut(&self.stream);
                let (info_at, _info) = info.device_ptr_mut(&self.stream);
                let found = solver::cusolverDnDsyevd(
                    handle,
                    vectors,
                    SOLVER_LOWER,
                    n,
                    at as _,
                    n,
                    values_at as _,
                    work_at as _,
                    length,
                    info_at as _,
                );
                found.result()?;
            }
        }
        if !self.succeeded(&info)? {
            return Err(Error::Eigen(rows));
        }
        let values = Array1::from(self.fetch(&values.slice(..rows))?);
        // A row each, ascending, as columns lie one behind the other.
        let vectors = self.fetch(&a.slice(..rows * rows))?;
        let vectors = Array2::from_shape_vec((rows, rows), vectors).unwrap_or_default();
        if !values.iter().chain(&vectors).all(|value| value.is_finite()) {
            return Err(Error::Eigen(rows));
        }
        let vectors = vectors.slice(s![..;-1, ..]).t().as_standard_layout().into_owned();
        Ok((values.slice(s![..;-1]).to_owned(), vectors))
    }

    /// The symmetric matrix whose lower triangle is in `x`, plus `value` I, in float64.
    pub(crate) fn widen_symmetric(&self, x: &Matrix, value: f64) -> Result<CudaSlice<f64>> {
        let (n, mut wide) = (x.rows, self.allocate(x.len())?);
        launch!(
            self,
            widen_symmetric,
            blocks(x.len()),
            (THREADS as u32, 1),
            (&x.values, &n, &value, &mut wide)
        );
        Ok(wide)
    }

    pub(crate) fn widen(&self, x: &CudaView<'_, f32>) -> Result<CudaSlice<f64>> {
        let (length, mut wide) = (x.len(), self.allocate(x.len())?);
        launch!(self, widen, blocks(length), (THREADS as u32, 1), (x, &length, &mut wide));
        Ok(wide)
    }

    pub(crate) fn narrow(&self, x: &CudaSlice<f64>, rows: usize, columns: usize) -> Result<Matrix> {
        let mut narrow = self.matrix(rows, columns)?;
        let length = narrow.len();
        launch!(
            self,
            narrow,
            blocks(length),
            (THREADS as u32, 1),
            (x, &length, &mut narrow.values)
        );
        Ok(narrow)
    }

    fn succeeded(&self, info: &CudaSlice<i32>) -> Result<bool> {
        Ok(self.fetch(info)?.first() == Some(&0))
    }
}

fn int(number: usize) -> Result<i32> {
    i32::try_from(number).map_err(|_| Error::TooLarge(number))
}
