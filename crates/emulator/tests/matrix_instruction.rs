//! multiply_add and float16, against plain arithmetic.

#![allow(clippy::unwrap_used)]

mod common;

use std::time::Instant;

use common::{Gpu, config, numbers};
use cudarc::driver::{CudaSlice, DeviceRepr, DriverError, PushKernelArg};
use half::f16;

/// As CUDA's vectors of the same names.
#[repr(C, align(16))]
#[derive(Clone, Copy, Debug)]
struct Four([u32; 4]);
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug)]
struct Two([u32; 2]);
// SAFETY: plain numbers, laid out as the kernels' types.
unsafe impl DeviceRepr for Four {}
// SAFETY: as above.
unsafe impl DeviceRepr for Two {}

fn pair(low: f16, high: f16) -> u32 {
    u32::from(low.to_bits()) | u32::from(high.to_bits()) << 16
}

/// Row-major 16 x 16, 16 x 8 and 16 x 8.
struct Matrices {
    a: Vec<f16>,
    b: Vec<f16>,
    d: Vec<f32>,
}

impl Matrices {
    fn random(seed: u64) -> Matrices {
        let halves = |count, seed| numbers(count, seed).into_iter().map(f16::from_f64).collect();
        let d = numbers(128, 3 * seed).iter().map(|x| *x as f32).collect();
        Matrices { a: halves(256, 3 * seed + 1), b: halves(128, 3 * seed + 2), d }
    }

    fn a(&self, lane: usize) -> Four {
        let (g, t) = (lane / 4, lane % 4);
        let two = |row: usize, column: usize| {
            pair(self.a[16 * row + column], self.a[16 * row + column + 1])
        };
        Four([two(g, 2 * t), two(g + 8, 2 * t), two(g, 2 * t + 8), two(g + 8, 2 * t + 8)])
    }

    fn b(&self, lane: usize) -> Two {
        let (g, t) = (lane / 4, lane % 4);
        let two = |row: usize| pair(self.b[8 * row + g], self.b[8 * (row + 1) + g]);
        Two([two(2 * t), two(2 * t + 8)])
    }

    /// Where the four sums of a lane are in D.
    fn places(lane: usize) -> [usize; 4] {
        let (g, t) = (lane / 4, lane % 4);
        [8 * g + 2 * t, 8 * g + 2 * t + 1, 8 * (g + 8) + 2 * t, 8 * (g + 8) + 2 * t + 1]
    }

    fn product(&self) -> Vec<f64> {
        let entry = |place: usize| {
            let (row, column) = (place / 8, place % 8);
            let products =
                (0..16).map(|k| self.a[16 * row + k].to_f64() * self.b[8 * k + column].to_f64());
            f64::from(self.d[place]) + products.sum::<f64>()
        };
        (0..128).map(entry).collect()
    }
}

/// D after `rounds`, lane by lane.
fn run(gpu: &Gpu, all: &[Matrices], rounds: u32) -> Result<Vec<f32>, DriverError> {
    let lanes = || all.iter().flat_map(|one| (0..32).map(move |lane| (one, lane)));
    let a: Vec<Four> = lanes().map(|(one, lane)| one.a(lane)).collect();
    let b: Vec<Two> = lanes().map(|(one, lane)| one.b(lane)).collect();
    let d: Vec<f32> =
        lanes().flat_map(|(one, lane)| Matrices::places(lane).map(|place| one.d[place])).collect();
    let (a, b) = (gpu.stream.clone_htod(&a)?, gpu.stream.clone_htod(&b)?);
    let mut d: CudaSlice<f32> = gpu.stream.clone_htod(&d)?;
    let kernel = gpu.kernel("test_multiply_add");
    let mut launch = gpu.stream.launch_builder(&kernel);
    launch.arg(&a).arg(&b).arg(&mut d).arg(&rounds);
    // SAFETY: the arguments are those of the kernel.
    unsafe { launch.launch(config(all.len() as u32 / 2, 64, 0)) }?;
    gpu.stream.clone_dtoh(&d)
}

#[test]
fn fragments_multiply_as_matrices() -> Result<(), DriverError> {
    let gpu = Gpu::new();
    let all: Vec<Matrices> = (0..6).map(Matrices::random).collect();
    let found = run(&gpu, &all, 1)?;
    for (one, found) in all.iter().zip(found.chunks(128)) {
        let expected = one.product();
        for (lane, found) in found.chunks(4).enumerate() {
            for (place, found) in Matrices::places(lane).into_iter().zip(found) {
                assert!(
                    (f64::from(*found) - expected[place]).abs() < 4e-6,
                    "lane {lane}, place {place}"
                );
            }
        }
    }
    Ok(())
}

/// To the bit, whether or not the processor has an instruction that multiplies and adds.
#[test]
fn sums_of_fragments_round_once_a_product() -> Result<(), DriverError> {
    let gpu = Gpu::new();
    let all: Vec<Matrices> = (6..12).map(Matrices::random).collect();
    let found = run(&gpu, &all, 1)?;
    for (one, found) in all.iter().zip(found.chunks(128)) {
        for (lane, found) in found.chunks(4).enumerate() {
            for (place, found) in Matrices::places(lane).into_iter().zip(found) {
                let (row, column) = (place / 8, place % 8);
                let factors =
                    (0..16).map(|k| (one.a[16 * row + k].to_f32(), one.b[8 * k + column].to_f32()));
                let apart = factors.clone().fold(one.d[place], |sum, (a, b)| sum + a * b);
                let fused = factors.fold(one.d[place], |sum, (a, b)| a.mul_add(b, sum));
                assert_eq!([apart.to_bits(), fused.to_bits()], [found.to_bits(); 2]);
            }
        }
    }
    Ok(())
}

#[test]
fn nan_and_infinities_go_through_fragments() -> Result<(), DriverError> {
    let gpu = Gpu::new();
    let mut all = [Matrices::random(0), Matrices::random(1)];
    all[0].a[16 * 9 + 3] = f16::NAN;
    all[1].b[8 * 5 + 2] = f16::INFINITY;
    let found = run(&gpu, &all, 1)?;
    for (lane, found) in found.chunks(4).enumerate() {
        for (place, value) in Matrices::places(lane % 32).into_iter().zip(found) {
            let expected = if lane < 32 { place / 8 != 9 } else { place % 8 != 2 };
            assert_eq!(value.is_finite(), expected, "lane {lane}, place {place}: {value}");
        }
    }
    Ok(())
}

#[test]
#[ignore = "a measurement"]
fn products_a_second() -> Result<(), DriverError> {
    let gpu = Gpu::new();
    let all: Vec<Matrices> = (0..64).map(Matrices::random).collect();
    run(&gpu, &all, 10)?;
    let rounds = 50_000;
    let start = Instant::now();
    run(&gpu, &all, rounds)?;
    let count = all.len() as f64 * f64::from(rounds);
    eprintln!("{:.2e} products a second", count / start.elapsed().as_secs_f64());
    Ok(())
}

#[test]
fn all_halves_to_singles_and_back() -> Result<(), DriverError> {
    let gpu = Gpu::new();
    let pairs: Vec<u32> =
        (0..=u16::MAX).map(|bits| pair(f16::from_bits(bits), f16::from_bits(!bits))).collect();
    let pairs_gpu = gpu.stream.clone_htod(&pairs)?;
    let mut low = gpu.stream.alloc_zeros::<f32>(pairs.len())?;
    let mut high = gpu.stream.alloc_zeros::<f32>(pairs.len())?;
    let mut back = gpu.stream.alloc_zeros::<u32>(pairs.len())?;
    let kernel = gpu.kernel("test_halves");
    let mut launch = gpu.stream.launch_builder(&kernel);
    launch.arg(&pairs_gpu).arg(&mut low).arg(&mut high).arg(&mut back);
    // SAFETY: the arguments are those of the kernel.
    unsafe { launch.launch(config(256, 256, 0)) }?;
    let (low, high, back) = (
        gpu.stream.clone_dtoh(&low)?,
        gpu.stream.clone_dtoh(&high)?,
        gpu.stream.clone_dtoh(&back)?,
    );
    for (at, pair) in pairs.iter().enumerate() {
        let bits = [*pair as u16, (*pair >> 16) as u16];
        for (bits, single, back) in
            [(bits[0], low[at], back[at] as u16), (bits[1], high[at], (back[at] >> 16) as u16)]
        {
            let expected = f16::from_bits(bits);
            assert!(
                single.to_bits() == expected.to_f32().to_bits()
                    || (single.is_nan() && expected.is_nan())
            );
            assert!(back == bits || (expected.is_nan() && f16::from_bits(back).is_nan()));
        }
    }
    Ok(())
}

#[test]
fn singles_round_to_the_nearest_half() -> Result<(), DriverError> {
    let gpu = Gpu::new();
    // Each finite half, the midpoint to the next, and that midpoint's neighbours; then numbers of all sizes.
    let mut values = Vec::new();
    for bits in 0..0x7c00u16 {
        let middle =
            0.5 * (f16::from_bits(bits).to_f64() + f16::from_bits(bits + 1).to_f64().min(65536.0));
        let middle = middle as f32;
        values.extend([
            f16::from_bits(bits).to_f32(),
            middle,
            middle.next_up(),
            middle.next_down(),
        ]);
    }
    values.extend([
        f32::INFINITY,
        f32::NAN,
        f32::MAX,
        f32::MIN_POSITIVE,
        1e-45,
        65519.996,
        65520.0,
    ]);
    values.extend(numbers(100_000, 1).iter().map(|x| (100.0 * x).exp2() as f32));
    values.resize(values.len().next_multiple_of(256), 0.0);
    let values_gpu = gpu.stream.clone_htod(&values)?;
    let mut rounded = gpu.stream.alloc_zeros::<u32>(values.len())?;
    let kernel = gpu.kernel("test_round");
    let mut launch = gpu.stream.launch_builder(&kernel);
    launch.arg(&values_gpu).arg(&mut rounded);
    // SAFETY: the arguments are those of the kernel.
    unsafe { launch.launch(config((values.len() / 256) as u32, 256, 0)) }?;
    for (value, rounded) in values.iter().zip(gpu.stream.clone_dtoh(&rounded)?) {
        for (value, rounded) in [(*value, rounded as u16), (-value, (rounded >> 16) as u16)] {
            let expected = f16::from_f32(value);
            assert!(
                rounded == expected.to_bits() || (expected.is_nan() && rounded == 0x7fff),
                "{value:e}"
            );
        }
    }
    Ok(())
}

/// Whether no half is nearer to `exact`, and the found one is even if another is as near.
fn is_nearest(found: f16, exact: f64) -> bool {
    if exact.is_nan() || exact.is_infinite() {
        return found.to_f64() == exact || (exact.is_nan() && found.to_bits() == 0x7fff);
    }
    // As if there were more exponents.
    let value = |bits: u16| match f16::from_bits(bits) {
        large if large.is_infinite() => 65536.0f64.copysign(large.to_f64()),
        usual => usual.to_f64(),
    };
    let bits = found.to_bits();
    let distance = (value(bits) - exact).abs();
    let neighbours =
        [bits & 0x8000 | (bits & 0x7fff).saturating_sub(1), (bits + 1).min(bits | 0x7c00)];
    let nearer = |other: &u16| {
        let other = (value(*other) - exact).abs();
        other < distance || (other == distance && bits % 2 == 1)
    };
    !f16::from_bits(bits).is_nan() && !neighbours.iter().filter(|other| **other != bits).any(nearer)
}

#[test]
fn differences_of_halves_round_once() -> Result<(), DriverError> {
    let gpu = Gpu::new();
    let halves: Vec<f16> = (0..=u16::MAX).step_by(37).map(f16::from_bits).collect();
    let couples: Vec<(f16, f16)> = halves
        .iter()
        .flat_map(|a| halves.iter().step_by(7).map(move |b| (*a, *b)))
        .take(256 * 1700)
        .collect();
    let couples = &couples[..couples.len() / 256 * 256];
    let a: Vec<u32> = couples.iter().map(|(a, b)| pair(*a, *b)).collect();
    let b: Vec<u32> = couples.iter().map(|(a, b)| pair(*b, *a)).collect();
    let (a, b) = (gpu.stream.clone_htod(&a)?, gpu.stream.clone_htod(&b)?);
    let mut out = gpu.stream.alloc_zeros::<u32>(couples.len())?;
    let kernel = gpu.kernel("test_subtract");
    let mut launch = gpu.stream.launch_builder(&kernel);
    launch.arg(&a).arg(&b).arg(&mut out);
    // SAFETY: the arguments are those of the kernel.
    unsafe { launch.launch(config((couples.len() / 256) as u32, 256, 0)) }?;
    for ((a, b), found) in couples.iter().zip(gpu.stream.clone_dtoh(&out)?) {
        for (a, b, found) in [(a, b, found as u16), (b, a, (found >> 16) as u16)] {
            // Exact in float64.
            let exact = a.to_f64() - b.to_f64();
            assert!(
                is_nearest(f16::from_bits(found), exact),
                "{a} - {b} = {exact:e}, found {found:#x}"
            );
        }
    }
    Ok(())
}
