//! Decompositions, and the whole method.

use modality_data::ValuesView;
use modality_methods::{Components, Solver, TsvdKrrParams};
use modality_protocol::StageClock;
use ndarray::{Array2, s};

use super::{Suite, low_rank, on, sparse, wide};
use crate::{Exact, Linalg, Problem, Rows, Stages, tsvd_krr};

/// Singular values fall off quickly, so that any solver finds the leading vectors exactly.
pub(super) fn tsvd<S: Rows>(stages: &mut S, tolerance: f64) {
    let suite = Suite { tolerance };
    let (train, test) = (low_rank(90, 60, 5), low_rank(41, 60, 6));
    of_blocks(stages, &suite, [&train, &test]);
    of_blocks(stages, &suite, [&low_rank(90, 24, 7)]);
}

/// More features than a solver may want all products of; some of them, and some cells, without a count.
pub(super) fn tsvd_of_many_features<S: Rows>(stages: &mut S, tolerance: f64) {
    let [train, test] = [(150, 15), (33, 16)].map(|(cells, seed)| {
        let mut block = low_rank(cells, 1300, seed);
        block.slice_mut(s![.., 200..264]).fill(0.0);
        block.slice_mut(s![30..; 3, ..]).fill(0.0);
        block
    });
    of_blocks(stages, &Suite { tolerance }, [&train, &test]);
}

/// Sparse and dense.
fn of_blocks<S: Rows, const N: usize>(stages: &mut S, suite: &Suite, blocks: [&Array2<f32>; N]) {
    let sparse = blocks.map(sparse);
    of_rows(stages, suite, "sparse", &sparse.each_ref().map(ValuesView::from));
    of_rows(stages, suite, "dense", &blocks.map(|block| ValuesView::from(block.view())));
}

fn of_rows<S: Rows>(stages: &mut S, suite: &Suite, form: &str, blocks: &[ValuesView<'_>]) {
    let (rows, exact) = (on(stages.upload_rows(blocks)), on(Exact.upload_rows(blocks)));
    let (found, wanted) = (on(stages.tsvd(&rows, 5, 0)), on(Exact.tsvd(&exact, 5, 0)));
    let what = format!("tsvd of {form} rows");
    compare_all(stages, suite, &format!("{what}, scores"), &found.scores, &wanted.scores);
    suite.compare(&format!("{what}, components"), stages, &found.components, &wanted.components);
    let (found, wanted) = (on(stages.densify(&rows)), on(Exact.densify(&exact)));
    compare_all(stages, suite, &format!("densify of {form} rows"), &found, &wanted);
}

fn compare_all<S: Linalg>(
    stages: &mut S,
    suite: &Suite,
    what: &str,
    found: &[S::Matrix],
    wanted: &[Array2<f64>],
) {
    assert_eq!(found.len(), wanted.len(), "{what}: a matrix for each block");
    for (found, wanted) in found.iter().zip(wanted) {
        suite.compare(what, stages, found, wanted);
    }
}

pub(super) fn recipe<S: Stages>(stages: &mut S, tolerance: f64) {
    let fits: Vec<Vec<u32>> =
        (0..4).map(|fit| (0..200).filter(|cell| cell % 4 != fit).collect()).collect();
    // All components and none left out: with and without TSVD of each modality.
    for components in [(60, 24), (59, 23)] {
        of_fits(stages, tolerance, &fits, components);
    }
}

/// A fit of one cell, one of a few, one of most; some cells are in none.
pub(super) fn uneven_fits<S: Stages>(stages: &mut S, tolerance: f64) {
    let fits = [vec![190], (3..20).collect(), (0..200).filter(|cell| cell % 9 != 3).collect()];
    of_fits(stages, tolerance, &fits, (17, 24));
}

fn of_fits<S: Stages>(
    stages: &mut S,
    tolerance: f64,
    fits: &[Vec<u32>],
    (input_components, target_components): (usize, usize),
) {
    let [train, test] = [(200, 8), (50, 9)].map(|(cells, seed)| {
        low_rank(cells, 60, seed).mapv_into(|value| if value > 0.3 { value } else { 0.0 })
    });
    let target = low_rank(200, 24, 10).mapv_into(f32::abs);
    let (sparse_train, sparse_test, sparse_target) =
        (sparse(&train), sparse(&test), sparse(&target));
    let solver = Solver::Cholesky;
    let input_components = Components::Some(input_components);
    let exact = TsvdKrrParams { input_components, target_components, solver, ..<_>::default() };
    let sparse_to_dense =
        problem([(&sparse_train).into(), (&sparse_test).into()], target.view().into(), fits);
    let dense_to_sparse =
        problem([train.view().into(), test.view().into()], (&sparse_target).into(), fits);
    for (form, problem) in
        [("sparse to dense", sparse_to_dense), ("dense to sparse", dense_to_sparse)]
    {
        let wanted = on(tsvd_krr(&mut Exact, &problem, &exact, &mut StageClock::silent()));
        for solver in [Solver::Cholesky, Solver::Pcg] {
            let params = TsvdKrrParams {
                solver,
                landmarks: Some(40),
                tolerance: 0.5 * tolerance,
                ..exact.clone()
            };
            let mut notes = Vec::new();
            let predicted =
                on(tsvd_krr(stages, &problem, &params, &mut StageClock::noting(&mut notes)));
            assert!(notes.is_empty(), "tsvd_krr: {notes:?}");
            assert!(predicted.iter().all(|&value| value >= 0.0), "tsvd_krr: below zero");
            let what = format!("tsvd_krr, {form}, by {solver:?}");
            Suite { tolerance }.equal(&what, &predicted, &wide(&wanted));
        }
    }
}

fn problem<'a>(
    [train_input, test_input]: [ValuesView<'a>; 2],
    train_target: ValuesView<'a>,
    fits: &'a [Vec<u32>],
) -> Problem<'a> {
    Problem { train_input, train_target, test_input, most: None, fits, seed: 3 }
}
