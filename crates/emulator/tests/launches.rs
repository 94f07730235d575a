//! Kernels that do what they should, launched by cudarc.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Gpu, config, numbers};
use cudarc::driver::{DriverError, PushKernelArg};

const SEEDS: [u64; 4] = [0, 1, 2, 12345];

fn singles(count: usize, seed: u64) -> Vec<f32> {
    numbers(count, seed).iter().map(|x| *x as f32).collect()
}

#[test]
fn saxpy() -> Result<(), DriverError> {
    let gpu = Gpu::new();
    let count = 1000u32;
    let x: Vec<f32> = (0..count).map(|i| i as f32).collect();
    let y: Vec<f32> = (0..count).map(|i| 0.5 * i as f32).collect();
    let (x_gpu, mut y_gpu) = (gpu.stream.clone_htod(&x)?, gpu.stream.clone_htod(&y)?);
    let kernel = gpu.kernel("test_saxpy");
    let mut launch = gpu.stream.launch_builder(&kernel);
    launch.arg(&2.0f32).arg(&x_gpu).arg(&mut y_gpu).arg(&count);
    // SAFETY: the arguments are those of the kernel.
    unsafe { launch.launch(config(8, 128, 0)) }?;
    let sums = gpu.stream.clone_dtoh(&y_gpu)?;
    assert!(sums.iter().zip(x.iter().zip(&y)).all(|(sum, (x, y))| *sum == 2.0 * x + y));
    Ok(())
}

#[test]
fn sums_of_blocks_by_shuffles_and_shared_memory() -> Result<(), DriverError> {
    let gpu = Gpu::new();
    let kernel = gpu.kernel("test_block_sums");
    for (seed, threads) in SEEDS.into_iter().zip([32, 96, 256, 1024]) {
        gpu.emulator.seed(seed);
        let blocks = 7;
        // Whole numbers, so that the order of additions does not show.
        let values: Vec<f32> = (0..blocks * threads).map(|i| (i % 101) as f32).collect();
        let values_gpu = gpu.stream.clone_htod(&values)?;
        let mut sums_gpu = gpu.stream.alloc_zeros::<f32>(blocks as usize)?;
        let mut launch = gpu.stream.launch_builder(&kernel);
        launch.arg(&values_gpu).arg(&mut sums_gpu);
        // SAFETY: the arguments are those of the kernel.
        unsafe { launch.launch(config(blocks, threads, 0)) }?;
        let expected: Vec<f32> =
            values.chunks(threads as usize).map(|block| block.iter().sum()).collect();
        assert_eq!(gpu.stream.clone_dtoh(&sums_gpu)?, expected);
    }
    Ok(())
}

#[test]
fn static_and_dynamic_shared_memory() -> Result<(), DriverError> {
    let gpu = Gpu::new();
    for seed in SEEDS {
        gpu.emulator.seed(seed);
        let values = singles(5 * 128, seed);
        let values_gpu = gpu.stream.clone_htod(&values)?;
        let mut opposite = gpu.stream.alloc_zeros::<f32>(values.len())?;
        let mut dynamic = gpu.stream.alloc_zeros::<f32>(values.len())?;
        let kernel = gpu.kernel("test_reverse");
        let mut launch = gpu.stream.launch_builder(&kernel);
        launch.arg(&values_gpu).arg(&mut opposite);
        // SAFETY: the arguments are those of the kernel.
        unsafe { launch.launch(config(5, 128, 0)) }?;
        let kernel = gpu.kernel("test_reverse_dynamic");
        let mut launch = gpu.stream.launch_builder(&kernel);
        launch.arg(&values_gpu).arg(&mut dynamic).arg(&0u32);
        // SAFETY: the arguments are those of the kernel.
        unsafe { launch.launch(config(5, 128, 4 * 128)) }?;
        let expected: Vec<f32> =
            values.chunks(128).flat_map(|block| block.iter().rev().copied()).collect();
        assert_eq!(gpu.stream.clone_dtoh(&opposite)?, expected);
        assert_eq!(gpu.stream.clone_dtoh(&dynamic)?, expected);
    }
    Ok(())
}

#[test]
fn what_was_never_written_is_nan() -> Result<(), DriverError> {
    let gpu = Gpu::new();
    // SAFETY: any bits are floats.
    let mut out = unsafe { gpu.stream.alloc::<f32>(3 * 128) }?;
    assert!(gpu.stream.clone_dtoh(&out)?.iter().all(|value| value.is_nan()));
    let kernel = gpu.kernel("test_fresh_shared_memory");
    for _ in 0..2 {
        let mut launch = gpu.stream.launch_builder(&kernel);
        launch.arg(&mut out);
        // SAFETY: the arguments are those of the kernel.
        unsafe { launch.launch(config(3, 128, 4 * 128)) }?;
        assert!(gpu.stream.clone_dtoh(&out)?.iter().all(|value| *value == -1.0));
    }
    Ok(())
}

#[test]
fn exchanges_within_a_warp() -> Result<(), DriverError> {
    let gpu = Gpu::new();
    let kernel = gpu.kernel("test_exchanges");
    for seed in SEEDS {
        gpu.emulator.seed(seed);
        let mut out = gpu.stream.alloc_zeros::<u32>(8 * 32)?;
        let mut launch = gpu.stream.launch_builder(&kernel);
        launch.arg(&mut out);
        // SAFETY: the arguments are those of the kernel.
        unsafe { launch.launch(config(1, 32, 0)) }?;
        let out = gpu.stream.clone_dtoh(&out)?;
        for (lane, found) in (0u32..).zip(out.chunks(8)) {
            let segment = lane / 8 * 8;
            let thirds = (0..32).filter(|i| i % 3 == 0).map(|i| 1u32 << i).sum();
            let expected = [
                segment + 3,
                if lane % 8 >= 2 { lane - 2 } else { lane },
                if lane % 8 < 6 { lane + 2 } else { lane },
                lane ^ 5,
                thirds,
                3,
                0,
                if lane < 16 { 0xaaaa } else { 31 },
            ];
            assert_eq!(found, expected, "lane {lane}, seed {seed}");
        }
    }
    Ok(())
}

#[test]
fn atomics() -> Result<(), DriverError> {
    let gpu = Gpu::new();
    let kernel = gpu.kernel("test_atomics");
    let mut sum = gpu.stream.alloc_zeros::<f32>(1)?;
    let mut wide = gpu.stream.alloc_zeros::<f64>(1)?;
    let mut count = gpu.stream.alloc_zeros::<u32>(1)?;
    let mut largest = gpu.stream.alloc_zeros::<i32>(1)?;
    let mut launch = gpu.stream.launch_builder(&kernel);
    launch.arg(&mut sum).arg(&mut wide).arg(&mut count).arg(&mut largest);
    // SAFETY: the arguments are those of the kernel.
    unsafe { launch.launch(config(40, 256, 0)) }?;
    let threads = 40 * 256;
    assert_eq!(gpu.stream.clone_dtoh(&sum)?, [threads as f32]);
    assert_eq!(gpu.stream.clone_dtoh(&wide)?, [0.5 * f64::from(threads)]);
    assert_eq!(gpu.stream.clone_dtoh(&count)?, [2 * threads as u32]);
    assert_eq!(gpu.stream.clone_dtoh(&largest)?, [999]);
    Ok(())
}
