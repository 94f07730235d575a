//! Training one model: on the cells outside a fold, judged on the cells inside it.

use modality_methods::{GnnParams, Training};
use modality_protocol::{Epoch, Fold};
use tch::{Device, Kind, Tensor};

use super::{
    graph::{Graph, Joined},
    mask::Masks,
    network::{Network, OnGraph, Pass},
    statistics::{NUMBERS, batch_means},
    turns::Turns,
    weights::{Shape, Weights},
};
use crate::{
    Problem, Result,
    adam::{Adam, Decay},
    device,
    folds::{self, Best, check_finite, copy, cosine, outside, seeded, shuffled},
    host,
    rows::Rows,
};

/// Cells whose target is predicted at a time where nothing is learned from it.
const EVALUATED: usize = 4096;

/// What all models share.
pub(super) struct Shared<'a, 'p> {
    pub(super) problem: Problem<'p>,
    pub(super) params: &'a GnnParams,
    pub(super) device: Device,
    pub(super) joined: &'a Joined,
    /// Of each row of `joined`.
    pub(super) numbers: &'a [[f64; NUMBERS]],
    /// The code of each row's batch.
    pub(super) batches: &'a [u32],
}

/// A model on its way.
pub(super) struct Model<'a, 'p> {
    shared: &'a Shared<'a, 'p>,
    fold: &'a Fold,
    network: Network,
    weights: Weights,
    /// Their running mean, if that is what is judged.
    mean: Option<Weights>,
    adam: Adam,
    seed: u64,
    steps: usize,
    epochs: usize,
    best: Best<Weights>,
    /// The fold's training cells, then its validation cells.
    whole: Graph,
    /// How many of them are trained on.
    trained: usize,
    /// By row, what is known of its batch.
    of_batch: Vec<[f32; NUMBERS]>,
    /// Training cells in the order of each epoch, where a step does not see all.
    orders: Vec<Vec<u32>>,
    measured: Rows<'p>,
}

/// A model that has been trained.
pub(super) struct Trained {
    network: Network,
    weights: Weights,
}

impl Shared<'_, '_> {
    /// These rows of the graph, and what is known of their batches among themselves.
    pub(super) fn graph(&self, rows: Vec<u32>) -> Result<Graph> {
        let numbers = batch_means(self.numbers, self.batches, &rows);
        Graph::new(self.joined, rows, &numbers, false)
    }
}

impl<'a, 'p> Model<'a, 'p> {
    /// Draws all that is random but the masks from libtorch's generator on the CPU, seeded with the run's seed plus a million
    /// times the fold's index: initial parameters, then the order of the cells in each epoch; the same on any device.
    pub(super) fn begin(shared: &'a Shared<'a, 'p>, index: usize) -> Result<Self> {
        let Shared { problem, params, device, joined, .. } = *shared;
        let fold = &problem.folds[index];
        let mut rows = outside(fold, problem.train_input.rows() as u32);
        let trained = rows.len();
        let shape = Shape::new(
            params,
            problem.train_input.columns(),
            problem.train_target.columns(),
            joined.genes.is_some(),
        );
        let seed = folds::seed(problem.seed, index);
        let generator = seeded(seed);
        let (network, weights) = Network::draw(params, shape, device)?;
        let orders = match params.training {
            Training::FullGraph => Vec::new(),
            Training::Cells => {
                (0..params.epochs).map(|_| shuffled(&rows)).collect::<Result<Vec<_>>>()?
            }
        };
        drop(generator);
        rows.extend(&fold.cells);
        let numbers = batch_means(shared.numbers, shared.batches, &rows);
        let mut of_batch = vec![[0.0; NUMBERS]; problem.train_input.rows()];
        rows.iter().zip(&numbers).for_each(|(&row, numbers)| of_batch[row as usize] = *numbers);
        let capacity = match params.training {
            Training::FullGraph => rows.len(),
            Training::Cells => params.batch_size.max(EVALUATED),
        };
        Ok(Self {
            shared,
            fold,
            adam: Adam::new(&weights.0, Decay::Decoupled(params.weight_decay))?,
            mean: (params.averaging > 0.0).then(|| weights.copy()).transpose()?,
            network,
            weights,
            seed,
            steps: 0,
            epochs: 0,
            best: Best::none(),
            whole: Graph::new(joined, rows, &numbers, params.training == Training::FullGraph)?,
            trained,
            of_batch,
            orders,
            measured: Rows::new(problem.train_target, capacity, device)?,
        })
    }

    /// One pass over the training cells; the mean loss of its steps.
    fn epoch(&mut self) -> Result<f64> {
        let params = self.shared.params;
        if params.training == Training::FullGraph {
            return self.step(None, params.learning_rate);
        }
        let order = std::mem::take(&mut self.orders[self.epochs]);
        let batches = order.len() / params.batch_size;
        let mut total = 0.0;
        for cells in order.chunks_exact(params.batch_size) {
            let graph = self.batch(cells.to_vec())?;
            let rate = cosine(params.learning_rate, self.steps, batches * params.epochs);
            total += self.step(Some(&graph), rate)?;
        }
        Ok(total / batches as f64)
    }

    /// The loss over a graph's cells, or over all that are trained on, before the step that it leads to.
    fn step(&mut self, graph: Option<&Graph>, learning_rate: f64) -> Result<f64> {
        let graph = graph.unwrap_or(&self.whole);
        let cells = &graph.cells[..graph.cells.len().min(self.trained)];
        let on_graph = OnGraph {
            network: &self.network,
            weights: &self.weights,
            joined: self.shared.joined,
            graph,
            masks: Some(Masks { seed: self.seed, step: self.steps as u64 }),
        };
        let pass = on_graph.forward()?;
        let output = on_graph.output(&pass.read.f_narrow(0, 0, cells.len() as i64)?)?;
        let error = { output }.f_sub_(&self.measured.dense(cells)?)?;
        let entries = error.numel() as f64;
        let loss = square_sum(&error)? / entries;
        let gradients = on_graph.backward(&pass, &{ error }.f_mul_scalar_(2.0 / entries)?)?;
        self.adam.step(&mut self.weights.0, &gradients.0, learning_rate)?;
        self.steps += 1;
        if let Some(mean) = &mut self.mean {
            let step = self.steps as f64;
            let kept = self.shared.params.averaging.min((1.0 + step) / (10.0 + step));
            for (mean, weight) in mean.0.iter_mut().zip(&self.weights.0) {
                let _ = mean.f_lerp_(weight, 1.0 - kept)?;
            }
        }
        Ok(loss)
    }

    /// RMSE over the fold's cells x features, of the parameters that would be kept.
    fn validate(&mut self) -> Result<f64> {
        let on_graph = OnGraph {
            network: &self.network,
            weights: self.mean.as_ref().unwrap_or(&self.weights),
            joined: self.shared.joined,
            graph: &self.whole,
            masks: None,
        };
        let pass = on_graph.forward()?;
        let mut sum = 0.0;
        for (first, output) in outputs(&on_graph, &pass, self.trained) {
            let output = output?;
            let cells = &self.whole.cells[first..first + output.size()[0] as usize];
            sum += square_sum(&{ output }.f_sub_(&self.measured.dense(cells)?)?)?;
        }
        let entries = self.fold.cells.len() * self.shared.problem.train_target.columns();
        Ok((sum / entries as f64).sqrt())
    }

    /// A step for a model that is thrown away: kernels are loaded and libraries set up by first use.
    pub(super) fn warm_up(mut self) -> Result<()> {
        match self.orders.first().cloned() {
            None => self.step(None, 0.0)?,
            Some(order) => {
                let cells = order[..self.shared.params.batch_size].to_vec();
                self.step(Some(&self.batch(cells)?), 0.0)?
            }
        };
        device::synchronize(self.shared.device);
        Ok(())
    }

    /// The graph of some training cells.
    fn batch(&self, cells: Vec<u32>) -> Result<Graph> {
        let numbers: Vec<_> = cells.iter().map(|&cell| self.of_batch[cell as usize]).collect();
        Graph::new(self.shared.joined, cells, &numbers, true)
    }

    /// What was learned up to the epoch that did best.
    pub(super) fn finish(self) -> Result<Trained> {
        Ok(Trained { network: self.network, weights: self.best.into_kept()? })
    }
}

impl Turns for Model<'_, '_> {
    type News = Epoch;

    fn done(&self) -> usize {
        self.epochs
    }

    fn turn(&mut self) -> Result<Epoch> {
        let loss = self.epoch()?;
        let validation_rmse = self.validate()?;
        self.epochs += 1;
        check_finite(self.fold, self.epochs, loss, validation_rmse)?;
        if self.epochs >= self.shared.params.min_epoch {
            let kept = self.mean.as_ref().unwrap_or(&self.weights);
            self.best.offer(validation_rmse, || kept.copy())?;
        }
        device::synchronize(self.shared.device);
        Ok(Epoch { fold: self.fold.name.clone(), epoch: self.epochs, loss, validation_rmse })
    }
}

impl Trained {
    /// What is predicted of the cells of `graph` from the `first` on: cells x features of the target, row by row.
    pub(super) fn predict(&self, joined: &Joined, graph: &Graph, first: usize) -> Result<Vec<f32>> {
        let (network, weights) = (&self.network, &self.weights);
        let on_graph = OnGraph { network, weights, joined, graph, masks: None };
        let pass = on_graph.forward()?;
        let mut values = Vec::new();
        for (_, output) in outputs(&on_graph, &pass, first) {
            values.extend_from_slice(host::values(&output?.f_to_device(Device::Cpu)?)?);
        }
        Ok(values)
    }
}

impl Weights {
    fn copy(&self) -> Result<Self> {
        self.0.iter().map(copy).collect::<Result<_>>().map(Self)
    }
}

/// What is predicted of the graph's cells from the `first` on, some at a time, with the first of each.
fn outputs<'a>(
    on_graph: &'a OnGraph<'_>,
    pass: &'a Pass,
    first: usize,
) -> impl Iterator<Item = (usize, Result<Tensor>)> + 'a {
    let all = pass.read.size()[0] as usize;
    (first..all).step_by(EVALUATED).map(move |first| {
        let count = EVALUATED.min(all - first) as i64;
        let read = pass.read.f_narrow(0, first as i64, count);
        (first, read.map_err(Into::into).and_then(|read| on_graph.output(&read)))
    })
}

/// In float64, in one order.
fn square_sum(error: &Tensor) -> Result<f64> {
    if error.device() == Device::Cpu {
        let squares = host::values(error)?.iter().map(|&error| f64::from(error).powi(2));
        return Ok(squares.sum());
    }
    Ok(error.f_square()?.f_sum(Kind::Double)?.f_double_value(&[])?)
}
