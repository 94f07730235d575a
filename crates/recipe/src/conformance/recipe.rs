//! Decompositions, and the whole method.

use modality_methods::{Solver, TsvdKrrParams};
use modality_protocol::StageClock;
use ndarray::{Array2, s};

use super::{Suite, low_rank, on, sparse, wide};
use crate::{Exact, Problem, Stages, tsvd_krr};

pub(super) fn tsvd<S: Stages>(stages: &mut S, tolerance: f64) {
    let suite = Suite { tolerance };
    // Singular values fall off quickly, so that any solver finds the leading vectors exactly.
    gex(stages, &suite, &low_rank(90, 60, 5), &low_rank(41, 60, 6));
    let adt = low_rank(90, 24, 7);
    let device_adt = on(stages.upload(adt.view()));
    let tsvd = on(stages.tsvd_adt(&device_adt, 5, 0));
    let wanted = on(Exact.tsvd_adt(&wide(&adt), 5, 0));
    suite.compare("tsvd_adt, scores", stages, &tsvd.scores, &wanted.scores);
    suite.compare("tsvd_adt, components", stages, &tsvd.components, &wanted.components);
}

/// More genes than a solver may want all products of; some of them, and some cells, without a count.
pub(super) fn tsvd_of_many_genes<S: Stages>(stages: &mut S, tolerance: f64) {
    let [train, test] = [(150, 15), (33, 16)].map(|(cells, seed)| {
        let mut gex = low_rank(cells, 1300, seed);
        gex.slice_mut(s![.., 200..264]).fill(0.0);
        gex.slice_mut(s![30..; 3, ..]).fill(0.0);
        gex
    });
    gex(stages, &Suite { tolerance }, &train, &test);
}

fn gex<S: Stages>(stages: &mut S, suite: &Suite, train: &Array2<f32>, test: &Array2<f32>) {
    let (train, test) = (sparse(train), sparse(test));
    let (gex, exact) = (on(stages.upload_gex(&train, &test)), on(Exact.upload_gex(&train, &test)));
    let scores = on(stages.tsvd_gex(&gex, 5, 0));
    let wanted = on(Exact.tsvd_gex(&exact, 5, 0));
    suite.compare("tsvd_gex, training scores", stages, &scores.0, &wanted.0);
    suite.compare("tsvd_gex, test scores", stages, &scores.1, &wanted.1);
    let (dense, wanted) = (on(stages.densify(&gex)), on(Exact.densify(&exact)));
    suite.compare("densify, training cells", stages, &dense.0, &wanted.0);
    suite.compare("densify, test cells", stages, &dense.1, &wanted.1);
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
    (gex_components, adt_components): (usize, usize),
) {
    let [train_gex, test_gex] = [(200, 8), (50, 9)].map(|(cells, seed)| {
        let gex = low_rank(cells, 60, seed);
        sparse(&gex.mapv_into(|value| if value > 0.3 { value } else { 0.0 }))
    });
    let adt = low_rank(200, 24, 10).mapv_into(f32::abs);
    let (train_adt, seed) = (adt.view(), 3);
    let problem = Problem { train_gex: &train_gex, train_adt, test_gex: &test_gex, fits, seed };
    let solver = Solver::Cholesky;
    let exact = TsvdKrrParams { gex_components, adt_components, solver, ..<_>::default() };
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
        Suite { tolerance }.equal(&format!("tsvd_krr by {solver:?}"), &predicted, &wide(&wanted));
    }
}
