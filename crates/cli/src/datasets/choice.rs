//! From what was asked for to one source with nothing left open.

use std::path::{Path, PathBuf};

use anyhow::Result;
use modality_data::{CiteLayout, synthetic::Size};
use modality_protocol::Task;

use super::catalogue::{Catalogue, CiteFile, Download, Folder, Generator, Source, Sums, Wheel};
use modality_toolchain::UserError;

/// A data set as a user asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Request<'a> {
    /// A name in `bench-configs/datasets.toml`.
    pub(crate) name: &'a str,
    /// How much to generate, where the data set is generated: `tiny`, `small` or `paper`.
    pub(crate) size: Option<&'a str>,
    /// A folder with the competition's four files. It is the data set `name` if that consists of such files,
    /// and else takes its place, under the folder's name.
    pub(crate) data: Option<&'a Path>,
    /// What is predicted from what; if left out, what the folder says that `data` names, or the first task that the data
    /// set can serve.
    pub(crate) task: Option<Task>,
}

/// A data set whose source is decided.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Choice {
    /// The name that records and folders bear.
    pub(crate) name: String,
    /// Where it comes from.
    pub(crate) origin: Origin,
    /// What is predicted from what; if left out, what the files say.
    pub(crate) task: Option<Task>,
}

/// Where a data set comes from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Origin {
    /// A file inside a Python package.
    Wheel(Wheel),
    /// Four files by https.
    Download(Download),
    /// Four files in an existing folder, with the sums that some must have.
    Folder(PathBuf, Sums),
    /// An existing file or 10x folder, and what to read from it.
    CiteFile(PathBuf, CiteLayout),
    /// The generator.
    Generated(Size, u64),
}

fn parse_size(text: &str) -> Result<Size, UserError> {
    text.parse().map_err(|error: modality_data::Error| UserError(error.to_string()))
}

impl Request<'_> {
    /// Decides on a source. `root` is the checkout; `data_folder` is `$MODALITY_BENCH_DATA`.
    pub(super) fn choose(
        &self,
        catalogue: &Catalogue,
        root: &Path,
        data_folder: Option<&Path>,
    ) -> Result<Choice> {
        let entry = catalogue.get(self.name)?;
        let source = &entry.source;
        let origin = match (source, self.data) {
            (Source::Download(Download { sha256, .. }), Some(folder)) => {
                Origin::Folder(existing_folder(folder)?, sha256.clone())
            }
            (Source::Folder(Folder { path, sha256 }), data) => {
                let folder = self.find_folder(
                    data,
                    data_folder,
                    path.as_deref().map(|path| root.join(path)),
                )?;
                Origin::Folder(folder, sha256.clone())
            }
            (_, Some(folder)) => return instead(folder, catalogue, self.task),
            (Source::Wheel(wheel), None) => Origin::Wheel(wheel.clone()),
            (Source::Download(download), None) => Origin::Download(download.clone()),
            (Source::CiteFile(CiteFile { path, layout }), None) => {
                Origin::CiteFile(self.existing(&root.join(path))?, layout.clone())
            }
            (Source::Generator(Generator { size, seed }), None) => {
                Origin::Generated(self.size.map(parse_size).transpose()?.unwrap_or(*size), *seed)
            }
        };
        if self.size.is_some() && !matches!(origin, Origin::Generated(..)) {
            return Err(UserError(format!(
                "`{}` is not generated and has no size; leave it out",
                self.name
            ))
            .into());
        }
        let task = match self.task {
            Some(task) if entry.tasks().any(|known| known == task) => task,
            None => entry.tasks().next().expect("an entry serves a task"),
            Some(task) => {
                let known = entry.tasks().map(|task| task.to_string()).collect::<Vec<_>>();
                return Err(UserError(format!(
                    "data set `{}` does not serve task {task}; it serves {}",
                    self.name,
                    known.join(", ")
                ))
                .into());
            }
        };
        Ok(Choice { name: self.name.to_owned(), origin, task: Some(task) })
    }

    /// The first of: `--data`, `$MODALITY_BENCH_DATA/NAME`, `$MODALITY_BENCH_DATA`, the entry's own path.
    fn find_folder(
        &self,
        data: Option<&Path>,
        data_folder: Option<&Path>,
        own: Option<PathBuf>,
    ) -> Result<PathBuf> {
        let below =
            data_folder.map(|folder| folder.join(self.name)).filter(|folder| folder.is_dir());
        let named = data.or(below.as_deref()).or(data_folder);
        match named.or(own.as_deref().filter(|path| path.is_dir())) {
            Some(folder) => existing_folder(folder),
            None => Err(UserError(format!(
                "the files of `{}` are not here; name their folder with `--data DIR` or $MODALITY_BENCH_DATA",
                self.name
            ))
            .into()),
        }
    }

    fn existing(&self, path: &Path) -> Result<PathBuf, UserError> {
        path.canonicalize().map_err(|error| {
            UserError(format!("data set `{}`: {}: {error}", self.name, path.display()))
        })
    }
}

/// A folder that takes the place of a named data set.
fn instead(folder: &Path, catalogue: &Catalogue, task: Option<Task>) -> Result<Choice> {
    let folder = existing_folder(folder)?;
    let mut name = name_of(&folder);
    if catalogue.names().any(|known| known == name) {
        name.push_str("-folder");
    }
    Ok(Choice { name, origin: Origin::Folder(folder, Sums::new()), task })
}

fn existing_folder(folder: &Path) -> Result<PathBuf> {
    if !folder.is_dir() {
        return Err(UserError(format!(
            "{} is not a folder; a folder with the data is expected",
            folder.display()
        ))
        .into());
    }
    Ok(folder.canonicalize()?)
}

/// The folder's name, fit for a file name.
fn name_of(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let fit = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let name: String = name.trim_start_matches('.').chars().map(fit).collect();
    if name.is_empty() { "folder".to_owned() } else { name }
}
