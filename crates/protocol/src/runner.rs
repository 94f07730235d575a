//! The runner's side of the protocol, for backends written in Rust.

use std::{
    collections::BTreeMap,
    io::{self, BufRead, Read, Write},
    process::ExitCode,
};

use ndarray::ArrayView2;
use ndarray_npy::WriteNpyExt;

use crate::{DeviceKind, Event, PROTOCOL, RunSpec, Stage, StageClock, files, memory};

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

/// Memory that a run will take, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// At its peak, with [`RunSpec::memory`] allowed.
    pub peak: u64,
    /// At its peak, however little is allowed.
    pub least: u64,
}

/// Memory that a run on an accelerator will take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OnAccelerator {
    /// The process's own.
    pub host: Expected,
    /// On the accelerator at its peak, in bytes. Whether so much is free there is for the runner to find out.
    pub peak: u64,
}

/// Speaks the protocol on standard input and output around `run`, which gets the spec and a clock and
/// returns after [`write_predictions`].
///
/// `hello` names the device and the versions of the libraries that compute; `expect` tells the memory that the run will
/// take, where that is known. A run that cannot do with [`RunSpec::memory`] is not begun. The global rayon pool has
/// exactly [`RunSpec::threads`] threads. To be called before the process has a second thread, as it sets up the allocator.
pub fn serve(
    hello: impl FnOnce(&RunSpec) -> Result<Event, Stop>,
    expect: impl FnOnce(&RunSpec) -> Result<Option<Expected>, Stop>,
    run: impl FnOnce(&RunSpec, &mut StageClock<'_>) -> Result<(), Stop>,
) -> ExitCode {
    talk(hello, |spec| Ok(expect(spec)?.map(|host| (host, None))), run)
}

/// [`serve`] for a runner that also foretells what it takes on an accelerator.
pub fn serve_on_accelerator(
    hello: impl FnOnce(&RunSpec) -> Result<Event, Stop>,
    expect: impl FnOnce(&RunSpec) -> Result<Option<OnAccelerator>, Stop>,
    run: impl FnOnce(&RunSpec, &mut StageClock<'_>) -> Result<(), Stop>,
) -> ExitCode {
    talk(hello, |spec| Ok(expect(spec)?.map(|of| (of.host, Some(of.peak)))), run)
}

/// `expect` gives the process's memory and the accelerator's.
fn talk(
    hello: impl FnOnce(&RunSpec) -> Result<Event, Stop>,
    expect: impl FnOnce(&RunSpec) -> Result<Option<(Expected, Option<u64>)>, Stop>,
    run: impl FnOnce(&RunSpec, &mut StageClock<'_>) -> Result<(), Stop>,
) -> ExitCode {
    memory::keep_freed();
    let mut clock = StageClock::new(say);
    let result = read_spec().and_then(|spec| {
        rayon::ThreadPoolBuilder::new().num_threads(spec.threads).build_global()?;
        clock.say(hello(&spec)?);
        if let Some((host, accelerator)) = expect(&spec)? {
            host.check(spec.memory)?;
            let mebibytes = |bytes| bytes as f64 / MIB;
            let (peak_rss_mb, peak_gpu_mb) = (mebibytes(host.peak), accelerator.map(mebibytes));
            clock.say(Event::Expect { peak_rss_mb, peak_gpu_mb });
        }
        if spec.rehearsal { Ok(()) } else { run(&spec, &mut clock) }
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

impl Expected {
    fn check(self, allowed: u64) -> Result<(), Stop> {
        if self.least <= allowed {
            return Ok(());
        }
        Err(Stop::Unavailable(format!(
            "it needs at least {} of memory, and may take {}; `--memory` sets what it may take",
            size(self.least),
            size(allowed)
        )))
    }
}

const MIB: f64 = 1_048_576.0;

/// So many bytes, as a sentence has them.
pub fn size(bytes: u64) -> String {
    let mib = bytes as f64 / MIB;
    if mib < 1024.0 { format!("{mib:.0} MiB") } else { format!("{:.2} GiB", mib / 1024.0) }
}

/// The first event: a device, and the versions of what computes on it.
pub fn hello(device: &str, versions: BTreeMap<String, String>) -> Event {
    Event::Hello { device: device.to_owned(), kind: DeviceKind::named(device), versions }
}

/// The versions of `crates` in the text of a `Cargo.lock`.
pub fn locked_versions(lock: &str, crates: &[&str]) -> BTreeMap<String, String> {
    let lines = lock.lines().zip(lock.lines().skip(1));
    let packages = lines.filter_map(|(name, version)| {
        let quoted = |line: &str, key| line.strip_prefix(key)?.strip_suffix('"').map(str::to_owned);
        Some((quoted(name, "name = \"")?, quoted(version, "version = \"")?))
    });
    packages.filter(|(name, _)| crates.contains(&name.as_str())).collect()
}

/// Writes predictions, test cells x features of the target, where the spec wants them, as stage [`Stage::Write`].
///
/// # Errors
/// [`Stop::Failed`] naming the file.
pub fn write_predictions(
    spec: &RunSpec,
    clock: &mut StageClock<'_>,
    predictions: ArrayView2<'_, f32>,
) -> Result<(), Stop> {
    clock.time(Stage::Write, || {
        let rows = predictions.as_standard_layout();
        let put = |file: &mut dyn io::Write| rows.write_npy(file).map_err(io::Error::other);
        Ok(files::write_with(&spec.predictions, put)?)
    })
}

fn read_spec() -> Result<RunSpec, Stop> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    parse_spec(&line)
}

/// The version comes first: a specification of another may lack what this one has.
fn parse_spec(line: &str) -> Result<RunSpec, Stop> {
    #[derive(serde::Deserialize)]
    struct Version {
        protocol: u32,
    }
    let broken = |error: serde_json::Error| {
        Stop::Failed(format!(
            "standard input does not begin with a run specification ({error}); \
             runners are started by `cargo xtask reproduce`"
        ))
    };
    let Version { protocol } = serde_json::from_str(line).map_err(broken)?;
    if protocol != PROTOCOL {
        return Err(Stop::Failed(format!(
            "protocol {protocol} where this runner speaks {PROTOCOL}"
        )));
    }
    serde_json::from_str(line).map_err(broken)
}

fn say(event: Event) {
    // A harness that is gone has closed the pipe; then nobody wants the rest of the run either.
    let line = serde_json::to_string(&event).expect("events are plain data");
    let mut out = io::stdout().lock();
    if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
        std::process::exit(1);
    }
}

fn wait_for_end_of_input() {
    let _ = io::stdin().lock().read_to_end(&mut Vec::new());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_specification_of_another_version_is_named_by_it() {
        let said = |line: &str| match parse_spec(line) {
            Err(Stop::Failed(reason)) => reason,
            other => panic!("{other:?}"),
        };
        // Version 3 had no `task`.
        let old = said(r#"{"protocol": 3, "method": "mean", "params": {}}"#);
        assert_eq!(old, format!("protocol 3 where this runner speaks {PROTOCOL}"));
        let new = said(r#"{"protocol": 99}"#);
        assert_eq!(new, format!("protocol 99 where this runner speaks {PROTOCOL}"));
        for line in ["", "{}", &format!(r#"{{"protocol": {PROTOCOL}}}"#)] {
            assert!(said(line).contains("does not begin with a run specification"), "{line}");
        }
    }

    #[test]
    fn versions_are_read_from_the_lock_file() {
        let lock = include_str!("../../../Cargo.lock");
        let versions = locked_versions(lock, &["modality-protocol", "no-such-crate"]);
        assert_eq!(
            versions.into_iter().collect::<Vec<_>>(),
            [("modality-protocol".to_owned(), env!("CARGO_PKG_VERSION").to_owned())]
        );
    }
}
