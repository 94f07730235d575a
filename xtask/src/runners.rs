//! From a backend's name to the command line of its runner, building it if need be.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::Context as _;
use modality_harness::{
    host::Runner,
    study::{Backend, Backends},
};
use serde::Deserialize;

use crate::progress::Progress;

/// A runner, or why it could not be built.
pub(crate) type Ready = Result<Runner, String>;

/// Makes the runners of `names` ready.
pub(crate) fn ready<'a>(
    root: &Path,
    backends: &Backends,
    names: impl IntoIterator<Item = &'a str>,
    progress: &Progress,
) -> anyhow::Result<BTreeMap<String, Ready>> {
    let mut runners = BTreeMap::new();
    for name in names {
        if !runners.contains_key(name) {
            let backend =
                backends.get(name).with_context(|| format!("there is no backend `{name}`"))?;
            runners.insert(name.to_owned(), runner(root, backend, progress)?);
        }
    }
    Ok(runners)
}

fn runner(root: &Path, backend: &Backend, progress: &Progress) -> anyhow::Result<Ready> {
    let command = match (&backend.package, &backend.command) {
        (Some(package), _) => match build(root, package, progress)? {
            Ok(binary) => vec![binary.display().to_string()],
            Err(reason) => return Ok(Err(reason)),
        },
        (None, Some(command)) => command.clone(),
        (None, None) => {
            return Ok(Err("no runner is named in bench-configs/backends.toml".to_owned()));
        }
    };
    Ok(Ok(Runner { command, folder: root.to_owned() }))
}

/// Builds the package, and finds its binary. Cargo's own progress goes to standard error.
fn build(
    root: &Path,
    package: &str,
    progress: &Progress,
) -> anyhow::Result<Result<PathBuf, String>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = ["build", "--release", "--package", package];
    let output = Command::new(cargo)
        .current_dir(root)
        .args(arguments)
        .args(["--message-format", "json-render-diagnostics"])
        .args(progress.is_quiet().then_some("--quiet"))
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("cargo cannot be started")?;
    if !output.status.success() {
        return Ok(Err(format!("`cargo {}` failed", arguments.join(" "))));
    }
    let executable = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Artifact>(line).ok())
        .filter(|artifact| artifact.target.as_ref().is_some_and(|target| target.name == package))
        .filter_map(|artifact| artifact.executable)
        .next_back();
    Ok(executable.ok_or_else(|| format!("package `{package}` has no binary of that name")))
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
