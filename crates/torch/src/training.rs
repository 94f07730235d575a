//! Training one model: on the cells outside a fold, judged on the cells inside it.

use std::{
    f64::consts::PI,
    sync::{Mutex, MutexGuard, PoisonError},
};

use modality_methods::{MlpParams, Schedule};
use modality_protocol::{Epoch, Event, Fold, Stage, StageClock};
use tch::{Device, Kind, Tensor};

use crate::{
    Error, Problem, Result,
    adam::Adam,
    device,
    dropout::Dropout,
    network::{Network, Shape},
    products::Products,
    rows::Rows,
    targets::Targets,
};

/// Cells of a batch where nothing is learned from it, if the training batches are smaller.
const EVALUATION_BATCH: usize = 512;

/// Distance between the seeds of two folds.
const FOLD_SEEDS: u64 = 1_000_000;

/// libtorch has one generator a process; models that are begun at the same time take turns.
static GENERATOR: Mutex<()> = Mutex::new(());

/// What all folds share.
pub(crate) struct Trainer<'a> {
    problem: Problem<'a>,
    params: MlpParams,
    device: Device,
    products: Products,
    /// What was measured, a batch at a time.
    measured: Rows<'a>,
    /// Over all training cells.
    targets: Targets,
    rows: Rows<'a>,
}

/// A model on its way.
struct Model {
    network: Network,
    adam: Adam,
    targets: Targets,
    dropout: Option<Dropout>,
    /// Training cells of the fold in the order of each epoch.
    orders: Vec<Vec<u32>>,
}

impl<'a> Trainer<'a> {
    pub(crate) fn new(
        problem: Problem<'a>,
        params: &MlpParams,
        products: Products,
        device: Device,
    ) -> Result<Self> {
        let measured = Rows::new(problem.train_target, batch_capacity(params), device)?;
        let everyone = 0..problem.train_target.rows() as u32;
        let targets = Targets::new(problem.train_target, everyone, params.min_target_mean, device)?;
        let rows = Rows::new(problem.train_input, batch_capacity(params), device)?;
        let params = params.clone();
        let mut trainer = Self { problem, params, device, products, measured, targets, rows };
        if device.is_cuda() {
            trainer.warm_up()?;
        }
        Ok(trainer)
    }

    /// What is predicted by its mean over all training cells; everything else is let go.
    pub(crate) fn into_targets(self) -> Targets {
        self.targets
    }

    /// One step of a model that is thrown away: kernels are loaded and libraries set up by first use.
    fn warm_up(&mut self) -> Result<()> {
        let mut model = self.begin(0, &self.problem.folds[0])?;
        let cells = model.orders[0][..self.params.batch_size].to_vec();
        let _ = self.step(&mut model, &cells, 0.0)?;
        device::synchronize(self.device);
        Ok(())
    }

    /// The network of the epoch that did best on the fold's cells; each epoch is a visit of [`Stage::Fit`] and an
    /// [`Event::Epoch`].
    pub(crate) fn train(&mut self, index: usize, clock: &mut StageClock<'_>) -> Result<Network> {
        let fold = &self.problem.folds[index];
        let device = self.device;
        let mut model = clock.time(Stage::Fit, || {
            let model = self.begin(index, fold);
            device::synchronize(device);
            model
        })?;
        let strays = model.targets.lower_than(&self.targets);
        if strays > 0 {
            clock.note(format!(
                "fold {}: {strays} features of the target have a low mean there but not over all training cells; what the untrained \
                 outputs for them say is averaged in, as in the original",
                fold.name
            ));
        }
        let mut best: Option<(f64, Network)> = None;
        let (folds, epochs) = (self.problem.folds.len(), self.params.epochs);
        for epoch in 1..=epochs {
            let (loss, validation_rmse) = clock.time(Stage::Fit, || {
                let loss = self.epoch(&mut model, epoch)?;
                let rmse = self.validate(&model, &fold.cells)?;
                check_finite(fold, epoch, loss, rmse)?;
                if best.as_ref().is_none_or(|(lowest, _)| rmse < *lowest) {
                    best = Some((rmse, model.network.snapshot()?));
                }
                device::synchronize(device);
                Ok::<_, Error>((loss, rmse))
            })?;
            let fold = fold.name.clone();
            clock.say(Event::Epoch(Epoch { fold, epoch, loss, validation_rmse }));
            clock.progress(Stage::Fit, (index * epochs + epoch) as u64, (folds * epochs) as u64);
        }
        let (_, network) = best.ok_or_else(|| Error::Invalid("`epochs` is 0".to_owned()))?;
        Ok(network)
    }

    /// Draws all that is random from libtorch's generator on the CPU, seeded with the run's seed plus a million times
    /// the fold's index: initial parameters, then the order of the cells in each epoch; the same on any device.
    fn begin(&self, index: usize, fold: &Fold) -> Result<Model> {
        let problem = self.problem;
        let cells = outside(fold, problem.train_input.rows() as u32);
        let shape = Shape {
            inputs: problem.train_input.columns(),
            hidden: self.params.hidden,
            targets: problem.train_target.columns(),
        };
        let seed = problem.seed.wrapping_add(FOLD_SEEDS.wrapping_mul(index as u64));
        let generator = seeded(seed);
        let mut network = Network::new(shape, self.products, self.device)?;
        let orders = (0..self.params.epochs).map(|_| shuffled(&cells));
        let orders = orders.collect::<Result<Vec<_>>>()?;
        drop(generator);
        let adam = Adam::new(network.parameters_mut(), self.params.weight_decay)?;
        let (target, min_mean) = (problem.train_target, self.params.min_target_mean);
        let targets = Targets::new(target, cells.iter().copied(), min_mean, self.device)?;
        let dropout = Dropout::new(self.params.dropout, seed);
        Ok(Model { network, adam, targets, dropout, orders })
    }

    /// One pass over the model's cells; the mean loss of its steps.
    fn epoch(&mut self, model: &mut Model, epoch: usize) -> Result<f64> {
        let MlpParams { epochs, batch_size, learning_rate, schedule, .. } = self.params;
        let learning_rate = match schedule {
            Schedule::Cosine => cosine(learning_rate, epoch, epochs),
            Schedule::Constant => learning_rate,
        };
        let order = std::mem::take(&mut model.orders[epoch - 1]);
        let mut total = Tensor::f_zeros([] as [i64; 0], (Kind::Float, self.device))?;
        for cells in order.chunks_exact(batch_size) {
            total = total.f_add_(&self.step(model, cells, learning_rate)?)?;
        }
        Ok(total.f_double_value(&[])? / (order.len() / batch_size) as f64)
    }

    /// The loss of one batch, before the step that it leads to.
    fn step(&mut self, model: &mut Model, cells: &[u32], learning_rate: f64) -> Result<Tensor> {
        let shape = (cells.len() as i64, self.params.hidden[0] as i64);
        let mask = model.dropout.as_mut().map(|dropout| dropout.draw(shape, self.device));
        let pass = model.network.forward(&self.rows.dense(cells)?, mask.transpose()?)?;
        let error = model.targets.predict(&pass.output)?.f_sub_(&self.measured.dense(cells)?)?;
        let loss = error.f_square()?.f_mean(None)?;
        let by_prediction = error.f_mul_scalar(2.0 / error.numel() as f64)?;
        let by_output = model.targets.by_output(by_prediction)?;
        let gradients = model.network.backward(&pass, &by_output)?;
        model.adam.step(model.network.parameters_mut(), &gradients, learning_rate)?;
        Ok(loss)
    }

    /// RMSE over `cells` x features.
    fn validate(&mut self, model: &Model, cells: &[u32]) -> Result<f64> {
        let mut sum = Tensor::f_zeros([] as [i64; 0], (Kind::Double, self.device))?;
        for cells in cells.chunks(batch_capacity(&self.params)) {
            let output = model.network.forward(&self.rows.dense(cells)?, None)?.output;
            let mut error = model.targets.predict(&output)?.f_sub_(&self.measured.dense(cells)?)?;
            sum = sum.f_add_(&error.f_square_()?.f_sum(Kind::Double)?)?;
        }
        let entries = (cells.len() * self.problem.train_target.columns()) as f64;
        Ok((sum.f_double_value(&[])? / entries).sqrt())
    }
}

/// libtorch's generator on the CPU, with this seed and for the caller alone as long as the guard lives.
pub(crate) fn seeded(seed: u64) -> MutexGuard<'static, ()> {
    let generator = GENERATOR.lock().unwrap_or_else(PoisonError::into_inner);
    tch::manual_seed(seed as i64);
    generator
}

/// Rows that a buffer needs, for training and for evaluation.
pub(crate) fn batch_capacity(params: &MlpParams) -> usize {
    params.batch_size.max(EVALUATION_BATCH)
}

/// The cells that are not the fold's, ascending.
pub(crate) fn outside(fold: &Fold, cells: u32) -> Vec<u32> {
    let mut inside = vec![false; cells as usize];
    for &cell in &fold.cells {
        inside[cell as usize] = true;
    }
    (0..cells).filter(|&cell| !inside[cell as usize]).collect()
}

fn shuffled(cells: &[u32]) -> Result<Vec<u32>> {
    let order = Tensor::f_randperm(cells.len() as i64, (Kind::Int64, Device::Cpu))?;
    Ok(Vec::<i64>::try_from(order)?.into_iter().map(|i| cells[i as usize]).collect())
}

/// The learning rate of `epoch`, counted from one: half a cosine, from the first epoch's rate towards zero.
fn cosine(first: f64, epoch: usize, epochs: usize) -> f64 {
    first * (1.0 + (PI * (epoch - 1) as f64 / epochs as f64).cos()) / 2.0
}

fn check_finite(fold: &Fold, epoch: usize, loss: f64, validation_rmse: f64) -> Result<()> {
    if loss.is_finite() && validation_rmse.is_finite() {
        return Ok(());
    }
    Err(Error::Training {
        fold: fold.name.clone(),
        epoch,
        what: format!(
            "the loss is {loss} and the validation RMSE {validation_rmse}; a lower `learning_rate` may help"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_learning_rate_falls_as_a_cosine() {
        let rates: Vec<f64> = (1..=4).map(|epoch| cosine(1e-3, epoch, 4)).collect();
        let root = 0.5_f64.sqrt();
        for (rate, wanted) in rates.iter().zip([1.0, (1.0 + root) / 2.0, 0.5, (1.0 - root) / 2.0]) {
            assert!((rate - 1e-3 * wanted).abs() < 1e-12, "{rates:?}");
        }
    }

    #[test]
    fn training_cells_are_those_outside_the_fold() {
        let fold = Fold { name: String::new(), cells: vec![1, 4], ..Fold::default() };
        assert_eq!(outside(&fold, 6), [0, 2, 3, 5]);
    }
}
