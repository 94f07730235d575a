//! Python packages, by way of the pip that the user has, or else of the one that their uv brings; nothing is installed.

use std::{
    ffi::OsString,
    fs::{self, DirEntry},
    io,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow};

use crate::{
    child::{self, Ended},
    error::NotReachable,
    progress::{Progress, Unit},
};

/// The ways to call pip, in the order in which they are tried.
const WAYS: [&[&str]; 4] =
    [&["python3", "-m", "pip"], &["pip3"], &["pip"], &["uv", "tool", "run", "pip"]];
/// uv keeps pip in its own cache; a Python it shall have already.
const FOR_UV: (&str, &str) = ("UV_PYTHON_DOWNLOADS", "never");
const OPTIONS: [&str; 8] = [
    "download",
    "--no-deps",
    "--only-binary=:all:",
    "--no-input",
    "--no-cache-dir",
    "--ignore-requires-python",
    "--disable-pip-version-check",
    "--progress-bar=off",
];
/// With a platform, so that everyone gets the same file, whatever their own Python is.
const CPYTHON: [&str; 6] = ["--python-version", "3.12", "--implementation", "cp", "--abi", "cp312"];
/// pip has time limits of its own; this one is for those that do not work.
const PATIENCE: Duration = Duration::from_secs(15 * 60);
const LINES_QUOTED: usize = 5;

/// What pip says where it refuses, in lower case, what that means and what helps.
const REFUSALS: [(&[&str], &str); 7] = [
    (
        &["could not find an activated virtualenv"],
        "this pip works in virtual environments alone (PIP_REQUIRE_VIRTUALENV, or `require-virtualenv` in its configuration); \
         activate one, or set PIP_REQUIRE_VIRTUALENV=0 for this command, which installs nothing",
    ),
    (
        &["externally-managed-environment", "externally managed"],
        "the system keeps this Python to itself (PEP 668); make and activate a virtual environment (`python3 -m venv DIR`)",
    ),
    (
        &["no space left on device", "errno 28", "disk quota exceeded"],
        "the disk is full; make room, or name a cache elsewhere by $MODALITY_BENCH_CACHE",
    ),
    (
        &["certificate", "sslerror"],
        "the server's certificate was not accepted; if a proxy changes it, name its certificate by `pip config set global.cert FILE`",
    ),
    (
        &["proxyerror", "proxy authentication", "cannot connect to proxy"],
        "the proxy refused; set $HTTPS_PROXY, or `pip config set global.proxy URL`",
    ),
    (
        &["permission denied", "errno 13", "read-only file system"],
        "it may not write where it has to; give it the right, or name a cache elsewhere by $MODALITY_BENCH_CACHE",
    ),
    (
        &["no matching distribution", "could not find a version"],
        "the index that it asks has no such package for this machine, or cannot be reached; it needs a network, or a mirror of \
         the index (`pip config set global.index-url URL`)",
    ),
];
/// Where it says none of these.
const NO_NETWORK: &str =
    "it needs a network or a mirror of the index (`pip config set global.index-url URL`)";

/// How pip is found, and how long it may stand still.
#[derive(Debug, Clone)]
pub struct Pip {
    /// Instead of the process's own `PATH`.
    path: Option<OsString>,
    patience: Duration,
}

impl Default for Pip {
    fn default() -> Self {
        Self { path: None, patience: PATIENCE }
    }
}

/// A package that has a wheel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// As the index has it.
    pub name: String,
    /// The one and only that will do.
    pub version: String,
    /// The tag of the platform, where the package has a wheel for each; that for CPython 3.12 is taken.
    pub platform: Option<&'static str>,
    /// Size of the wheel, where it is known beforehand.
    pub bytes: Option<u64>,
}

/// How a call of pip ended.
enum Outcome {
    Well,
    /// There is no such program, or its Python has no pip.
    Absent,
    /// What it said.
    Badly(String),
}

impl Pip {
    /// With the programs of one folder alone.
    pub fn within(path: impl Into<OsString>) -> Self {
        Self { path: Some(path.into()), ..Self::default() }
    }

    /// Downloads the wheel of `package` into `folder`, which should be empty, and returns its path; `None` where
    /// there is no pip.
    ///
    /// # Errors
    /// [`NotReachable`] where pip cannot get the package.
    pub fn download(
        &self,
        package: &Package,
        folder: &Path,
        progress: &Progress,
    ) -> Result<Option<PathBuf>> {
        let label = format!("downloading {} {}", package.name, package.version);
        let task = progress.begin(label, Unit::Bytes);
        let watch = || {
            let bytes = largest_file(folder);
            task.set(bytes, package.bytes);
            bytes
        };
        for way in WAYS {
            match self.call(way, package, folder, watch) {
                Outcome::Absent => {}
                Outcome::Well => {
                    let wheel = find_wheel(folder, &package.requirement())?;
                    task.finish();
                    return Ok(Some(wheel));
                }
                Outcome::Badly(said) => {
                    let (way, package) = (way.join(" "), package.requirement());
                    let why = why(&said);
                    let said = last_lines(&said);
                    return Err(NotReachable(format!(
                        "`{way}` could not download {package}: {why}; it said: {said}"
                    ))
                    .into());
                }
            }
        }
        Ok(None)
    }

    fn call(
        &self,
        way: &[&str],
        package: &Package,
        folder: &Path,
        watch: impl FnMut() -> u64,
    ) -> Outcome {
        let mut command = Command::new(way[0]);
        command.args(&way[1..]).args(OPTIONS).args(package.target());
        command.arg(package.requirement()).arg("-d").arg(folder);
        // Here the bytes can be watched, and there is room for them.
        command.env("TMPDIR", folder).env(FOR_UV.0, FOR_UV.1);
        if let Some(path) = &self.path {
            command.env("PATH", path);
        }
        match child::run(&mut command, self.patience, watch) {
            Ok(Ended { status, .. }) if status.success() => Outcome::Well,
            Ok(Ended { status, said }) => {
                // A pyenv shim, for one, is there although its Python is not.
                let absent = said.contains("No module named pip") || status.code() == Some(127);
                let said = if said.trim().is_empty() { status.to_string() } else { said };
                if absent { Outcome::Absent } else { Outcome::Badly(said) }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Outcome::Absent,
            Err(error) => Outcome::Badly(error.to_string()),
        }
    }
}

impl Package {
    /// This very version: `==` would prefer one with a local suffix, which an extra index may offer.
    pub fn requirement(&self) -> String {
        format!("{}==={}", self.name, self.version)
    }

    fn target(&self) -> Vec<&'static str> {
        match self.platform {
            Some(platform) => [&CPYTHON[..], &["--platform", platform]].concat(),
            None => Vec::new(),
        }
    }
}

/// How pip is looked for, for a sentence.
pub fn ways() -> String {
    WAYS.map(|way| format!("`{}`", way.join(" "))).join(", ")
}

/// The file under way is the only large one, and pip may copy it once it is complete.
fn largest_file(folder: &Path) -> u64 {
    let size = |entry: DirEntry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => largest_file(&entry.path()),
        Ok(meta) => meta.len(),
        // pip removes its files when it likes.
        Err(_) => 0,
    };
    fs::read_dir(folder).into_iter().flatten().flatten().map(size).max().unwrap_or(0)
}

fn find_wheel(folder: &Path, package: &str) -> Result<PathBuf> {
    let entries = fs::read_dir(folder).and_then(|entries| entries.collect::<io::Result<Vec<_>>>());
    let entries = entries.with_context(|| folder.display().to_string())?;
    let is_wheel = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "whl");
    entries
        .into_iter()
        .map(|entry| entry.path())
        .find(is_wheel)
        .ok_or_else(|| anyhow!("pip reported success for {package} but left no wheel"))
}

/// What it means that pip said so, and what helps.
fn why(said: &str) -> &'static str {
    let said = said.to_lowercase();
    let mut known = REFUSALS.into_iter();
    let meant = known.find(|(words, _)| words.iter().any(|word| said.contains(word)));
    meant.map_or(NO_NETWORK, |(_, why)| why)
}

fn last_lines(said: &str) -> String {
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(LINES_QUOTED)..].join(" / ")
}

#[cfg(test)]
#[cfg(unix)]
#[path = "pip_tests.rs"]
mod tests;
