//! Adam (Kingma and Ba 2015) and AdamW (Loshchilov and Hutter 2019), as PyTorch's `torch.optim` has them.

use rayon::prelude::*;
use tch::{Device, Tensor};

use crate::{Result, host};

const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
const EPSILON: f64 = 1e-8;
/// Values that a thread takes at a time.
const CHUNK: usize = 1 << 15;

/// Running moments of the gradients.
pub(crate) struct Adam {
    moments: Vec<Moments>,
    decay: Decay,
    steps: i32,
}

/// How parameters are kept small.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Decay {
    /// An L2 penalty, added to the gradient (Adam).
    Penalty(f64),
    /// Each step takes this share of the learning rate off, beside the gradient (AdamW).
    Decoupled(f64),
}

struct Moments {
    first: Tensor,
    second: Tensor,
}

/// The scalars of one step.
#[derive(Clone, Copy)]
struct Step {
    /// Of the parameter, that is added to the gradient.
    penalty: f64,
    /// What is left of the parameter before the step.
    left: f64,
    /// Learning rate over the first moment's bias.
    rate: f64,
    /// Root of the second moment's bias.
    root: f64,
}

impl Adam {
    pub(crate) fn new<'a>(
        parameters: impl IntoIterator<Item = &'a Tensor>,
        decay: Decay,
    ) -> Result<Self> {
        let moments = |tensor: &Tensor| -> Result<Moments> {
            Ok(Moments { first: tensor.f_zeros_like()?, second: tensor.f_zeros_like()? })
        };
        let moments = parameters.into_iter().map(moments).collect::<Result<_>>()?;
        Ok(Self { moments, decay, steps: 0 })
    }

    /// Moves `parameters` against `gradients`, both in the order in which it was made.
    pub(crate) fn step<'a>(
        &mut self,
        parameters: impl IntoIterator<Item = &'a mut Tensor>,
        gradients: impl IntoIterator<Item = &'a Tensor>,
        learning_rate: f64,
    ) -> Result<()> {
        self.steps += 1;
        let (penalty, left) = match self.decay {
            Decay::Penalty(penalty) => (penalty, 1.0),
            Decay::Decoupled(decay) => (0.0, 1.0 - learning_rate * decay),
        };
        let step = Step {
            penalty,
            left,
            rate: learning_rate / (1.0 - BETA1.powi(self.steps)),
            root: (1.0 - BETA2.powi(self.steps)).sqrt(),
        };
        for ((parameter, gradient), moments) in
            parameters.into_iter().zip(gradients).zip(&mut self.moments)
        {
            match parameter.device() {
                Device::Cpu => step.on_host(parameter, gradient, moments)?,
                _ => step.by_libtorch(parameter, gradient, moments)?,
            }
        }
        Ok(())
    }
}

impl Step {
    /// One pass over memory, where libtorch's operations would make a dozen.
    fn on_host(
        self,
        parameter: &mut Tensor,
        gradient: &Tensor,
        moments: &mut Moments,
    ) -> Result<()> {
        let (penalty, left) = (self.penalty as f32, self.left as f32);
        let (to_first, to_second) = ((1.0 - BETA1) as f32, (1.0 - BETA2) as f32);
        let (beta2, rate, root) = (BETA2 as f32, self.rate as f32, self.root as f32);
        let epsilon = EPSILON as f32;
        host::values_mut(parameter)?
            .par_chunks_mut(CHUNK)
            .zip(host::values(gradient)?.par_chunks(CHUNK))
            .zip(host::values_mut(&mut moments.first)?.par_chunks_mut(CHUNK))
            .zip(host::values_mut(&mut moments.second)?.par_chunks_mut(CHUNK))
            .for_each(|(((parameters, gradients), firsts), seconds)| {
                let moments = firsts.iter_mut().zip(seconds);
                for ((p, &g), (first, second)) in parameters.iter_mut().zip(gradients).zip(moments)
                {
                    let g = g + penalty * *p;
                    *first += to_first * (g - *first);
                    *second = beta2 * *second + to_second * g * g;
                    *p = left * *p - rate * *first / (second.sqrt() / root + epsilon);
                }
            });
        Ok(())
    }

    fn by_libtorch(
        self,
        parameter: &mut Tensor,
        gradient: &Tensor,
        moments: &mut Moments,
    ) -> Result<()> {
        let g = gradient.f_add(&parameter.f_mul_scalar(self.penalty)?)?;
        let _ = moments.first.f_lerp_(&g, 1.0 - BETA1)?;
        let _ = moments.second.f_lerp_(&g.f_square()?, 1.0 - BETA2)?;
        let divisor = moments.second.f_sqrt()?.f_div_scalar_(self.root)?.f_add_scalar_(EPSILON)?;
        let _ = parameter
            .f_mul_scalar_(self.left)?
            .f_sub_(&moments.first.f_div(&divisor)?.f_mul_scalar_(self.rate)?)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tch::Kind;

    use super::*;

    /// A parameter of 1 after two steps at the rate 0.01, with gradients of 0.4 and -0.2.
    fn after_two_steps(decay: Decay) -> f64 {
        let tensor = |value: f32| Tensor::from_slice(&[value]);
        let mut parameter = tensor(1.0);
        let mut adam = Adam::new([&parameter], decay).unwrap();
        adam.step([&mut parameter], [&tensor(0.4)], 0.01).unwrap();
        // Both moments are unbiased after one step, so the step is the learning rate.
        let left = if let Decay::Decoupled(decay) = decay { 1.0 - 0.01 * decay } else { 1.0 };
        assert!((parameter.double_value(&[0]) - (left - 0.01)).abs() < 1e-6);
        adam.step([&mut parameter], [&tensor(-0.2)], 0.01).unwrap();
        parameter.double_value(&[0])
    }

    /// What the second step takes off, for the two gradients.
    fn second_step([one, two]: [f64; 2]) -> f64 {
        let first = (0.9 * 0.1 * one + 0.1 * two) / (1.0 - 0.81);
        let second: f64 =
            (0.999 * 0.001 * one.powi(2) + 0.001 * two.powi(2)) / (1.0 - 0.999 * 0.999);
        0.01 * first / (second.sqrt() + 1e-8)
    }

    #[test]
    fn two_steps_as_on_paper() {
        let penalised = after_two_steps(Decay::Penalty(0.1));
        let wanted = 0.99 - second_step([0.4 + 0.1, -0.2 + 0.1 * 0.99]);
        assert!((penalised - wanted).abs() < 1e-6, "{penalised} {wanted}");

        let decoupled = after_two_steps(Decay::Decoupled(0.1));
        let wanted = 0.999 * (0.999 - 0.01) - second_step([0.4, -0.2]);
        assert!((decoupled - wanted).abs() < 1e-6, "{decoupled} {wanted}");
    }

    #[test]
    fn both_ways_agree() {
        let _generator = crate::folds::seeded(5);
        let normal = || Tensor::randn([70_000], (Kind::Float, Device::Cpu));
        let (mut parameter, gradient) = (normal(), normal());
        let mut moments = Moments { first: normal(), second: normal().abs() };
        let mut other = Moments { first: moments.first.copy(), second: moments.second.copy() };
        let mut other_parameter = parameter.copy();
        let step = Step { penalty: 0.01, left: 0.98, rate: 0.1, root: 0.5 };
        step.on_host(&mut parameter, &gradient, &mut moments).unwrap();
        step.by_libtorch(&mut other_parameter, &gradient, &mut other).unwrap();
        for (one, other) in [
            (&parameter, &other_parameter),
            (&moments.first, &other.first),
            (&moments.second, &other.second),
        ] {
            assert!(one.allclose(other, 1e-5, 1e-6, false));
        }
    }
}
