//! The method.

use modality_data::ValuesView;
use modality_methods::TsvdKrrParams;
use modality_protocol::{Event, Stage, StageClock};
use ndarray::Array2;

use crate::{
    Linalg, Rows, Stages, Tsvd,
    dual::{Ensemble, distinct},
    problem::{Error, Outcome, Problem, timed},
};

/// Predicts the target of the test cells: test cells x features.
///
/// TSVD of the input over training and test cells, TSVD of the training cells' target, row-wise
/// standardisation of the input's scores, one kernel ridge regression for each list of cells in
/// [`Problem::fits`], and the mean of their predictions, clipped below at zero and above at [`Problem::most`]. A modality with no more
/// columns than components are asked for is used as it is.
///
/// Predictions are linear in the dual coefficients, so the coefficients of all fits are added up cell by
/// cell and the kernel between test and training cells is needed once, not once a fit.
///
/// # Errors
/// [`Error::Invalid`] for empty or out-of-range lists of cells or more components than cells,
/// [`Error::Stage`] with the backend's reason otherwise.
pub fn tsvd_krr<S: Stages>(
    stages: &mut S,
    problem: &Problem<'_>,
    params: &TsvdKrrParams,
    clock: &mut StageClock<'_>,
) -> Result<Array2<f32>, Error<S::Error>> {
    clock.time(Stage::Setup, || problem.check(params)).map_err(Error::Invalid)?;
    let original = [problem.train_input, problem.test_input];
    let components = params.input_components.or_all(problem.train_input.columns());
    let (input, target) = timed(stages, clock, Stage::Setup, |stages| {
        Ok((stages.upload_rows(&original)?, stages.upload_rows(&[problem.train_target])?))
    })?;
    let [mut train, mut test] =
        input_scores(stages, &input, original, components, problem.seed, clock)?;
    drop(input);
    timed(stages, clock, Stage::Standardize, |stages| {
        stages.standardize_rows(&mut train)?;
        stages.standardize_rows(&mut test)
    })?;
    let (targets, components) = target_scores(stages, &target, problem, params, clock)?;
    drop(target);
    let fits = clock.time(Stage::Setup, || distinct(problem.fits));
    let ensemble = Ensemble { problem, params, train: &train, targets: &targets, fits: &fits };
    let coefficients = ensemble.coefficients(stages, clock)?;
    let sum = timed(stages, clock, Stage::Predict, |stages| {
        let mut sum = stages.kernel_product(&test, &train, params.gamma, &coefficients)?;
        if let Some(components) = &components {
            sum = stages.matmul(&sum, components)?;
        }
        stages.download(&sum)
    })?;
    // Clipping would turn NaN into zero.
    if !sum.iter().all(|value| value.is_finite()) {
        let what = "a prediction is NaN or infinite; do input and target hold finite values alone?";
        return Err(Error::Invalid(what.to_owned()));
    }
    let fits = problem.fits.len() as f32;
    let (most, most_of_sum) = match (problem.most, params.clip_sum) {
        (None, _) => (f32::INFINITY, f32::INFINITY),
        (Some(most), false) => (most, f32::INFINITY),
        (Some(most), true) => (most, most),
    };
    Ok(sum.mapv_into(|value| (value.max(0.0).min(most_of_sum) / fits).min(most)))
}

/// Scores of training and test cells, cells x `n_components`, as stage [`Stage::TsvdInput`]; the features as they
/// are where there are no more of them than components. `original` is what was brought to the backend as `input`.
///
/// # Errors
/// [`Error::Stage`] with the backend's reason.
pub fn input_scores<S: Rows>(
    stages: &mut S,
    input: &S::Rows<'_>,
    original: [ValuesView<'_>; 2],
    n_components: usize,
    seed: u64,
    clock: &mut StageClock<'_>,
) -> Outcome<S, [S::Matrix; 2]> {
    if original[0].columns() <= n_components {
        let blocks = timed(stages, clock, Stage::TsvdInput, |stages| stages.densify(input))?;
        return Ok(halves(blocks));
    }
    let tsvd =
        timed(stages, clock, Stage::TsvdInput, |stages| stages.tsvd(input, n_components, seed))?;
    let scores = halves(tsvd.scores);
    let share = timed(stages, clock, Stage::Setup, |stages| captured(stages, &scores, original))?;
    if share.is_finite() {
        clock.say(Event::Captured { share });
    }
    Ok(scores)
}

/// Training and test cells.
fn halves<M>(blocks: Vec<M>) -> [M; 2] {
    <[M; 2]>::try_from(blocks).ok().expect("a matrix for each of the two blocks")
}

/// ||scores||_F over ||input||_F.
fn captured<S: Linalg>(
    stages: &mut S,
    scores: &[S::Matrix; 2],
    input: [ValuesView<'_>; 2],
) -> Result<f64, S::Error> {
    let [train, test] = scores;
    let train = stages.column_dots(train, train)?;
    let test = stages.column_dots(test, test)?;
    let held = stages.read(&[&train, &test])?;
    let all: f64 = input.into_iter().map(ValuesView::squares).sum();
    Ok((held.iter().flatten().sum::<f64>() / all).sqrt())
}

/// The targets of the fits and, unless the target's features are used as they are, V^T to map back.
fn target_scores<S: Rows>(
    stages: &mut S,
    target: &S::Rows<'_>,
    problem: &Problem<'_>,
    params: &TsvdKrrParams,
    clock: &mut StageClock<'_>,
) -> Outcome<S, (S::Matrix, Option<S::Matrix>)> {
    let only = |blocks: Vec<S::Matrix>| blocks.into_iter().next().expect("a matrix for the block");
    timed(stages, clock, Stage::TsvdTarget, |stages| {
        if problem.train_target.columns() <= params.target_components {
            return Ok((only(stages.densify(target)?), None));
        }
        let Tsvd { scores, components } =
            stages.tsvd(target, params.target_components, problem.seed)?;
        Ok((only(scores), Some(components)))
    })
}
