//! The copy of libtorch in the cache.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use modality_data::sha256_file;
use modality_harness::files;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::{
    Libtorch, Origin,
    inspect::{self, Facts},
};
use crate::cache;

const MANIFEST: &str = "manifest.json";
/// Folder of a copy that has `include` and `lib`; others beside it hold what it loads, and licences.
pub(super) const TORCH: &str = "torch";
const STAGING: &str = ".staging-";

/// The files of a copy, by path in its folder.
pub(super) type Files = BTreeMap<String, File>;

/// What a file was like when it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct File {
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

/// What a copy consists of.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// What it was made from, in words.
    pub(super) source: String,
    pub(super) files: Files,
}

/// A copy; it need not exist yet.
pub(super) struct Kept {
    folder: PathBuf,
}

/// How closely a copy is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    /// Every file is there and as long as it was.
    Lengths,
    /// And has the sum that it had.
    Sums,
}

pub(super) enum State {
    Sound(Libtorch),
    Absent,
    /// What is wrong.
    Damaged(String),
}

impl Kept {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn state(&self, check: Check) -> State {
        if !self.folder.exists() {
            return State::Absent;
        }
        self.look(check).map_or_else(State::Damaged, State::Sound)
    }

    fn look(&self, check: Check) -> Result<Libtorch, String> {
        let manifest: Manifest =
            files::read_json(&self.folder.join(MANIFEST)).map_err(|error| error.to_string())?;
        for (name, file) in &manifest.files {
            let path = self.folder.join(name);
            let changed = || format!("{} has changed", path.display());
            let meta =
                fs::metadata(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            if !meta.is_file() || meta.len() != file.bytes {
                return Err(changed());
            }
            if check == Check::Sums
                && sha256_file(&path).map_err(|error| error.to_string())? != file.sha256
            {
                return Err(changed());
            }
        }
        let folder = self.folder.join(TORCH);
        let facts = inspect::inspect(&folder)
            .map_err(|what| format!("it is in {}, which {what}", folder.display()))?;
        Ok(self.libtorch(facts, manifest))
    }

    /// The copy that `manifest` is of.
    pub(super) fn libtorch(&self, facts: Facts, manifest: Manifest) -> Libtorch {
        let (folder, origin) = (self.folder.join(TORCH), Origin::Cache(manifest.source));
        Libtorch { folder, facts, origin }
    }

    /// The folder around the copy, for what is not yet part of it.
    pub(super) fn parent(&self) -> Result<&Path> {
        let parent = self.folder.parent().unwrap_or(Path::new("."));
        cache::make(parent)?;
        Ok(parent)
    }

    /// A folder to make a copy in; it vanishes when dropped.
    pub(super) fn staging(&self) -> Result<TempDir> {
        let parent = self.parent()?;
        tempfile::Builder::new()
            .prefix(STAGING)
            .tempdir_in(parent)
            .with_context(|| format!("cannot write to {}", parent.display()))
    }

    /// Removes what processes left that were killed at work; nobody may be at work now.
    pub(super) fn sweep(&self) {
        let entries = self.folder.parent().and_then(|parent| fs::read_dir(parent).ok());
        for entry in entries.into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(STAGING) {
                // What cannot be removed is in nobody's way.
                drop(fs::remove_dir_all(entry.path()));
            }
        }
    }

    /// Puts the complete copy `made`, a folder in `staging`, in the place of whatever was there.
    pub(super) fn replace(&self, made: &Path, manifest: &Manifest, staging: &Path) -> Result<()> {
        files::write_json(&made.join(MANIFEST), manifest)?;
        let context = || self.folder.display().to_string();
        if self.folder.exists() {
            fs::rename(&self.folder, staging.join("replaced")).with_context(context)?;
        }
        fs::rename(made, &self.folder).with_context(context)
    }
}
