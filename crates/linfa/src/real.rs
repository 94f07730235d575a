//! The two floating point types of this crate, and the exponential that kernels spend their time in.

use linfa::Float;
use modality_dense::Scalar;

/// `f32` and `f64`: what linfa calls a float, and dense products are compiled for.
pub trait Real: Float + Scalar {
    /// e^x for x <= 0 to about two units in the last place; results below the smallest normal number are 0.
    ///
    /// Without branches or calls, so that loops over it become vector code.
    fn exp_nonpositive(self) -> Self;

    /// The nearest value to `x`.
    fn of(x: f64) -> Self;

    /// The value as `f64`.
    fn wide(self) -> f64;
}

// x = n ln 2 + r with |r| <= ln 2 / 2. Adding 1.5 * 2^mantissa rounds to the integer n and leaves it in the low
// bits; ln 2 is split in two so that n * high is exact; e^r is its Taylor polynomial.
macro_rules! real {
    ($float:ty, $int:ty, $mantissa:expr, $ln2_high:expr, $ln2_low:expr, $terms:expr) => {
        impl Real for $float {
            #[inline(always)]
            fn exp_nonpositive(self) -> Self {
                const SHIFT: $float = 1.5 * ((1 as $int) << $mantissa) as $float;
                const BIAS: $int = <$float>::MAX_EXP as $int - 1;
                const SMALLEST: $float =
                    (<$float>::MIN_EXP - 1) as $float * std::f64::consts::LN_2 as $float;
                const COEFFICIENTS: [f64; $terms] = reciprocal_factorials();
                let shifted = self * std::f64::consts::LOG2_E as $float + SHIFT;
                let n = shifted - SHIFT;
                let r = (self - n * $ln2_high) - n * $ln2_low;
                let polynomial =
                    COEFFICIENTS.iter().rev().fold(0.0, |sum: $float, &c| sum * r + c as $float);
                let exponent = (shifted.to_bits() as $int).wrapping_sub(SHIFT.to_bits() as $int);
                let scale = <$float>::from_bits((exponent.wrapping_add(BIAS) << $mantissa) as _);
                if self < SMALLEST { 0.0 } else { polynomial * scale }
            }

            #[inline(always)]
            fn of(x: f64) -> Self {
                x as $float
            }

            #[inline(always)]
            fn wide(self) -> f64 {
                self as f64
            }
        }
    };
}

const fn reciprocal_factorials<const N: usize>() -> [f64; N] {
    let mut values = [1.0; N];
    let mut k = 1;
    while k < N {
        values[k] = values[k - 1] / k as f64;
        k += 1;
    }
    values
}

real!(f32, i32, 23, 0.693_359_4, -2.121_944_4e-4, 8);
real!(f64, i64, 52, 0.693_147_180_369_123_8, 1.908_214_929_270_587_7e-10, 14);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponential_is_accurate_over_its_range() {
        let worst = |tiny: f64, relative: &dyn Fn(f64) -> f64| {
            (0..200_000).map(|i| relative(-f64::from(i) * tiny / 200_000.0)).fold(0.0, f64::max)
        };
        let f32_error = |x: f64| {
            let x = x as f32;
            (f64::from(x.exp_nonpositive()) / f64::from(x).exp() - 1.0).abs()
        };
        let f64_error = |x: f64| (x.exp_nonpositive() / x.exp() - 1.0).abs();
        assert!(worst(87.0, &f32_error) < 2.5e-7, "{:e}", worst(87.0, &f32_error));
        assert!(worst(700.0, &f64_error) < 1e-15, "{:e}", worst(700.0, &f64_error));
    }

    #[test]
    fn exponential_has_its_limits() {
        assert_eq!((0.0_f32.exp_nonpositive(), 0.0_f64.exp_nonpositive()), (1.0, 1.0));
        assert_eq!((f32::NEG_INFINITY.exp_nonpositive(), (-1e9_f64).exp_nonpositive()), (0.0, 0.0));
        assert!(f32::NAN.exp_nonpositive().is_nan());
    }
}
