//! From what was asked for to one source with nothing left open.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use modality_data::{CiteLayout, Source as Files, Wanted, synthetic::Size};
use modality_protocol::Task;

use super::catalogue::{
    Catalogue, CiteFile, Download, Entry, Folder, Generator, Source, Sums, Wheel,
};
use crate::cli::OwnData;
use modality_toolchain::UserError;

/// A data set as a user asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Request<'a> {
    /// A name in `bench-configs/datasets.toml`.
    pub(crate) name: &'a str,
    /// How much to generate, where the data set is generated: `tiny`, `small` or `paper`.
    pub(crate) size: Option<&'a str>,
    /// Files of the user's. A folder of the competition's four is the data set `name` if that consists of such files;
    /// whatever else they are takes its place, under a name of its own.
    pub(crate) own: Option<&'a OwnData>,
    /// What is predicted from what; if left out, what the files of the user's say, or the first task that the data
    /// set can serve.
    pub(crate) task: Option<Task>,
    /// The task of files that do not say what they hold, or that can serve several.
    pub(crate) usual: Task,
}

/// A data set whose source is decided.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Choice {
    /// The name that records and folders bear.
    pub(crate) name: String,
    /// The name under which its published files are kept.
    pub(crate) keeper: String,
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
    Folder(PathBuf, Sums, CiteLayout),
    /// Existing files or 10x folders, what to read from them, and what is predicted from what.
    Files(Files, CiteLayout, Wanted),
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
        let origin = match (self.own, &entry.source) {
            (None, _) => self.origin_of(entry, root, data_folder)?,
            (Some(own), source) => match (self.own_origin(own)?, source) {
                (
                    Origin::Folder(folder, _, said),
                    Source::Download(Download { sha256, layout, .. })
                    | Source::Folder(Folder { sha256, layout, .. }),
                ) => {
                    let layout = if said == CiteLayout::default() { layout.clone() } else { said };
                    Origin::Folder(folder, sha256.clone(), layout)
                }
                (origin, _) => return Ok(self.instead(origin, catalogue)),
            },
        };
        if self.size.is_some() && !matches!(origin, Origin::Generated(..)) {
            return Err(UserError(format!(
                "`{}` is not generated and has no size; leave it out",
                self.name
            ))
            .into());
        }
        let task = self.task_of(entry)?;
        let keeper = catalogue.keeper(self.name);
        Ok(Choice { name: self.name.to_owned(), keeper, origin, task: Some(task) })
    }

    /// The task that is asked for, or the first that the entry serves.
    fn task_of(&self, entry: &Entry) -> Result<Task, UserError> {
        let first = || entry.tasks().next().expect("an entry serves a task");
        let task = self.task.unwrap_or_else(first);
        if entry.tasks().any(|known| known == task) {
            return Ok(task);
        }
        let known = entry.tasks().map(|task| task.to_string()).collect::<Vec<_>>().join(", ");
        Err(UserError(format!(
            "data set `{}` does not serve task {task}; it serves {known}",
            self.name
        )))
    }

    /// Where an entry's data comes from.
    fn origin_of(&self, entry: &Entry, root: &Path, data_folder: Option<&Path>) -> Result<Origin> {
        Ok(match &entry.source {
            Source::Folder(Folder { path, sha256, layout }) => {
                let own = path.as_deref().map(|path| root.join(path));
                let folder = self.find_folder(data_folder, own)?;
                Origin::Folder(folder, sha256.clone(), layout.clone())
            }
            Source::Wheel(wheel) => Origin::Wheel(wheel.clone()),
            Source::Download(download) => Origin::Download(download.clone()),
            Source::CiteFile(CiteFile { path, paths, layout }) => {
                let task = self.task_of(entry)?;
                let there = |path: &Path| self.existing(&root.join(path));
                let files = match path {
                    Some(path) => Files::One(there(path)?),
                    None => Files::Two([there(&paths[&task.input])?, there(&paths[&task.target])?]),
                };
                Origin::Files(files, layout.clone(), Wanted::Exactly(task))
            }
            Source::Generator(Generator { size, seed }) => {
                Origin::Generated(self.size.map(parse_size).transpose()?.unwrap_or(*size), *seed)
            }
        })
    }

    /// Where the user's files are, and what the command line says of them: the competition's four, or others.
    fn own_origin(&self, own: &OwnData) -> Result<Origin, UserError> {
        let files = match (&own.data, &own.input, &own.target) {
            (Some(data), ..) => Files::One(existing(data)?),
            (None, Some(input), Some(target)) => Files::Two([existing(input)?, existing(target)?]),
            _ => return Err(UserError("`--input` and `--target` name a file each".to_owned())),
        };
        let layout = self.own_layout(own)?;
        // Places are of input and target, which only a task tells apart.
        let wanted = match self.task {
            Some(task) => Wanted::Exactly(task),
            None if !layout.places.is_empty() => Wanted::Exactly(self.usual),
            None => Wanted::Rather(self.usual),
        };
        Ok(match files {
            Files::One(folder) if folder.is_dir() && !holds_a_matrix(&folder) => {
                Origin::Folder(folder, Sums::new(), layout)
            }
            files => Origin::Files(files, layout, wanted),
        })
    }

    fn own_layout(&self, own: &OwnData) -> Result<CiteLayout, UserError> {
        let layout = own.layout(self.task.unwrap_or(self.usual));
        let cells = layout.cells.as_deref().map(existing).transpose()?;
        Ok(CiteLayout { cells, ..layout })
    }

    /// Files that take the place of a named data set.
    fn instead(&self, origin: Origin, catalogue: &Catalogue) -> Choice {
        let mut name = match &origin {
            Origin::Files(files, ..) => {
                files.paths().iter().map(|path| name_of(path)).collect::<Vec<_>>().join("-")
            }
            Origin::Folder(folder, ..) => name_of(folder),
            Origin::Wheel(_) | Origin::Download(_) | Origin::Generated(..) => self.name.to_owned(),
        };
        if catalogue.names().any(|known| known == name) {
            name.push_str("-folder");
        }
        Choice { keeper: name.clone(), name, origin, task: self.task }
    }

    /// The first of: `$MODALITY_BENCH_DATA/NAME`, `$MODALITY_BENCH_DATA`, the entry's own path.
    fn find_folder(&self, data_folder: Option<&Path>, own: Option<PathBuf>) -> Result<PathBuf> {
        let below =
            data_folder.map(|folder| folder.join(self.name)).filter(|folder| folder.is_dir());
        match below.as_deref().or(data_folder).or(own.as_deref().filter(|path| path.is_dir())) {
            Some(folder) => Ok(existing(folder)?),
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

/// Whether a folder is itself a matrix: of 10x, or a zarr store.
fn holds_a_matrix(folder: &Path) -> bool {
    let is_part = |name: &str| {
        name.contains("matrix.mtx") || [".zgroup", ".zattrs", "zarr.json"].contains(&name)
    };
    fs::read_dir(folder).is_ok_and(|entries| {
        entries.flatten().any(|entry| entry.file_name().to_str().is_some_and(is_part))
    })
}

fn existing(path: &Path) -> Result<PathBuf, UserError> {
    path.canonicalize().map_err(|error| UserError(format!("{}: {error}", path.display())))
}

/// The name of a folder, or of a file without its endings, fit for a file name.
fn name_of(path: &Path) -> String {
    const ENDINGS: [&str; 7] = [".gz", ".h5ad", ".h5mu", ".h5", ".csv", ".tsv", ".txt"];
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let without =
        |name: &'_ str, ending: &str| name.strip_suffix(ending).unwrap_or(name).to_owned();
    let stem = match path.is_dir() {
        true => name.into_owned(),
        false => ENDINGS.iter().fold(name.into_owned(), |name, ending| without(&name, ending)),
    };
    let fit = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let stem: String = stem.trim_start_matches('.').chars().map(fit).collect();
    if stem.is_empty() { "folder".to_owned() } else { stem }
}
