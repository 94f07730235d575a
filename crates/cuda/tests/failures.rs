//! What goes wrong on a machine, as sentences.

#![allow(clippy::unwrap_used)]

mod common;

use backend_cuda::{CudaStages, Device, Error};
use common::{emulator, low_rank, stages};
use modality_data::Csr;
use modality_emulator::Failure;
use modality_methods::{Components, KernelEntries, Solver, TsvdKrrParams};
use modality_protocol::StageClock;
use modality_recipe::{Linalg as _, Problem, tsvd_krr};
use ndarray::{Array2, array};

#[test]
fn what_a_machine_lacks_is_unavailable() {
    let (emulator, _guard) = emulator();
    for (failure, device, wanted) in [
        (Failure::NoDevice, 0, "the NVIDIA driver finds no device: "),
        (
            Failure::OldDriver,
            0,
            "the NVIDIA driver is made for CUDA 12.4; CUDA 13.0 or newer is needed (driver 580 or newer)",
        ),
        (Failure::None, 7, "cuda:7 is not there; CUDA devices here: 1, counted from 0"),
    ] {
        emulator.fail(failure);
        match Device::open(device) {
            Err(Error::Unavailable(reason)) => assert!(reason.starts_with(wanted), "{reason}"),
            other => panic!("{failure:?}: {other:?}"),
        }
    }
}

#[test]
fn kernels_that_cannot_be_had_are_named() {
    let (emulator, _guard) = emulator();
    emulator.fail(Failure::ModuleLoad);
    let reason = Device::open(0).unwrap_err().to_string();
    assert!(reason.starts_with("the kernels in columns.cu cannot be loaded: "), "{reason}");
}

#[test]
fn a_full_device_is_a_sentence() {
    let (emulator, _guard) = emulator();
    let mut stages = stages(KernelEntries::Kept);
    emulator.memory_limit(1 << 20);
    let reason = stages.zeros(1000, 1000).unwrap_err().to_string();
    assert!(
        reason.starts_with("the GPU's memory is full: 4 MiB more were asked for and "),
        "{reason}"
    );
    emulator.memory_limit(1 << 30);
    stages.zeros(1000, 1000).unwrap();
}

#[test]
fn a_launch_that_fails_is_a_sentence() {
    let (emulator, _guard) = emulator();
    let mut stages = stages(KernelEntries::Kept);
    let mut matrix = stages.zeros(10, 10).unwrap();
    emulator.fail(Failure::Launch);
    let result = stages.standardize_rows(&mut matrix).and_then(|()| stages.synchronize());
    let reason = result.unwrap_err().to_string();
    assert!(reason.starts_with("the CUDA driver says: "), "{reason}");
}

/// With every entry that is not zero, NaN among them.
fn sparse(dense: &Array2<f32>) -> Csr {
    let mut triplets = sprs::TriMatI::new(dense.dim());
    for ((row, column), &value) in dense.indexed_iter().filter(|(_, value)| **value != 0.0) {
        triplets.add_triplet(row, column, value);
    }
    triplets.to_csr()
}

fn predict(
    stages: &mut CudaStages,
    train: &Array2<f32>,
    adt: &Array2<f32>,
    params: &TsvdKrrParams,
) -> String {
    let (train_input, test_input) = (sparse(train), sparse(&low_rank(9, train.ncols(), 4)));
    let fits = vec![(0..40).collect(), (20..60).collect()];
    let problem = Problem {
        train_input: (&train_input).into(),
        train_target: adt.view().into(),
        test_input: (&test_input).into(),
        most: None,
        fits: &fits,
        seed: 1,
    };
    match tsvd_krr(stages, &problem, params, &mut StageClock::silent()) {
        Ok(_) => "predictions".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn values_that_are_no_numbers_are_refused() {
    let (_emulator, _guard) = emulator();
    let (gex, adt) = (low_rank(60, 30, 1), low_rank(60, 5, 2));
    let params =
        TsvdKrrParams { input_components: Components::Some(10), ..TsvdKrrParams::default() };
    let with = |matrix: &Array2<f32>, value| {
        let mut matrix = matrix.clone();
        matrix[[3, 2]] = value;
        matrix
    };
    let mut stages = stages(KernelEntries::Kept);
    for value in [f32::NAN, f32::INFINITY] {
        let reason = predict(&mut stages, &with(&gex, value), &adt, &params);
        assert!(
            reason.ends_with("the values of a data set hold NaN or infinite values"),
            "{reason}"
        );
        let reason = predict(&mut stages, &gex, &with(&adt, value), &params);
        assert!(
            reason.ends_with("the values of a data set hold NaN or infinite values"),
            "{reason}"
        );
    }
    // Finite, but not its square.
    let reason = predict(&mut stages, &with(&gex, 1e30), &adt, &params);
    assert!(reason.contains("too large to be squared?"), "{reason}");
    assert_eq!(
        predict(&mut common::stages(KernelEntries::Kept), &gex, &adt, &params),
        "predictions"
    );
}

#[test]
fn a_kernel_without_inverse_is_refused() {
    let (_emulator, _guard) = emulator();
    // Every cell twice.
    let gex = Array2::from_shape_fn((60, 30), |(i, j)| ((i / 2 * 17 + j * 29) % 83) as f32);
    let adt = low_rank(60, 5, 2);
    let params =
        TsvdKrrParams { alpha: 1e-12, solver: Solver::Cholesky, ..TsvdKrrParams::default() };
    let reason = predict(&mut stages(KernelEntries::Kept), &gex, &adt, &params);
    let wanted = "K + alpha I is not positive definite in float32; is alpha (0.000000000001) too small for these cells?";
    assert!(reason.ends_with(wanted), "{reason}");
}

#[test]
fn entries_are_formed_where_they_do_not_fit() {
    let (_emulator, _guard) = emulator();
    let device = Device::open(0).unwrap();
    let mut stages = CudaStages::new(device, 1000, KernelEntries::Kept);
    let (gex, adt) = (low_rank(60, 30, 1), low_rank(60, 5, 2));
    assert_eq!(predict(&mut stages, &gex, &adt, &TsvdKrrParams::default()), "predictions");
    let notes = stages.take_notes();
    assert_eq!(notes.len(), 1);
    assert!(notes[0].ends_with("so its entries are formed again in each product"), "{notes:?}");
}

#[test]
fn nothing_is_computed_of_nothing() {
    let (_emulator, _guard) = emulator();
    let mut stages = stages(KernelEntries::Kept);
    let empty = stages.zeros(0, 3).unwrap();
    assert_eq!(stages.download(&empty).unwrap().dim(), (0, 3));
    let one = stages.upload(array![[2.0, 4.0]].view()).unwrap();
    let gathered = stages.gather_rows(&one, &[]).unwrap();
    assert_eq!(stages.download(&gathered).unwrap().dim(), (0, 2));
}
