//! Kernels with their inputs and outputs, to be checked and timed.

use cudarc::driver::{CudaSlice, sys::CUevent_flags::CU_EVENT_DEFAULT};
use ndarray::Array2;

use crate::{Device, Matrix, Result, Scalars};

/// Kernels, launched as often as one likes, and what they leave beside what they should.
pub(super) trait Trial {
    /// Queues the kernels once.
    fn launch(&mut self, device: &Device) -> Result<()>;

    /// What there is now, beside what there should be after one launch.
    fn results(self: Box<Self>, device: &Device) -> Result<Vec<Pair>>;
}

/// Numbers, and what they should be.
pub(super) struct Pair {
    pub(super) found: Vec<f64>,
    pub(super) wanted: Vec<f64>,
}

struct Parts<S, L, R> {
    state: S,
    launch: L,
    results: R,
}

/// Out of the memory that kernels change, what launches them, and what tells the results.
pub(super) fn trial<S, L, R>(state: S, launch: L, results: R) -> Result<Box<dyn Trial>>
where
    S: 'static,
    L: FnMut(&Device, &mut S) -> Result<()> + 'static,
    R: FnOnce(&Device, &S) -> Result<Vec<Pair>> + 'static,
{
    Ok(Box::new(Parts { state, launch, results }))
}

impl<S, L, R> Trial for Parts<S, L, R>
where
    L: FnMut(&Device, &mut S) -> Result<()>,
    R: FnOnce(&Device, &S) -> Result<Vec<Pair>>,
{
    fn launch(&mut self, device: &Device) -> Result<()> {
        (self.launch)(device, &mut self.state)
    }

    fn results(self: Box<Self>, device: &Device) -> Result<Vec<Pair>> {
        (self.results)(device, &self.state)
    }
}

impl Pair {
    /// A matrix on the device.
    pub(super) fn matrix(device: &Device, found: &Matrix, wanted: &Array2<f64>) -> Result<Self> {
        let found = device.fetch(&found.values.slice(..found.len()))?;
        Ok(Self::of(found.into_iter().map(f64::from), wanted.iter().copied()))
    }

    /// Numbers on the device.
    pub(super) fn numbers(
        device: &Device,
        found: &CudaSlice<f64>,
        wanted: impl IntoIterator<Item = f64>,
    ) -> Result<Self> {
        let wanted: Vec<f64> = wanted.into_iter().collect();
        let found = device.fetch(&found.slice(..wanted.len()))?;
        Ok(Self { found, wanted })
    }

    pub(super) fn of(
        found: impl IntoIterator<Item = f64>,
        wanted: impl IntoIterator<Item = f64>,
    ) -> Self {
        Self { found: found.into_iter().collect(), wanted: wanted.into_iter().collect() }
    }

    /// The largest difference as a share of the largest number that is wanted; none if a result is no number or missing.
    pub(super) fn error(&self) -> Option<f64> {
        let largest = self.wanted.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
        let scale = if largest > 0.0 { largest } else { 1.0 };
        let differences =
            self.found.iter().zip(&self.wanted).map(|(found, wanted)| (found - wanted).abs());
        let worst = differences.fold(0.0_f64, |worst, difference| match difference.is_finite() {
            true => worst.max(difference),
            false => f64::INFINITY,
        });
        (worst.is_finite() && self.found.len() == self.wanted.len()).then_some(worst / scale)
    }
}

/// How long something takes on a device.
pub(super) struct Taken {
    pub(super) milliseconds: f64,
    pub(super) launches: usize,
}

/// Median over batches of launches, each long enough for the device's clock.
pub(super) fn time(device: &Device, mut launch: impl FnMut() -> Result<()>) -> Result<Taken> {
    const BATCHES: usize = 7;
    const BATCH_MS: f64 = 2.0;
    const MOST: f64 = 100.0;
    let mut batch = |launches: usize| -> Result<f64> {
        let start = device.stream.record_event(Some(CU_EVENT_DEFAULT))?;
        for _ in 0..launches {
            launch()?;
        }
        let end = device.stream.record_event(Some(CU_EVENT_DEFAULT))?;
        Ok(f64::from(start.elapsed_ms(&end)?) / launches as f64)
    };
    batch(1)?;
    let once = batch(1)?.max(1e-3);
    let launches = (BATCH_MS / once).ceil().clamp(1.0, MOST) as usize;
    let mut times = (0..BATCHES).map(|_| batch(launches)).collect::<Result<Vec<f64>>>()?;
    times.sort_by(f64::total_cmp);
    Ok(Taken { milliseconds: times[BATCHES / 2], launches: BATCHES * launches })
}

/// 64 well mixed bits for every i (Steele, Lea and Flood 2014, SplitMix), as in `kernels/dense.cu`.
pub(super) fn mixed(seed: u64, i: u64) -> u64 {
    let mut z = seed.wrapping_add((i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Random numbers from -1 to 1.
pub(super) fn dense(rows: usize, columns: usize, seed: u64) -> Array2<f32> {
    let number = |i: u64| (mixed(seed, i) >> 40) as f32 / (1 << 23) as f32 - 1.0;
    Array2::from_shape_vec((rows, columns), (0..(rows * columns) as u64).map(number).collect())
        .unwrap_or_default()
}

/// Random numbers from `least` to 1.
pub(super) fn numbers(length: usize, least: f64, seed: u64) -> Vec<f64> {
    let number =
        |i: u64| least + (1.0 - least) * (mixed(seed, i) >> 11) as f64 / (1_u64 << 53) as f64;
    (0..length as u64).map(number).collect()
}

pub(super) fn wide(matrix: &Array2<f32>) -> Array2<f64> {
    matrix.mapv(f64::from)
}

/// So many zeros on the device.
pub(super) fn zeroed(device: &Device, length: usize) -> Result<CudaSlice<f64>> {
    Ok(device.stream.alloc_zeros(length.max(1))?)
}

/// Random numbers, on the device and here.
pub(super) fn on_device(
    device: &Device,
    rows: usize,
    columns: usize,
    seed: u64,
) -> Result<(Matrix, Array2<f32>)> {
    let values = dense(rows, columns, seed);
    Ok((device.upload(values.view())?, values))
}

/// So many numbers for columns, on the device and here.
pub(super) fn scalars(
    device: &Device,
    length: usize,
    least: f64,
    seed: u64,
) -> Result<(Scalars, Vec<f64>)> {
    let values = numbers(length, least, seed);
    Ok((device.scalars(&values)?, values))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_a_share_of_the_largest_number() {
        let error =
            |found: &[f64], wanted: &[f64]| Pair::of(found.to_vec(), wanted.to_vec()).error();
        assert_eq!(error(&[1.0, 4.5], &[1.0, 4.0]), Some(0.125));
        assert_eq!(error(&[0.25, 0.0], &[0.0, 0.0]), Some(0.25));
        assert_eq!(error(&[f64::NAN, 1.0], &[1.0, 1.0]), None);
        assert_eq!(error(&[1.0], &[1.0, 1.0]), None);
    }

    #[test]
    fn numbers_are_within_their_bounds() {
        assert!(dense(30, 7, 1).iter().all(|value| (-1.0..1.0).contains(value)));
        assert!(numbers(100, 0.5, 1).iter().all(|value| (0.5..1.0).contains(value)));
        assert_ne!(dense(3, 2, 1), dense(3, 2, 2));
    }
}
