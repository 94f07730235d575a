//! A folder that checks and measures on a machine without cargo, without a network and without a checkout.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, anyhow, bail};
use flate2::{Compression, write::GzEncoder};
use modality_harness::{environment::Environment, study};
use modality_protocol::{Task, words::print};

use super::{BACKEND, MADE_FROM};
use crate::{
    datasets::{self, Catalogue, Request},
    portable::{self, PROGRAM, Taken, copy},
    root::CONFIGS,
    runners,
};
use modality_toolchain::{UserError, World, cache::Cache, nvcc, progress::megabytes};

/// What the folder may take.
const MOST_BYTES: u64 = 60_000_000;
pub(super) const SCRIPT: &str = include_str!("visit.sh");
pub(super) const SCRIPT_NAME: &str = "visit.sh";
/// Backends whose runners are taken along.
const BACKENDS: [&str; 3] = [BACKEND, "linfa", "torch"];
/// Data that cannot be generated where the folder is used.
const DATA: &str = "liu-covid-cite";

/// Writes the folder.
///
/// # Errors
/// [`UserError`] for a folder that holds something already; an error with what is missing, nvcc among it.
pub(super) fn write(world: &World, folder: &Path) -> Result<()> {
    let is_empty = fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_none());
    if !is_empty || folder.is_file() {
        let shown = folder.display();
        return Err(
            UserError(format!("--bundle {shown}: name a folder that is empty or new")).into()
        );
    }
    // Where the folder is used, kernels are then not compiled again.
    nvcc::ready(world)?;
    let programs = programs(world)?;
    let data = data(world)?;
    for (from, to) in &programs {
        pack(from, &folder.join(to))?;
    }
    for (from, to) in portable::files(&world.root)?.iter().chain([&data]) {
        copy(from, &folder.join(to))?;
    }
    let made_from = folder.join(MADE_FROM);
    fs::write(&made_from, origin(world)).with_context(|| made_from.display().to_string())?;
    write_script(&folder.join(SCRIPT_NAME))?;
    let bytes = size(folder)?;
    let shown = folder.display();
    if bytes > MOST_BYTES {
        bail!("{shown} takes {}, and {} are allowed", megabytes(bytes), megabytes(MOST_BYTES));
    }
    let bytes = megabytes(bytes);
    Ok(print(format_args!(
        "{shown}: {bytes}; where the GPU is, run\n    {shown}/{SCRIPT_NAME} OUT"
    ))?)
}

fn programs(world: &World) -> Result<Vec<Taken>> {
    let backends = study::load_backends(&world.root.join(CONFIGS))?;
    let own = std::env::current_exe().context("this program cannot be found")?;
    let mut programs = vec![(own, PathBuf::from(PROGRAM))];
    for (name, runner) in runners::ready(world, &backends, BACKENDS)? {
        let runner = runner.map_err(|missing| anyhow!("backend `{name}`: {}", missing.reason))?;
        programs.extend(portable::runner(&runner));
    }
    Ok(programs)
}

/// As published, at its place in the cache.
fn data(world: &World) -> Result<Taken> {
    let (catalogue, cache) = (Catalogue::load(&world.root)?, Cache::from_env()?);
    let request = Request { name: DATA, size: None, own: None, task: None, usual: Task::default() };
    let path = datasets::published(world, &catalogue, &request, &cache)?;
    let name = path.file_name().unwrap_or_default().to_owned();
    Ok((path, Path::new("cache/downloads").join(DATA).join(name)))
}

fn origin(world: &World) -> String {
    let Environment { version, git_commit, rustc, .. } = Environment::observe(&world.root);
    let commit = if git_commit.is_empty() { "no commit".to_owned() } else { git_commit };
    format!("modality-bench {version}, {commit}, built by {rustc}\n")
}

/// A compressed copy, as `gzip` makes it, without symbols where there is a `strip`.
fn pack(from: &Path, to: &Path) -> Result<()> {
    copy(from, to)?;
    match Command::new("strip").arg(to).status() {
        Ok(status) if status.success() => {}
        Ok(status) => bail!("`strip {}` failed: {status}", to.display()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).context("`strip` cannot be started"),
    }
    let packed = PathBuf::from(format!("{}.gz", to.display()));
    compress(to, &packed).with_context(|| format!("cannot write {}", packed.display()))?;
    fs::remove_file(to).with_context(|| to.display().to_string())
}

/// With the same permissions.
fn compress(from: &Path, to: &Path) -> io::Result<()> {
    let mut encoder = GzEncoder::new(File::create(to)?, Compression::best());
    io::copy(&mut File::open(from)?, &mut encoder)?;
    encoder.finish()?.set_permissions(fs::metadata(from)?.permissions())
}

fn write_script(path: &Path) -> Result<()> {
    let context = || path.display().to_string();
    fs::write(path, SCRIPT).with_context(context)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).with_context(context)?;
    }
    Ok(())
}

/// Bytes of all files.
fn size(folder: &Path) -> Result<u64> {
    let context = || folder.display().to_string();
    let mut bytes = 0;
    for entry in fs::read_dir(folder).with_context(context)? {
        let entry = entry.with_context(context)?;
        let meta = entry.metadata().with_context(context)?;
        bytes += if meta.is_dir() { size(&entry.path())? } else { meta.len() };
    }
    Ok(bytes)
}
