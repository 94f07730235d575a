//! The method on a CUDA device, where there is one, beside the CPU. In a file, and so a process, of its own, because
//! libtorch must not be used before the device is chosen.

#![allow(clippy::unwrap_used)]

mod cells;
mod perceptron;

use backend_torch::{Error, device};
use cells::{Cells, PROTEINS, TEST, folds, rmse};
use modality_protocol::DeviceId;
use perceptron::{fit_on, params};

#[test]
fn a_cuda_device_gives_what_the_cpu_gives() {
    let cuda = match device::choose(DeviceId::Cuda(0)) {
        Ok(cuda) => cuda,
        Err(Error::Unavailable(reason)) => return modality_testing::skip(reason),
        Err(other) => panic!("{other}"),
    };
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
