//! Published files in the cache: fetched once, their sums recorded, and held to them ever after.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use modality_data::{FileSum, sha256_file};
use modality_protocol::files;
use serde::{Deserialize, Serialize};

use super::catalogue::Download;
use modality_toolchain::{
    fetch::{
        download::{self, Client},
        last_part,
    },
    progress::Progress,
};

const SUMS: &str = "sums.json";

/// What the first fetch of each file found.
type Records = BTreeMap<String, Recorded>;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Recorded {
    url: String,
    bytes: u64,
    sha256: String,
}

/// The files of one data set in one folder of the cache.
pub(crate) struct Remote<'a> {
    pub(crate) folder: PathBuf,
    pub(crate) files: &'a Download,
}

impl Remote<'_> {
    /// The sums that the files have, or had when they were fetched; `None` before the first fetch.
    pub(crate) fn known_sums(&self) -> Result<Option<Vec<FileSum>>> {
        let recorded = self.recorded()?;
        let sum = |url: &String| {
            let name = last_part(url);
            let sha256 = self.expected(&recorded, name)?.to_owned();
            Some(FileSum { name: name.to_owned(), sha256 })
        };
        Ok(self.files.urls.iter().map(sum).collect())
    }

    /// Checks what is there; returns the addresses of all else.
    pub(crate) fn missing(&self, progress: &Progress) -> Result<Vec<&str>> {
        let mut missing = Vec::new();
        for url in &self.files.urls {
            if !self.is_sound(url, progress)? {
                missing.push(url.as_str());
            }
        }
        Ok(missing)
    }

    fn is_sound(&self, url: &str, progress: &Progress) -> Result<bool> {
        let name = last_part(url);
        let path = self.folder.join(name);
        let recorded = self.recorded()?;
        let Some(expected) = self.expected(&recorded, name) else { return Ok(false) };
        if !path.is_file() {
            return Ok(false);
        }
        let sound = sha256_file(&path)? == expected;
        if !sound {
            progress.say(&format!(
                "{} is not what was fetched, and must be fetched again",
                path.display()
            ));
        }
        Ok(sound)
    }

    /// Fetches one file, and holds it to its sum.
    pub(crate) fn fetch(&self, url: &str, client: &Client, progress: &Progress) -> Result<()> {
        let name = last_part(url);
        let part = self.folder.join(format!("{name}.part"));
        client.get(url, &part, progress)?;
        let found = measure(url, &part)?;
        let mut recorded = self.recorded()?;
        if let Some(expected) = self.expected(&recorded, name)
            && expected != found.sha256
        {
            download::discard(&part);
            bail!(
                "{url} has changed: its sum is {} where {expected} is expected; to take the new file all the same, \
                 delete {}",
                found.sha256,
                self.folder.display()
            );
        }
        recorded.insert(name.to_owned(), found);
        files::write_json(&self.folder.join(SUMS), &recorded)?;
        let path = self.folder.join(name);
        fs::rename(&part, &path).with_context(|| path.display().to_string())?;
        download::forget(&part);
        Ok(())
    }

    fn expected<'s>(&'s self, recorded: &'s Records, name: &str) -> Option<&'s str> {
        let declared = self.files.sha256.get(name);
        declared.or_else(|| recorded.get(name).map(|file| &file.sha256)).map(String::as_str)
    }

    fn recorded(&self) -> Result<Records> {
        let path = self.folder.join(SUMS);
        if path.is_file() { Ok(files::read_json(&path)?) } else { Ok(Records::new()) }
    }
}

fn measure(url: &str, path: &Path) -> Result<Recorded> {
    let bytes = fs::metadata(path).with_context(|| path.display().to_string())?.len();
    Ok(Recorded { url: url.to_owned(), bytes, sha256: sha256_file(path)? })
}

#[cfg(test)]
#[path = "remote_tests.rs"]
mod tests;
