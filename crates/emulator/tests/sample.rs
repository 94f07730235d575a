//! Work at sizes that no host can do, of which a part is done.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Ended, Gpu, apart, config};
use cudarc::cublas::sys::cublasOperation_t::CUBLAS_OP_N;
use cudarc::cublas::{CudaBlas, Gemm, GemmConfig};
use cudarc::cusolver::{safe::DnHandle, sys as solver};
use cudarc::driver::sys::CUresult;
use cudarc::driver::{CudaSlice, DevicePtrMut, PushKernelArg, result};
use modality_emulator::EXIT_CODE;

/// Rows and columns of a matrix of 4 TiB.
const SIDE: usize = 1 << 20;

fn sampling(drawn: u32) -> Gpu {
    let gpu = Gpu::new();
    gpu.emulator.memory_limit(64 << 40);
    gpu.emulator.sample(Some(drawn));
    gpu
}

fn matrix(gpu: &Gpu) -> CudaSlice<f32> {
    // SAFETY: it reads as zeros.
    unsafe { gpu.stream.alloc::<f32>(SIDE * SIDE) }.unwrap()
}

fn entry(gpu: &Gpu, matrix: &CudaSlice<f32>, row: usize, column: usize) -> f32 {
    let at = row * SIDE + column;
    gpu.stream.clone_dtoh(&matrix.slice(at..at + 1)).unwrap()[0]
}

fn mark_rows(gpu: &Gpu, kernel: &str, matrix: &mut CudaSlice<f32>) {
    let kernel = gpu.kernel(kernel);
    let mut launch = gpu.stream.launch_builder(&kernel);
    launch.arg(matrix).arg(&(SIDE as u32));
    // SAFETY: the arguments are those of the kernel; where it writes is for the emulator to see.
    unsafe { launch.launch(config(SIDE as u32, 1, 0)) }.unwrap();
}

/// Of memory that this process really has.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[track_caller]
fn is_well(ended: &Ended) {
    assert_eq!(ended.code, Some(0), "{}", ended.said);
}

#[track_caller]
fn has_ended(ended: &Ended, sentence: &str) {
    assert_eq!(ended.code, Some(EXIT_CODE), "{}", ended.said);
    let line = format!("emulated device: {sentence}");
    assert!(ended.said.lines().any(|said| said == line), "not said: {line}\n{}", ended.said);
}

#[test]
fn a_launch_runs_some_blocks() {
    is_well(&apart("a_launch_runs_some_blocks", || {
        let gpu = sampling(4);
        let mut large = matrix(&gpu);
        let kernel = gpu.kernel("test_mark_rows");
        for (rows, expected) in [(SIDE as u32, 6), (7, 6), (6, 6), (5, 5), (1, 1)] {
            let mut blocks = gpu.stream.clone_htod(&[0u32]).unwrap();
            let mut launch = gpu.stream.launch_builder(&kernel);
            launch.arg(&mut large).arg(&(SIDE as u32)).arg(&mut blocks);
            // SAFETY: the arguments are those of the kernel.
            unsafe { launch.launch(config(rows, 1, 0)) }.unwrap();
            assert_eq!(gpu.stream.clone_dtoh(&blocks).unwrap(), [expected]);
        }
        for row in [0, SIDE - 1] {
            assert_eq!(entry(&gpu, &large, row, SIDE - 1), 1.0);
            assert_eq!(entry(&gpu, &large, row, SIDE - 2), 0.0);
        }
        assert!(resident_bytes() < 1 << 30, "{}", resident_bytes());
    }));
}

#[test]
fn an_index_overflows() {
    let ended = apart("an_index_overflows", || {
        let gpu = sampling(0);
        let mut large = matrix(&gpu);
        mark_rows(&gpu, "test_mark_rows_int", &mut large);
    });
    let place = "4 bytes before the start of an allocation of 4398046511104 bytes";
    let access = if cfg!(target_arch = "x86_64") { "writes" } else { "touches" };
    let who = "kernel test_mark_rows_int, block (1048575, 0, 0), thread (0, 0, 0),";
    has_ended(&ended, &format!("{who} {access} {place}"));
}

#[test]
fn an_unsigned_index_overflows() {
    is_well(&apart("an_unsigned_index_overflows", || {
        let gpu = sampling(0);
        let mut large = matrix(&gpu);
        mark_rows(&gpu, "test_mark_rows_unsigned", &mut large);
        // It is within the matrix, but not where it should be.
        assert_eq!(entry(&gpu, &large, SIDE - 1, SIDE - 1), 0.0);
        assert_eq!(entry(&gpu, &large, 0, (1 << 20) - 1), 1.0);
        assert_eq!(entry(&gpu, &large, (1 << 12) - 1, SIDE - 1), 1.0);
    }));
}

#[test]
fn fills_and_copies_touch_some_pages() {
    is_well(&apart("fills_and_copies_touch_some_pages", || {
        let gpu = sampling(4);
        let (mut large, mut copy) = (matrix(&gpu), matrix(&gpu));
        let (at, record) = large.device_ptr_mut(&gpu.stream);
        // SAFETY: the driver checks the range before it fills.
        let fill = |bytes| unsafe { result::memset_d8_sync(at, 0xff, bytes) };
        fill(4 * SIDE * SIDE).unwrap();
        assert_eq!(fill(4 * SIDE * SIDE + 1).unwrap_err().0, CUresult::CUDA_ERROR_INVALID_VALUE);
        drop(record);
        gpu.stream.memcpy_dtod(&large, &mut copy).unwrap();
        for matrix in [&large, &copy] {
            assert!(entry(&gpu, matrix, 0, 0).is_nan());
            assert!(entry(&gpu, matrix, SIDE - 1, SIDE - 1).is_nan());
            assert_eq!(entry(&gpu, matrix, 0, 1024), 0.0);
        }
        assert!(resident_bytes() < 1 << 30, "{}", resident_bytes());
        // Whole again.
        gpu.emulator.sample(None);
        let zeros = gpu.stream.alloc_zeros::<f32>(100_000).unwrap();
        assert_eq!(gpu.stream.clone_dtoh(&zeros).unwrap(), [0.0; 100_000]);
    }));
}

/// C = A B for A of `rows` x 300 and B of 300 x SIDE, in a matrix of SIDE x SIDE.
fn multiply(gpu: &Gpu, rows: usize) {
    // SAFETY: they read as zeros.
    let factors = unsafe { gpu.stream.alloc::<f32>(300 * (SIDE + 1)) }.unwrap();
    let mut product = matrix(gpu);
    let handle = CudaBlas::new(gpu.stream.clone()).unwrap();
    let (m, n, k) = (rows as i32, SIDE as i32, 300);
    let (transa, transb) = (CUBLAS_OP_N, CUBLAS_OP_N);
    let (alpha, beta) = (1.0, 0.0);
    let config = GemmConfig { transa, transb, m, n, k, alpha, lda: m, ldb: k, beta, ldc: m };
    // SAFETY: whether the matrices are large enough is for the emulator to see.
    unsafe { handle.gemm(config, &factors, &factors, &mut product) }.unwrap();
}

#[test]
fn products_are_checked_only() {
    is_well(&apart("products_are_checked_only", || {
        multiply(&sampling(4), SIDE);
        assert!(resident_bytes() < 1 << 30, "{}", resident_bytes());
    }));
}

#[test]
fn a_large_product_is_too_small() {
    let ended = apart("a_large_product_is_too_small", || multiply(&sampling(4), SIDE + 1));
    let past = 4 * SIDE - 4;
    let place = format!("{past} bytes past the end of an allocation of 4398046511104 bytes");
    has_ended(&ended, &format!("cublasSgemm_v2 writes {place}, as the last entry of its C"));
}

#[test]
fn factorisations_are_checked_only() {
    is_well(&apart("factorisations_are_checked_only", || {
        let gpu = sampling(4);
        let n = 44_000;
        // SAFETY: they read as zeros.
        let mut a = unsafe { gpu.stream.alloc::<f64>(n * n) }.unwrap();
        let mut work = unsafe { gpu.stream.alloc::<f64>(n) }.unwrap();
        let mut info = gpu.stream.clone_htod(&[7]).unwrap();
        let handle = DnHandle::new(gpu.stream.clone()).unwrap();
        // SAFETY: a matrix of this shape, and a workspace that is large enough.
        unsafe {
            solver::cusolverDnDpotrf(
                handle.cu(),
                solver::cublasFillMode_t::CUBLAS_FILL_MODE_LOWER,
                n as i32,
                a.device_ptr_mut(&gpu.stream).0 as *mut f64,
                n as i32,
                work.device_ptr_mut(&gpu.stream).0 as *mut f64,
                n as i32,
                info.device_ptr_mut(&gpu.stream).0 as *mut i32,
            )
        }
        .result()
        .unwrap();
        assert_eq!(gpu.stream.clone_dtoh(&info).unwrap(), [0]);
        assert!(resident_bytes() < 1 << 30, "{}", resident_bytes());
    }));
}
