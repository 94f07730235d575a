//! cuSOLVER against plain float64 arithmetic: both triangles, leading dimensions above the number of rows, matrices that
//! have no answer.

#![allow(clippy::unwrap_used)]

mod common;

use common::Gpu;
use common::matrix::{Matrix, Real, TRIANGLES, assert_close, only, positive};
use cudarc::cublas::sys::cublasFillMode_t;
use cudarc::cusolver::{safe::DnHandle, sys as solver};
use cudarc::driver::{DevicePtrMut, ValidAsZeroBits};
use ndarray::Array2;

use cublasFillMode_t::{CUBLAS_FILL_MODE_LOWER, CUBLAS_FILL_MODE_UPPER};

type Triangle = solver::cublasFillMode_t;
type Status = solver::cusolverStatus_t;
type Size<T> =
    unsafe fn(solver::cusolverDnHandle_t, Triangle, i32, *mut T, i32, *mut i32) -> Status;
type Factorise<T> = unsafe fn(
    solver::cusolverDnHandle_t,
    Triangle,
    i32,
    *mut T,
    i32,
    *mut T,
    i32,
    *mut i32,
) -> Status;

/// The functions of cuSOLVER for one precision.
struct Solver<T> {
    size: Size<T>,
    factorise: Factorise<T>,
}

fn fill(triangle: cublasFillMode_t) -> Triangle {
    if triangle == CUBLAS_FILL_MODE_LOWER {
        Triangle::CUBLAS_FILL_MODE_LOWER
    } else {
        Triangle::CUBLAS_FILL_MODE_UPPER
    }
}

impl<T: Real + ValidAsZeroBits> Solver<T> {
    /// Factorises, and returns `info`.
    fn run(&self, gpu: &Gpu, triangle: cublasFillMode_t, a: &mut Matrix<T>) -> i32 {
        let handle = DnHandle::new(gpu.stream.clone()).unwrap();
        let (n, lda, at) = (a.rows as i32, a.leading(), a.at_mut(gpu));
        let mut size = 0;
        // SAFETY: a matrix of this shape.
        unsafe { (self.size)(handle.cu(), fill(triangle), n, at, lda, &raw mut size) }
            .result()
            .unwrap();
        let mut work = gpu.stream.alloc_zeros::<T>(size as usize).unwrap();
        let mut info = gpu.stream.alloc_zeros::<i32>(1).unwrap();
        let at_work = work.device_ptr_mut(&gpu.stream).0 as *mut T;
        let at_info = info.device_ptr_mut(&gpu.stream).0 as *mut i32;
        // SAFETY: a matrix of this shape, and the workspace that was asked for.
        unsafe {
            (self.factorise)(handle.cu(), fill(triangle), n, at, lda, at_work, size, at_info)
        }
        .result()
        .unwrap();
        gpu.stream.clone_dtoh(&info).unwrap()[0]
    }
}

fn cholesky<T: Real + ValidAsZeroBits>(functions: &Solver<T>) {
    let gpu = Gpu::new();
    for (n, triangle) in
        [1, 40, 130].into_iter().flat_map(|n| TRIANGLES.map(|triangle| (n, triangle)))
    {
        let a = positive(n, 10);
        let mut a_gpu = Matrix::<T>::new(&gpu, &only(triangle, &a, -9.0));
        assert_eq!(functions.run(&gpu, triangle, &mut a_gpu), 0);
        let found = a_gpu.get(&gpu);
        let factor = only(triangle, &found, 0.0);
        let product = if triangle == CUBLAS_FILL_MODE_LOWER {
            factor.dot(&factor.t())
        } else {
            factor.t().dot(&factor)
        };
        assert_close(&product, &a, 10.0 * T::TOLERANCE);
        assert_close(
            &only(triangle, &(0.0 * &found), -9.0),
            &only(triangle, &Array2::zeros((n, n)), -9.0),
            0.0,
        );
    }
    for wrong in [f64::NAN, -1.0] {
        let mut a = positive(100, 11);
        a[(70, 70)] = wrong;
        let mut a_gpu = Matrix::<T>::new(&gpu, &a);
        assert_eq!(functions.run(&gpu, CUBLAS_FILL_MODE_UPPER, &mut a_gpu), 71);
    }
}

#[test]
fn cholesky_in_both_precisions() {
    cholesky(&Solver::<f32> {
        size: solver::cusolverDnSpotrf_bufferSize,
        factorise: solver::cusolverDnSpotrf,
    });
    cholesky(&Solver::<f64> {
        size: solver::cusolverDnDpotrf_bufferSize,
        factorise: solver::cusolverDnDpotrf,
    });
}

/// Eigenvalues, what the matrix has become, and `info`.
fn eigen(gpu: &Gpu, triangle: cublasFillMode_t, a: &Array2<f64>) -> (Vec<f64>, Array2<f64>, i32) {
    let handle = DnHandle::new(gpu.stream.clone()).unwrap();
    let mut a_gpu = Matrix::<f64>::new(gpu, &only(triangle, a, f64::INFINITY));
    let (n, lda, at) = (a.nrows() as i32, a_gpu.leading(), a_gpu.at_mut(gpu));
    let mut values = gpu.stream.alloc_zeros::<f64>(a.nrows()).unwrap();
    let mut info = gpu.stream.alloc_zeros::<i32>(1).unwrap();
    let at_values = values.device_ptr_mut(&gpu.stream).0 as *mut f64;
    let at_info = info.device_ptr_mut(&gpu.stream).0 as *mut i32;
    let (mode, mut size) = (solver::cusolverEigMode_t::CUSOLVER_EIG_MODE_VECTOR, 0);
    // SAFETY: a matrix of this shape, and the workspace that is asked for.
    unsafe {
        solver::cusolverDnDsyevd_bufferSize(
            handle.cu(),
            mode,
            fill(triangle),
            n,
            at,
            lda,
            at_values,
            &raw mut size,
        )
        .result()
        .unwrap();
        let mut work = gpu.stream.alloc_zeros::<f64>(size as usize).unwrap();
        let at_work = work.device_ptr_mut(&gpu.stream).0 as *mut f64;
        solver::cusolverDnDsyevd(
            handle.cu(),
            mode,
            fill(triangle),
            n,
            at,
            lda,
            at_values,
            at_work,
            size,
            at_info,
        )
        .result()
        .unwrap();
    }
    let values = gpu.stream.clone_dtoh(&values).unwrap();
    (values, a_gpu.get(gpu), gpu.stream.clone_dtoh(&info).unwrap()[0])
}

#[test]
fn eigenvalues_and_vectors() {
    let gpu = Gpu::new();
    let repeated = Array2::from_shape_fn((30, 30), |(i, j)| if i % 3 == j % 3 { 1.0 } else { 0.0 });
    let diagonal = Array2::from_diag(&ndarray::arr1(&[3.0, 1.0, 2.0]));
    let tiny = 1e-200 * positive(20, 13);
    let matrices = [positive(1, 12), positive(2, 12), positive(117, 12), repeated, diagonal, tiny];
    for (a, triangle) in matrices.iter().flat_map(|a| TRIANGLES.map(|triangle| (a, triangle))) {
        let (values, vectors, info) = eigen(&gpu, triangle, a);
        let n = a.nrows();
        assert_eq!(info, 0);
        assert!(values.is_sorted());
        assert_close(&vectors.t().dot(&vectors), &Array2::eye(n), 1e-12);
        let scale = a.iter().fold(0.0f64, |most, x| most.max(x.abs()));
        let expected = &vectors * &ndarray::arr1(&values);
        assert_close(&(a.dot(&vectors) / scale), &(expected / scale), 1e-12);
    }
    let mut a = positive(50, 14);
    a[(20, 10)] = f64::NAN;
    a[(10, 20)] = f64::NAN;
    assert!(eigen(&gpu, CUBLAS_FILL_MODE_LOWER, &a).2 > 0);
}
