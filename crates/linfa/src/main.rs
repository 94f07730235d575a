//! The runner of the CPU backend; `cargo xtask reproduce` starts it.

use std::process::ExitCode;

use backend_linfa::{
    CpuStages, Ridge, knn, mean,
    memory::{self, Needs},
    product_rate,
};
use modality_data::prepared::{self, Inputs, Shape};
use modality_methods::{self as methods, KnnParams, LinearParams, TsvdKrrParams};
use modality_protocol::{
    RunSpec, Stage, StageClock,
    runner::{self, Expected, Stop},
};
use modality_recipe::{Linalg as _, Problem, Rows as _, distinct, input_scores, tsvd_krr};
use ndarray::Array2;
use serde::de::DeserializeOwned;

/// The crates that compute, whose versions a reader may want to know.
const LIBRARIES: [&str; 5] = ["faer", "linfa", "ndarray", "rayon", "sprs"];

fn main() -> ExitCode {
    let versions = runner::locked_versions(include_str!("../../../Cargo.lock"), &LIBRARIES);
    runner::serve(|_| Ok(runner::hello("CPU", versions)), expect, run)
}

fn expect(spec: &RunSpec) -> Result<Option<Expected>, Stop> {
    let shape = Shape::of(&spec.dataset, spec.cells.as_deref())?;
    let all = |bytes: u64| Expected { peak: bytes, least: bytes };
    Ok(match spec.method.as_str() {
        "zeros" | "mean" => Some(all(memory::inputs(&shape))),
        "linear" => {
            Some(all(memory::linear(&shape, params::<LinearParams>(spec)?.input_components)))
        }
        "knn" => Some(all(memory::knn(&shape, params::<KnnParams>(spec)?.input_components))),
        "tsvd-krr" => Some(needs(spec, &shape)?.expected(spec.memory)),
        _ => None,
    })
}

fn needs(spec: &RunSpec, shape: &Shape) -> Result<Needs, Stop> {
    Ok(Needs::of_tsvd_krr(shape, &params(spec)?, &distinct(&spec.fits), spec.threads))
}

fn params<P: DeserializeOwned>(spec: &RunSpec) -> Result<P, Stop> {
    Ok(methods::parse(&spec.method, &spec.params)?)
}

fn run(spec: &RunSpec, clock: &mut StageClock<'_>) -> Result<(), Stop> {
    let inputs =
        clock.time(Stage::Load, || prepared::read_inputs(&spec.dataset, spec.cells.as_deref()))?;
    let run = Run { spec, inputs: &inputs };
    let predictions = match spec.method.as_str() {
        "zeros" => run.zeros(),
        "mean" => run.mean(clock),
        "linear" => run.linear(clock)?,
        "knn" => run.knn(clock)?,
        "tsvd-krr" => run.tsvd_krr(clock)?,
        other => return Err(Stop::Failed(format!("this runner has no method `{other}`"))),
    };
    runner::write_predictions(spec, clock, predictions.view())?;
    if spec.method == "tsvd-krr" {
        drop(inputs);
        clock.product_rate(product_rate);
    }
    Ok(())
}

/// What is asked, and the data to answer from. Methods give predictions, test cells x features.
struct Run<'a> {
    spec: &'a RunSpec,
    inputs: &'a Inputs,
}

impl Run<'_> {
    fn zeros(&self) -> Array2<f32> {
        Array2::zeros((self.inputs.test_input.rows(), self.inputs.train_target.columns()))
    }

    fn mean(&self, clock: &mut StageClock<'_>) -> Array2<f32> {
        let means = clock.time(Stage::Fit, || mean(self.inputs.train_target.view()));
        clock.time(Stage::Predict, || self.zeros() + &means)
    }

    fn linear(&self, clock: &mut StageClock<'_>) -> Result<Array2<f32>, Stop> {
        let params: LinearParams = params(self.spec)?;
        let [x, x_test] = self.scores(params.input_components, clock)?;
        let target = self.inputs.train_target.view();
        let ridge = clock.time(Stage::Fit, || Ridge::fit(x.view(), target, params.alpha))?;
        Ok(clock.time(Stage::Predict, || ridge.predict(x_test.view())))
    }

    fn knn(&self, clock: &mut StageClock<'_>) -> Result<Array2<f32>, Stop> {
        let params: KnnParams = params(self.spec)?;
        let (neighbours, cells) = (params.neighbours, self.inputs.train_input.rows());
        if neighbours > cells {
            let what = format!("`neighbours` is {neighbours}; there are {cells} training cells");
            return Err(Stop::Failed(what));
        }
        let [mut x, mut x_test] = self.scores(params.input_components, clock)?;
        clock.time(Stage::Standardize, || {
            let mut stages = CpuStages::default();
            stages.standardize_rows(&mut x).and_then(|()| stages.standardize_rows(&mut x_test))
        })?;
        let target = self.inputs.train_target.view();
        Ok(clock.time(Stage::Predict, || knn(x.view(), target, x_test.view(), neighbours)))
    }

    fn tsvd_krr(&self, clock: &mut StageClock<'_>) -> Result<Array2<f32>, Stop> {
        let params: TsvdKrrParams = params(self.spec)?;
        let problem = Problem {
            train_input: self.inputs.train_input.view(),
            train_target: self.inputs.train_target.view(),
            test_input: self.inputs.test_input.view(),
            most: self.inputs.manifest.target.features.modality.most(),
            fits: &self.spec.fits,
            seed: self.spec.seed,
        };
        let needs = needs(self.spec, &Shape::of_inputs(self.inputs))?;
        let mut stages = CpuStages::new(needs.room(self.spec.memory), params.kernel);
        Ok(tsvd_krr(&mut stages, &problem, &params, clock)?)
    }

    fn scores(
        &self,
        n_components: usize,
        clock: &mut StageClock<'_>,
    ) -> Result<[Array2<f32>; 2], Stop> {
        let (stages, seed) = (&mut CpuStages::default(), self.spec.seed);
        let original = [self.inputs.train_input.view(), self.inputs.test_input.view()];
        let input = stages.upload_rows(&original)?;
        Ok(input_scores(stages, &input, original, n_components, seed, clock)?)
    }
}
