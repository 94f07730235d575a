//! The runner of the libtorch backend; `cargo xtask reproduce` starts it.

use std::process::ExitCode;

use backend_torch::{
    Error, Problem,
    device::{self, Compute},
    mlp,
};
use modality_data::prepared;
use modality_methods as methods;
use modality_protocol::{
    Event, RunSpec, Stage, StageClock,
    runner::{self, Stop},
};

fn main() -> ExitCode {
    runner::serve(hello, |_| Ok(None), run)
}

fn hello(spec: &RunSpec) -> Result<Event, Stop> {
    let compute = choose(spec)?;
    let mut versions = runner::locked_versions(include_str!("../../../Cargo.lock"), &["tch"]);
    versions.insert("libtorch".to_owned(), env!("LIBTORCH_VERSION").to_owned());
    Ok(runner::hello(&compute.name, versions))
}

fn run(spec: &RunSpec, clock: &mut StageClock<'_>) -> Result<(), Stop> {
    let compute = choose(spec)?;
    tch::set_num_threads(spec.threads as i32);
    let inputs =
        clock.time(Stage::Load, || prepared::read_inputs(&spec.dataset, spec.cells.as_deref()))?;
    if spec.method != "mlp" {
        return Err(Stop::Failed(format!("this runner has no method `{}`", spec.method)));
    }
    let problem = Problem {
        train_input: inputs.train_input.view(),
        train_target: inputs.train_target.view(),
        test_input: inputs.test_input.view(),
        folds: &spec.folds,
        seed: spec.seed,
    };
    let params = methods::parse(&spec.method, &spec.params)?;
    let predictions = mlp(&problem, &params, &compute, clock)?;
    runner::write_predictions(spec, clock, predictions.view())
}

fn choose(spec: &RunSpec) -> Result<Compute, Stop> {
    device::choose(spec.device).map_err(|error| match error {
        Error::Unavailable(reason) => Stop::Unavailable(reason),
        other => other.into(),
    })
}
