//! The driver refuses what a real one refuses, fails when told to, and counts. One test, since all of it belongs to the
//! process.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Gpu, config};
use cudarc::driver::sys::{CUfunction_attribute, CUresult};
use cudarc::driver::{CudaContext, DevicePtrMut, DriverError, PushKernelArg, result};
use cudarc::nvrtc::{Ptx, compile_ptx};
use modality_emulator::Failure;

#[test]
fn refusals_failures_and_counts() -> Result<(), DriverError> {
    let gpu = Gpu::new();
    launches_are_refused(&gpu);
    copies_are_refused(&gpu)?;
    memory_is_limited(&gpu)?;
    events_and_streams(&gpu)?;
    pinned_memory_is_read_late(&gpu)?;
    failures(&gpu);
    counts(&gpu)
}

fn launch(
    gpu: &Gpu,
    name: &str,
    blocks: u32,
    threads: u32,
    shared_bytes: u32,
) -> Result<(), DriverError> {
    let values = gpu.stream.alloc_zeros::<f32>(4096)?;
    let mut out = gpu.stream.alloc_zeros::<f32>(4096)?;
    let kernel = gpu.kernel(name);
    let mut launch = gpu.stream.launch_builder(&kernel);
    launch.arg(&values).arg(&mut out).arg(&0u32);
    // SAFETY: the arguments are those of the kernel, or more.
    unsafe { launch.launch(config(blocks, threads, shared_bytes)) }.map(drop)
}

fn is<T: std::fmt::Debug>(result: Result<T, DriverError>, code: CUresult) {
    assert_eq!(result.unwrap_err().0, code);
}

fn launches_are_refused(gpu: &Gpu) {
    let context = gpu.stream.context();
    assert_eq!(context.name().unwrap(), "emulated device");
    assert_eq!(context.compute_capability().unwrap(), (9, 0));
    let module = context.load_module(Ptx::from_src("any image")).unwrap();
    is(module.load_function("no_such_kernel"), CUresult::CUDA_ERROR_NOT_FOUND);
    is(launch(gpu, "test_reverse_dynamic", 1, 1025, 4 * 1025), CUresult::CUDA_ERROR_INVALID_VALUE);
    is(launch(gpu, "test_reverse_dynamic", 0, 32, 128), CUresult::CUDA_ERROR_INVALID_VALUE);
    is(launch(gpu, "test_reverse", 1, 256, 0), CUresult::CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES);
    is(
        launch(gpu, "test_reverse_dynamic", 1, 64, 48 * 1024 + 1),
        CUresult::CUDA_ERROR_INVALID_VALUE,
    );
    let function = gpu.kernel("test_reverse_dynamic");
    let most = CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
    is(function.set_attribute(most, 227 * 1024 + 1), CUresult::CUDA_ERROR_INVALID_VALUE);
    function.set_attribute(most, 227 * 1024).unwrap();
    launch(gpu, "test_reverse_dynamic", 1, 64, 227 * 1024).unwrap();
    assert_eq!(gpu.kernel("test_reverse").max_threads_per_block().unwrap(), 128);
}

fn copies_are_refused(gpu: &Gpu) -> Result<(), DriverError> {
    let data = gpu.stream.alloc_zeros::<u8>(100)?;
    let address = cudarc::driver::DevicePtr::device_ptr(&data, &gpu.stream).0;
    // SAFETY: the driver checks the range before it copies.
    let too_long = unsafe { result::memcpy_htod_sync(address + 1, &[0u8; 100]) };
    is(too_long, CUresult::CUDA_ERROR_INVALID_VALUE);
    // SAFETY: as above; nothing is freed twice.
    is(unsafe { result::free_sync(address + 1) }, CUresult::CUDA_ERROR_INVALID_VALUE);
    Ok(())
}

fn memory_is_limited(gpu: &Gpu) -> Result<(), DriverError> {
    gpu.emulator.memory_limit(1 << 20);
    gpu.emulator.reset_counts();
    let (free, total) = result::mem_get_info()?;
    assert_eq!(total, 1 << 20);
    {
        let _most = gpu.stream.alloc_zeros::<u8>(free)?;
        assert_eq!(result::mem_get_info()?.0, 0);
        is(gpu.stream.alloc_zeros::<u8>(1), CUresult::CUDA_ERROR_OUT_OF_MEMORY);
    }
    assert_eq!(gpu.emulator.peak_memory(), 1 << 20);
    gpu.emulator.memory_limit(1 << 30);
    gpu.stream.alloc_zeros::<u8>(2 << 20).map(drop)
}

fn events_and_streams(gpu: &Gpu) -> Result<(), DriverError> {
    use cudarc::driver::sys::CUevent_flags::CU_EVENT_DEFAULT;
    let other = gpu.stream.fork()?;
    let start = other.record_event(Some(CU_EVENT_DEFAULT))?;
    let end = other.record_event(Some(CU_EVENT_DEFAULT))?;
    assert!(start.elapsed_ms(&end)? >= 0.0);
    gpu.stream.wait(&end)?;
    // SAFETY: the memory is written before it is read.
    let mut pinned = unsafe { gpu.stream.context().alloc_pinned::<f32>(8) }?;
    pinned.as_mut_slice()?.fill(3.0);
    let data = other.clone_htod(&pinned)?;
    assert_eq!(other.clone_dtoh(&data)?, [3.0; 8]);
    Ok(())
}

fn pinned_memory_is_read_late(gpu: &Gpu) -> Result<(), DriverError> {
    let mut data = gpu.stream.alloc_zeros::<f32>(8)?;
    // SAFETY: the memory is written before it is read.
    let mut pinned = unsafe { gpu.stream.context().alloc_pinned::<f32>(8) }?;
    let there = pinned.as_mut_ptr()?;
    for (waits, wanted) in [(true, 1.0), (false, 2.0)] {
        // SAFETY: there are eight numbers, which nobody else has in hand.
        let values = unsafe { std::slice::from_raw_parts_mut(there, 8) };
        values.fill(1.0);
        let (to, record) = data.device_ptr_mut(&gpu.stream);
        // SAFETY: as many numbers are there.
        unsafe { result::memcpy_htod_async(to, values, gpu.stream.cu_stream()) }?;
        drop(record);
        if waits {
            gpu.stream.synchronize()?;
        }
        values.fill(2.0);
        assert_eq!(gpu.stream.clone_dtoh(&data)?, [wanted; 8]);
    }
    Ok(())
}

fn failures(gpu: &Gpu) {
    let emulator = gpu.emulator;
    emulator.fail(Failure::NoDevice);
    is(CudaContext::new(0), CUresult::CUDA_ERROR_NO_DEVICE);
    emulator.fail(Failure::OldDriver);
    let mut version = 0;
    // SAFETY: the address of an integer.
    unsafe { cudarc::driver::sys::cuDriverGetVersion(&raw mut version) }.result().unwrap();
    assert_eq!(version, 12040);
    let load = || gpu.stream.context().load_module(Ptx::from_src("any image"));
    is(load(), CUresult::CUDA_ERROR_UNSUPPORTED_PTX_VERSION);
    emulator.fail(Failure::ModuleLoad);
    is(load(), CUresult::CUDA_ERROR_NO_BINARY_FOR_GPU);
    emulator.fail(Failure::OutOfMemory);
    is(gpu.stream.alloc_zeros::<f32>(1), CUresult::CUDA_ERROR_OUT_OF_MEMORY);
    emulator.fail(Failure::Nvrtc);
    assert!(compile_ptx("void f() {}").is_err());
    emulator.fail(Failure::None);
    assert!(compile_ptx("void f() {}").is_ok());
}

fn counts(gpu: &Gpu) -> Result<(), DriverError> {
    gpu.emulator.reset_counts();
    launch(gpu, "test_reverse", 1, 128, 0)?;
    launch(gpu, "test_reverse", 2, 128, 0)?;
    launch(gpu, "test_reverse_dynamic", 1, 64, 256)?;
    let expected = [("test_reverse".to_owned(), 2), ("test_reverse_dynamic".to_owned(), 1)];
    assert_eq!(gpu.emulator.launches(), expected);
    assert_eq!(gpu.emulator.synchronizations(), 0);
    gpu.stream.synchronize()?;
    gpu.stream.clone_dtoh(&gpu.stream.alloc_zeros::<f32>(3)?)?;
    assert_eq!(gpu.emulator.synchronizations(), 2);
    Ok(())
}
