//! The runner of the libtorch backend; `cargo xtask reproduce` starts it.

use std::process::ExitCode;

use backend_torch::{
    Annotations, Error, Problem,
    device::{self, Compute},
    gnn, mlp,
};
use modality_data::{gene_sets, prepared};
use modality_methods::{self as methods, GnnParams};
use modality_protocol::{
    Event, RunSpec, Stage, StageClock,
    runner::{self, Stop},
};
use ndarray::Array2;

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
    let problem = Problem {
        train_input: inputs.train_input.view(),
        train_target: inputs.train_target.view(),
        test_input: inputs.test_input.view(),
        folds: &spec.folds,
        seed: spec.seed,
    };
    let predictions = match spec.method.as_str() {
        "mlp" => mlp(&problem, &methods::parse(&spec.method, &spec.params)?, &compute, clock)?,
        "gnn" => run_gnn(spec, &problem, &inputs.manifest.input.features.names, &compute, clock)?,
        other => return Err(Stop::Failed(format!("this runner has no method `{other}`"))),
    };
    runner::write_predictions(spec, clock, predictions.view())
}

fn run_gnn(
    spec: &RunSpec,
    problem: &Problem<'_>,
    genes: &[String],
    compute: &Compute,
    clock: &mut StageClock<'_>,
) -> Result<Array2<f32>, Stop> {
    let params: GnnParams = methods::parse(&spec.method, &spec.params)?;
    let (batches, gene_sets) = clock.time(Stage::Load, || {
        let batches = prepared::read_batches(&spec.dataset, spec.cells.as_deref())?;
        let gene_sets = match params.pathways.as_str() {
            "" => Vec::new(),
            file => gene_sets::members(&gene_sets::read(file.as_ref())?, file.as_ref(), genes)?,
        };
        Ok::<_, modality_data::Error>((batches, gene_sets))
    })?;
    let (train_batches, test_batches) = batches;
    let annotations = Annotations {
        train_batches: &train_batches,
        test_batches: &test_batches,
        gene_sets: &gene_sets,
    };
    Ok(gnn(problem, &annotations, &params, compute, clock)?)
}

fn choose(spec: &RunSpec) -> Result<Compute, Stop> {
    device::choose(spec.device).map_err(|error| match error {
        Error::Unavailable(reason) => Stop::Unavailable(reason),
        other => other.into(),
    })
}
