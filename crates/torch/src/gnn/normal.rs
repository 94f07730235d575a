//! The normal distribution, and the slope of GELU.

/// The share of a standard normal distribution below `z`, and its density there.
///
/// 7.1.26 of Abramowitz and Stegun's Handbook of Mathematical Functions (1964): off by 1e-7 at most. Without branches or
/// calls, so that loops over it become vector code.
#[inline(always)]
pub(super) fn normal_cdf(z: f32) -> (f32, f32) {
    const ROOT_HALF: f32 = std::f32::consts::FRAC_1_SQRT_2;
    const DENSITY: f32 = 0.398_942_3;
    let exponential = exp_nonpositive(-0.5 * z * z);
    let t = 1.0 / (1.0 + 0.327_591_1 * ROOT_HALF * z.abs());
    let polynomial = ((((1.061_405_4 * t - 1.453_152) * t + 1.421_413_7) * t - 0.284_496_74) * t
        + 0.254_829_6)
        * t;
    let tail = 0.5 * polynomial * exponential;
    (if z < 0.0 { tail } else { 1.0 - tail }, DENSITY * exponential)
}

/// The derivative of GELU, z times [`normal_cdf`].
#[inline(always)]
pub(super) fn slope(z: f32) -> f32 {
    let (share, density) = normal_cdf(z);
    share + z * density
}

/// e^x for x <= 0, to a few units in the last place; below -87 it is e^-87.
#[inline(always)]
fn exp_nonpositive(x: f32) -> f32 {
    // x = n ln 2 + r: adding 1.5 * 2^23 rounds to the integer n and leaves it in the low bits; e^r is its Taylor polynomial.
    const SHIFT: f32 = 12_582_912.0;
    let x = x.max(-87.0);
    let shifted = x * std::f32::consts::LOG2_E + SHIFT;
    let n = shifted - SHIFT;
    let r = (x - n * 0.693_359_4) + n * 2.121_944_4e-4;
    let polynomial = 1.0
        + r * (1.0
            + r * (0.5
                + r * (1.0 / 6.0 + r * (1.0 / 24.0 + r * (1.0 / 120.0 + r * (1.0 / 720.0))))));
    let exponent = shifted.to_bits().wrapping_sub(SHIFT.to_bits()).wrapping_add(127) << 23;
    polynomial * f32::from_bits(exponent)
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind, Tensor};

    use super::*;

    #[test]
    fn the_normal_distribution_is_accurate() {
        let z = Tensor::arange_start_step(-12.0, 12.0, 1e-3, (Kind::Double, Device::Cpu));
        let wanted: Vec<f64> = ((&z * 0.5_f64.sqrt()).erf() * 0.5 + 0.5).try_into().unwrap();
        let z: Vec<f64> = z.try_into().unwrap();
        for (z, wanted) in z.into_iter().zip(wanted) {
            let (share, density) = normal_cdf(z as f32);
            assert!((f64::from(share) - wanted).abs() < 2.5e-7, "{z}: {share} {wanted}");
            let wanted = (-0.5 * z * z).exp() / std::f64::consts::TAU.sqrt();
            assert!((f64::from(density) - wanted).abs() < 1e-5 * wanted + 1e-12, "{z}: {density}");
        }
    }
}
