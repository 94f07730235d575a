//! The network: two hidden layers, and an output layer that sees both.

use tch::{Device, Tensor};

use super::products::{Factor, Products};
use crate::{
    Result,
    folds::{copy, uniform},
};

/// Number of tensors of parameters.
const TENSORS: usize = 6;

/// h1 = ReLU(W1 x + b1), h2 = ReLU(W2 h1 + b2), output = W3 (h2, h1) + b3.
pub(crate) struct Network {
    /// Weights, outputs x inputs, and biases, layer by layer.
    parameters: [Tensor; TENSORS],
    products: Products,
}

/// Widths of the layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) inputs: usize,
    pub(crate) hidden: [usize; 2],
    pub(crate) targets: usize,
}

/// What a backward pass needs of the forward pass.
pub(crate) struct Pass {
    /// What each layer was given: x, h1, and h2 beside h1.
    inputs: [Factor; 3],
    h1: Tensor,
    h2: Tensor,
    mask: Option<Tensor>,
    /// Cells x features of the target.
    pub(crate) output: Tensor,
}

impl Network {
    /// With PyTorch's initialisation of linear layers, drawn from libtorch's generator on the CPU whatever the device:
    /// weights and biases uniform between -1/sqrt(inputs) and 1/sqrt(inputs), layer by layer, weight before bias.
    pub(crate) fn new(shape: Shape, products: Products, device: Device) -> Result<Self> {
        let [h1, h2] = shape.hidden;
        let draw =
            |inputs: usize, size: &[usize]| uniform(size, 1.0 / (inputs as f64).sqrt(), device);
        let weight = |inputs: usize, outputs: usize| draw(inputs, &[outputs, inputs]);
        let bias = |inputs: usize, outputs: usize| draw(inputs, &[outputs]);
        let parameters = [
            weight(shape.inputs, h1)?,
            bias(shape.inputs, h1)?,
            weight(h1, h2)?,
            bias(h1, h2)?,
            weight(h2 + h1, shape.targets)?,
            bias(h2 + h1, shape.targets)?,
        ];
        Ok(Self { parameters, products })
    }

    /// A copy that later training does not change.
    pub(crate) fn snapshot(&self) -> Result<Self> {
        let [a, b, c, d, e, f] = self.parameters.each_ref().map(copy);
        Ok(Self { parameters: [a?, b?, c?, d?, e?, f?], products: self.products })
    }

    pub(crate) fn parameters(&self) -> impl Iterator<Item = &Tensor> {
        self.parameters.iter()
    }

    pub(crate) fn parameters_mut(&mut self) -> impl Iterator<Item = &mut Tensor> {
        self.parameters.iter_mut()
    }

    /// `x`: cells x features. With a `mask`, cells x the first hidden width, h1 is multiplied by it.
    pub(crate) fn forward(&self, x: &Tensor, mask: Option<Tensor>) -> Result<Pass> {
        let [w1, b1, w2, b2, w3, b3] = &self.parameters;
        let (x, products) = (self.products.factor(x)?, self.products);
        let mut h1 = products.forward(&x, w1, b1)?.f_relu_()?;
        if let Some(mask) = &mask {
            h1 = h1.f_mul_(mask)?;
        }
        let first = products.factor(&h1)?;
        let h2 = products.forward(&first, w2, b2)?.f_relu_()?;
        let both = products.factor(&Tensor::f_cat(&[&h2, &h1], 1)?)?;
        let output = products.forward(&both, w3, b3)?;
        Ok(Pass { inputs: [x, first, both], h1, h2, mask, output })
    }

    /// The gradients by the parameters, for one by the output, cells x features of the target.
    pub(crate) fn backward(&self, pass: &Pass, by_output: &Tensor) -> Result<[Tensor; TENSORS]> {
        let [w1, _, w2, _, w3, _] = &self.parameters;
        let Pass { inputs: [x, first, both], h1, h2, mask, .. } = pass;
        let products = self.products;
        let by_output = products.factor(by_output)?;
        let [by_w3, by_b3] = products.by_parameters(&by_output, both, w3)?;
        let by_both = products.by_input(&by_output, w3)?;
        let (width2, width1) = (h2.size()[1], h1.size()[1]);

        let by_h2 = h2.f_threshold_backward(&by_both.f_narrow(1, 0, width2)?, 0.0)?;
        let by_h2 = products.factor(&by_h2)?;
        let [by_w2, by_b2] = products.by_parameters(&by_h2, first, w2)?;

        let mut by_h1 =
            products.by_input(&by_h2, w2)?.f_add_(&by_both.f_narrow(1, width2, width1)?)?;
        if let Some(mask) = mask {
            by_h1 = by_h1.f_mul_(mask)?;
        }
        let by_h1 = products.factor(&h1.f_threshold_backward(&by_h1, 0.0)?)?;
        let [by_w1, by_b1] = products.by_parameters(&by_h1, x, w1)?;
        Ok([by_w1, by_b1, by_w2, by_b2, by_w3, by_b3])
    }
}

#[cfg(test)]
mod tests {
    use tch::Kind;

    use super::*;
    use crate::dropout::Dropout;

    const SHAPE: Shape = Shape { inputs: 9, hidden: [7, 5], targets: 3 };
    const CPU: (Kind, Device) = (Kind::Float, Device::Cpu);

    #[test]
    fn initial_parameters_are_within_their_bounds_and_reach_them() {
        let _generator = crate::folds::seeded(3);
        let shape = Shape { inputs: 400, hidden: [100, 25], targets: 50 };
        let network = Network::new(shape, Products::OneDnn, Device::Cpu).unwrap();
        let inputs = [400.0, 400.0, 100.0, 100.0, 125.0, 125.0_f64];
        for (tensor, inputs) in network.parameters.iter().zip(inputs) {
            let largest = tensor.abs().max().double_value(&[]) * inputs.sqrt();
            assert!(largest <= 1.0 && (largest > 0.99 || tensor.numel() < 2000), "{largest}");
            let mean = tensor.mean(None).double_value(&[]) * inputs.sqrt();
            assert!(mean.abs() < 3.0 / (3.0 * tensor.numel() as f64).sqrt() * 1.5, "{mean}");
        }
    }

    /// What libtorch's own operations and automatic differentiation make of the same parameters.
    fn by_autograd(
        network: &Network,
        x: &Tensor,
        y: &Tensor,
        mask: &Tensor,
    ) -> (Tensor, Vec<Tensor>) {
        let parameters: Vec<Tensor> =
            network.parameters.iter().map(|tensor| tensor.copy().set_requires_grad(true)).collect();
        let linear = |x: &Tensor, layer: usize| {
            x.linear(&parameters[2 * layer], Some(&parameters[2 * layer + 1]))
        };
        let h1 = linear(x, 0).relu() * mask;
        let h2 = linear(&h1, 1).relu();
        let output = linear(&Tensor::cat(&[&h2, &h1], 1), 2);
        (&output - y).square().mean(None).backward();
        (output.detach(), parameters.iter().map(Tensor::grad).collect())
    }

    #[test]
    fn both_passes_agree_with_automatic_differentiation() {
        for products in [Products::OneDnn, Products::Default] {
            let _generator = crate::folds::seeded(4);
            let network = Network::new(SHAPE, products, Device::Cpu).unwrap();
            let (x, y) = (Tensor::randn([6, 9], CPU).relu(), Tensor::randn([6, 3], CPU));
            let dropped = Dropout::new(0.5, 3).unwrap().draw((6, 7), Device::Cpu).unwrap();
            for mask in [None, Some(dropped)] {
                let whole = Tensor::ones([6, 7], CPU);
                let (output, gradients) =
                    by_autograd(&network, &x, &y, mask.as_ref().unwrap_or(&whole));
                let pass = network.forward(&x, mask).unwrap();
                assert!(pass.output.allclose(&output, 1e-5, 1e-6, false));
                let by_output = (&pass.output - &y) * (2.0 / 18.0);
                let ours = network.backward(&pass, &by_output).unwrap();
                for (ours, theirs) in ours.iter().zip(&gradients) {
                    assert_eq!(ours.size(), theirs.size());
                    assert!(ours.allclose(theirs, 1e-4, 1e-6, false), "{ours} {theirs}");
                }
            }
        }
    }

    #[test]
    fn a_snapshot_stays() {
        let mut network = Network::new(SHAPE, Products::OneDnn, Device::Cpu).unwrap();
        let snapshot = network.snapshot().unwrap();
        let before = network.parameters[5].copy();
        let _ = network.parameters[5].fill_(1.0);
        assert!(snapshot.parameters[5].equal(&before) && !network.parameters[5].equal(&before));
    }
}
