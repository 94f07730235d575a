//! Random numbers and functions that give the same bits on every machine: ChaCha streams, [`libm`], and
//! nothing from the platform's own mathematics library.

use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// One stream of a seed; streams are independent, so cells may be drawn in any order.
pub(super) struct Draws(ChaCha8Rng);

impl Draws {
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        Self(rng)
    }

    /// Uniform on [0, 1), a multiple of 2^-24.
    pub(super) fn uniform(&mut self) -> f32 {
        const STEP: f32 = 1.0 / (1 << 24) as f32;
        (self.0.next_u32() >> 8) as f32 * STEP
    }

    /// Standard normal, by Box and Muller.
    pub(super) fn normal(&mut self) -> f32 {
        let radius = (-2.0 * libm::logf(1.0 - self.uniform())).sqrt();
        radius * libm::cosf(std::f32::consts::TAU * self.uniform())
    }

    pub(super) fn normals<const N: usize>(&mut self, deviation: f32) -> [f32; N] {
        std::array::from_fn(|_| deviation * self.normal())
    }

    /// Index drawn with the given weights.
    pub(super) fn index(&mut self, weights: &[f32]) -> usize {
        let mut left = self.uniform() * weights.iter().sum::<f32>();
        for (index, weight) in weights.iter().enumerate() {
            left -= weight;
            if left < 0.0 {
                return index;
            }
        }
        weights.len() - 1
    }

    /// Poisson count; from [`Self::NORMAL_POISSON`] on, a rounded normal with the same mean and variance.
    pub(super) fn poisson(&mut self, mean: f32) -> f32 {
        if mean >= Self::NORMAL_POISSON {
            return (mean + mean.sqrt() * self.normal()).round().max(0.0);
        }
        let uniform = self.uniform();
        let mut probability = libm::expf(-mean);
        let mut cumulative = probability;
        let mut count = 0.0;
        while cumulative <= uniform && probability > 0.0 {
            count += 1.0;
            probability *= mean / count;
            cumulative += probability;
        }
        count
    }

    const NORMAL_POISSON: f32 = 32.0;
}

/// Negative-binomial quantile at `uniform` (inverse CDF) for an integer `shape`, given the success
/// probability `shape / (shape + mean)`.
#[inline]
pub(super) fn negative_binomial(uniform: f32, success: f32, shape: u32) -> u32 {
    let zero = (0..shape).fold(1.0, |product, _| product * success);
    if uniform < zero { 0 } else { positive_count(uniform, success, shape, zero) }
}

fn positive_count(uniform: f32, success: f32, shape: u32, zero: f32) -> u32 {
    let (uniform, failure) = (f64::from(uniform), 1.0 - f64::from(success));
    let mut probability = f64::from(zero);
    let mut cumulative = probability;
    let mut count = 0;
    while cumulative <= uniform && probability > f64::EPSILON * cumulative {
        probability *= failure * f64::from(count + shape) / f64::from(count + 1);
        count += 1;
        cumulative += probability;
    }
    count
}

/// e^x within 3e-7 of itself for |x| <= 80 (further out: as at 80), in plain arithmetic that compilers
/// turn into vector instructions.
#[inline]
pub(super) fn exp(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23: adding it leaves no fractional bits
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let x = x.clamp(-80.0, 80.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let whole = shifted - ROUND;
    let rest = (x - whole * LN_2_HIGH) - whole * LN_2_LOW;
    let taylor = [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0];
    let fraction = taylor.into_iter().fold(0.0, |sum, term| sum * rest + term);
    let exponent = shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127);
    fraction * f32::from_bits(exponent << 23)
}
