//! Training one model: on the cells outside a fold, judged on the cells inside it.

use modality_methods::{MlpParams, Schedule};
use modality_protocol::{Epoch, Event, Fold, Stage, StageClock};
use tch::{Device, Kind, Tensor};

use super::{
    network::{Network, Shape},
    products::Products,
    targets::Targets,
};
use crate::{
    Error, Problem, Result,
    adam::{Adam, Decay},
    device,
    dropout::Dropout,
    folds::{self, Best, check_finite, cosine, outside, seeded, shuffled},
    rows::Rows,
};

/// Cells of a batch where nothing is learned from it, if the training batches are smaller.
const EVALUATION_BATCH: usize = 512;

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
        let mut best = Best::none();
        let (folds, epochs) = (self.problem.folds.len(), self.params.epochs);
        for epoch in 1..=epochs {
            let (loss, validation_rmse) = clock.time(Stage::Fit, || {
                let loss = self.epoch(&mut model, epoch)?;
                let rmse = self.validate(&model, &fold.cells)?;
                check_finite(fold, epoch, loss, rmse)?;
                best.offer(rmse, || model.network.snapshot())?;
                device::synchronize(device);
                Ok::<_, Error>((loss, rmse))
            })?;
            let fold = fold.name.clone();
            clock.say(Event::Epoch(Epoch { fold, epoch, loss, validation_rmse }));
            clock.progress(Stage::Fit, (index * epochs + epoch) as u64, (folds * epochs) as u64);
        }
        best.into_kept()
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
        let seed = folds::seed(problem.seed, index);
        let generator = seeded(seed);
        let network = Network::new(shape, self.products, self.device)?;
        let orders = (0..self.params.epochs).map(|_| shuffled(&cells));
        let orders = orders.collect::<Result<Vec<_>>>()?;
        drop(generator);
        let adam = Adam::new(network.parameters(), Decay::Penalty(self.params.weight_decay))?;
        let (target, min_mean) = (problem.train_target, self.params.min_target_mean);
        let targets = Targets::new(target, cells.iter().copied(), min_mean, self.device)?;
        let dropout = Dropout::new(self.params.dropout, seed);
        Ok(Model { network, adam, targets, dropout, orders })
    }

    /// One pass over the model's cells; the mean loss of its steps.
    fn epoch(&mut self, model: &mut Model, epoch: usize) -> Result<f64> {
        let MlpParams { epochs, batch_size, learning_rate, schedule, .. } = self.params;
        let learning_rate = match schedule {
            Schedule::Cosine => cosine(learning_rate, epoch - 1, epochs),
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

/// Rows that a buffer needs, for training and for evaluation.
pub(crate) fn batch_capacity(params: &MlpParams) -> usize {
    params.batch_size.max(EVALUATION_BATCH)
}
