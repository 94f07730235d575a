//! What is measured: a study file.

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::{
    Error, Result,
    fold_choice::{self, FoldChoice},
};
use modality_methods::{self as methods, Needs};
use modality_protocol::{DeviceId, Task, did_you_mean};
use variants::Sweep;

mod backends;
mod variants;

pub use backends::{Backend, Backends, load_backends};
pub use variants::Variant;

/// One study: a data set, the rows to compare on it, hyperparameters, repeats.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Study {
    /// Name of the file without `.toml`.
    #[serde(skip)]
    pub name: String,
    /// Heading of the report.
    pub title: String,
    /// A sentence or two under it.
    #[serde(default)]
    pub description: String,
    /// What is predicted from what.
    #[serde(default)]
    pub task: Task,
    /// The data, by name.
    pub dataset: DatasetChoice,
    /// Numbers of training cells that each row is run with, drawn at random; all that there are if left out.
    #[serde(default)]
    pub cells: Vec<usize>,
    /// How often each row is run, each time with the next seed.
    pub repeats: usize,
    /// Seed of the first repeat.
    pub seed: u64,
    /// Seconds that a run may take, after which it is stopped and has failed.
    #[serde(default = "usual_timeout")]
    pub timeout: u32,
    /// `method/backend`, in the order in which they run.
    pub rows: Vec<Row>,
    /// Hyperparameters by method, shared by all its backends; what is left out has the published value.
    #[serde(default)]
    params: BTreeMap<String, Map<String, Value>>,
    /// By method, values of hyperparameters that are tried one after the other: each is a row of its own.
    #[serde(default)]
    sweep: BTreeMap<String, Sweep>,
    /// By method, what its models are validated on, where that is not what serves every data set.
    #[serde(default)]
    pub(crate) folds: BTreeMap<String, Vec<FoldChoice>>,
    #[serde(skip)]
    variants: BTreeMap<String, Vec<Variant>>,
    #[serde(skip)]
    devices: BTreeMap<String, DeviceId>,
}

/// Two hours: many times what any row of a study takes where it can be run at all.
fn usual_timeout() -> u32 {
    7200
}

/// A data set by name, with what the generator needs to know.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetChoice {
    /// A name in `datasets.toml`.
    pub name: String,
    /// For generated data: `tiny`, `small` or `paper`.
    pub size: Option<String>,
}

/// A method on a backend.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Row {
    /// Name of the method.
    pub method: String,
    /// Name of the backend.
    pub backend: String,
}

impl TryFrom<String> for Row {
    type Error = String;

    fn try_from(text: String) -> std::result::Result<Self, String> {
        match text.split_once('/') {
            Some((method, backend)) if is_name(method) && is_name(backend) => {
                Ok(Self { method: method.to_owned(), backend: backend.to_owned() })
            }
            _ => Err(format!(
                "`{text}` is not a row; write `method/backend`, `tsvd-krr/linfa` for instance"
            )),
        }
    }
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.method, self.backend)
    }
}

impl Row {
    /// Whether `filter` means this row: its method, its backend, or both as `method/backend`.
    pub fn matches(&self, filter: &str) -> bool {
        filter == self.method || filter == self.backend || filter == self.to_string()
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

impl Study {
    /// Reads `folder/studies/name.toml` and checks it against `backends`; a `task` that is given takes the place of the file's.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an unknown study, method or backend, or a value out of range;
    /// [`Error::Toml`] for anything that is not a study file.
    pub fn load(
        folder: &Path,
        name: &str,
        task: Option<Task>,
        backends: &Backends,
    ) -> Result<Self> {
        let path = folder.join(STUDIES).join(format!("{name}.toml"));
        if !is_name(name) || !path.is_file() {
            let names = names(folder)?;
            let (known, near) = (names.join(", "), did_you_mean(name, &names));
            let what = format!("there is no study `{name}`; there are: {known}{near}");
            return Err(Error::Invalid(what));
        }
        let mut study: Self = read_toml(&path)?;
        study.name = name.to_owned();
        study.task = task.unwrap_or(study.task);
        study
            .check(backends)
            .map_err(|what| Error::Invalid(format!("{}: {what}", path.display())))?;
        study.complete().map_err(|what| Error::Invalid(format!("{}: {what}", path.display())))?;
        study.devices =
            backends.iter().map(|(name, backend)| (name.clone(), backend.device)).collect();
        Ok(study)
    }

    /// The hyperparameters that `method` is run with: one set, or one for each combination of a sweep's values.
    pub fn variants(&self, method: &str) -> &[Variant] {
        self.variants.get(method).expect("every method of a study is completed")
    }

    /// Whether the study itself says what the hyperparameter `key` of `method` is.
    pub(crate) fn chooses(&self, method: &str, key: &str) -> bool {
        self.params.get(method).is_some_and(|table| table.contains_key(key))
            || self.swept().any(|(swept, known, _)| swept == method && known == key)
    }

    /// Gives a hyperparameter of `method` this value in place of the study's.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the study tries several values of it, or where the value cannot be used.
    pub fn set(&mut self, method: &str, key: &str, value: Value) -> Result<()> {
        self.params.entry(method.to_owned()).or_default().insert(key.to_owned(), value);
        let set = self.check_sweeps().and_then(|()| self.complete());
        set.map_err(|what| Error::Invalid(format!("study `{}`: {what}", self.name)))
    }

    /// Leaves what the study says of its own data set alone: the folds, as batches of others have other names. Says whether
    /// there was something.
    pub fn forget_folds(&mut self) -> bool {
        !std::mem::take(&mut self.folds).is_empty()
    }

    /// Where `backend` computes.
    pub fn device(&self, backend: &str) -> DeviceId {
        *self.devices.get(backend).expect("the study was checked against the backends")
    }

    fn check(&self, backends: &Backends) -> std::result::Result<(), String> {
        if self.repeats == 0 {
            return Err("`repeats` is 0; it must be at least 1".to_owned());
        }
        if self.timeout == 0 {
            return Err("`timeout` is 0; it must be at least 1 second".to_owned());
        }
        if self.cells.contains(&0) || self.cells.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err("`cells` must be numbers of training cells, ascending".to_owned());
        }
        if self.rows.is_empty() {
            return Err("`rows` is empty; name at least one `method/backend`".to_owned());
        }
        for (i, row) in self.rows.iter().enumerate() {
            let Some(backend) = backends.get(&row.backend) else {
                let known = backends.keys().cloned().collect::<Vec<_>>().join(", ");
                return Err(format!(
                    "row `{row}`: there is no backend `{}`; there are: {known}{}",
                    row.backend,
                    did_you_mean(&row.backend, backends.keys())
                ));
            };
            if !backend.methods.contains(&row.method) {
                let known = backend.methods.join(", ");
                let near = did_you_mean(&row.method, &backend.methods);
                return Err(format!("row `{row}`: backend `{}` runs: {known}{near}", row.backend));
            }
            if self.rows[..i].contains(row) {
                return Err(format!("row `{row}` is there twice"));
            }
        }
        self.check_methods()?;
        self.check_sweeps()
    }

    /// Whether each method that is spoken of is one of a row.
    fn check_methods(&self) -> std::result::Result<(), String> {
        let methods = || self.rows.iter().map(|row| &row.method);
        let named = (self.params.keys().map(|method| ("params", method)))
            .chain(self.sweep.keys().map(|method| ("sweep", method)))
            .chain(self.folds.keys().map(|method| ("folds", method)));
        for (table, method) in named {
            if methods().all(|known| known != method) {
                let near = did_you_mean(method, methods());
                return Err(format!("`{table}.{method}` belongs to no row{near}"));
            }
        }
        for (method, choices) in &self.folds {
            if methods::find(method).is_some_and(|known| known.needs != Needs::Folds) {
                return Err(format!("`folds.{method}`: the method has no folds"));
            }
            if let Some(what) = fold_choice::wrong(choices) {
                return Err(format!("`folds.{method}`: {what}"));
            }
        }
        Ok(())
    }

    fn check_sweeps(&self) -> std::result::Result<(), String> {
        for (method, key, values) in self.swept() {
            let is_repeated = |(i, value): (usize, &Value)| values[..i].contains(value);
            if values.is_empty() || values.iter().enumerate().any(is_repeated) {
                return Err(format!("`sweep.{method}.{key}` must be a list of different values"));
            }
            if self.params.get(method).is_some_and(|table| table.contains_key(key)) {
                return Err(format!("`{key}` is in both `params.{method}` and `sweep.{method}`"));
            }
        }
        Ok(())
    }

    fn swept(&self) -> impl Iterator<Item = (&String, &String, &[Value])> {
        let keys =
            |(method, sweep)| Sweep::keys(sweep).map(move |(key, values)| (method, key, values));
        self.sweep.iter().flat_map(keys)
    }

    fn complete(&mut self) -> std::result::Result<(), String> {
        for Row { method, .. } in &self.rows {
            let table = self.params.get(method).cloned().unwrap_or_default();
            let mut variants = match self.sweep.get(method) {
                Some(sweep) => sweep.variants(&table),
                None => vec![Variant::plain(table)],
            };
            for i in 0..variants.len() {
                let label = variants[i].label.clone();
                if variants[..i].iter().any(|other| other.label == label) {
                    return Err(format!("`sweep.{method}` has `{label}` twice"));
                }
                let params = std::mem::take(&mut variants[i].params);
                variants[i].params = methods::complete(method, self.task, params)
                    .map_err(|error| error.to_string())?;
            }
            self.variants.insert(method.clone(), variants);
        }
        Ok(())
    }
}

/// The folder of studies in that of all configurations.
pub const STUDIES: &str = "studies";

/// Names of the studies in `folder/studies`, sorted.
///
/// # Errors
/// [`Error::Io`] if the folder cannot be read.
pub fn names(folder: &Path) -> Result<Vec<String>> {
    let folder = folder.join(STUDIES);
    let io = |cause| Error::Io { path: folder.clone(), cause };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        if path.extension().is_some_and(|extension| extension == "toml") {
            names.push(stem.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Reads a TOML file.
///
/// # Errors
/// [`Error::Io`] or [`Error::Toml`], naming the file.
pub fn read_toml<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = std::fs::read_to_string(path)
        .map_err(|cause| Error::Io { path: path.to_owned(), cause })?;
    toml::from_str(&text)
        .map_err(|cause| Error::Toml { path: path.to_owned(), cause: Box::new(cause) })
}

#[cfg(test)]
mod tests;
