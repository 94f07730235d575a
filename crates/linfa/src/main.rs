//! The runner of the CPU backend; `cargo xtask reproduce` starts it.

use std::process::ExitCode;

use backend_linfa::{CpuStages, knn, linear, mean};
use modality_data::prepared::{self, Inputs};
use modality_harness::{
    clock::StageClock,
    methods::{self, KnnParams, LinearParams, TsvdKrrParams},
    protocol::{RunSpec, Stage},
    runner::{self, Stop},
};
use modality_recipe::{Problem, Stages as _, tsvd_krr};
use ndarray::{Array2, Axis};

fn main() -> ExitCode {
    let versions = [("backend-linfa", env!("CARGO_PKG_VERSION"))];
    runner::serve(|_| Ok(runner::hello("CPU", &versions)), run)
}

fn run(spec: &RunSpec, clock: &mut StageClock<'_>) -> Result<(), Stop> {
    let inputs = clock.time(Stage::Load, || prepared::read_inputs(&spec.dataset))?;
    let predictions = predict(spec, &inputs, clock)?;
    runner::write_predictions(spec, clock, predictions.view())
}

fn predict(
    spec: &RunSpec,
    inputs: &Inputs,
    clock: &mut StageClock<'_>,
) -> Result<Array2<f32>, Stop> {
    let adt = inputs.train_adt.view();
    let shape = (inputs.test_gex.rows(), adt.ncols());
    match spec.method.as_str() {
        "zeros" => Ok(Array2::zeros(shape)),
        "mean" => {
            let means = clock.time(Stage::Fit, || mean(adt));
            Ok(clock
                .time(Stage::Predict, || {
                    means.insert_axis(Axis(0)).broadcast(shape).map(|rows| rows.to_owned())
                })
                .unwrap_or_default())
        }
        "linear" => {
            let params: LinearParams = methods::parse(&spec.method, &spec.params)?;
            let (x, x_test) = scores(spec, inputs, params.gex_components, clock)?;
            Ok(clock.time(Stage::Fit, || linear(x.view(), adt, x_test.view(), params.alpha))?)
        }
        "knn" => {
            let params: KnnParams = methods::parse(&spec.method, &spec.params)?;
            let (mut x, mut x_test) = scores(spec, inputs, params.gex_components, clock)?;
            clock.time(Stage::Standardize, || {
                let mut stages = CpuStages::default();
                stages.standardize_rows(&mut x).and_then(|()| stages.standardize_rows(&mut x_test))
            })?;
            Ok(clock.time(Stage::Predict, || knn(x.view(), adt, x_test.view(), params.neighbours)))
        }
        "tsvd-krr" => {
            let params: TsvdKrrParams = methods::parse(&spec.method, &spec.params)?;
            let problem = Problem {
                train_gex: &inputs.train_gex,
                train_adt: adt,
                test_gex: &inputs.test_gex,
                fits: &spec.fits,
                seed: spec.seed,
            };
            Ok(tsvd_krr(&mut CpuStages::default(), &problem, &params, clock)?)
        }
        other => Err(Stop::Failed(format!("this runner has no method `{other}`"))),
    }
}

/// TSVD scores of training and test cells; the genes as they are, where there are no more than components.
fn scores(
    spec: &RunSpec,
    inputs: &Inputs,
    n_components: usize,
    clock: &mut StageClock<'_>,
) -> Result<(Array2<f32>, Array2<f32>), Stop> {
    let (train, test) = (&inputs.train_gex, &inputs.test_gex);
    let mut stages = CpuStages::default();
    let scores = clock.time(Stage::TsvdGex, || {
        if train.cols() <= n_components {
            return Ok((stages.densify(train)?, stages.densify(test)?));
        }
        stages.tsvd_gex(train, test, n_components, spec.seed)
    });
    scores.map_err(Stop::from)
}
