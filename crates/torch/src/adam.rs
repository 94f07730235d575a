//! Adam (Kingma and Ba 2015) with an L2 penalty that is added to the gradient, as PyTorch's `torch.optim.Adam`.

use rayon::prelude::*;
use tch::{Device, Tensor};

use crate::{Result, host, network::TENSORS};

const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
const EPSILON: f64 = 1e-8;
/// Values that a thread takes at a time.
const CHUNK: usize = 1 << 15;

/// Running moments of the gradients.
pub(crate) struct Adam {
    moments: [Moments; TENSORS],
    weight_decay: f64,
    steps: i32,
}

struct Moments {
    first: Tensor,
    second: Tensor,
}

/// The scalars of one step.
#[derive(Clone, Copy)]
struct Step {
    weight_decay: f64,
    /// Learning rate over the first moment's bias.
    rate: f64,
    /// Root of the second moment's bias.
    root: f64,
}

impl Adam {
    pub(crate) fn new(parameters: &[Tensor; TENSORS], weight_decay: f64) -> Result<Self> {
        let moments = |tensor: &Tensor| -> Result<Moments> {
            Ok(Moments { first: tensor.f_zeros_like()?, second: tensor.f_zeros_like()? })
        };
        let [a, b, c, d, e, f] = parameters.each_ref().map(moments);
        Ok(Self { moments: [a?, b?, c?, d?, e?, f?], weight_decay, steps: 0 })
    }

    /// Moves `parameters` against `gradients`.
    pub(crate) fn step(
        &mut self,
        parameters: &mut [Tensor; TENSORS],
        gradients: &[Tensor; TENSORS],
        learning_rate: f64,
    ) -> Result<()> {
        self.steps += 1;
        let step = Step {
            weight_decay: self.weight_decay,
            rate: learning_rate / (1.0 - BETA1.powi(self.steps)),
            root: (1.0 - BETA2.powi(self.steps)).sqrt(),
        };
        for ((parameter, gradient), moments) in
            parameters.iter_mut().zip(gradients).zip(&mut self.moments)
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
        let decay = self.weight_decay as f32;
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
                    let g = g + decay * *p;
                    *first += to_first * (g - *first);
                    *second = beta2 * *second + to_second * g * g;
                    *p -= rate * *first / (second.sqrt() / root + epsilon);
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
        let g = gradient.f_add(&parameter.f_mul_scalar(self.weight_decay)?)?;
        let _ = moments.first.f_lerp_(&g, 1.0 - BETA1)?;
        let _ = moments.second.f_lerp_(&g.f_square()?, 1.0 - BETA2)?;
        let divisor = moments.second.f_sqrt()?.f_div_scalar_(self.root)?.f_add_scalar_(EPSILON)?;
        let _ = parameter.f_sub_(&moments.first.f_div(&divisor)?.f_mul_scalar_(self.rate)?)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tch::Kind;

    use super::*;

    fn tensors(values: [f32; TENSORS]) -> [Tensor; TENSORS] {
        values.map(|value| Tensor::from_slice(&[value]))
    }

    #[test]
    fn two_steps_as_on_paper() {
        let mut parameters = tensors([1.0; TENSORS]);
        let mut adam = Adam::new(&parameters, 0.1).unwrap();
        adam.step(&mut parameters, &tensors([0.4; TENSORS]), 0.01).unwrap();
        // g = 0.4 + 0.1 * 1; both moments are unbiased after one step, so the step is the learning rate.
        assert!((parameters[0].double_value(&[0]) - 0.99).abs() < 1e-6);
        adam.step(&mut parameters, &tensors([-0.2; TENSORS]), 0.01).unwrap();
        let g = -0.2 + 0.1 * 0.99;
        let first = (0.9 * 0.1 * 0.5 + 0.1 * g) / (1.0 - 0.81);
        let second: f64 = (0.999 * 0.001 * 0.25 + 0.001 * g * g) / (1.0 - 0.999 * 0.999);
        let wanted = 0.99 - 0.01 * first / (second.sqrt() + 1e-8);
        for tensor in &parameters {
            assert!((tensor.double_value(&[0]) - wanted).abs() < 1e-6);
        }
    }

    #[test]
    fn both_ways_agree() {
        let _generator = crate::training::seeded(5);
        let normal = || Tensor::randn([70_000], (Kind::Float, Device::Cpu));
        let (mut parameter, gradient) = (normal(), normal());
        let mut moments = Moments { first: normal(), second: normal().abs() };
        let mut other = Moments { first: moments.first.copy(), second: moments.second.copy() };
        let mut other_parameter = parameter.copy();
        let step = Step { weight_decay: 0.01, rate: 0.1, root: 0.5 };
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
