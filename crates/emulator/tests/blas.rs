//! cuBLAS against plain float64 arithmetic: every option, leading dimensions above the number of rows, and the parts of a
//! matrix that must be left alone.

#![allow(clippy::unwrap_used)]

mod common;

use common::Gpu;
use common::matrix::{Matrix, Real, TRIANGLES, assert_close, only, random, turned};
use cudarc::cublas::sys::{
    self as blas, cublasDiagType_t, cublasFillMode_t, cublasOperation_t, cublasSideMode_t,
};
use cudarc::cublas::{CudaBlas, result::CublasError};
use ndarray::{Array2, s};

use cublasDiagType_t::{CUBLAS_DIAG_NON_UNIT, CUBLAS_DIAG_UNIT};
use cublasOperation_t::{CUBLAS_OP_N, CUBLAS_OP_T};
use cublasSideMode_t::{CUBLAS_SIDE_LEFT, CUBLAS_SIDE_RIGHT};

const OPERATIONS: [cublasOperation_t; 2] = [CUBLAS_OP_N, CUBLAS_OP_T];

type Gemm<T> = unsafe fn(
    blas::cublasHandle_t,
    cublasOperation_t,
    cublasOperation_t,
    i32,
    i32,
    i32,
    *const T,
    *const T,
    i32,
    *const T,
    i32,
    *const T,
    *mut T,
    i32,
) -> blas::cublasStatus_t;

fn products<T: Real>(gemm: Gemm<T>) {
    let gpu = Gpu::new();
    let handle = CudaBlas::new(gpu.stream.clone()).unwrap();
    for (m, n, k) in [(1, 1, 1), (17, 5, 30), (33, 70, 1), (200, 7, 300), (201, 400, 40), (3, 3, 0)]
    {
        for (left, right) in OPERATIONS.into_iter().flat_map(|a| OPERATIONS.map(|b| (a, b))) {
            let (a, b, c) = (random(m, k, 1), random(k, n, 2), random(m, n, 3));
            let a_gpu = Matrix::<T>::new(&gpu, &turned(left, &a));
            let b_gpu = Matrix::<T>::new(&gpu, &turned(right, &b));
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
    products::<f32>(blas::cublasSgemm_v2);
    products::<f64>(blas::cublasDgemm_v2);
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

#[test]
fn symmetric_products_in_both_precisions() {
    symmetric_products::<f32>(blas::cublasSsyrk_v2);
    symmetric_products::<f64>(blas::cublasDsyrk_v2);
}

#[test]
fn sums_of_matrices_and_vectors() {
    let gpu = Gpu::new();
    let handle = CudaBlas::new(gpu.stream.clone()).unwrap();
    let (a, b) = (random(20, 9, 8), random(9, 20, 9));
    let a_gpu = Matrix::<f32>::new(&gpu, &a);
    let mut b_gpu = Matrix::<f32>::new(&gpu, &b);
    let mut c_gpu = Matrix::<f32>::new(&gpu, &Array2::from_elem((20, 9), f64::NAN));
    // SAFETY: matrices of these shapes; the vectors are the first columns.
    unsafe {
        let h = *handle.handle();
        let (at_b, ldb) = (b_gpu.at_mut(&gpu), b_gpu.leading());
        blas::cublasSgeam(
            h,
            CUBLAS_OP_N,
            CUBLAS_OP_T,
            20,
            9,
            &2.0,
            a_gpu.at(&gpu),
            a_gpu.leading(),
            &-1.0,
            at_b,
            ldb,
            c_gpu.at_mut(&gpu),
            c_gpu.leading(),
        )
        .result()
        .unwrap();
        blas::cublasSscal_v2(h, 9, &3.0, at_b, 1).result().unwrap();
        blas::cublasSaxpy_v2(h, 9, &0.5, a_gpu.at(&gpu), 1, at_b, 1).result().unwrap();
    }
    assert_close(&c_gpu.get(&gpu), &(2.0 * &a - b.t()), 1e-6);
    let mut expected = b.clone();
    let first = 3.0 * &b.column(0) + 0.5 * &a.slice(s![..9, 0]);
    expected.column_mut(0).assign(&first);
    assert_close(&b_gpu.get(&gpu), &expected, 1e-6);
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
