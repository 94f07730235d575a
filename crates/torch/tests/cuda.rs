//! The method on a CUDA device, where there is one, beside the CPU. In a file, and so a process, of its own, because
//! libtorch must not be used before the device is chosen.

#![allow(clippy::unwrap_used)]

mod cells;
mod perceptron;

use backend_torch::{
    Annotations, Error,
    device::{self, Compute},
    gnn,
};
use cells::{CELLS, Cells, PROTEINS, TEST, folds, rmse};
use modality_data::Labels;
use modality_methods::{GnnParams, Training};
use modality_protocol::{DeviceId, StageClock};
use perceptron::{fit_on, params};

/// The first CUDA device, or why there is none.
fn cuda() -> Option<Compute> {
    match device::choose(DeviceId::Cuda(0)) {
        Ok(cuda) => Some(cuda),
        Err(Error::Unavailable(reason)) => {
            modality_testing::skip(reason);
            None
        }
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn a_cuda_device_gives_what_the_cpu_gives() {
    let Some(cuda) = cuda() else { return };
    let (cells, folds) = (Cells::new(), folds());
    let problem = cells.problem(&folds, 7);
    let (there, curves_there) = fit_on(&cuda, &problem, &params()).unwrap();
    let (here, curves_here) =
        fit_on(&device::choose(DeviceId::Cpu).unwrap(), &problem, &params()).unwrap();
    assert_eq!(there.dim(), (TEST, PROTEINS));
    let (first_there, first_here) = (&curves_there[0], &curves_here[0]);
    assert!((first_there.loss - first_here.loss).abs() < 1e-4 * first_here.loss);
    assert!((first_there.validation_rmse - first_here.validation_rmse).abs() < 1e-3);
    let errors = [&there, &here].map(|predicted| rmse(predicted, &cells.test_adt));
    assert!((errors[0] - errors[1]).abs() < 0.05 * errors[1], "{errors:?}");
}

#[test]
fn so_does_the_graph_neural_network() {
    let Some(cuda) = cuda() else { return };
    let (cells, folds) = (Cells::new(), folds());
    let problem = cells.problem(&folds, 7);
    let cpu = device::choose(DeviceId::Cpu).unwrap();
    let batches = |cells: usize| Labels::constant("b", cells);
    let (train_batches, test_batches) = (batches(CELLS), batches(TEST));
    let gene_sets = [vec![0, 3, 8]];
    let annotations = Annotations {
        train_batches: &train_batches,
        test_batches: &test_batches,
        gene_sets: &gene_sets,
    };
    for training in [Training::Cells, Training::FullGraph] {
        let params =
            GnnParams { hidden: 16, epochs: 3, batch_size: 20, training, ..GnnParams::default() };
        let [there, here] = [&cuda, &cpu].map(|device| {
            gnn(&problem, &annotations, &params, device, &mut StageClock::silent()).unwrap()
        });
        let errors = [&there, &here].map(|predicted| rmse(predicted, &cells.test_adt));
        assert!((errors[0] - errors[1]).abs() < 0.01 * errors[1], "{errors:?}");
    }
}
