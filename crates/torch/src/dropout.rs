//! Hidden values that are left out of a step of training.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tch::{Device, Tensor};

use crate::Result;

/// Leaves each value out with the same probability, and makes up for it in those that stay (as PyTorch does). What is left
/// out is drawn on the host, so that it is the same on any device.
pub(crate) struct Dropout {
    share: f64,
    rng: ChaCha8Rng,
}

impl Dropout {
    /// None, where nothing is to be left out.
    pub(crate) fn new(share: f64, seed: u64) -> Option<Self> {
        (share > 0.0).then(|| Self { share, rng: ChaCha8Rng::seed_from_u64(seed) })
    }

    /// What a matrix is to be multiplied by, entry by entry: zero, or what makes up for those.
    pub(crate) fn draw(&mut self, shape: (i64, i64), device: Device) -> Result<Tensor> {
        let kept = (1.0 / (1.0 - self.share)) as f32;
        let draw = |_| if self.rng.gen_bool(self.share) { 0.0 } else { kept };
        let values: Vec<f32> = (0..shape.0 * shape.1).map(draw).collect();
        Ok(Tensor::f_from_slice(&values)?.f_view([shape.0, shape.1])?.f_to_device(device)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_are_left_out_as_are_said_and_the_sum_stays() {
        assert!(Dropout::new(0.0, 1).is_none());
        let mut dropout = Dropout::new(0.5, 1).unwrap();
        let drawn = dropout.draw((400, 50), Device::Cpu).unwrap();
        assert!((drawn.mean(None).double_value(&[]) - 1.0).abs() < 0.05);
        assert_eq!(drawn.max().double_value(&[]), 2.0);
        let again = Dropout::new(0.5, 1).unwrap().draw((400, 50), Device::Cpu).unwrap();
        assert!(drawn.equal(&again));
        assert!(!drawn.equal(&dropout.draw((400, 50), Device::Cpu).unwrap()));
    }
}
