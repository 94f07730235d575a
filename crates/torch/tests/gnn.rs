//! The graph neural network as a whole, on cells made up here.

#![allow(clippy::unwrap_used)]

mod cells;

use backend_torch::{Annotations, Error, Problem, device, gnn};
use cells::{CELLS, Cells, PROTEINS, TEST, folds, rmse};
use modality_data::{Csr, Labels};
use modality_methods::{GnnParams, Training};
use modality_protocol::{DeviceId, Epoch, Event, Fold, StageClock};
use ndarray::{Array2, Axis};

/// Quick to train.
fn params() -> GnnParams {
    GnnParams { hidden: 16, layers: 2, epochs: 12, batch_size: 20, ..GnnParams::default() }
}

/// Predictions, validation curves and notes.
type Fitted = (Array2<f32>, Vec<Epoch>, Vec<String>);

/// With a batch a third of the cells.
fn fit(problem: &Problem<'_>, gene_sets: &[Vec<u32>], params: &GnnParams) -> Result<Fitted, Error> {
    let names = |cells: usize| (0..cells).map(|cell| ["a", "b", "c"][cell % 3]).collect::<Vec<_>>();
    let train_batches = Labels::from_names(names(problem.train_input.rows()));
    let test_batches = Labels::from_names(names(problem.test_input.rows()));
    let annotations =
        Annotations { train_batches: &train_batches, test_batches: &test_batches, gene_sets };
    let (mut epochs, mut notes) = (Vec::new(), Vec::new());
    let mut clock = StageClock::new(|event| match event {
        Event::Epoch(epoch) => epochs.push(epoch),
        Event::Note { text } => notes.push(text),
        _ => {}
    });
    let cpu = device::choose(DeviceId::Cpu).unwrap();
    let predictions = gnn(problem, &annotations, params, &cpu, &mut clock);
    drop(clock);
    Ok((predictions?, epochs, notes))
}

fn message(problem: &Problem<'_>, params: &GnnParams) -> String {
    fit(problem, &[], params).unwrap_err().to_string()
}

#[test]
fn it_learns_either_way_and_tells_how() {
    let (cells, folds) = (Cells::new(), folds());
    let mean = cells.train_adt.mean_axis(Axis(0)).unwrap();
    let of_the_mean = rmse(&(Array2::zeros((TEST, PROTEINS)) + &mean), &cells.test_adt);
    let keen = GnnParams { dropout: 0.0, edge_dropout: 0.1, epochs: 40, ..params() };
    let whole = GnnParams { training: Training::FullGraph, epochs: 250, ..keen.clone() };
    for params in [keen, whole] {
        let (predicted, epochs, notes) = fit(&cells.problem(&folds, 7), &[], &params).unwrap();
        assert_eq!(predicted.dim(), (TEST, PROTEINS));
        let error = rmse(&predicted, &cells.test_adt);
        assert!(error < 0.8 * of_the_mean, "{error}, {of_the_mean} of the mean");
        assert_eq!(notes, ["no pathway edges"]);
        // Those of all folds, epoch by epoch.
        assert_eq!(epochs.len(), 3 * params.epochs);
        for (i, epoch) in epochs.iter().enumerate() {
            assert_eq!((epoch.fold.as_str(), epoch.epoch), (["s1", "s2", "s3"][i % 3], i / 3 + 1));
        }
        assert!(epochs[epochs.len() - 1].loss < 0.7 * epochs[0].loss, "{epochs:?}");
    }
}

#[test]
fn the_best_epoch_that_may_be_kept_is_kept() {
    let (cells, folds) = (Cells::new(), folds());
    let one = &folds[..1];
    // A model that is trained longer at the same rate: its first epochs are the same.
    let until = |epochs: usize, min_epoch: usize| {
        let whole = GnnParams {
            training: Training::FullGraph,
            epochs,
            min_epoch,
            learning_rate: 0.3,
            ..params()
        };
        let (predicted, epochs, _) = fit(&cells.problem(one, 3), &[], &whole).unwrap();
        (predicted, epochs.into_iter().map(|epoch| epoch.validation_rmse).collect::<Vec<_>>())
    };
    let (kept, curve) = until(12, 5);
    let best = (4..12).min_by(|&a, &b| curve[a].total_cmp(&curve[b])).unwrap() + 1;
    let (there, shorter) = until(best, best);
    assert_eq!(shorter, curve[..best]);
    assert!(kept == there, "not the predictions of epoch {best}");
}

#[test]
fn threads_do_not_matter_and_the_seed_does() {
    let (cells, folds) = (Cells::new(), folds());
    let short = GnnParams { epochs: 2, averaging: 0.9, ..params() };
    let sets = [vec![0, 5, 6, 9], vec![9, 0]];
    let on = |threads: usize, seed: u64| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| fit(&cells.problem(&folds, seed), &sets, &short).unwrap())
    };
    let one = on(1, 1);
    assert_eq!(one.2, ["pathway edges: 2 sets, 4 genes in them, 14 edges"]);
    assert!(one == on(2, 1) && one == on(5, 1), "threads change the predictions");
    assert_ne!(one.0, on(1, 2).0);
    assert_ne!(one.0, fit(&cells.problem(&folds, 1), &[], &short).unwrap().0);
}

#[test]
fn models_of_several_folds_are_averaged() {
    let (cells, folds) = (Cells::new(), folds());
    let short = GnnParams { epochs: 2, ..params() };
    let (together, ..) = fit(&cells.problem(&folds, 5), &[], &short).unwrap();
    let alone = |index: usize| {
        let seed = 5 + 1_000_000 * index as u64;
        fit(&cells.problem(&folds[index..=index], seed), &[], &short).unwrap().0
    };
    let mean = (alone(0) + alone(1) + alone(2)) / 3.0;
    assert!(rmse(&together, &mean) < 1e-6, "{}", rmse(&together, &mean));
}

#[test]
fn cells_that_a_fold_leaves_out_are_not_seen() {
    let mut cells = Cells::new();
    let fold =
        [Fold { name: "one".to_owned(), cells: (0..60).collect(), left_out: (60..120).collect() }];
    let short = GnnParams { epochs: 2, ..params() };
    let curve = |cells: &Cells| fit(&cells.problem(&fold, 1), &[], &short).unwrap().1;
    let before = curve(&cells);
    cells.train_adt.slice_mut(ndarray::s![60..120, ..]).fill(7.0);
    assert_eq!(curve(&cells), before);
    cells.train_adt.slice_mut(ndarray::s![120..130, ..]).fill(7.0);
    assert_ne!(curve(&cells), before);
}

#[test]
fn strange_graphs_are_results() {
    let (cells, folds) = (Cells::new(), folds());
    let short = GnnParams { epochs: 2, ..params() };
    let (nothing, no_test) = (Csr::zero((CELLS, 30)), Csr::zero((TEST, 30)));
    let problem = cells.problem(&folds, 1);
    let without_edges =
        Problem { train_input: (&nothing).into(), test_input: (&no_test).into(), ..problem };
    let (predicted, ..) = fit(&without_edges, &[], &short).unwrap();
    assert!(predicted.iter().all(|value| value.is_finite()));

    // A cell without genes, and a gene that is in no cell.
    let mut dense = cells.train_gex.to_dense();
    dense.row_mut(3).fill(0.0);
    dense.column_mut(5).fill(0.0);
    let problem = Problem { train_input: dense.view().into(), ..problem };
    let (predicted, ..) = fit(&problem, &[vec![5, 6]], &short).unwrap();
    assert!(predicted.iter().all(|value| value.is_finite()));

    // Dense input is the same as sparse.
    let sparse = Csr::csr_from_dense(dense.view(), 0.0);
    let again = Problem { train_input: (&sparse).into(), ..problem };
    assert!(predicted == fit(&again, &[vec![5, 6]], &short).unwrap().0);
}

#[test]
fn bad_input_is_named() {
    let (cells, folds) = (Cells::new(), folds());
    let problem = cells.problem(&folds, 0);
    assert_eq!(
        message(&problem, &GnnParams { batch_size: 161, ..params() }),
        "fold s1, epoch 1: `batch_size` is 161, more than the 160 training cells outside the fold; give it fewer \
         under `[params.gnn]` in the study, or leave it out there"
    );
    // All cells are one batch whatever its size is said to be.
    let whole = GnnParams { training: Training::FullGraph, batch_size: 161, epochs: 1, ..params() };
    assert!(fit(&problem, &[], &whole).is_ok());
    let diverging = message(&problem, &GnnParams { learning_rate: 1e30, ..params() });
    assert!(diverging.starts_with("fold s"), "{diverging}");
    assert!(diverging.contains("a lower `learning_rate` may help"), "{diverging}");

    let everyone =
        [Fold { name: "all".to_owned(), cells: (0..CELLS as u32).collect(), left_out: vec![] }];
    assert_eq!(
        message(&cells.problem(&everyone, 0), &params()),
        "fold all, epoch 1: there are no training cells outside the fold; a model needs at least one"
    );
    let beyond = fit(&problem, &[vec![0, 30]], &params()).unwrap_err().to_string();
    assert_eq!(beyond, "a gene set names gene 30; there are 30");
    let few = Labels::from_names(["a"]);
    let annotations = Annotations { train_batches: &few, test_batches: &few, gene_sets: &[] };
    let cpu = device::choose(DeviceId::Cpu).unwrap();
    let error =
        gnn(&problem, &annotations, &params(), &cpu, &mut StageClock::silent()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "there are 240 training cells, and the batch of 1 of them is known"
    );
}
