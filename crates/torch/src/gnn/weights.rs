//! The parameters of the network: a list, and what stands where in it.

use std::ops::Index;

use modality_methods::GnnParams;
use tch::{Device, Kind, Tensor};

use super::statistics::NUMBERS;
use crate::{
    Result,
    folds::{normal, uniform},
};

/// A place in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct At(usize);

/// W x + b; outputs x inputs, outputs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Linear {
    pub(super) weight: At,
    pub(super) bias: At,
}

/// A norm's weights and biases.
#[derive(Debug, Clone, Copy)]
pub(super) struct Norm {
    pub(super) weight: At,
    pub(super) bias: At,
}

/// Messages of one kind, GraphSAGE's (Hamilton et al. 2017) with weights on the edges: S x + N (mean of the neighbours) + b,
/// and the norm of what they make.
#[derive(Debug, Clone, Copy)]
pub(super) struct Relation {
    pub(super) to_self: At,
    pub(super) neighbours: At,
    pub(super) bias: At,
    pub(super) norm: Norm,
}

/// One round of messages.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    /// From genes.
    pub(super) cells: Relation,
    /// From cells, and then from other genes if there are edges between genes; none in the last layer, whose genes nobody asks.
    pub(super) genes: Vec<Relation>,
}

/// Where everything stands.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    /// What every cell begins with.
    pub(super) cell: At,
    /// What each gene begins with: genes x width.
    pub(super) genes: At,
    pub(super) batch: Linear,
    pub(super) cell_input: Linear,
    pub(super) gene_input: Linear,
    pub(super) cell_norm: Norm,
    pub(super) gene_norm: Norm,
    pub(super) layers: Vec<Layer>,
    pub(super) readout: Linear,
}

/// Parameters, or a gradient or mean of each.
pub(super) struct Weights(pub(super) Vec<Tensor>);

/// Sizes of the network.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) genes: usize,
    pub(super) targets: usize,
    pub(super) hidden: usize,
    pub(super) layers: usize,
    /// Whether there are edges between genes.
    pub(super) pathways: bool,
}

impl Shape {
    pub(super) fn new(params: &GnnParams, genes: usize, targets: usize, pathways: bool) -> Self {
        Self { genes, targets, hidden: params.hidden, layers: params.layers, pathways }
    }
}

impl Index<At> for Weights {
    type Output = Tensor;

    fn index(&self, At(place): At) -> &Tensor {
        &self.0[place]
    }
}

/// Parameters that are being drawn.
struct Draw {
    drawn: Vec<Tensor>,
    width: usize,
    device: Device,
}

impl Draw {
    fn add(&mut self, tensor: Tensor) -> At {
        self.drawn.push(tensor);
        At(self.drawn.len() - 1)
    }

    fn uniform(&mut self, size: &[usize], bound: f64) -> Result<At> {
        let tensor = uniform(size, bound, self.device)?;
        Ok(self.add(tensor))
    }

    fn constant(&mut self, value: f64) -> Result<At> {
        let tensor = Tensor::f_full([self.width as i64], value, (Kind::Float, self.device))?;
        Ok(self.add(tensor))
    }

    /// As PyTorch's linear layers.
    fn linear(&mut self, inputs: usize, outputs: usize) -> Result<Linear> {
        let bound = 1.0 / (inputs as f64).sqrt();
        let weight = self.uniform(&[outputs, inputs], bound)?;
        Ok(Linear { weight, bias: self.uniform(&[outputs], bound)? })
    }

    fn norm(&mut self) -> Result<Norm> {
        Ok(Norm { weight: self.constant(1.0)?, bias: self.constant(0.0)? })
    }

    /// With Glorot and Bengio's bound and the gain of a ReLU.
    fn relation(&mut self, inputs: usize) -> Result<Relation> {
        let size = [self.width, inputs];
        let bound = 2_f64.sqrt() * (6.0 / (inputs + self.width) as f64).sqrt();
        Ok(Relation {
            to_self: self.uniform(&size, bound)?,
            neighbours: self.uniform(&size, bound)?,
            bias: self.constant(0.0)?,
            norm: self.norm()?,
        })
    }
}

/// Initial parameters from libtorch's generator on the CPU, whatever the device.
pub(super) fn draw(shape: Shape, device: Device) -> Result<(Layout, Weights)> {
    let width = shape.hidden;
    let mut draw = Draw { drawn: Vec::new(), width, device };
    let cell = normal(&[width], device)?;
    let cell = draw.add(cell);
    let genes = normal(&[shape.genes, width], device)?;
    let genes = draw.add(genes);
    let batch = draw.linear(NUMBERS, width)?;
    let [cell_input, gene_input] = [draw.linear(width, width)?, draw.linear(width, width)?];
    let [cell_norm, gene_norm] = [draw.norm()?, draw.norm()?];
    let mut layers = Vec::new();
    for layer in 0..shape.layers {
        let inputs = if layer == 0 { width } else { 2 * width };
        let cells = draw.relation(inputs)?;
        let last = layer + 1 == shape.layers;
        let kinds = if last { 0 } else { 1 + usize::from(shape.pathways) };
        let genes = (0..kinds).map(|_| draw.relation(inputs)).collect::<Result<_>>()?;
        layers.push(Layer { cells, genes });
    }
    let readout = draw.linear(width * shape.layers, shape.targets)?;
    let layout = Layout {
        cell,
        genes,
        batch,
        cell_input,
        gene_input,
        cell_norm,
        gene_norm,
        layers,
        readout,
    };
    Ok((layout, Weights(draw.drawn)))
}

/// The gradients, one by one in any order.
pub(super) struct Gradients(Vec<Option<Tensor>>);

impl Gradients {
    pub(super) fn none_yet(of: &Weights) -> Self {
        Self(of.0.iter().map(|_| None).collect())
    }

    pub(super) fn set(&mut self, At(place): At, gradient: Tensor) {
        self.0[place] = Some(gradient);
    }

    /// All of them.
    pub(super) fn finished(self) -> Weights {
        Weights(self.0.into_iter().map(|one| one.expect("each parameter has one")).collect())
    }
}
