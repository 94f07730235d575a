//! cuBLAS against plain float64 arithmetic: every option, leading dimensions above the number of rows, and the parts of a
//! matrix that must be left alone.

#![allow(clippy::unwrap_used)]

mod common;

use common::Gpu;
use common::matrix::{Matrix, Real, TRIANGLES, assert_close, only, random, turned};
use cudarc::cublas::sys::{
    self as blas, cublasComputeType_t, cublasDiagType_t, cublasFillMode_t, cublasGemmAlgo_t,
    cublasOperation_t, cublasSideMode_t, cudaDataType,
};
use cudarc::cublas::{CudaBlas, result::CublasError};
use ndarray::{Array2, s};

use cublasDiagType_t::{CUBLAS_DIAG_NON_UNIT, CUBLAS_DIAG_UNIT};
use cublasGemmAlgo_t::CUBLAS_GEMM_DFALT;
use cublasOperation_t::{CUBLAS_OP_N, CUBLAS_OP_T};
use cublasSideMode_t::{CUBLAS_SIDE_LEFT, CUBLAS_SIDE_RIGHT};

const OPERATIONS: [cublasOperation_t; 2] = [CUBLAS_OP_N, CUBLAS_OP_T];

type Gemm<F, T> = unsafe fn(
    blas::cublasHandle_t,
    cublasOperation_t,
    cublasOperation_t,
    i32,
    i32,
    i32,
    *const T,
    *const F,
    i32,
    *const F,
    i32,
    *const T,
    *mut T,
    i32,
) -> blas::cublasStatus_t;

fn products<F: Real, T: Real>(gemm: Gemm<F, T>) {
    let gpu = Gpu::new();
    let handle = CudaBlas::new(gpu.stream.clone()).unwrap();
    for (m, n, k) in [(1, 1, 1), (17, 5, 30), (33, 70, 1), (200, 7, 300), (201, 400, 40), (3, 3, 0)]
    {
        for (left, right) in OPERATIONS.into_iter().flat_map(|a| OPERATIONS.map(|b| (a, b))) {
            let [a, b] = [random(m, k, 1), random(k, n, 2)].map(|x| x.mapv(|x| F::of(x).wide()));
            let c = random(m, n, 3);
            let a_gpu = Matrix::<F>::new(&gpu, &turned(left, &a));
            let b_gpu = Matrix::<F>::new(&gpu, &turned(right, &b));
            // What is multiplied by zero is not read.
            let fresh = Array2::from_elem((m, n), f64::NAN);
            for (beta, c) in [(0.0, fresh), (-0.5, c)] {
                let mut c_gpu = Matrix::<T>::new(&gpu, &c);
                // SAFETY: matrices of these shapes.
                let status = unsafe {
                    gemm(
                        *handle.handle(),
                        left,
                        right,
                        m as i32,
                        n as i32,
                        k as i32,
                        &T::of(1.5),
                        a_gpu.at(&gpu),
                        a_gpu.leading(),
                        b_gpu.at(&gpu),
                        b_gpu.leading(),
                        &T::of(beta),
                        c_gpu.at_mut(&gpu),
                        c_gpu.leading(),
                    )
                };
                status.result().unwrap();
                let kept = if beta == 0.0 { Array2::zeros((m, n)) } else { beta * &c };
                assert_close(&c_gpu.get(&gpu), &(1.5 * a.dot(&b) + kept), T::TOLERANCE);
            }
        }
    }
}

#[test]
fn products_in_both_precisions() {
    products::<f32, f32>(blas::cublasSgemm_v2);
    products::<f64, f64>(blas::cublasDgemm_v2);
}

const HALVES: cudaDataType = cudaDataType::CUDA_R_16F;
const SINGLES: cudaDataType = cudaDataType::CUDA_R_32F;
const IN_SINGLE: cublasComputeType_t = cublasComputeType_t::CUBLAS_COMPUTE_32F;

#[test]
fn products_of_halves_in_single_precision() {
    products::<u16, f32>(|handle, left, right, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc| {
        // SAFETY: as in `products`.
        unsafe {
            blas::cublasGemmEx(
                handle,
                left,
                right,
                m,
                n,
                k,
                alpha.cast(),
                a.cast(),
                HALVES,
                lda,
                b.cast(),
                HALVES,
                ldb,
                beta.cast(),
                c.cast(),
                SINGLES,
                ldc,
                IN_SINGLE,
                CUBLAS_GEMM_DFALT,
            )
        }
    });
}

/// Three products of matrices that lie one behind the other, by whichever function takes them.
fn strided_products<F: Real, T: Real>(
    gemm: impl Fn(&CudaBlas, [i32; 3], *const F, *const F, *mut T),
) {
    let gpu = Gpu::new();
    let handle = CudaBlas::new(gpu.stream.clone()).unwrap();
    let (m, n, k, count) = (7, 5, 6, 3);
    let all = |rows, columns, seed| random(rows, columns * count, seed).mapv(|x| F::of(x).wide());
    let (a, b) = (all(m, k, 1), all(k, n, 2));
    let (a_gpu, b_gpu) = (Matrix::<F>::new(&gpu, &a), Matrix::<F>::new(&gpu, &b));
    let mut c_gpu = Matrix::<T>::new(&gpu, &Array2::zeros((m, n * count)));
    gemm(
        &handle,
        [a_gpu.leading(), b_gpu.leading(), c_gpu.leading()],
        a_gpu.at(&gpu),
        b_gpu.at(&gpu),
        c_gpu.at_mut(&gpu),
    );
    let mut expected = Array2::zeros((m, n * count));
    for i in 0..count {
        let a = a.slice(s![.., i * k..(i + 1) * k]);
        let b = b.slice(s![.., i * n..(i + 1) * n]);
        expected.slice_mut(s![.., i * n..(i + 1) * n]).assign(&a.dot(&b));
    }
    assert_close(&c_gpu.get(&gpu), &expected, T::TOLERANCE);
}

#[test]
fn products_at_a_distance() {
    let plain = CUBLAS_OP_N;
    strided_products::<f32, f32>(|handle, [lda, ldb, ldc], a, b, c| {
        let strides = [lda * 6, ldb * 5, ldc * 5].map(i64::from);
        // SAFETY: matrices of these shapes.
        unsafe {
            blas::cublasSgemmStridedBatched(
                *handle.handle(),
                plain,
                plain,
                7,
                5,
                6,
                &1.0,
                a,
                lda,
                strides[0],
                b,
                ldb,
                strides[1],
                &0.0,
                c,
                ldc,
                strides[2],
                3,
            )
        }
        .result()
        .unwrap();
    });
    strided_products::<u16, f32>(|handle, [lda, ldb, ldc], a, b, c| {
        let strides = [lda * 6, ldb * 5, ldc * 5].map(i64::from);
        let (one, zero) = (1.0f32, 0.0f32);
        // SAFETY: matrices of these shapes.
        unsafe {
            blas::cublasGemmStridedBatchedEx(
                *handle.handle(),
                plain,
                plain,
                7,
                5,
                6,
                (&raw const one).cast(),
                a.cast(),
                HALVES,
                lda,
                strides[0],
                b.cast(),
                HALVES,
                ldb,
                strides[1],
                (&raw const zero).cast(),
                c.cast(),
                SINGLES,
                ldc,
                strides[2],
                3,
                IN_SINGLE,
                CUBLAS_GEMM_DFALT,
            )
        }
        .result()
        .unwrap();
    });
}

#[test]
fn products_of_other_types_are_refused() {
    let gpu = Gpu::new();
    let handle = CudaBlas::new(gpu.stream.clone()).unwrap();
    let factor = Matrix::<u16>::new(&gpu, &random(8, 8, 1));
    let mut product = Matrix::<f32>::new(&gpu, &random(8, 8, 2));
    let (a, c, leading) = (factor.at(&gpu).cast(), product.at_mut(&gpu).cast(), factor.leading());
    let (one, plain) = (1.0_f32, CUBLAS_OP_N);
    let one = (&raw const one).cast();
    let call = |a_type, b_type, c_type, compute_type| {
        // SAFETY: other types than those of the matrices are refused before anything is read.
        unsafe {
            blas::cublasGemmEx(
                *handle.handle(),
                plain,
                plain,
                8,
                8,
                8,
                one,
                a,
                a_type,
                leading,
                a,
                b_type,
                leading,
                one,
                c,
                c_type,
                leading,
                compute_type,
                CUBLAS_GEMM_DFALT,
            )
        }
        .result()
    };
    let refused = Err(CublasError(blas::cublasStatus_t::CUBLAS_STATUS_NOT_SUPPORTED));
    let in_half = cublasComputeType_t::CUBLAS_COMPUTE_16F;
    assert_eq!(call(HALVES, HALVES, SINGLES, IN_SINGLE), Ok(()));
    assert_eq!(call(SINGLES, HALVES, SINGLES, IN_SINGLE), refused);
    assert_eq!(call(HALVES, SINGLES, SINGLES, IN_SINGLE), refused);
    assert_eq!(call(HALVES, HALVES, HALVES, IN_SINGLE), refused);
    assert_eq!(call(HALVES, HALVES, SINGLES, in_half), refused);
}

type Trsm<T> = unsafe fn(
    blas::cublasHandle_t,
    cublasSideMode_t,
    cublasFillMode_t,
    cublasOperation_t,
    cublasDiagType_t,
    i32,
    i32,
    *const T,
    *const T,
    i32,
    *mut T,
    i32,
) -> blas::cublasStatus_t;

fn triangular_solves<T: Real>(trsm: Trsm<T>) {
    let gpu = Gpu::new();
    let handle = CudaBlas::new(gpu.stream.clone()).unwrap();
    let (m, n) = (120, 75);
    for side in [CUBLAS_SIDE_LEFT, CUBLAS_SIDE_RIGHT] {
        let size = if side == CUBLAS_SIDE_LEFT { m } else { n };
        for (triangle, operation, diagonal) in options() {
            let a = random(size, size, 4) * 0.1 + 2.0 * Array2::<f64>::eye(size);
            let b = random(m, n, 5);
            let a_gpu = Matrix::<T>::new(&gpu, &only(triangle, &a, f64::NAN));
            let mut b_gpu = Matrix::<T>::new(&gpu, &b);
            // SAFETY: matrices of these shapes.
            let status = unsafe {
                trsm(
                    *handle.handle(),
                    side,
                    triangle,
                    operation,
                    diagonal,
                    m as i32,
                    n as i32,
                    &T::of(3.0),
                    a_gpu.at(&gpu),
                    a_gpu.leading(),
                    b_gpu.at_mut(&gpu),
                    b_gpu.leading(),
                )
            };
            status.result().unwrap();
            let mut a = only(triangle, &a, 0.0);
            if diagonal == CUBLAS_DIAG_UNIT {
                a.diag_mut().fill(1.0);
            }
            let (x, a) = (b_gpu.get(&gpu), turned(operation, &a));
            let product = if side == CUBLAS_SIDE_LEFT { a.dot(&x) } else { x.dot(&a) };
            assert_close(&product, &(3.0 * b), 100.0 * T::TOLERANCE);
        }
    }
}

fn options() -> impl Iterator<Item = (cublasFillMode_t, cublasOperation_t, cublasDiagType_t)> {
    let diagonals = [CUBLAS_DIAG_NON_UNIT, CUBLAS_DIAG_UNIT];
    let with_diagonals =
        move |triangle, operation| diagonals.map(|diagonal| (triangle, operation, diagonal));
    TRIANGLES.into_iter().flat_map(move |triangle| {
        OPERATIONS.into_iter().flat_map(move |it| with_diagonals(triangle, it))
    })
}

#[test]
fn triangular_solves_in_both_precisions() {
    triangular_solves::<f32>(blas::cublasStrsm_v2);
    triangular_solves::<f64>(blas::cublasDtrsm_v2);
}

#[test]
fn symmetric_products_in_both_precisions() {
    symmetric_products::<f32>(blas::cublasSsyrk_v2);
    symmetric_products::<f64>(blas::cublasDsyrk_v2);
}

type Syrk<T> = unsafe fn(
    blas::cublasHandle_t,
    cublasFillMode_t,
    cublasOperation_t,
    i32,
    i32,
    *const T,
    *const T,
    i32,
    *const T,
    *mut T,
    i32,
) -> blas::cublasStatus_t;

fn symmetric_products<T: Real>(syrk: Syrk<T>) {
    let gpu = Gpu::new();
    let handle = CudaBlas::new(gpu.stream.clone()).unwrap();
    let (n, k) = (150, 33);
    for (triangle, operation, _) in options() {
        let (a, c) = (random(n, k, 6), random(n, n, 7));
        let a_gpu = Matrix::<T>::new(&gpu, &turned(operation, &a));
        let mut c_gpu = Matrix::<T>::new(&gpu, &only(triangle, &c, -5.0));
        // SAFETY: matrices of these shapes.
        let status = unsafe {
            syrk(
                *handle.handle(),
                triangle,
                operation,
                n as i32,
                k as i32,
                &T::of(2.0),
                a_gpu.at(&gpu),
                a_gpu.leading(),
                &T::of(0.25),
                c_gpu.at_mut(&gpu),
                c_gpu.leading(),
            )
        };
        status.result().unwrap();
        let expected = only(triangle, &(2.0 * a.dot(&a.t()) + 0.25 * c), -5.0);
        assert_close(&c_gpu.get(&gpu), &expected, T::TOLERANCE);
    }
}

/// To the bit, whether or not the processor has an instruction that multiplies and adds.
#[test]
fn sums_of_products_round_twice_a_product() {
    let gpu = Gpu::new();
    let handle = CudaBlas::new(gpu.stream.clone()).unwrap();
    let (m, n, k) = (30, 20, 50);
    let (a, b) = (random(m, k, 8), random(k, n, 9));
    let (a_gpu, b_gpu) = (Matrix::<f32>::new(&gpu, &a), Matrix::<f32>::new(&gpu, &b));
    let mut c_gpu = Matrix::<f32>::new(&gpu, &random(m, n, 10));
    let (plain, sizes) = (CUBLAS_OP_N, [m, n, k].map(|size| size as i32));
    let (a_at, b_at, c_at) = (a_gpu.at(&gpu), b_gpu.at(&gpu), c_gpu.at_mut(&gpu));
    let leading = [a_gpu.leading(), b_gpu.leading(), c_gpu.leading()];
    // SAFETY: matrices of these shapes.
    let status = unsafe {
        blas::cublasSgemm_v2(
            *handle.handle(),
            plain,
            plain,
            sizes[0],
            sizes[1],
            sizes[2],
            &1.0,
            a_at,
            leading[0],
            b_at,
            leading[1],
            &0.0,
            c_at,
            leading[2],
        )
    };
    status.result().unwrap();
    for ((i, j), found) in c_gpu.get(&gpu).indexed_iter() {
        let products = (0..k).map(|k| a[(i, k)] as f32 * b[(k, j)] as f32);
        assert_eq!(*found, f64::from(products.fold(0.0, |sum, product| sum + product)));
    }
}

#[test]
fn bad_arguments_are_refused() {
    let gpu = Gpu::new();
    let handle = CudaBlas::new(gpu.stream.clone()).unwrap();
    let mut a = Matrix::<f32>::new(&gpu, &random(8, 8, 1));
    let at = a.at_mut(&gpu);
    let call = |m: i32, lda: i32| {
        let (n, t) = (CUBLAS_OP_N, CUBLAS_OP_T);
        // SAFETY: refused before anything is read.
        unsafe {
            blas::cublasSgemm_v2(*handle.handle(), n, t, m, 2, 2, &1.0, at, lda, at, 8, &0.0, at, 8)
        }
        .result()
    };
    let invalid = Err(CublasError(blas::cublasStatus_t::CUBLAS_STATUS_INVALID_VALUE));
    assert_eq!(call(8, 7), invalid);
    assert_eq!(call(-1, 8), invalid);
    assert_eq!(call(0, 8), Ok(()));
}
