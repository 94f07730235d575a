//! What kinds of calls are told apart. One test, since all of it belongs to the process.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;

use common::matrix::{Matrix, positive, random};
use common::{Gpu, config};
use cudarc::cublas::sys::{self as blas, cublasMath_t, cublasOperation_t};
use cudarc::cublas::{CudaBlas, Gemm, GemmConfig};
use cudarc::cusolver::{safe::DnHandle, sys as solver};
use cudarc::driver::{DevicePtrMut, DriverError, PushKernelArg};
use modality_emulator::Call;

use cublasOperation_t::{CUBLAS_OP_N, CUBLAS_OP_T};

#[test]
fn kinds_of_calls() {
    let gpu = Gpu::new();
    kernels_and_fills_by_name(&gpu).unwrap();
    products_by_options_and_shape(&gpu);
    triangular_and_symmetric_calls(&gpu);
    factorisations(&gpu);
}

/// What was called since the last time, less fills.
fn called(gpu: &Gpu) -> Vec<[String; 3]> {
    let calls: BTreeSet<Call> = gpu.emulator.calls();
    gpu.emulator.reset_counts();
    let calls = calls.into_iter().filter(|call| !call.name.starts_with("cuMemset"));
    calls.map(|call| [call.name, call.options, call.shape]).collect()
}

fn kernels_and_fills_by_name(gpu: &Gpu) -> Result<(), DriverError> {
    gpu.emulator.reset_counts();
    assert!(gpu.emulator.calls().is_empty());
    let x = gpu.stream.alloc_zeros::<f32>(8)?;
    let mut y = gpu.stream.alloc_zeros::<f32>(8)?;
    for _ in 0..2 {
        let kernel = gpu.kernel("test_saxpy");
        let mut launch = gpu.stream.launch_builder(&kernel);
        launch.arg(&2.0f32).arg(&x).arg(&mut y).arg(&8u32);
        // SAFETY: the arguments are those of the kernel.
        unsafe { launch.launch(config(1, 32, 0)) }?;
    }
    let names: Vec<String> = gpu.emulator.calls().into_iter().map(|call| call.name).collect();
    assert_eq!(names, ["cuMemsetD8", "test_saxpy"]);
    assert_eq!(called(gpu), [["test_saxpy", "", ""]]);
    assert!(gpu.emulator.calls().is_empty());
    Ok(())
}

/// C = A B, or C = A^T B, of entries that lie as they do; `skipped` entries are before the first of A.
fn multiply(
    gpu: &Gpu,
    handle: &CudaBlas,
    operation: cublasOperation_t,
    [m, n, k]: [i32; 3],
    leading: i32,
    skipped: usize,
) {
    let a = gpu.stream.alloc_zeros::<f32>(10_000).unwrap();
    let b = gpu.stream.alloc_zeros::<f32>(10_000).unwrap();
    let mut c = gpu.stream.alloc_zeros::<f32>(10_000).unwrap();
    let config = GemmConfig {
        transa: operation,
        transb: CUBLAS_OP_N,
        m,
        n,
        k,
        alpha: 1.0,
        lda: leading,
        ldb: k,
        beta: 0.0,
        ldc: m,
    };
    // SAFETY: the matrices are smaller than what they lie in.
    unsafe { handle.gemm(config, &a.slice(skipped..), &b, &mut c) }.unwrap();
}

fn products_by_options_and_shape(gpu: &Gpu) {
    let handle = CudaBlas::new(gpu.stream.clone()).unwrap();
    let of_shape = |sizes, leading, skipped| {
        multiply(gpu, &handle, CUBLAS_OP_N, sizes, leading, skipped);
        let [[name, options, shape]] = <[[String; 3]; 1]>::try_from(called(gpu)).unwrap();
        assert_eq!([name, options], ["cublasSgemm_v2", "N N float32"]);
        shape
    };
    let usual = "m 2^6, n 2^3, k 2^6, A 16, B 16, C 16";
    assert_eq!(of_shape([64, 8, 64], 64, 0), usual);
    // Half as large and a little more; whole vectors of four.
    assert_eq!(of_shape([36, 8, 40], 80, 4), usual);
    assert_eq!(of_shape([32, 8, 64], 64, 0), "m 2^5, n 2^3, k 2^6, A 16, B 16, C 16");
    assert_eq!(of_shape([64, 1, 68], 64, 0), "m 2^6, n 1, k 2^7, A 16, B 16, C 16");
    // One column of B and C: what is between columns does not matter.
    assert_eq!(of_shape([63, 1, 65], 64, 0), "m 2^6, n 1, k 2^7, A 16, B 16, C 16");
    assert_eq!(of_shape([64, 8, 64], 66, 0), "m 2^6, n 2^3, k 2^6, A 8, B 16, C 16");
    assert_eq!(of_shape([64, 8, 64], 64, 1), "m 2^6, n 2^3, k 2^6, A 4, B 16, C 16");
    assert_eq!(of_shape([64, 8, 62], 64, 0), "m 2^6, n 2^3, k 2^6, A 16, B 8, C 16");
    multiply(gpu, &handle, CUBLAS_OP_T, [64, 8, 64], 64, 0);
    // SAFETY: a handle that is alive.
    unsafe { blas::cublasSetMathMode(*handle.handle(), cublasMath_t::CUBLAS_TF32_TENSOR_OP_MATH) }
        .result()
        .unwrap();
    multiply(gpu, &handle, CUBLAS_OP_T, [64, 8, 64], 64, 0);
    multiply(gpu, &handle, CUBLAS_OP_T, [64, 8, 64], 64, 0);
    let name = "cublasSgemm_v2";
    assert_eq!(called(gpu), [[name, "T N float32", usual], [name, "T N float32 as TF32", usual]]);
}

fn triangular_and_symmetric_calls(gpu: &Gpu) {
    use blas::cublasDiagType_t::CUBLAS_DIAG_UNIT;
    use blas::cublasFillMode_t::CUBLAS_FILL_MODE_UPPER;
    use blas::cublasSideMode_t::CUBLAS_SIDE_RIGHT;
    let handle = CudaBlas::new(gpu.stream.clone()).unwrap();
    let mut a = Matrix::<f64>::new(gpu, &positive(13, 1));
    let mut b = Matrix::<f64>::new(gpu, &random(40, 13, 2));
    let (a_at, b_at) = (a.at_mut(gpu), b.at_mut(gpu));
    let (one, h) = (1.0, *handle.handle());
    called(gpu);
    // SAFETY: matrices of these shapes; the columns of A are 16 entries apart, those of B 43.
    unsafe {
        blas::cublasDtrsm_v2(
            h,
            CUBLAS_SIDE_RIGHT,
            CUBLAS_FILL_MODE_UPPER,
            CUBLAS_OP_T,
            CUBLAS_DIAG_UNIT,
            40,
            13,
            &one,
            a_at,
            16,
            b_at,
            43,
        )
        .result()
        .unwrap();
        blas::cublasDsyrk_v2(
            h,
            CUBLAS_FILL_MODE_UPPER,
            CUBLAS_OP_T,
            13,
            40,
            &one,
            b_at,
            43,
            &one,
            a_at,
            16,
        )
        .result()
        .unwrap();
    }
    assert_eq!(
        called(gpu),
        [
            ["cublasDsyrk_v2", "upper T float64", "n 2^4, k 2^6, A 8, C 16"],
            ["cublasDtrsm_v2", "right upper T unit float64", "m 2^6, n 2^4, A 16, B 8"],
        ]
    );
}

fn factorisations(gpu: &Gpu) {
    let handle = DnHandle::new(gpu.stream.clone()).unwrap();
    let mut a = Matrix::<f64>::new(gpu, &positive(13, 1));
    let mut work = gpu.stream.alloc_zeros::<f64>(1000).unwrap();
    let mut info = gpu.stream.alloc_zeros::<i32>(1).unwrap();
    called(gpu);
    // SAFETY: a matrix of this shape, and a workspace that is large enough.
    unsafe {
        solver::cusolverDnDpotrf(
            handle.cu(),
            solver::cublasFillMode_t::CUBLAS_FILL_MODE_LOWER,
            13,
            a.at_mut(gpu),
            16,
            work.device_ptr_mut(&gpu.stream).0 as *mut f64,
            1000,
            info.device_ptr_mut(&gpu.stream).0 as *mut i32,
        )
    }
    .result()
    .unwrap();
    assert_eq!(called(gpu), [["cusolverDnDpotrf", "lower float64", "n 2^4, A 16"]]);
}
