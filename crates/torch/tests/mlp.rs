//! The method as a whole, on cells made up here.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod cells;
mod perceptron;

use backend_torch::{Error, Problem, device};
use cells::{CELLS, Cells, PROTEINS, TEST, folds, rmse};
use modality_data::Csr;
use modality_methods::MlpParams;
use modality_protocol::{DeviceId, Epoch, Fold};
use ndarray::{Array2, Axis};
use perceptron::{fit_on, params};

fn fit(problem: &Problem<'_>, params: &MlpParams) -> Result<(Array2<f32>, Vec<Epoch>), Error> {
    fit_on(&device::choose(DeviceId::Cpu).unwrap(), problem, params)
}

#[test]
fn it_learns_and_tells_how() {
    let (cells, folds) = (Cells::new(), folds());
    let (predicted, epochs) = fit(&cells.problem(&folds, 7), &params()).unwrap();
    assert_eq!(predicted.dim(), (TEST, PROTEINS));
    let mean = cells.train_adt.mean_axis(Axis(0)).unwrap();
    let of_the_mean = rmse(&(Array2::zeros((TEST, PROTEINS)) + &mean), &cells.test_adt);
    let error = rmse(&predicted, &cells.test_adt);
    assert!(error < 0.5 * of_the_mean, "{error}, {of_the_mean} of the mean");
    // The last protein's mean is below the limit, so every cell is given that mean.
    assert!(predicted.column(PROTEINS - 1).iter().all(|value| (value - 0.02).abs() < 1e-6));

    assert_eq!(epochs.len(), 3 * 30);
    for (i, epoch) in epochs.iter().enumerate() {
        assert_eq!((epoch.fold.as_str(), epoch.epoch), (["s1", "s2", "s3"][i / 30], i % 30 + 1));
    }
    for curve in epochs.chunks(30) {
        assert!(curve[29].loss < 0.3 * curve[0].loss, "{curve:?}");
        assert!(curve[29].validation_rmse < 0.6 * curve[0].validation_rmse, "{curve:?}");
    }
}

#[test]
fn the_epoch_with_the_best_validation_is_kept() {
    let (cells, folds) = (Cells::new(), folds());
    // So fast that the error goes up and down; where it is lowest hangs on the processor's rounding, and must not be in the
    // last epoch.
    let wild = MlpParams { learning_rate: 0.1, epochs: 12, ..params() };
    let tried = (0..20).find_map(|seed| {
        let problem = cells.problem(&folds[..1], seed);
        let (predicted, epochs) = fit(&problem, &wild).unwrap();
        let of = |epoch: &Epoch| epoch.validation_rmse;
        let best = epochs.into_iter().min_by(|a, b| of(a).total_cmp(&of(b))).unwrap();
        (best.epoch < wild.epochs).then_some((problem, predicted, best))
    });
    let (problem, predicted, best) = tried.expect("a seed whose last epoch is not the best");

    // On its validation cells the model that was kept has the error of its best epoch.
    let inside: Vec<usize> = folds[0].cells.iter().map(|&cell| cell as usize).collect();
    let validation = sprs_rows(&cells.train_gex, &inside);
    let problem = Problem { test_input: (&validation).into(), ..problem };
    let (on_validation, _) = fit(&problem, &wild).unwrap();
    let error = rmse(&on_validation, &cells.train_adt.select(Axis(0), &inside));
    assert!((error - best.validation_rmse).abs() < 1e-5, "{error} {best:?}");
    assert_eq!(predicted.nrows(), TEST);
}

fn sprs_rows(matrix: &Csr, rows: &[usize]) -> Csr {
    let dense = matrix.to_dense().select(Axis(0), rows);
    sprs::CsMatI::<f32, u32, usize>::csr_from_dense(dense.view(), 0.0)
}

#[test]
fn models_of_several_folds_are_averaged() {
    let (cells, folds) = (Cells::new(), folds());
    let short = MlpParams { epochs: 3, ..params() };
    let (together, _) = fit(&cells.problem(&folds, 5), &short).unwrap();
    let alone = |index: usize| {
        let seed = 5 + 1_000_000 * index as u64;
        fit(&cells.problem(&folds[index..=index], seed), &short).unwrap().0
    };
    let mean = (alone(0) + alone(1) + alone(2)) / 3.0;
    assert!(rmse(&together, &mean) < 1e-6, "{}", rmse(&together, &mean));
}

#[test]
fn a_low_protein_has_the_mean_of_the_cells_it_was_trained_on() {
    let (mut cells, folds) = (Cells::new(), folds());
    // 0.1 in the first fold and 0.02 elsewhere: 0.02 to its own model, a third more to everyone.
    let of = |cell: usize| if cell.is_multiple_of(3) { 0.1 } else { 0.02 };
    cells.train_adt = Array2::from_shape_fn((CELLS, 1), |(cell, _)| of(cell));
    let short = MlpParams { epochs: 1, ..params() };
    let (predicted, epochs) = fit(&cells.problem(&folds, 1), &short).unwrap();
    assert!(predicted.iter().all(|value| (value - 0.14 / 3.0).abs() < 1e-6));
    assert!((epochs[0].validation_rmse - 0.08).abs() < 1e-6 && epochs[0].loss < 1e-12);
    // The other folds' models see a mean of 0.06, which is not low.
    assert!(epochs[1].loss > 1e-9);
}

#[test]
fn the_seed_decides() {
    let (cells, folds) = (Cells::new(), folds());
    let short = MlpParams { epochs: 3, ..params() };
    let of = |seed| fit(&cells.problem(&folds, seed), &short).unwrap();
    assert!(of(1) == of(1), "the same seed gives other predictions");
    assert_ne!(of(1).0, of(2).0);
}

#[test]
fn bad_input_names_fold_and_epoch() {
    let (cells, folds) = (Cells::new(), folds());
    let message = |folds: &[Fold], params: &MlpParams| {
        fit(&cells.problem(folds, 0), params).unwrap_err().to_string()
    };
    assert_eq!(
        message(&folds, &MlpParams { batch_size: 161, ..params() }),
        "fold s1, epoch 1: `batch_size` is 161, more than the 160 training cells outside the fold; give it fewer \
         under `[params.mlp]` in the study, or leave it out there"
    );
    let mut empty = folds.clone();
    empty[1].cells.clear();
    let quick = MlpParams { epochs: 1, ..params() };
    assert_eq!(
        message(&empty, &quick),
        "fold s2, epoch 1: there are no validation cells; each fold needs at least one"
    );
    let diverging = message(&folds, &MlpParams { learning_rate: 1e30, epochs: 9, ..params() });
    assert!(diverging.starts_with("fold s1, epoch "), "{diverging}");
    assert!(diverging.contains("a lower `learning_rate` may help"), "{diverging}");

    let mut beyond = folds.clone();
    beyond[0].cells.push(CELLS as u32);
    assert_eq!(message(&beyond, &params()), "fold s1 names training cell 240; there are 240");
    assert_eq!(message(&[], &params()), "the plan has no fold");
    let endless = MlpParams { batch_size: usize::MAX, ..params() };
    assert!(message(&folds, &endless).starts_with("fold s1, epoch 1: `batch_size` is"));
}
