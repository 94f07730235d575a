//! The graph neural network.

mod activation;
mod arithmetic;
mod edges;
mod graph;
mod host;
mod libtorch;
mod mask;
mod messages;
mod network;
mod normal;
mod pathways;
mod statistics;
mod training;
mod turns;
mod weights;

use std::num::NonZero;

use modality_data::Labels;
use modality_methods::{GnnParams, Training};
use modality_protocol::{Event, Stage, StageClock};
use ndarray::Array2;
use rayon::prelude::*;
use tch::Device;

use self::{
    edges::Edges,
    graph::{Between, Joined},
    training::{Model, Shared, Trained},
};
use crate::{Error, Problem, Result, device::Compute};

/// What else is known of cells and genes.
#[derive(Debug, Clone, Copy)]
pub struct Annotations<'a> {
    /// The batch of each training cell ...
    pub train_batches: &'a Labels,
    /// ... and of each test cell; batches of the same name are the same.
    pub test_batches: &'a Labels,
    /// Sets of features of the input, each feature once, that belong together: each is joined to all others of the set.
    pub gene_sets: &'a [Vec<u32>],
}

/// Predicts the target of the test cells: test cells x features.
///
/// The competition's second place, DANCE (scMoGNN): cells and the features of their input are the nodes of a graph, the nonzeros
/// of the input its edges; each model is trained on the cells outside a fold, kept at the epoch with the lowest RMSE on the fold's
/// cells, and predicts on the graph of all cells. The models' predictions are averaged, and not clipped.
///
/// As many models are trained at once as there are threads of rayon's; on the CPU, predictions do not depend on their number.
///
/// # Errors
/// [`Error::Invalid`] for matrices, folds or annotations that do not fit together; [`Error::Training`] naming the fold and
/// epoch for a batch larger than the data, no validation cells, or a loss that is not finite; [`Error::Torch`] otherwise.
pub fn gnn(
    problem: &Problem<'_>,
    annotations: &Annotations<'_>,
    params: &GnnParams,
    compute: &Compute,
    clock: &mut StageClock<'_>,
) -> Result<Array2<f32>> {
    problem.check()?;
    params.check().map_err(Error::Invalid)?;
    annotations.check(problem)?;
    let batch_size = (params.training == Training::Cells).then_some(params.batch_size);
    problem.check_folds("gnn", batch_size)?;

    let device = compute.device;
    let _no_grad = tch::no_grad_guard();
    let (joined, numbers, batches) = clock.time(Stage::Setup, || {
        let between = pathways::between(annotations.gene_sets, problem.train_input);
        let between = between.map(|edges| Between::new(edges, device)).transpose()?;
        let cells = Edges::stacked(&[problem.train_input, problem.test_input]);
        let numbers = statistics::of_cells(&cells);
        let upload = device != Device::Cpu;
        let batches = statistics::joined(annotations.train_batches, annotations.test_batches);
        Ok::<_, Error>((Joined::new(cells, between, device, upload)?, numbers, batches))
    })?;
    clock.note(pathways::told(annotations.gene_sets, joined.genes.as_ref()));
    let shared = Shared {
        problem: *problem,
        params,
        device,
        joined: &joined,
        numbers: &numbers,
        batches: &batches,
    };
    if device != Device::Cpu {
        clock.time(Stage::Setup, || Model::begin(&shared, 0)?.warm_up())?;
    }
    let trained = clock.during(Stage::Fit, |clock| train(&shared, clock))?;
    clock.time(Stage::Predict, || predict(&shared, &trained))
}

/// Each model at its best epoch.
fn train(shared: &Shared<'_, '_>, clock: &mut StageClock<'_>) -> Result<Vec<Trained>> {
    let (folds, epochs) = (shared.problem.folds.len(), shared.params.epochs);
    let models = (0..folds).map(|index| Model::begin(shared, index)).collect::<Result<Vec<_>>>()?;
    let mut done = 0;
    let models = turns::all(models, epochs, at_once(shared), |_, epoch| {
        clock.say(Event::Epoch(epoch));
        done += 1;
        clock.progress(Stage::Fit, done, (folds * epochs) as u64);
    })?;
    models.into_iter().map(Model::finish).collect()
}

/// Models on their way at the same time.
fn at_once(shared: &Shared<'_, '_>) -> NonZero<usize> {
    let threads = rayon::current_num_threads().min(shared.problem.folds.len());
    let models = if shared.device == Device::Cpu { threads } else { 1 };
    NonZero::new(models).unwrap_or(NonZero::<usize>::MIN)
}

/// The mean of the models' predictions on the graph of all cells.
fn predict(shared: &Shared<'_, '_>, models: &[Trained]) -> Result<Array2<f32>> {
    let (train, test) = (shared.problem.train_input.rows(), shared.problem.test_input.rows());
    let graph = shared.graph((0..(train + test) as u32).collect())?;
    let mut sum: Option<Vec<f32>> = None;
    for model in models {
        let values = model.predict(shared.joined, &graph, train)?;
        match &mut sum {
            None => sum = Some(values),
            Some(sum) => sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value),
        }
    }
    let count = models.len() as f32;
    let mean: Vec<f32> = sum.unwrap_or_default().into_par_iter().map(|sum| sum / count).collect();
    let size = (test, shared.problem.train_target.columns());
    Ok(Array2::from_shape_vec(size, mean).expect("as many as there are test cells"))
}

impl Annotations<'_> {
    fn check(&self, problem: &Problem<'_>) -> Result<()> {
        let sides = [
            ("training", self.train_batches, problem.train_input.rows()),
            ("test", self.test_batches, problem.test_input.rows()),
        ];
        for (what, labels, cells) in sides {
            if labels.codes.len() != cells {
                return Err(Error::Invalid(format!(
                    "there are {cells} {what} cells, and the batch of {} of them is known",
                    labels.codes.len()
                )));
            }
            if labels.codes.iter().any(|&code| code as usize >= labels.names.len()) {
                return Err(Error::Invalid("a cell's batch has no name".to_owned()));
            }
        }
        let genes = problem.train_input.columns();
        match self.gene_sets.iter().flatten().find(|&&gene| gene as usize >= genes) {
            None => Ok(()),
            Some(gene) => {
                Err(Error::Invalid(format!("a gene set names gene {gene}; there are {genes}")))
            }
        }
    }
}
