//! From a backend's name to the command line of its runner, building it if need be.

use std::{cell::OnceCell, collections::BTreeMap, path::PathBuf, process::Stdio};

use anyhow::Context as _;
use modality_harness::{
    host::Runner,
    record::Status,
    study::{Backend, Backends},
};
use serde::Deserialize;

use crate::{
    child,
    error::UserError,
    libtorch::{self, Kit},
    world::World,
};

/// What a backend may say that it needs.
const LIBTORCH: &str = "libtorch";

/// A runner, or why there is none.
pub(crate) type Ready = Result<Runner, Missing>;

/// Why a backend cannot run here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Missing {
    /// `Unavailable` where the machine lacks something, `Failed` where something broke.
    pub(crate) status: Status,
    /// One sentence.
    pub(crate) reason: String,
}

/// Makes runners; what several of them need is made ready once.
struct Workbench<'a> {
    world: &'a World,
    kit: OnceCell<Result<Kit, Missing>>,
}

/// Makes the runners of `names` ready.
///
/// # Errors
/// [`UserError`] for a backend that needs what is not known here.
pub(crate) fn ready<'a>(
    world: &World,
    backends: &Backends,
    names: impl IntoIterator<Item = &'a str>,
) -> anyhow::Result<BTreeMap<String, Ready>> {
    let workbench = Workbench { world, kit: OnceCell::new() };
    let mut runners = BTreeMap::new();
    for name in names {
        if !runners.contains_key(name) {
            let backend =
                backends.get(name).with_context(|| format!("there is no backend `{name}`"))?;
            runners.insert(name.to_owned(), workbench.runner(name, backend)?);
        }
    }
    Ok(runners)
}

impl Missing {
    fn unavailable(reason: impl Into<String>) -> Self {
        Self { status: Status::Unavailable, reason: reason.into() }
    }

    fn failed(reason: impl Into<String>) -> Self {
        Self { status: Status::Failed, reason: reason.into() }
    }
}

impl Workbench<'_> {
    fn runner(&self, name: &str, backend: &Backend) -> anyhow::Result<Ready> {
        let kit = match self.kit(name, backend.needs.as_deref())? {
            Ok(kit) => kit,
            Err(missing) => return Ok(Err(missing)),
        };
        let command = match (&backend.package, &backend.command) {
            (Some(package), _) => match build(self.world, package, kit)? {
                Ok(binary) => vec![binary.display().to_string()],
                Err(missing) => return Ok(Err(missing)),
            },
            (None, Some(command)) => command.clone(),
            (None, None) => {
                return Ok(Err(Missing::failed(
                    "no runner is named in bench-configs/backends.toml",
                )));
            }
        };
        Ok(Ok(Runner { command, folder: self.world.root.clone() }))
    }

    /// What the backend is built with, if it needs anything.
    fn kit(
        &self,
        name: &str,
        needs: Option<&str>,
    ) -> anyhow::Result<Result<Option<&Kit>, Missing>> {
        match needs {
            None => Ok(Ok(None)),
            Some(LIBTORCH) => {
                let make = || libtorch::kit(self.world).map_err(Missing::unavailable);
                Ok(self.kit.get_or_init(make).as_ref().map(Some).map_err(Missing::clone))
            }
            Some(other) => Err(UserError(format!(
                "bench-configs/backends.toml: backend `{name}` needs `{other}`, which is not known; `{LIBTORCH}` is"
            ))
            .into()),
        }
    }
}

/// Builds the package, and finds its binary. Cargo's own progress goes to standard error.
fn build(
    world: &World,
    package: &str,
    kit: Option<&Kit>,
) -> anyhow::Result<Result<PathBuf, Missing>> {
    let arguments = ["build", "--release", "--package", package];
    let mut cargo = child::cargo(world);
    if let Some(kit) = kit {
        kit.offer_to(&mut cargo);
    }
    let output = cargo
        .args(arguments)
        .args(["--message-format", "json-render-diagnostics"])
        .args(world.progress.is_quiet().then_some("--quiet"))
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("cargo cannot be started")?;
    if !output.status.success() {
        return Ok(Err(Missing::failed(format!("`cargo {}` failed", arguments.join(" ")))));
    }
    let executable = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Artifact>(line).ok())
        .filter(|artifact| artifact.target.as_ref().is_some_and(|target| target.name == package))
        .filter_map(|artifact| artifact.executable)
        .next_back();
    Ok(executable
        .ok_or_else(|| Missing::failed(format!("package `{package}` has no binary of that name"))))
}

/// The part of cargo's messages that says where a binary is.
#[derive(Deserialize)]
struct Artifact {
    executable: Option<PathBuf>,
    target: Option<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{fetch::Network, progress::Progress};

    fn backend(package: Option<&str>, needs: Option<&str>) -> Backend {
        let package = package.map(str::to_owned);
        Backend {
            methods: vec!["m".to_owned()],
            command: package.is_none().then(|| vec!["program".to_owned()]),
            package,
            device: None,
            needs: needs.map(str::to_owned),
        }
    }

    fn runner(backend: &Backend, kit: Result<Kit, Missing>) -> anyhow::Result<Ready> {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let world = World { root, progress: Progress::stderr(true), network: Network::new(true) };
        Workbench { world: &world, kit: OnceCell::from(kit) }.runner("b", backend)
    }

    fn lacking() -> Result<Kit, Missing> {
        Err(Missing::unavailable("no libtorch"))
    }

    #[test]
    fn what_is_lacking_concerns_only_those_who_need_it() {
        let ready = runner(&backend(None, None), lacking()).unwrap().unwrap();
        assert_eq!(ready.command, ["program"]);
        for package in [None, Some("backend-torch")] {
            let missing = runner(&backend(package, Some(LIBTORCH)), lacking()).unwrap();
            assert_eq!(missing.unwrap_err(), Missing::unavailable("no libtorch"));
        }
    }

    #[test]
    fn an_unknown_need_is_a_mistake() {
        let error = runner(&backend(None, Some("libtorhc")), lacking()).unwrap_err();
        assert!(error.is::<UserError>() && error.to_string().contains("`libtorhc`"), "{error}");
    }

    #[test]
    fn a_build_that_fails_is_a_failure() {
        let missing = runner(&backend(Some("no-such-package"), None), lacking()).unwrap();
        let Missing { status, reason } = missing.unwrap_err();
        assert_eq!(status, Status::Failed);
        assert!(reason.contains("cargo build --release --package no-such-package"), "{reason}");
    }
}
