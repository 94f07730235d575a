//! Where a copy is kept, and what it was like when it was made.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use modality_data::sha256_file;
use modality_protocol::files;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::{Copy, Product};
use crate::cache;

const MANIFEST: &str = "manifest.json";
const STAGING: &str = ".staging-";

/// The files of a copy, by path in its folder.
pub(crate) type Files = BTreeMap<String, File>;

/// What a file was like when it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct File {
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
}

/// What a copy consists of.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// What it was made from, in words.
    pub(crate) source: String,
    pub(crate) files: Files,
}

/// The folder of a copy; it need not exist yet.
pub(crate) struct Place {
    folder: PathBuf,
}

/// How closely a copy is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Check {
    /// Every file is there and as long as it was.
    Lengths,
    /// And has the sum that it had.
    Sums,
}

pub(super) enum State<F> {
    Sound(Copy<F>),
    Absent,
    /// What is wrong.
    Damaged(String),
}

impl Place {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn state<P: Product>(&self, product: &P, check: Check) -> State<P::Facts> {
        if !self.folder.exists() {
            return State::Absent;
        }
        self.look(product, check).map_or_else(State::Damaged, State::Sound)
    }

    /// The copy, or what is wrong with it.
    pub(super) fn look<P: Product>(
        &self,
        product: &P,
        check: Check,
    ) -> Result<Copy<P::Facts>, String> {
        let manifest: Manifest =
            files::read_json(&self.folder.join(MANIFEST)).map_err(|error| error.to_string())?;
        for (name, file) in &manifest.files {
            file.compare(&self.folder.join(name), check)?;
        }
        let folder = self.folder.clone();
        let facts = product
            .inspect(&folder)
            .map_err(|what| format!("it is in {}, which {what}", folder.display()))?;
        Ok(Copy { folder, facts, source: manifest.source })
    }

    /// The folder around the copy, for what is not yet part of it.
    pub(crate) fn parent(&self) -> Result<&Path> {
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

impl File {
    /// Holds the file at `path` against this one.
    fn compare(&self, path: &Path, check: Check) -> Result<(), String> {
        let meta = fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let mut same = meta.is_file() && meta.len() == self.bytes;
        if same && check == Check::Sums {
            same = sha256_file(path).map_err(|error| error.to_string())? == self.sha256;
        }
        if same { Ok(()) } else { Err(format!("{} has changed", path.display())) }
    }
}
