//! What is asked, and how a step of the answer is timed.

use modality_data::ValuesView;
use modality_methods::TsvdKrrParams;
use modality_protocol::{Stage, StageClock};

use crate::Linalg;

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

impl Problem<'_> {
    pub(crate) fn check(&self, params: &TsvdKrrParams) -> Result<(), String> {
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

/// Does a part of a stage, and counts its operations.
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
