//! Where predictions are cut off.

#![allow(clippy::unwrap_used)]

use modality_methods::{Components, Solver, TsvdKrrParams};
use modality_protocol::StageClock;
use modality_recipe::{Exact, Problem, tsvd_krr};
use ndarray::Array2;

/// Mean predictions of three fits, of features whose means lie between -0.6 and 1.4.
fn predict(most: Option<f32>, clip_sum: bool) -> Array2<f32> {
    let input = |cells: usize, step: usize| {
        Array2::from_shape_fn((cells, 8), |(i, j)| ((i * step + j * 29) % 83) as f32 / 83.0)
    };
    let target = Array2::from_shape_fn((60, 6), |(i, j)| {
        ((i * 7 + j * 11) % 31) as f32 / 20.0 + 0.4 * j as f32 - 1.4
    });
    let (train, test) = (input(60, 17), input(20, 19));
    let fits: [Vec<u32>; 3] = [(0..40).collect(), (20..60).collect(), (0..60).step_by(2).collect()];
    let problem = Problem {
        train_input: train.view().into(),
        train_target: target.view().into(),
        test_input: test.view().into(),
        most,
        fits: &fits,
        seed: 0,
    };
    let params = TsvdKrrParams {
        input_components: Components::All,
        solver: Solver::Cholesky,
        clip_sum,
        ..<_>::default()
    };
    tsvd_krr(&mut Exact, &problem, &params, &mut StageClock::silent()).unwrap()
}

fn count(predicted: &Array2<f32>, which: impl Fn(f32) -> bool) -> usize {
    predicted.iter().filter(|&&value| which(value)).count()
}

#[test]
fn the_mean_of_the_fits_is_clipped_and_not_their_sum() {
    let open = predict(None, false);
    assert!(count(&open, |value| value == 0.0) > 3, "some are clipped below");
    assert!(count(&open, |value| value > 1.0) > 3, "some would be clipped above");
    assert!(count(&open, |value| value > 1.0 / 3.0 && value < 1.0) > 3, "and some not");
    assert_eq!(predict(Some(1.0), false), open.mapv(|value| value.min(1.0)));
}

/// The winning code's order: the sum is clipped and divided then, so that nothing is above one over the number of fits.
#[test]
fn the_published_mistake_can_be_made() {
    let wanted = predict(None, false).mapv(|value| (3.0 * value).min(1.0) / 3.0);
    let found = predict(Some(1.0), true);
    assert!((&found - &wanted).iter().all(|difference| difference.abs() < 1e-6));
    assert!(count(&found, |value| (value - 1.0 / 3.0).abs() < 1e-6) > 3);
    // What is not between 0 and 1 by its nature has no sum to be clipped.
    assert_eq!(predict(None, true), predict(None, false));
}
