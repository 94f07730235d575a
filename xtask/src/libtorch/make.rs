//! A copy of libtorch from published files: whole in its place, or not there.

use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail};
use modality_data::sha256_file;

use super::{
    Libtorch, VERSION, inspect,
    kept::{Files, Kept, Manifest, TORCH},
    published::{Published, Wheel},
    unpack,
};
use crate::{
    fetch::{Tools, download, last_part, pip::Pip},
    progress::{Progress, Unit},
};

/// The wheel's own libtorch.so would pull in CUDA, which is not kept; to a linker this text is a library too.
const LINKER_SCRIPT: &str = "INPUT(-ltorch_cpu)\n";

/// Makes the copy `kept`, from the wheels, or from the archive where there is no pip.
pub(super) fn make(
    kept: &Kept,
    published: &Published,
    tools: &Tools,
    progress: &Progress,
) -> Result<Libtorch> {
    let staging = kept.staging()?;
    let made = staging.path().join("made");
    let manifest =
        match from_wheels(&published.wheels, &tools.pip, &made, staging.path(), progress)? {
            Some(manifest) => manifest,
            None => from_archive(&published.archive, kept, tools, &made, progress)?,
        };
    let facts = inspect::inspect(&made.join(TORCH))
        .map_err(|what| anyhow!("nothing was kept of {}, which {what}", manifest.source))?;
    kept.replace(&made, &manifest, staging.path())?;
    Ok(kept.libtorch(facts, manifest))
}

/// `None` where there is no pip.
fn from_wheels(
    wheels: &[Wheel],
    pip: &Pip,
    made: &Path,
    staging: &Path,
    progress: &Progress,
) -> Result<Option<Manifest>> {
    let mut files = Files::new();
    for wheel in wheels {
        let folder = tempfile::tempdir_in(staging).context("cannot make a folder for pip")?;
        let Some(archive) = pip.download(&wheel.package, folder.path(), progress)? else {
            return Ok(None);
        };
        files.append(&mut take_out(wheel, &archive, made, progress)?);
    }
    unpack::add(made, "torch/lib/libtorch.so", LINKER_SCRIPT, &mut files)?;
    unpack::add(made, "torch/build-version", VERSION, &mut files)?;
    let names: Vec<String> = wheels.iter().map(Wheel::title).collect();
    Ok(Some(Manifest { source: format!("the Python packages {}", names.join(", ")), files }))
}

fn take_out(wheel: &Wheel, archive: &Path, made: &Path, progress: &Progress) -> Result<Files> {
    let sum = sha256_file(archive)?;
    if sum != wheel.sha256 {
        bail!(
            "the wheel of {} has the sum {sum} where {} is expected; nothing was kept",
            wheel.title(),
            wheel.sha256
        );
    }
    let task = progress.begin(format!("unpacking {}", wheel.title()), Unit::Bytes);
    let place = |member: &str| wheel.keeps(member).then(|| member.to_owned());
    let files = unpack::unpack(archive, made, place, &task)
        .with_context(|| format!("the wheel of {}", wheel.title()))?;
    task.finish();
    Ok(files)
}

fn from_archive(
    url: &str,
    kept: &Kept,
    tools: &Tools,
    made: &Path,
    progress: &Progress,
) -> Result<Manifest> {
    let part = kept.parent()?.join(format!("{}.part", last_part(url)));
    tools.client.get(url, &part, progress)?;
    let manifest = unpack_archive(url, &part, made, progress);
    download::discard(&part);
    manifest
}

fn unpack_archive(url: &str, part: &Path, made: &Path, progress: &Progress) -> Result<Manifest> {
    let sum = sha256_file(part)?;
    let task = progress.begin(format!("unpacking {}", last_part(url)), Unit::Bytes);
    let files =
        unpack::unpack(part, made, place_of_member, &task).with_context(|| url.to_owned())?;
    task.finish();
    Ok(Manifest { source: format!("{url} (sum {sum})"), files })
}

/// The archive's folder `libtorch` becomes `torch`, as in a wheel.
fn place_of_member(member: &str) -> Option<String> {
    let path = member.strip_prefix("libtorch/")?;
    let is_kept =
        path == "build-version" || path.starts_with("include/") || path.starts_with("lib/");
    is_kept.then(|| format!("torch/{path}"))
}

impl Wheel {
    fn title(&self) -> String {
        format!("{} {}", self.package.name, self.package.version)
    }
}
