//! The multi-layer perceptron.

mod network;
mod products;
mod targets;
mod training;

use modality_methods::MlpParams;
use modality_protocol::{Stage, StageClock};
use ndarray::Array2;
use tch::Device;

use self::{
    network::Network,
    products::Products,
    targets::Targets,
    training::{Trainer, batch_capacity},
};
use crate::{Error, Problem, Result, device::Compute, host, rows::Rows};

/// Predicts the target of the test cells: test cells x features.
///
/// One model a fold: two hidden layers with ReLU, an output layer that sees both, mean squared error, Adam with a
/// cosine schedule, the epoch with the lowest RMSE on the fold's cells. The models' predictions are averaged, and not
/// clipped. A feature whose training mean is below [`MlpParams::min_target_mean`] is predicted by that mean. Cells
/// are made dense a batch at a time.
///
/// The number of threads is libtorch's and rayon's; with the same number, seed and machine, predictions are the same
/// to the bit on the CPU.
///
/// # Errors
/// [`Error::Invalid`] for matrices or folds that do not fit together; [`Error::Training`] naming the fold and epoch
/// for a batch larger than the data, no validation cells, or a loss that is not finite; [`Error::Torch`] otherwise.
pub fn mlp(
    problem: &Problem<'_>,
    params: &MlpParams,
    compute: &Compute,
    clock: &mut StageClock<'_>,
) -> Result<Array2<f32>> {
    problem.check()?;
    if params.epochs == 0 {
        clock.note("without epochs there is no network: the training mean is predicted");
        return Ok(mean(problem, clock));
    }
    problem.check_folds("mlp", Some(params.batch_size))?;
    let device = compute.device;
    let products = Products::on(device);
    if device == Device::Cpu {
        clock.note(format!("matrix products by {}", products.name()));
    }
    let _no_grad = tch::no_grad_guard();
    let mut trainer =
        clock.time(Stage::Setup, || Trainer::new(*problem, params, products, device))?;
    let networks = (0..problem.folds.len()).map(|fold| trainer.train(fold, clock));
    let networks = networks.collect::<Result<Vec<_>>>()?;
    let targets = trainer.into_targets();
    clock.time(Stage::Predict, || predict(problem, params, device, &targets, &networks))
}

/// The mean over the training cells, for every test cell.
fn mean(problem: &Problem<'_>, clock: &mut StageClock<'_>) -> Array2<f32> {
    let everyone = 0..problem.train_target.rows() as u32;
    let means = clock.time(Stage::Fit, || targets::means(problem.train_target, everyone));
    clock.time(Stage::Predict, || {
        let shape = (problem.test_input.rows(), means.len());
        Array2::from_shape_fn(shape, |(_, feature)| means[feature] as f32)
    })
}

/// The mean of the networks' outputs, or of the training cells where `mask` says so.
fn predict(
    problem: &Problem<'_>,
    params: &MlpParams,
    device: Device,
    mask: &Targets,
    networks: &[Network],
) -> Result<Array2<f32>> {
    let (cells, features) = (problem.test_input.rows() as u32, problem.train_target.columns());
    let mut rows = Rows::new(problem.test_input, batch_capacity(params), device)?;
    let mut values = Vec::with_capacity(cells as usize * features);
    let everyone: Vec<u32> = (0..cells).collect();
    for cells in everyone.chunks(batch_capacity(params)) {
        let x = rows.dense(cells)?;
        let size = [cells.len() as i64, features as i64];
        let mut sum = tch::Tensor::f_zeros(size, (tch::Kind::Float, device))?;
        for network in networks {
            sum = sum.f_add_(&network.forward(&x, None)?.output)?;
        }
        let mean = mask.predict(&sum.f_div_scalar_(networks.len() as f64)?)?;
        values.extend_from_slice(host::values(&mean.f_to_device(Device::Cpu)?)?);
    }
    Array2::from_shape_vec((cells as usize, features), values)
        .map_err(|error| Error::Torch(error.to_string()))
}
