//! The runner's side of the protocol, for backends written in Rust.

use std::{
    collections::BTreeMap,
    io::{self, BufRead, Read, Write},
    process::ExitCode,
};

use ndarray::ArrayView2;
use ndarray_npy::WriteNpyExt;

use crate::{
    clock::StageClock,
    files,
    protocol::{Event, PROTOCOL, RunSpec, Stage},
};

/// How a run ended without predictions.
#[derive(Debug)]
pub enum Stop {
    /// This machine cannot run the backend.
    Unavailable(String),
    /// The run broke.
    Failed(String),
}

impl<E: std::error::Error> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Speaks the protocol on standard input and output around `run`, which gets the spec and a clock and
/// returns after [`write_predictions`].
///
/// `hello` names the device and the versions of the libraries that compute. The global rayon pool has
/// exactly [`RunSpec::threads`] threads.
pub fn serve(
    hello: impl FnOnce(&RunSpec) -> Result<Event, Stop>,
    run: impl FnOnce(&RunSpec, &mut StageClock<'_>) -> Result<(), Stop>,
) -> ExitCode {
    let mut clock = StageClock::new(say);
    let result = read_spec().and_then(|spec| {
        rayon::ThreadPoolBuilder::new().num_threads(spec.threads).build_global()?;
        clock.say(hello(&spec)?);
        run(&spec, &mut clock)
    });
    let (event, code) = match result {
        Ok(()) => (Event::Done, ExitCode::SUCCESS),
        Err(Stop::Unavailable(reason)) => (Event::Unavailable { reason }, ExitCode::SUCCESS),
        Err(Stop::Failed(reason)) => (Event::Failed { reason }, ExitCode::FAILURE),
    };
    clock.say(event);
    wait_for_end_of_input();
    code
}

/// The first event: a device and the versions of what computes.
pub fn hello(device: &str, versions: &[(&str, &str)]) -> Event {
    let owned = |(name, version): &(&str, &str)| ((*name).to_owned(), (*version).to_owned());
    Event::Hello {
        device: device.to_owned(),
        versions: versions.iter().map(owned).collect::<BTreeMap<_, _>>(),
    }
}

/// Writes predictions, test cells x proteins, where the spec wants them, as stage [`Stage::Write`].
///
/// # Errors
/// [`Stop::Failed`] naming the file.
pub fn write_predictions(
    spec: &RunSpec,
    clock: &mut StageClock<'_>,
    predictions: ArrayView2<'_, f32>,
) -> Result<(), Stop> {
    clock.time(Stage::Write, || {
        let mut bytes = Vec::new();
        predictions.as_standard_layout().write_npy(&mut bytes)?;
        Ok(files::write(&spec.predictions, &bytes)?)
    })
}

fn read_spec() -> Result<RunSpec, Stop> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    let spec: RunSpec = serde_json::from_str(&line).map_err(|error| {
        Stop::Failed(format!(
            "standard input does not begin with a run specification ({error}); \
             runners are started by `cargo xtask reproduce`"
        ))
    })?;
    if spec.protocol != PROTOCOL {
        let spoken = spec.protocol;
        return Err(Stop::Failed(format!("protocol {spoken} where this runner speaks {PROTOCOL}")));
    }
    Ok(spec)
}

fn say(event: Event) {
    // A harness that is gone has closed the pipe; then nobody wants the rest of the run either.
    let line = serde_json::to_string(&event).unwrap_or_default();
    let mut out = io::stdout().lock();
    if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
        std::process::exit(1);
    }
}

fn wait_for_end_of_input() {
    let _ = io::stdin().lock().read_to_end(&mut Vec::new());
}
