//! The runner of the libtorch backend; `cargo xtask reproduce` starts it.

use std::process::ExitCode;

use backend_torch::{
    Error, Problem,
    device::{self, Compute},
    mlp,
};
use modality_data::prepared;
use modality_harness::{
    clock::StageClock,
    methods,
    protocol::{Event, RunSpec, Stage},
    runner::{self, Stop},
};

fn main() -> ExitCode {
    keep_freed_memory();
    runner::serve(hello, run)
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
    let inputs = clock.time(Stage::Load, || prepared::read_inputs(&spec.dataset))?;
    if spec.method != "mlp" {
        return Err(Stop::Failed(format!("this runner has no method `{}`", spec.method)));
    }
    let problem = Problem {
        train_gex: &inputs.train_gex,
        train_adt: inputs.train_adt.view(),
        test_gex: &inputs.test_gex,
        folds: &spec.folds,
        seed: spec.seed,
    };
    let params = methods::parse(&spec.method, &spec.params)?;
    let predictions = mlp(&problem, &params, &compute, clock)?;
    runner::write_predictions(spec, clock, predictions.view())
}

fn choose(spec: &RunSpec) -> Result<Compute, Stop> {
    device::choose(&spec.device).map_err(|error| match error {
        Error::Unavailable(reason) => Stop::Unavailable(reason),
        other => other.into(),
    })
}

/// Gradients of tens of MiB come and go with every batch. By default glibc hands such blocks back to the system at
/// once, and taking them again costs more than the products that fill them.
fn keep_freed_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: called before any other thread exists, with documented options.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 30);
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
    }
}
