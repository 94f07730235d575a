//! The method.

use modality_data::ValuesView;
use modality_methods::TsvdKrrParams;
use modality_protocol::{Event, Stage, StageClock};
use ndarray::Array2;

use crate::{
    Linalg, Rows, Stages, Tsvd,
    dual::{Ensemble, distinct},
};

/// What is to be predicted from what.
#[derive(Debug, Clone, Copy)]
pub struct Problem<'a> {
    /// Training cells x features of the input.
    pub train_input: ValuesView<'a>,
    /// Training cells x features of the target.
    pub train_target: ValuesView<'a>,
    /// Test cells x features of the input.
    pub test_input: ValuesView<'a>,
    /// The largest value that there can be, where that is known: 1 of peaks, which are seen or not.
    pub most: Option<f32>,
    /// Training cells of each fit of the ensemble.
    pub fits: &'a [Vec<u32>],
    /// Seed of the sketches.
    pub seed: u64,
}

/// Why there are no predictions.
#[derive(Debug, thiserror::Error)]
pub enum Error<E: std::error::Error> {
    /// The problem or the hyperparameters make no sense together.
    #[error("{0}")]
    Invalid(String),
    /// A stage failed.
    #[error("stage {name}: {1}", name = .0.name())]
    Stage(Stage, E),
}

/// What a step of the recipe gives on the backend `S`.
pub type Outcome<S, R> = Result<R, Error<<S as Linalg>::Error>>;

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

pub(crate) fn timed<S: Linalg, R>(
    stages: &mut S,
    clock: &mut StageClock<'_>,
    stage: Stage,
    work: impl FnOnce(&mut S) -> Result<R, S::Error>,
) -> Outcome<S, R> {
    timed_during(stages, clock, stage, |stages, _| work(stages))
}

/// [`timed`] for work that tells how far it has come.
pub(crate) fn timed_during<'a, S: Linalg, R>(
    stages: &mut S,
    clock: &mut StageClock<'a>,
    stage: Stage,
    work: impl FnOnce(&mut S, &mut StageClock<'a>) -> Result<R, S::Error>,
) -> Outcome<S, R> {
    clock
        .during(stage, |clock| {
            let result = work(stages, clock)?;
            stages.synchronize()?;
            let flops = stages.take_flops();
            if flops > 0.0 {
                clock.count(flops);
            }
            Ok(result)
        })
        .map_err(|error| Error::Stage(stage, error))
}

impl Problem<'_> {
    fn check(&self, params: &TsvdKrrParams) -> Result<(), String> {
        let (train, test) = (self.train_input.rows(), self.test_input.rows());
        if self.train_target.rows() != train {
            return Err(format!(
                "the input has {train} training cells and the target {}",
                self.train_target.rows()
            ));
        }
        if self.test_input.columns() != self.train_input.columns() {
            return Err(format!(
                "the input of training cells has {} features and that of test cells {}",
                self.train_input.columns(),
                self.test_input.columns()
            ));
        }
        for (what, columns, components, cells) in [
            (
                "input_components",
                self.train_input.columns(),
                params.input_components.or_all(self.train_input.columns()),
                train + test,
            ),
            ("target_components", self.train_target.columns(), params.target_components, train),
        ] {
            if columns > components && components > cells {
                return Err(format!(
                    "`{what}` is {components}, more than the {cells} cells there are"
                ));
            }
        }
        if self.fits.is_empty() {
            return Err("the plan has no fit".to_owned());
        }
        for (i, fit) in (1..).zip(self.fits) {
            if fit.is_empty() {
                return Err(format!("fit {i} of the plan has no cell"));
            }
            let mut seen = vec![false; train];
            for &cell in fit {
                match seen.get_mut(cell as usize) {
                    Some(seen) if !*seen => *seen = true,
                    Some(_) => {
                        return Err(format!(
                            "fit {i} of the plan names training cell {cell} twice"
                        ));
                    }
                    None => {
                        return Err(format!(
                            "fit {i} of the plan names training cell {cell}; there are {train}"
                        ));
                    }
                }
            }
        }
        Ok(())
    }
}
