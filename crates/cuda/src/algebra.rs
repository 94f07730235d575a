//! cuBLAS on matrices whose rows lie one behind the other.
//!
//! The library takes columns to lie one behind the other. To it, such a matrix is its transpose; so C = A B is asked for as
//! C^T = B^T A^T.

use std::ffi::c_void;

use crate::{
    device::Device,
    error::{Error, Result},
    kernels::{THREADS, blocks, launch},
    matrix::Matrix,
};
use cudarc::{
    cublas::{
        Gemm, GemmConfig,
        result::gemm_ex,
        sys::{
            cublasComputeType_t, cublasDiagType_t::CUBLAS_DIAG_NON_UNIT, cublasDtrsm_v2,
            cublasFillMode_t, cublasGemmAlgo_t, cublasMath_t, cublasOperation_t, cublasSetMathMode,
            cublasSideMode_t, cublasSsyrk_v2, cublasStrsm_v2, cudaDataType,
        },
    },
    driver::{CudaSlice, CudaView, CudaViewMut, DevicePtr as _, DevicePtrMut as _},
};

/// The lower triangle, rows one behind the other.
const LOWER_OF_ROWS: cublasFillMode_t = cublasFillMode_t::CUBLAS_FILL_MODE_UPPER;
/// The lower triangle, columns one behind the other: where cuSOLVER leaves Cholesky factors.
const LOWER: cublasFillMode_t = cublasFillMode_t::CUBLAS_FILL_MODE_LOWER;

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
        assert_eq!(values.len(), rows * columns, "a factor of {rows} x {columns}");
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
        let (m, k, n) = sizes(&a, &b, c.len());
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
        // SAFETY: all three are as long as their shapes, by the assertions here and in `Factor::new`.
        unsafe { self.blas.gemm(config, b.values, a.values, c) }?;
        Ok(())
    }

    /// `c` = `a` `b` + `beta` `c` for sums of two matrices of float16 numbers each, the greater one first. The product of the smaller two
    /// is left out.
    pub(crate) fn multiply_halves(
        &self,
        [a_hi, a_lo]: [Factor<'_, u16>; 2],
        [b_hi, b_lo]: [Factor<'_, u16>; 2],
        beta: f32,
        c: &mut CudaViewMut<'_, f32>,
    ) -> Result<()> {
        self.multiply_half(a_lo, b_hi, beta, c)?;
        self.multiply_half(a_hi, b_lo, 1.0, c)?;
        self.multiply_half(a_hi, b_hi, 1.0, c)
    }

    /// `c` = `a` `b` + `beta` `c` for float16 factors, added up in float32.
    pub(crate) fn multiply_half(
        &self,
        a: Factor<'_, u16>,
        b: Factor<'_, u16>,
        beta: f32,
        c: &mut CudaViewMut<'_, f32>,
    ) -> Result<()> {
        let (m, k, n) = sizes(&a, &b, c.len());
        if m == 0 || n == 0 {
            return Ok(());
        }
        let one = 1.0_f32;
        let [one, beta] = [&raw const one, &raw const beta].map(|number| number.cast::<c_void>());
        let (left, _left) = a.values.device_ptr(&self.stream);
        let (right, _right) = b.values.device_ptr(&self.stream);
        let (out, _out) = c.device_ptr_mut(&self.stream);
        let [halves, singles] = [cudaDataType::CUDA_R_16F, cudaDataType::CUDA_R_32F];
        // SAFETY: all three are as long as their shapes, by the assertions in `sizes` and `Factor::new`, and of the types that are
        // named; the factors live until the call is over.
        unsafe {
            gemm_ex(
                *self.blas.handle(),
                b.operation(),
                a.operation(),
                int(n)?,
                int(m)?,
                int(k)?,
                one,
                right as _,
                halves,
                int(b.columns.max(1))?,
                left as _,
                halves,
                int(a.columns.max(1))?,
                beta,
                out as _,
                singles,
                int(n)?,
                cublasComputeType_t::CUBLAS_COMPUTE_32F,
                cublasGemmAlgo_t::CUBLAS_GEMM_DFALT,
            )
        }?;
        Ok(())
    }

    /// Does `work`, in which float32 products may have factors of 11 bits (TF32), as matrix units take them where there are some:
    /// for what need not be exact.
    pub(crate) fn rounded<R>(&self, work: impl FnOnce() -> Result<R>) -> Result<R> {
        let choose = |mode| {
            // SAFETY: the handle is a live one.
            unsafe { cublasSetMathMode(*self.blas.handle(), mode) }.result()
        };
        choose(cublasMath_t::CUBLAS_TF32_TENSOR_OP_MATH)?;
        let result = work();
        let back = choose(cublasMath_t::CUBLAS_DEFAULT_MATH);
        let result = result?;
        back?;
        Ok(result)
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

    /// The square matrix `a`, in float64, times `b`, rounded to float32 at the end.
    pub(crate) fn matmul_wide(&self, a: &CudaSlice<f64>, b: &Matrix) -> Result<Matrix> {
        let (m, columns) = (b.rows, b.columns);
        let wide = self.widen(&b.rows(0..m))?;
        let mut product = self.allocate::<f64>(m * columns)?;
        let (a, b) = (a.slice(..m * m), wide.slice(..m * columns));
        let factors = (Factor::new(&a, m, m), Factor::new(&b, m, columns));
        self.multiply(1.0, factors, 0.0, &mut product.slice_mut(..m * columns))?;
        self.narrow(&product, m, columns)
    }

    /// X^T X of the rows `x`, columns x columns, its lower triangle alone.
    pub(crate) fn gram(
        &self,
        x: &CudaView<'_, f32>,
        columns: usize,
        gram: &mut Matrix,
    ) -> Result<()> {
        let (n, k) = (int(columns)?, int(x.len() / columns.max(1))?);
        assert_eq!((gram.rows, gram.columns), (columns, columns));
        let (one, zero) = (1.0, 0.0);
        let (x, _x) = x.device_ptr(&self.stream);
        let (out, _out) = gram.values.device_ptr_mut(&self.stream);
        let operation = cublasOperation_t::CUBLAS_OP_N;
        // SAFETY: `x` has k rows of n numbers and `gram` n rows of n.
        unsafe {
            cublasSsyrk_v2(
                *self.blas.handle(),
                LOWER_OF_ROWS,
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
        assert_eq!((a.columns, b.rows), (n, n));
        launch!(self, add_to_diagonal, blocks(n), (THREADS as u32, 1), (&mut a.values, &n, &value));
        let info = self.factorise_f32(a)?;
        if !self.succeeded(&[info])?[0] {
            return Err(Error::NotPositiveDefinite { alpha });
        }
        let mut x = self.copy(b)?;
        // X^T = B^T L^-T L^-1
        let right = cublasSideMode_t::CUBLAS_SIDE_RIGHT;
        for operation in [cublasOperation_t::CUBLAS_OP_T, cublasOperation_t::CUBLAS_OP_N] {
            self.triangular_solve(right, operation, a, &mut x)?;
        }
        Ok(x)
    }

    /// `x` L^-T, in place, for the Cholesky factor L.
    pub(crate) fn solve_transposed(&self, x: &mut Matrix, factor: &Matrix) -> Result<()> {
        // L^-1 X^T
        let (left, none) = (cublasSideMode_t::CUBLAS_SIDE_LEFT, cublasOperation_t::CUBLAS_OP_N);
        self.triangular_solve(left, none, factor, x)
    }

    /// To cuBLAS, `x` is columns x rows.
    fn triangular_solve(
        &self,
        side: cublasSideMode_t,
        operation: cublasOperation_t,
        factor: &Matrix,
        x: &mut Matrix,
    ) -> Result<()> {
        if x.len() == 0 {
            return Ok(());
        }
        let size = if side == cublasSideMode_t::CUBLAS_SIDE_LEFT { x.columns } else { x.rows };
        assert_eq!((factor.rows, factor.columns), (size, size));
        let (m, n, lda, one) = (int(x.columns)?, int(x.rows)?, int(factor.columns)?, 1.0);
        let (factor, _factor) = factor.values.device_ptr(&self.stream);
        let (out, _out) = x.values.device_ptr_mut(&self.stream);
        let (handle, diagonal) = (*self.blas.handle(), CUBLAS_DIAG_NON_UNIT);
        // SAFETY: by the assertion, `factor` is square, with as many rows as `x` has on that side.
        unsafe {
            cublasStrsm_v2(
                handle,
                side,
                LOWER,
                operation,
                diagonal,
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

    /// The inverse, whole, of the n x n matrix with this Cholesky factor.
    pub(crate) fn invert_factorised(
        &self,
        factor: &CudaSlice<f64>,
        n: usize,
        inverse: &mut CudaSlice<f64>,
    ) -> Result<()> {
        let (size, one) = (int(n)?, 1.0);
        assert!(factor.len() >= n * n && inverse.len() >= n * n, "too few numbers for {n} rows");
        let mut inverted = self.allocate::<f64>(n * n)?;
        launch!(self, identity, blocks(n * n), (THREADS as u32, 1), (&mut inverted, &n));
        {
            let (factor, _factor) = factor.device_ptr(&self.stream);
            let (out, _out) = inverted.device_ptr_mut(&self.stream);
            let (handle, diagonal) = (*self.blas.handle(), CUBLAS_DIAG_NON_UNIT);
            let (left, none) = (cublasSideMode_t::CUBLAS_SIDE_LEFT, cublasOperation_t::CUBLAS_OP_N);
            // SAFETY: both are n x n.
            unsafe {
                cublasDtrsm_v2(
                    handle,
                    left,
                    LOWER,
                    none,
                    diagonal,
                    size,
                    size,
                    &one,
                    factor as _,
                    size,
                    out as _,
                    size,
                )
            }
            .result()?;
        }
        // Of L^-1 columns lie one behind the other: as rows, it is L^-T.
        let rows = inverted.slice(..n * n);
        let rows = Factor::new(&rows, n, n);
        self.multiply(1.0, (rows, rows.t()), 0.0, &mut inverse.slice_mut(..n * n))
    }

    /// The symmetric matrix whose lower triangle is in `x`, plus `value` I, in float64.
    pub(crate) fn widen_symmetric(
        &self,
        x: &Matrix,
        value: f64,
        wide: &mut CudaSlice<f64>,
    ) -> Result<()> {
        assert!(x.rows == x.columns && wide.len() >= x.len(), "{x:?} in {} numbers", wide.len());
        let n = x.rows;
        launch!(
            self,
            widen_symmetric,
            blocks(x.len()),
            (THREADS as u32, 1),
            (&x.values, &n, &value, wide)
        );
        Ok(())
    }

    pub(crate) fn widen(&self, x: &CudaView<'_, f32>) -> Result<CudaSlice<f64>> {
        let (length, mut wide) = (x.len(), self.allocate(x.len())?);
        launch!(self, widen, blocks(length), (THREADS as u32, 1), (x, &length, &mut wide));
        Ok(wide)
    }

    pub(crate) fn narrow(&self, x: &CudaSlice<f64>, rows: usize, columns: usize) -> Result<Matrix> {
        let mut narrow = self.matrix(rows, columns)?;
        let length = narrow.len();
        assert!(x.len() >= length, "{} numbers for {rows} x {columns}", x.len());
        launch!(
            self,
            narrow,
            blocks(length),
            (THREADS as u32, 1),
            (x, &length, &mut narrow.values)
        );
        Ok(narrow)
    }
}

/// Rows, length and columns of a product with so many numbers.
fn sizes<T>(a: &Factor<'_, T>, b: &Factor<'_, T>, length: usize) -> (usize, usize, usize) {
    let ((m, k), (same, n)) = (a.shape(), b.shape());
    assert!(k == same && length == m * n, "a product of {m} x {k} and {same} x {n} of {length}");
    (m, k, n)
}

pub(crate) fn int(number: usize) -> Result<i32> {
    i32::try_from(number).map_err(|_| Error::TooLarge(number))
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn factors_are_rounded_where_they_may_be_and_nowhere_else() {
        modality_emulator::Emulator::start(None).unwrap();
        let device = Device::open(0).unwrap();
        let exact = 1.0 + 2_f32.powi(-12);
        let factor = device.upload(array![[exact, 0.0], [0.0, 1.0]].view()).unwrap();
        let product = || device.matmul(&factor, &factor);
        let found = [product(), device.rounded(product), product()]
            .map(|found| device.download(&found.unwrap()).unwrap()[[0, 0]]);
        assert_eq!(found, [exact * exact, 1.0, exact * exact]);
    }
}
