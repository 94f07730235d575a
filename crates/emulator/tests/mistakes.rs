//! Kernels and calls with a mistake, which must show. Those that end a process run in one of their own.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Ended, Gpu, apart, config};
use cudarc::driver::sys::CUresult;
use cudarc::driver::{CudaSlice, DriverError, PushKernelArg};
use modality_emulator::{EXIT_CODE, Emulator, Error};

fn has_ended(ended: &Ended, sentence: &str) {
    assert_eq!(ended.code, Some(EXIT_CODE), "{}", ended.said);
    let sentence = if cfg!(target_arch = "x86_64") {
        sentence.to_owned()
    } else {
        sentence.replace("writes ", "touches ").replace("reads ", "touches ")
    };
    assert!(ended.said.contains(&sentence), "{}", ended.said);
}

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
        "kernel test_write, block (0, 0, 0), thread (0, 0, 0), writes 16 bytes past the end of an allocation of 400 bytes",
    );
}

#[test]
fn a_write_before_the_start() {
    let ended = apart("a_write_before_the_start", || write_into_hundred(-2000));
    has_ended(&ended, "writes 8000 bytes before the start of an allocation of 400 bytes");
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

#[test]
fn a_read_past_the_end() {
    let ended = apart("a_read_past_the_end", || {
        let gpu = Gpu::new();
        let data = gpu.stream.alloc_zeros::<f32>(100).unwrap();
        let mut out = gpu.stream.alloc_zeros::<f32>(1).unwrap();
        let kernel = gpu.kernel("test_read");
        let mut launch = gpu.stream.launch_builder(&kernel);
        launch.arg(&data).arg(&100i64).arg(&mut out);
        // SAFETY: the arguments are those of the kernel; what it reads is for the emulator to see.
        unsafe { launch.launch(config(1, 1, 0)) }.unwrap();
    });
    has_ended(&ended, "reads 0 bytes past the end of an allocation of 400 bytes");
}

#[test]
fn use_after_free() {
    let ended = apart("use_after_free", || {
        let gpu = Gpu::new();
        let data = gpu.stream.alloc_zeros::<f32>(100).unwrap();
        let places = {
            let stream = &gpu.stream;
            let address = cudarc::driver::DevicePtr::device_ptr(&data, stream).0;
            stream.clone_htod(&[address]).unwrap()
        };
        drop(data);
        let kernel = gpu.kernel("test_follow");
        let mut launch = gpu.stream.launch_builder(&kernel);
        launch.arg(&places);
        // SAFETY: the arguments are those of the kernel; where it writes is for the emulator to see.
        unsafe { launch.launch(config(1, 1, 0)) }.unwrap();
    });
    has_ended(&ended, "writes byte 0 of an allocation of 400 bytes that was freed");
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
        "kernel test_saxpy, block (0, 0, 0), thread (100, 0, 0), reads 0 bytes past the end",
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

#[test]
fn dynamic_shared_memory_ends() {
    let ended = apart("dynamic_shared_memory_ends", || {
        let gpu = Gpu::new();
        let values = gpu.stream.alloc_zeros::<f32>(64).unwrap();
        let mut out = gpu.stream.alloc_zeros::<f32>(64).unwrap();
        let kernel = gpu.kernel("test_reverse_dynamic");
        let mut launch = gpu.stream.launch_builder(&kernel);
        launch.arg(&values).arg(&mut out).arg(&64u32);
        // SAFETY: the arguments are those of the kernel; what it touches is for the emulator to see.
        unsafe { launch.launch(config(1, 64, 4 * 64)) }.unwrap();
    });
    has_ended(&ended, "bytes past the end of 256 bytes of dynamic shared memory");
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
        let launched = unsafe { launch.launch(config(2, 64, 0)) };
        assert_eq!(launched.unwrap_err().0, CUresult::CUDA_ERROR_LAUNCH_FAILED);
        // Everything fails from then on.
        assert_eq!(gpu.stream.synchronize().unwrap_err().0, CUresult::CUDA_ERROR_LAUNCH_FAILED);
        let report = gpu.emulator.report().unwrap();
        assert!(report.contains("kernel test_deadlock, block ("), "{report}");
        assert!(report.contains("63 threads at __syncthreads, 1 thread at a shuffle"), "{report}");
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
