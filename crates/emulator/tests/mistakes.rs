//! Kernels and calls with a mistake, which must show. Those that end a process run in one of their own.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Ended, Gpu, apart, config};
use cudarc::cublas::sys::cublasOperation_t::CUBLAS_OP_N;
use cudarc::cublas::{CudaBlas, Gemm, GemmConfig};
use cudarc::driver::sys::CUresult;
use cudarc::driver::{CudaSlice, DevicePtr, DriverError, PushKernelArg};
use modality_emulator::{EXIT_CODE, Emulator, Error};

/// With exactly this sentence.
#[track_caller]
fn has_ended(ended: &Ended, sentence: &str) {
    assert_eq!(ended.code, Some(EXIT_CODE), "{}", ended.said);
    let sentence = if cfg!(target_arch = "x86_64") {
        sentence.to_owned()
    } else {
        sentence.replace("writes ", "touches ").replace("reads ", "touches ")
    };
    let line = format!("emulated device: {sentence}");
    assert!(ended.said.lines().any(|said| said == line), "not said: {line}\n{}", ended.said);
}

/// The only thread of a launch.
const THREAD: &str = "block (0, 0, 0), thread (0, 0, 0),";

/// Writes one element of 100, by index.
fn write(gpu: &Gpu, data: &mut CudaSlice<f32>, index: i64) -> Result<(), DriverError> {
    let kernel = gpu.kernel("test_write");
    let mut launch = gpu.stream.launch_builder(&kernel);
    launch.arg(data).arg(&index);
    // SAFETY: the arguments are those of the kernel; where it writes is for the emulator to see.
    unsafe { launch.launch(config(1, 1, 0)) }.map(drop)
}

fn write_into_hundred(index: i64) {
    let gpu = Gpu::new();
    let mut data = gpu.stream.alloc_zeros::<f32>(100).unwrap();
    write(&gpu, &mut data, index).unwrap();
}

#[test]
fn a_write_past_the_end() {
    let ended = apart("a_write_past_the_end", || write_into_hundred(104));
    has_ended(
        &ended,
        &format!(
            "kernel test_write, {THREAD} writes 16 bytes past the end of an allocation of 400 bytes"
        ),
    );
}

#[test]
fn a_write_before_the_start() {
    let ended = apart("a_write_before_the_start", || write_into_hundred(-2000));
    has_ended(
        &ended,
        &format!(
            "kernel test_write, {THREAD} writes 8000 bytes before the start of an allocation of 400 bytes"
        ),
    );
}

#[test]
fn a_write_just_before_the_start() {
    let ended = apart("a_write_just_before_the_start", || write_into_hundred(-1));
    has_ended(
        &ended,
        "kernel test_write wrote 4 bytes before the start of an allocation of 400 bytes",
    );
}

#[test]
fn a_write_into_the_last_bytes() {
    let ended = apart("a_write_into_the_last_bytes", || {
        let gpu = Gpu::new();
        let mut data = gpu.stream.alloc_zeros::<f32>(99).unwrap();
        write(&gpu, &mut data, 99).unwrap();
    });
    has_ended(&ended, "kernel test_write wrote 0 bytes past the end of an allocation of 396 bytes");
}

/// Reads one element of 100, by index.
fn read_of_hundred(index: i64) {
    read(|_| index);
}

/// The same, by an index that may hang on how many elements there are from the first to the one of the next allocation.
fn read(index: impl FnOnce(i64) -> i64) {
    let gpu = Gpu::new();
    let data = gpu.stream.alloc_zeros::<f32>(100).unwrap();
    let mut out = gpu.stream.alloc_zeros::<f32>(1).unwrap();
    let [first, next] = [&data, &out].map(|it| it.device_ptr(&gpu.stream).0);
    let index = index((next - first) as i64 / 4);
    let kernel = gpu.kernel("test_read");
    let mut launch = gpu.stream.launch_builder(&kernel);
    launch.arg(&data).arg(&index).arg(&mut out);
    // SAFETY: the arguments are those of the kernel; what it reads is for the emulator to see.
    unsafe { launch.launch(config(1, 1, 0)) }.unwrap();
}

#[test]
fn a_read_past_the_end() {
    let ended = apart("a_read_past_the_end", || read_of_hundred(100));
    has_ended(
        &ended,
        &format!(
            "kernel test_read, {THREAD} reads 0 bytes past the end of an allocation of 400 bytes"
        ),
    );
}

#[test]
fn reads_far_off() {
    // Within the guard, on either side.
    let ended = apart("reads_far_off", || read_of_hundred(100 + (1 << 19)));
    let sentence = "reads 2097152 bytes past the end of an allocation of 400 bytes";
    has_ended(&ended, &format!("kernel test_read, {THREAD} {sentence}"));
}

#[test]
fn reads_far_off_below() {
    let ended = apart("reads_far_off_below", || read_of_hundred(-(1 << 19)));
    let sentence = "reads 2097152 bytes before the start of an allocation of 400 bytes";
    has_ended(&ended, &format!("kernel test_read, {THREAD} {sentence}"));
}

#[test]
fn a_read_in_the_guard_of_a_neighbour() {
    let ended = apart("a_read_in_the_guard_of_a_neighbour", || read(|next| next - (1 << 19)));
    let sentence = "reads 2097152 bytes before the start of an allocation of 4 bytes";
    has_ended(&ended, &format!("kernel test_read, {THREAD} {sentence}"));
}

#[test]
fn a_read_of_nobodys_memory() {
    let ended = apart("a_read_of_nobodys_memory", || read(|next| next + 1 + (1 << 32)));
    let begin = format!("emulated device: kernel test_read, {THREAD} reads nobody's memory: ");
    let place = ended.said.lines().find_map(|line| line.strip_prefix(&begin)).unwrap_or_default();
    let (below, above) = place.split_once(", ").unwrap_or_default();
    assert_eq!(below, "17179869184 bytes past the end of an allocation of 4 bytes", "{place}");
    // How far up is decided by how much address space the host has.
    let above = above.trim_start_matches(|c: char| c.is_ascii_digit());
    let sentence = " bytes before the start of 0 bytes of dynamic shared memory";
    assert_eq!(above, sentence, "{}", ended.said);
    assert_eq!(ended.code, Some(EXIT_CODE));
}

#[cfg(target_arch = "x86_64")]
#[test]
fn a_read_of_no_address() {
    let ended = apart("a_read_of_no_address", || read_of_hundred(1 << 60));
    let sentence = "touches an address that no memory can have";
    has_ended(&ended, &format!("kernel test_read, {THREAD} {sentence}"));
}

#[test]
fn a_null_pointer() {
    let ended = apart("a_null_pointer", || {
        let gpu = Gpu::new();
        let places = gpu.stream.alloc_zeros::<u64>(1).unwrap();
        let kernel = gpu.kernel("test_follow");
        let mut launch = gpu.stream.launch_builder(&kernel);
        launch.arg(&places);
        // SAFETY: the arguments are those of the kernel; where it writes is for the emulator to see.
        unsafe { launch.launch(config(1, 1, 0)) }.unwrap();
    });
    has_ended(&ended, &format!("kernel test_follow, {THREAD} writes at a null pointer"));
}

#[test]
fn use_after_free() {
    let ended = apart("use_after_free", || {
        let gpu = Gpu::new();
        let data = gpu.stream.alloc_zeros::<f32>(100).unwrap();
        let places = {
            let stream = &gpu.stream;
            let address = data.device_ptr(stream).0;
            stream.clone_htod(&[address]).unwrap()
        };
        drop(data);
        let kernel = gpu.kernel("test_follow");
        let mut launch = gpu.stream.launch_builder(&kernel);
        launch.arg(&places);
        // SAFETY: the arguments are those of the kernel; where it writes is for the emulator to see.
        unsafe { launch.launch(config(1, 1, 0)) }.unwrap();
    });
    let sentence = "writes byte 0 of an allocation of 400 bytes that was freed";
    has_ended(&ended, &format!("kernel test_follow, {THREAD} {sentence}"));
}

fn reverse(gpu: &Gpu) -> Vec<f32> {
    let values: Vec<f32> = (0..128).map(|i| i as f32).collect();
    let values = gpu.stream.clone_htod(&values).unwrap();
    let mut out = gpu.stream.alloc_zeros::<f32>(128).unwrap();
    let kernel = gpu.kernel("test_reverse");
    let mut launch = gpu.stream.launch_builder(&kernel);
    launch.arg(&values).arg(&mut out);
    // SAFETY: the arguments are those of the kernel.
    unsafe { launch.launch(config(1, 128, 0)) }.unwrap();
    gpu.stream.clone_dtoh(&out).unwrap()
}

#[test]
fn a_missing_barrier() {
    let ended = apart("a_missing_barrier", || {
        let gpu = Gpu::with(Some("test-missing-barrier"));
        let expected: Vec<f32> = (0..128).rev().map(|i| i as f32).collect();
        for seed in 0..4 {
            gpu.emulator.seed(seed);
            assert_ne!(reverse(&gpu), expected, "seed {seed}");
        }
    });
    assert_eq!(ended.code, Some(0), "{}", ended.said);
}

#[test]
fn a_mutant_beyond_bounds() {
    let ended = apart("a_mutant_beyond_bounds", || {
        let gpu = Gpu::with(Some("test-out-of-bounds"));
        let x = gpu.stream.alloc_zeros::<f32>(100).unwrap();
        let mut y = gpu.stream.alloc_zeros::<f32>(100).unwrap();
        let kernel = gpu.kernel("test_saxpy");
        let mut launch = gpu.stream.launch_builder(&kernel);
        launch.arg(&2.0f32).arg(&x).arg(&mut y).arg(&100u32);
        // SAFETY: the arguments are those of the kernel; what it touches is for the emulator to see.
        unsafe { launch.launch(config(1, 128, 0)) }.unwrap();
    });
    has_ended(
        &ended,
        "kernel test_saxpy, block (0, 0, 0), thread (100, 0, 0), reads 0 bytes past the end of an allocation of 400 bytes",
    );
}

#[test]
fn variants_do_not_mix() {
    let emulator = Emulator::start(None);
    assert!(emulator.is_ok());
    let other = Emulator::start(Some("test-out-of-bounds"));
    assert!(matches!(other, Err(Error::OtherVariant { .. })));
    assert!(matches!(Emulator::start(Some("nothing")), Err(Error::NoVariant(_))));
}

/// C = A B of the host's shapes, with matrices of 100 entries.
fn multiply_hundreds(m: i32, n: i32, k: i32) {
    let gpu = Gpu::new();
    let [a, b] = [0; 2].map(|_| gpu.stream.alloc_zeros::<f32>(100).unwrap());
    let mut c = gpu.stream.alloc_zeros::<f32>(100).unwrap();
    let handle = CudaBlas::new(gpu.stream.clone()).unwrap();
    let (transa, transb) = (CUBLAS_OP_N, CUBLAS_OP_N);
    let (alpha, beta, lda, ldb, ldc) = (1.0, 0.0, m, k, m);
    let config = GemmConfig { transa, transb, m, n, k, alpha, lda, ldb, beta, ldc };
    // SAFETY: whether the matrices are large enough is for the emulator to see.
    unsafe { handle.gemm(config, &a, &b, &mut c) }.unwrap();
}

#[test]
fn a_factor_is_too_small() {
    let ended = apart("a_factor_is_too_small", || multiply_hundreds(4, 12, 9));
    let place = "28 bytes past the end of an allocation of 400 bytes";
    has_ended(&ended, &format!("cublasSgemm_v2 reads {place}, as the last entry of its B"));
}

#[test]
fn a_product_is_too_small() {
    let ended = apart("a_product_is_too_small", || multiply_hundreds(10, 11, 9));
    let place = "36 bytes past the end of an allocation of 400 bytes";
    has_ended(&ended, &format!("cublasSgemm_v2 writes {place}, as the last entry of its C"));
}

/// Writes one of 64 floats of dynamic shared memory, by index.
fn write_shared(index: i64) {
    let gpu = Gpu::new();
    let kernel = gpu.kernel("test_write_shared");
    let mut launch = gpu.stream.launch_builder(&kernel);
    launch.arg(&index);
    // SAFETY: the arguments are those of the kernel; where it writes is for the emulator to see.
    unsafe { launch.launch(config(1, 1, 4 * 64)) }.unwrap();
}

#[test]
fn dynamic_shared_memory_ends() {
    let ended = apart("dynamic_shared_memory_ends", || write_shared(70));
    let sentence = "writes 24 bytes past the end of 256 bytes of dynamic shared memory";
    has_ended(&ended, &format!("kernel test_write_shared, {THREAD} {sentence}"));
}

#[test]
fn dynamic_shared_memory_begins() {
    let ended = apart("dynamic_shared_memory_begins", || write_shared(-20_000));
    let sentence = "writes 80000 bytes before the start of 256 bytes of dynamic shared memory";
    has_ended(&ended, &format!("kernel test_write_shared, {THREAD} {sentence}"));
}

#[test]
fn a_write_just_before_dynamic_shared_memory() {
    let ended = apart("a_write_just_before_dynamic_shared_memory", || write_shared(-1));
    let sentence = "wrote 4 bytes before the start of 256 bytes of dynamic shared memory";
    has_ended(&ended, &format!("kernel test_write_shared {sentence}"));
}

#[test]
fn dynamic_shared_memory_of_an_earlier_launch_is_gone() {
    let ended = apart("dynamic_shared_memory_of_an_earlier_launch_is_gone", || {
        let gpu = Gpu::new();
        let kernel = gpu.kernel("test_write_shared");
        for (bytes, index) in [(16_384, 0i64), (256, 0), (256, -2000)] {
            let mut launch = gpu.stream.launch_builder(&kernel);
            launch.arg(&index);
            // SAFETY: the arguments are those of the kernel; where it writes is for the emulator to see.
            unsafe { launch.launch(config(1, 1, bytes)) }.unwrap();
        }
    });
    let sentence = "writes 8000 bytes before the start of 256 bytes of dynamic shared memory";
    has_ended(&ended, &format!("kernel test_write_shared, {THREAD} {sentence}"));
}

#[test]
fn a_stack_overflows() {
    let ended = apart("a_stack_overflows", || {
        let gpu = Gpu::new();
        let mut data = gpu.stream.alloc_zeros::<f32>(1).unwrap();
        let kernel = gpu.kernel("test_descend");
        // As deep as it may be, and deeper.
        for depth in [100, 10_000] {
            let mut launch = gpu.stream.launch_builder(&kernel);
            launch.arg(&mut data).arg(&depth);
            // SAFETY: the arguments are those of the kernel; what it touches is for the emulator to see.
            unsafe { launch.launch(config(1, 1, 0)) }.unwrap();
            assert_eq!(gpu.stream.clone_dtoh(&data).unwrap(), [0.0]);
        }
    });
    let sentence = "writes past the end of a thread's stack";
    has_ended(&ended, &format!("kernel test_descend, {THREAD} {sentence}"));
}

#[test]
fn a_deadlock() {
    let ended = apart("a_deadlock", || {
        let gpu = Gpu::new();
        let mut out = gpu.stream.alloc_zeros::<f32>(64).unwrap();
        let kernel = gpu.kernel("test_deadlock");
        let mut launch = gpu.stream.launch_builder(&kernel);
        launch.arg(&mut out);
        // SAFETY: the arguments are those of the kernel.
        let launched = unsafe { launch.launch(config(1, 64, 0)) };
        assert_eq!(launched.unwrap_err().0, CUresult::CUDA_ERROR_LAUNCH_FAILED);
        // Everything fails from then on.
        assert_eq!(gpu.stream.synchronize().unwrap_err().0, CUresult::CUDA_ERROR_LAUNCH_FAILED);
        assert_eq!(
            gpu.emulator.report().unwrap(),
            "kernel test_deadlock, block (0, 0, 0), waits for what cannot come: 63 threads at __syncthreads, 1 thread at a shuffle"
        );
        gpu.emulator.fail(modality_emulator::Failure::None);
        gpu.stream.synchronize().unwrap();
    });
    assert_eq!(ended.code, Some(0), "{}", ended.said);
}

#[test]
fn half_a_warp_cannot_multiply_fragments() {
    let ended = apart("half_a_warp_cannot_multiply_fragments", || {
        let gpu = Gpu::new();
        let mut out = gpu.stream.alloc_zeros::<f32>(4 * 64).unwrap();
        let kernel = gpu.kernel("test_half_a_warp");
        let mut launch = gpu.stream.launch_builder(&kernel);
        launch.arg(&mut out);
        // SAFETY: the arguments are those of the kernel.
        unsafe { launch.launch(config(1, 64, 0)) }.unwrap();
    });
    has_ended(
        &ended,
        "kernel test_half_a_warp multiplies fragments in warp 1, of which only 16 lanes take part; all 32 must",
    );
}
