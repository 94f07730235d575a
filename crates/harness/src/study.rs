//! What is measured: a study file, and the backends that can be named in it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::{Error, Result};
use modality_methods as methods;
use modality_protocol::{DeviceId, Task, did_you_mean};

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
    sweep: BTreeMap<String, BTreeMap<String, Vec<Value>>>,
    #[serde(skip)]
    variants: BTreeMap<String, Vec<Variant>>,
    #[serde(skip)]
    devices: BTreeMap<String, DeviceId>,
}

/// Two hours: many times what any row of a study takes where it can be run at all.
fn usual_timeout() -> u32 {
    7200
}

/// One complete set of a method's hyperparameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Variant {
    /// What a sweep changes, `epochs=3` for instance; empty outside a sweep.
    pub label: String,
    /// Every hyperparameter.
    pub params: Map<String, Value>,
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

/// A program that speaks the protocol.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backend {
    /// Methods that it can run.
    pub methods: Vec<String>,
    /// Workspace package whose binary of the same name is the runner.
    pub package: Option<String>,
    /// Command line of the runner, started in the root of the checkout.
    pub command: Option<Vec<String>>,
    /// Where it computes.
    #[serde(default)]
    pub device: DeviceId,
    /// What is made ready before the package is built: `libtorch` or `nvcc`.
    pub needs: Option<String>,
}

/// Backends by name.
pub type Backends = BTreeMap<String, Backend>;

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
        study.complete().map_err(|error| Error::Invalid(format!("{}: {error}", path.display())))?;
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
            || self.sweep.get(method).is_some_and(|table| table.contains_key(key))
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
        let methods = || self.rows.iter().map(|row| &row.method);
        let idle = |method: &&String| self.rows.iter().all(|row| row.method != **method);
        if let Some(method) = self.params.keys().find(idle) {
            let near = did_you_mean(method, methods());
            return Err(format!("`params.{method}` belongs to no row{near}"));
        }
        if let Some(method) = self.sweep.keys().find(idle) {
            let near = did_you_mean(method, methods());
            return Err(format!("`sweep.{method}` belongs to no row{near}"));
        }
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
        let table = |(method, keys)| {
            BTreeMap::iter(keys).map(move |(key, values)| (method, key, Vec::as_slice(values)))
        };
        self.sweep.iter().flat_map(table)
    }

    fn complete(&mut self) -> Result<()> {
        for Row { method, .. } in &self.rows {
            let table = self.params.get(method).cloned().unwrap_or_default();
            let mut variants = vec![Variant { label: String::new(), params: table }];
            for (key, values) in self.sweep.get(method).into_iter().flatten() {
                variants = variants.iter().flat_map(|variant| variant.with(key, values)).collect();
            }
            for variant in &mut variants {
                variant.params =
                    methods::complete(method, self.task, std::mem::take(&mut variant.params))?;
            }
            self.variants.insert(method.clone(), variants);
        }
        Ok(())
    }
}

impl Variant {
    /// One variant a value.
    fn with(&self, key: &str, values: &[Value]) -> Vec<Self> {
        let one = |value: &Value| {
            let mut params = self.params.clone();
            params.insert(key.to_owned(), value.clone());
            let space = if self.label.is_empty() { "" } else { " " };
            let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            Self { label: format!("{}{space}{key}={shown}", self.label), params }
        };
        values.iter().map(one).collect()
    }
}

/// The folder of studies in that of all configurations.
pub const STUDIES: &str = "studies";
const BACKENDS: &str = "backends.toml";

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

/// Reads `folder/backends.toml`.
///
/// # Errors
/// [`Error::Io`] or [`Error::Toml`] naming the file; [`Error::Invalid`] for a backend that has not exactly
/// one of `package` and `command`.
pub fn load_backends(folder: &Path) -> Result<Backends> {
    let path: PathBuf = folder.join(BACKENDS);
    let backends: Backends = read_toml(&path)?;
    for (name, backend) in &backends {
        let command_is_empty = backend.command.as_ref().is_some_and(Vec::is_empty);
        if backend.package.is_some() == backend.command.is_some() || command_is_empty {
            return Err(Error::Invalid(format!(
                "{}: backend `{name}` needs either `package` or a `command` that is not empty",
                path.display()
            )));
        }
    }
    Ok(backends)
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
mod tests {
    use super::*;

    const BACKENDS_TOML: &str =
        "[linfa]\npackage = 'backend-linfa'\nmethods = ['mean', 'tsvd-krr']\n";
    const STUDY: &str = "title = 't'\nrepeats = 1\nseed = 0\nrows = ['mean/linfa', 'tsvd-krr/linfa']\n\
                         dataset = { name = 'd' }\n";

    fn load(study: &str) -> Result<Study> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("backends.toml"), BACKENDS_TOML).unwrap();
        std::fs::create_dir_all(folder.path().join(STUDIES)).unwrap();
        std::fs::write(folder.path().join("studies/s.toml"), study).unwrap();
        Study::load(folder.path(), "s", None, &load_backends(folder.path())?)
    }

    #[test]
    fn hyperparameters_are_completed() {
        let study = load(&format!("{STUDY}[params.tsvd-krr]\nalpha = 0.5\n")).unwrap();
        let [krr] = study.variants("tsvd-krr") else { panic!("one variant without a sweep") };
        assert_eq!((&krr.params["alpha"], &krr.params["gamma"]), (&0.5.into(), &0.005.into()));
        assert!(krr.label.is_empty());
        assert!(study.variants("mean")[0].params.is_empty());
        assert_eq!(study.device("linfa"), DeviceId::Cpu);
    }

    #[test]
    fn a_sweep_is_every_combination_of_its_values() {
        let sweep = "[sweep.tsvd-krr]\ngamma = [0.1, 0.2]\nalpha = [1.0]\n";
        let study = load(&format!("{STUDY}{sweep}")).unwrap();
        let variants = study.variants("tsvd-krr");
        let labels: Vec<&str> = variants.iter().map(|variant| variant.label.as_str()).collect();
        assert_eq!(labels, ["alpha=1.0 gamma=0.1", "alpha=1.0 gamma=0.2"]);
        assert_eq!(variants[1].params["gamma"], 0.2);
        let solvers = load(&format!("{STUDY}[sweep.tsvd-krr]\nsolver = ['pcg']\n")).unwrap();
        assert_eq!(solvers.variants("tsvd-krr")[0].label, "solver=pcg");
        assert_eq!(variants[1].params["input_components"], 300);
    }

    #[test]
    fn mistakes_are_named() {
        for (text, wanted) in [
            (STUDY.replace("repeats = 1", "repeats = 0"), "`repeats` is 0"),
            (STUDY.replace("seed", "timeout = 0\nseed"), "`timeout` is 0"),
            (STUDY.replace("seed", "timeout = -1\nseed"), "invalid value: integer `-1`"),
            (STUDY.replace("seed", "cells = [9, 9]\nseed"), "`cells` must be numbers of training"),
            (STUDY.replace("mean/linfa", "mean"), "`mean` is not a row"),
            (
                STUDY.replace("mean/linfa", "mean/cuda"),
                "there is no backend `cuda`; there are: linfa",
            ),
            (STUDY.replace("mean/linfa", "knn/linfa"), "backend `linfa` runs: mean, tsvd-krr"),
            (STUDY.replace("mean/linfa", "tsvd-krr/linfa"), "is there twice"),
            (STUDY.replace("seed", "sed"), "unknown field `sed`"),
            (format!("{STUDY}[params.knn]\n"), "`params.knn` belongs to no row"),
            (format!("{STUDY}[params.tsvd-krr]\nalpha = -1\n"), "`alpha` is -1"),
            (format!("{STUDY}[sweep.tsvd-krr]\nalpha = [1, -1]\n"), "`alpha` is -1"),
            (
                format!("{STUDY}[sweep.tsvd-krr]\nalpha = []\n"),
                "must be a list of different values",
            ),
            (format!("{STUDY}[sweep.tsvd-krr]\nalpha = [1, 1]\n"), "a list of different values"),
            (
                format!("{STUDY}[params.tsvd-krr]\nalpha = 1\n[sweep.tsvd-krr]\nalpha = [2]\n"),
                "`alpha` is in both",
            ),
            (format!("{STUDY}[sweep.knn]\nneighbours = [1]\n"), "`sweep.knn` belongs to no row"),
            (format!("{STUDY}[params.tsvd-krr]\nalfa = 1\n"), "unknown field `alfa`"),
        ] {
            let message = load(&text).unwrap_err().to_string();
            assert!(message.contains(wanted) && message.contains("s.toml"), "{message}");
        }
    }

    #[test]
    fn unknown_studies_are_listed() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join(STUDIES)).unwrap();
        std::fs::write(folder.path().join("studies/s.toml"), STUDY).unwrap();
        let message =
            Study::load(folder.path(), "../s", None, &Backends::new()).unwrap_err().to_string();
        assert_eq!(message, "there is no study `../s`; there are: s");
    }
}
