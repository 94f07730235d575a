//! Matrices on the device and on the host, to compare.

use cudarc::cublas::sys::{cublasFillMode_t, cublasOperation_t};
use cudarc::driver::{CudaSlice, DevicePtr, DevicePtrMut, DeviceRepr};
use half::f16;
use ndarray::{Array2, ArrayView2, ShapeBuilder, s};

use super::{Gpu, numbers};
use cublasFillMode_t::{CUBLAS_FILL_MODE_LOWER, CUBLAS_FILL_MODE_UPPER};
use cublasOperation_t::CUBLAS_OP_N;

pub const TRIANGLES: [cublasFillMode_t; 2] = [CUBLAS_FILL_MODE_LOWER, CUBLAS_FILL_MODE_UPPER];

/// One of the precisions.
pub trait Real: DeviceRepr + Copy + 'static {
    const TOLERANCE: f64;
    fn of(value: f64) -> Self;
    fn wide(self) -> f64;
}

impl Real for f32 {
    const TOLERANCE: f64 = 1e-4;
    fn of(value: f64) -> f32 {
        value as f32
    }
    fn wide(self) -> f64 {
        f64::from(self)
    }
}

impl Real for f64 {
    const TOLERANCE: f64 = 1e-11;
    fn of(value: f64) -> f64 {
        value
    }
    fn wide(self) -> f64 {
        self
    }
}

/// The bits of a float16.
impl Real for u16 {
    const TOLERANCE: f64 = 1e-3;
    fn of(value: f64) -> u16 {
        f16::from_f64(value).to_bits()
    }
    fn wide(self) -> f64 {
        f16::from_bits(self).to_f64()
    }
}

/// A matrix on the device, column-major, with more rows between its columns than it has.
pub struct Matrix<T> {
    pub rows: usize,
    columns: usize,
    leading: usize,
    data: CudaSlice<T>,
}

pub const BETWEEN: f64 = 777.0;

impl<T: Real> Matrix<T> {
    pub fn new(gpu: &Gpu, values: &Array2<f64>) -> Matrix<T> {
        let (rows, columns) = values.dim();
        let leading = rows + 3;
        // The driver allocates nothing of no length.
        let mut host = vec![T::of(BETWEEN); leading * columns.max(1)];
        for ((i, j), value) in values.indexed_iter() {
            host[i + j * leading] = T::of(*value);
        }
        Matrix { rows, columns, leading, data: gpu.stream.clone_htod(&host).unwrap() }
    }

    /// Also makes sure that what lies between the columns was left alone.
    pub fn get(&self, gpu: &Gpu) -> Array2<f64> {
        let host: Vec<f64> =
            gpu.stream.clone_dtoh(&self.data).unwrap().iter().map(|x| x.wide()).collect();
        let shape = (self.leading, self.columns).f();
        let all = ArrayView2::from_shape(shape, &host[..self.leading * self.columns]).unwrap();
        assert!(all.slice(s![self.rows.., ..]).iter().all(|x| *x == BETWEEN));
        all.slice(s![..self.rows, ..]).to_owned()
    }

    pub fn leading(&self) -> i32 {
        self.leading as i32
    }

    pub fn at(&self, gpu: &Gpu) -> *const T {
        self.data.device_ptr(&gpu.stream).0 as *const T
    }

    pub fn at_mut(&mut self, gpu: &Gpu) -> *mut T {
        self.data.device_ptr_mut(&gpu.stream).0 as *mut T
    }
}

pub fn random(rows: usize, columns: usize, seed: u64) -> Array2<f64> {
    // Exact in float32 as well.
    let values = numbers(rows * columns, seed).into_iter().map(|x| f64::from(x as f32)).collect();
    Array2::from_shape_vec((rows, columns), values).unwrap()
}

/// Eigenvalues of at least about one half.
pub fn positive(n: usize, seed: u64) -> Array2<f64> {
    let a = random(n, n + 5, seed);
    let square = a.dot(&a.t()) / n as f64 + 0.5 * Array2::<f64>::eye(n);
    square.mapv(|x| f64::from(x as f32))
}

fn is_in(triangle: cublasFillMode_t, i: usize, j: usize) -> bool {
    if triangle == CUBLAS_FILL_MODE_LOWER { i >= j } else { i <= j }
}

/// The triangle of `of`, and `other` outside of it.
pub fn only(triangle: cublasFillMode_t, of: &Array2<f64>, other: f64) -> Array2<f64> {
    Array2::from_shape_fn(of.dim(), |(i, j)| if is_in(triangle, i, j) { of[(i, j)] } else { other })
}

pub fn turned(operation: cublasOperation_t, a: &Array2<f64>) -> Array2<f64> {
    if operation == CUBLAS_OP_N { a.clone() } else { a.t().to_owned() }
}

#[track_caller]
pub fn assert_close(found: &Array2<f64>, expected: &Array2<f64>, tolerance: f64) {
    let largest = expected.iter().fold(1.0f64, |most, x| most.max(x.abs()));
    for (at, found) in found.indexed_iter() {
        let off = (found - expected[at]).abs();
        assert!(off <= tolerance * largest, "at {at:?}: {found}, not {}", expected[at]);
    }
}
