//! `cargo xtask gpu-check`: what can only be known on a machine with a GPU, in one folder.

mod bundle;
mod device;
mod studies;
mod summary;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod visit_tests;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use clap::ValueEnum as _;
use modality_harness::study::{self, Backends};
use modality_protocol::words::print;

use crate::{
    cli::{GpuCheck, Step},
    output,
    root::CONFIGS,
};
use device::Device;
use modality_toolchain::{UserError, World};
use summary::{Line, Summary};

const BACKEND: &str = "cuda";
const SUMMARY: &str = "summary.txt";
/// Beside the program, where it was copied from a checkout: what it is made from.
const MADE_FROM: &str = "made-from.txt";
const TOO_LATE: &str = "too little time was left";

/// What the steps work with.
struct Checkup<'a> {
    world: &'a World,
    arguments: &'a GpuCheck,
    backends: Backends,
    out: PathBuf,
    /// When all must have ended, if it must.
    end: Option<Instant>,
}

pub(crate) fn run(world: &World, arguments: &GpuCheck) -> Result<ExitCode> {
    match &arguments.bundle {
        Some(folder) => bundle::write(world, folder).map(|()| ExitCode::SUCCESS),
        None => here(world, arguments),
    }
}

/// Whatever fails is a line of the summary, and the rest goes on; what compute-sanitizer does comes last, as it takes longest.
fn here(world: &World, arguments: &GpuCheck) -> Result<ExitCode> {
    let checkup = Checkup::new(world, arguments)?;
    let device = Device::find(&checkup);
    let made_from = fs::read_to_string(world.root.join(MADE_FROM)).ok();
    let missing = device.missing().map(str::to_owned);
    let mut summary = Summary { missing, made_from, ..Summary::default() };
    if arguments.wants(Step::Checks) {
        for part in device::PARTS {
            summary.lines.push(device.check(&checkup, part));
            checkup.keep(&summary)?;
        }
    }
    if arguments.wants(Step::Studies) {
        let missing = device.missing().filter(|_| arguments.studies.is_empty());
        match missing {
            Some(reason) => summary.lines.push(Line::not_run("studies", reason)),
            None => {
                for name in checkup.studies() {
                    summary.lines.extend(checkup.study(name));
                    checkup.keep(&summary)?;
                }
            }
        }
    }
    if arguments.wants(Step::Sanitizer) {
        summary.lines.extend(device.sanitize(&checkup));
    }
    summary.is_whole = true;
    checkup.keep(&summary)?;
    let results = output::shown(&checkup.out);
    print(format_args!("\n{summary}\nresults: {}", results.display()))?;
    Ok(if summary.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl GpuCheck {
    fn wants(&self, step: Step) -> bool {
        let among = self.only.is_empty() || self.only.contains(&step);
        among && (step != Step::Studies || !self.quick)
    }
}

impl<'a> Checkup<'a> {
    fn new(world: &'a World, arguments: &'a GpuCheck) -> Result<Self> {
        let configs = world.root.join(CONFIGS);
        let no_step = Step::value_variants().iter().all(|step| !arguments.wants(*step));
        if no_step {
            let message =
                "--quick runs no study: leave it out, or name another step than `studies`";
            return Err(UserError(message.to_owned()).into());
        }
        let known = study::names(&configs)?;
        if let Some(name) = arguments.studies.iter().find(|name| !known.contains(name)) {
            let known = known.join(", ");
            return Err(UserError(format!("--studies {name}: there are {known}")).into());
        }
        let limit = arguments.limit.map(|seconds| Duration::from_secs(seconds.into()));
        Ok(Self {
            world,
            arguments,
            backends: study::load_backends(&configs)?,
            out: place(&world.root, arguments.out.as_deref())?,
            end: limit.map(|limit| Instant::now() + limit),
        })
    }

    fn left(&self) -> Duration {
        self.end.map_or(Duration::MAX, |end| end.saturating_duration_since(Instant::now()))
    }

    /// What is left, and no more than `most`; none where that is less than `least`.
    fn patience(&self, least: Duration, most: Duration) -> Option<Duration> {
        Some(self.left().min(most)).filter(|patience| *patience >= least)
    }

    /// Writes what is known so far, for whoever stops the rest.
    fn keep(&self, summary: &Summary) -> Result<()> {
        let path = self.out.join(SUMMARY);
        fs::write(&path, format!("{summary}\n")).with_context(|| path.display().to_string())
    }
}

/// The folder that results go to.
fn place(root: &Path, given: Option<&Path>) -> Result<PathBuf> {
    let (output, _claim) = output::choose(root, "gpu-check", given, false)?.claim()?;
    let folder = std::path::absolute(output.root()).context("there is no current folder")?;
    if folder.join(SUMMARY).exists() {
        let shown = folder.display();
        return Err(UserError(format!("{shown} already holds results; name another --out")).into());
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_run_nothing_is_a_mistake() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let world = World::new(root, true, true);
        for (arguments, wanted) in [
            (
                GpuCheck { quick: true, only: vec![Step::Studies; 2], ..GpuCheck::default() },
                "--quick runs no study",
            ),
            (
                GpuCheck { studies: vec!["no-such".to_owned()], ..GpuCheck::default() },
                "--studies no-such: there are ",
            ),
        ] {
            let error = Checkup::new(&world, &arguments).err().unwrap();
            assert!(error.is::<UserError>() && error.to_string().starts_with(wanted), "{error}");
        }
    }
}
