//! The multi-layer perceptron on a device, quick to train.

use backend_torch::{Error, Problem, device::Compute, mlp};
use modality_methods::MlpParams;
use modality_protocol::{Epoch, Event, StageClock};
use ndarray::Array2;

pub(crate) fn params() -> MlpParams {
    // Batches of 15 leave out ten of the 160 cells outside a fold.
    let (hidden, epochs, batch_size) = ([32, 16], 30, 15);
    MlpParams { hidden, epochs, batch_size, learning_rate: 5e-3, ..MlpParams::default() }
}

/// Predictions and validation curves, computed on `device`.
pub(crate) fn fit_on(
    device: &Compute,
    problem: &Problem<'_>,
    params: &MlpParams,
) -> Result<(Array2<f32>, Vec<Epoch>), Error> {
    let mut epochs = Vec::new();
    let mut clock = StageClock::new(|event| {
        if let Event::Epoch(epoch) = event {
            epochs.push(epoch);
        }
    });
    let predictions = mlp(problem, params, device, &mut clock);
    drop(clock);
    Ok((predictions?, epochs))
}
