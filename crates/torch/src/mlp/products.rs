//! The matrix products of a linear layer.
//!
//! libtorch's own `linear` calls MKL, which leaves AVX-512 unused on processors that are not Intel's. On such a
//! machine (two cores, AMD Zen 5) MKL made 180 Gflop/s of float32 and oneDNN, which libtorch carries too,
//! 400 to 450; so on the CPU all products go to oneDNN.

use tch::{Device, Tensor, utils};

use crate::Result;

/// Who multiplies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Products {
    OneDnn,
    /// What libtorch takes by default.
    Default,
}

/// A matrix, rows x columns, in the form in which it is multiplied.
pub(crate) struct Factor(Tensor);

impl Products {
    pub(crate) fn on(device: Device) -> Self {
        if device == Device::Cpu && utils::has_mkldnn() { Self::OneDnn } else { Self::Default }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OneDnn => "oneDNN",
            Self::Default => "libtorch's default library",
        }
    }

    pub(crate) fn factor(self, matrix: &Tensor) -> Result<Factor> {
        Ok(Factor(match self {
            Self::OneDnn => matrix.f_contiguous()?.f_to_mkldnn(None)?,
            Self::Default => matrix.shallow_clone(),
        }))
    }

    /// x W^T + b: cells x outputs, for `x` cells x inputs and `weight` outputs x inputs.
    pub(crate) fn forward(self, x: &Factor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
        Ok(match self {
            Self::OneDnn => x.0.f_mkldnn_linear(weight, Some(bias))?.f_to_dense(None, false)?,
            Self::Default => x.0.f_linear(weight, Some(bias))?,
        })
    }

    /// The gradient by x: cells x inputs, for `gradient` by the outputs, cells x outputs.
    pub(crate) fn by_input(self, gradient: &Factor, weight: &Tensor) -> Result<Tensor> {
        Ok(match self {
            Self::OneDnn => {
                let size = [gradient.0.size()[0], weight.size()[1]];
                Tensor::f_mkldnn_linear_backward_input(size, &gradient.0, weight)?
                    .f_to_dense(None, false)?
            }
            Self::Default => gradient.0.f_mm(weight)?,
        })
    }

    /// The gradients by weight, outputs x inputs, and by bias.
    pub(crate) fn by_parameters(
        self,
        gradient: &Factor,
        x: &Factor,
        weight: &Tensor,
    ) -> Result<[Tensor; 2]> {
        Ok(match self {
            Self::OneDnn => x.0.f_mkldnn_linear_backward_weights(&gradient.0, weight, true)?.into(),
            Self::Default => {
                let by_bias = gradient.0.f_sum_dim_intlist([0_i64].as_slice(), false, None)?;
                [gradient.0.f_tr()?.f_mm(&x.0)?, by_bias]
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use tch::Kind;

    use super::*;

    #[test]
    fn both_agree() {
        let _generator = crate::folds::seeded(1);
        let normal = |size: [i64; 2]| Tensor::randn(size, (Kind::Float, Device::Cpu));
        let (x, weight, gradient) = (normal([7, 5]), normal([3, 5]), normal([7, 3]));
        let bias = normal([1, 3]).view([3]);
        let all = |products: Products| {
            let (x, gradient) = (products.factor(&x).unwrap(), products.factor(&gradient).unwrap());
            let [by_weight, by_bias] = products.by_parameters(&gradient, &x, &weight).unwrap();
            let out = products.forward(&x, &weight, &bias).unwrap();
            [out, products.by_input(&gradient, &weight).unwrap(), by_weight, by_bias]
        };
        assert!(utils::has_mkldnn());
        for (one, other) in all(Products::OneDnn).iter().zip(&all(Products::Default)) {
            assert_eq!(one.size(), other.size());
            assert!(one.allclose(other, 1e-5, 1e-5, false), "{one} {other}");
        }
    }
}
