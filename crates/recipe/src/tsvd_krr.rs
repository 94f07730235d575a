//! The method.

use modality_data::Csr;
use modality_methods::TsvdKrrParams;
use modality_protocol::{StageClock, Event, Stage};
use ndarray::{Array2, ArrayView2};

use crate::{Stages, Tsvd, dual::Ensemble};

/// What is to be predicted from what.
#[derive(Debug, Clone, Copy)]
pub struct Problem<'a> {
    /// Training cells x genes.
    pub train_gex: &'a Csr,
    /// Training cells x proteins.
    pub train_adt: ArrayView2<'a, f32>,
    /// Test cells x genes.
    pub test_gex: &'a Csr,
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
pub type Outcome<S, R> = Result<R, Error<<S as Stages>::Error>>;

/// Predicts the proteins of the test cells: test cells x proteins.
///
/// TSVD of gene expression over training and test cells, TSVD of the training proteins, row-wise
/// standardisation of the gene expression scores, one kernel ridge regression for each list of cells in
/// [`Problem::fits`], and the mean of their predictions, clipped below at zero. A modality with no more
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
    let original = (problem.train_gex, problem.test_gex);
    let (gex, adt) = timed(stages, clock, Stage::Setup, |stages| {
        Ok((stages.upload_gex(original.0, original.1)?, stages.upload(problem.train_adt)?))
    })?;
    let (mut train, mut test) =
        gex_scores(stages, &gex, original, params.gex_components, problem.seed, clock)?;
    drop(gex);
    timed(stages, clock, Stage::Standardize, |stages| {
        stages.standardize_rows(&mut train)?;
        stages.standardize_rows(&mut test)
    })?;
    let (targets, components) = adt_scores(stages, adt, problem, params, clock)?;
    let ensemble = Ensemble { problem, params, train: &train, targets: &targets };
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
        let what = "a prediction is NaN or infinite; do GEX and ADT hold finite values alone?";
        return Err(Error::Invalid(what.to_owned()));
    }
    let fits = problem.fits.len() as f32;
    Ok(sum.mapv_into(|value| value.max(0.0) / fits))
}

/// Scores of training and test cells, cells x `n_components`, as stage [`Stage::TsvdGex`]; the genes as they
/// are where there are no more of them than components. `original` is what was brought to the backend as `gex`.
///
/// # Errors
/// [`Error::Stage`] with the backend's reason.
pub fn gex_scores<S: Stages>(
    stages: &mut S,
    gex: &S::Gex<'_>,
    original: (&Csr, &Csr),
    n_components: usize,
    seed: u64,
    clock: &mut StageClock<'_>,
) -> Outcome<S, (S::Matrix, S::Matrix)> {
    if original.0.cols() <= n_components {
        return timed(stages, clock, Stage::TsvdGex, |stages| stages.densify(gex));
    }
    let scores =
        timed(stages, clock, Stage::TsvdGex, |stages| stages.tsvd_gex(gex, n_components, seed))?;
    let share = timed(stages, clock, Stage::Setup, |stages| {
        captured(stages, (&scores.0, &scores.1), original)
    })?;
    if share.is_finite() {
        clock.say(Event::Captured { share });
    }
    Ok(scores)
}

/// ||scores||_F over ||GEX||_F.
fn captured<S: Stages>(
    stages: &mut S,
    scores: (&S::Matrix, &S::Matrix),
    gex: (&Csr, &Csr),
) -> Result<f64, S::Error> {
    let squares = |gex: &Csr| gex.data().iter().map(|&value| f64::from(value).powi(2)).sum::<f64>();
    let train = stages.column_dots(scores.0, scores.0)?;
    let test = stages.column_dots(scores.1, scores.1)?;
    let held = stages.read(&[&train, &test])?;
    Ok((held.iter().flatten().sum::<f64>() / (squares(gex.0) + squares(gex.1))).sqrt())
}

/// The targets of the fits and, unless the proteins are used as they are, V^T to map back.
fn adt_scores<S: Stages>(
    stages: &mut S,
    adt: S::Matrix,
    problem: &Problem<'_>,
    params: &TsvdKrrParams,
    clock: &mut StageClock<'_>,
) -> Outcome<S, (S::Matrix, Option<S::Matrix>)> {
    timed(stages, clock, Stage::TsvdAdt, |stages| {
        if problem.train_adt.ncols() <= params.adt_components {
            return Ok((adt, None));
        }
        let Tsvd { scores, components } =
            stages.tsvd_adt(&adt, params.adt_components, problem.seed)?;
        Ok((scores, Some(components)))
    })
}

pub(crate) fn timed<S: Stages, R>(
    stages: &mut S,
    clock: &mut StageClock<'_>,
    stage: Stage,
    work: impl FnOnce(&mut S) -> Result<R, S::Error>,
) -> Outcome<S, R> {
    timed_during(stages, clock, stage, |stages, _| work(stages))
}

/// [`timed`] for work that tells how far it has come.
pub(crate) fn timed_during<'a, S: Stages, R>(
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
        let (train, test) = (self.train_gex.rows(), self.test_gex.rows());
        if self.train_adt.nrows() != train {
            return Err(format!(
                "{train} training cells in GEX and {} in ADT",
                self.train_adt.nrows()
            ));
        }
        if self.test_gex.cols() != self.train_gex.cols() {
            return Err(format!(
                "{} training genes and {} test genes",
                self.train_gex.cols(),
                self.test_gex.cols()
            ));
        }
        for (what, columns, components, cells) in [
            ("gex_components", self.train_gex.cols(), params.gex_components, train + test),
            ("adt_components", self.train_adt.ncols(), params.adt_components, train),
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
