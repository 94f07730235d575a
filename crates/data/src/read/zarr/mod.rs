//! Zarr stores, versions 2 and 3, as folders: each group and array is a folder with its metadata in JSON and, of an array,
//! a file a chunk.

mod array;
mod block;
mod metadata;
mod steps;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

pub(super) use array::ZarrArray;

use super::store::{Attribute, Problem};

/// The root folder of a store.
pub(super) struct ZarrFolder {
    path: PathBuf,
}

/// What stands at a path inside a store.
pub(super) enum Found {
    Group,
    Array(Box<ZarrArray>),
}

/// Whether a folder is a group or an array of either version.
pub(super) fn is_zarr(path: &Path) -> bool {
    [".zgroup", ".zarray", "zarr.json"].iter().any(|name| path.join(name).is_file())
}

impl ZarrFolder {
    pub(super) fn open(path: &Path) -> Result<Self, Problem> {
        std::fs::read_dir(path).map_err(Problem::Io)?;
        if is_zarr(path) {
            return Ok(Self { path: path.to_owned() });
        }
        let what = "this folder is not a zarr store (it holds neither `.zgroup` nor `zarr.json`)";
        Err(Problem::Wrong(what.to_owned()))
    }

    /// The folder of a node; nothing where the name leads out of the store.
    fn folder(&self, name: &str) -> Option<PathBuf> {
        let mut folder = self.path.clone();
        for part in name.split('/').filter(|part| !part.is_empty()) {
            if matches!(part, "." | "..") || part.contains('\\') {
                return None;
            }
            folder.push(part);
        }
        Some(folder)
    }

    /// What stands at `name`, or nothing.
    pub(super) fn node(&self, name: &str) -> Result<Option<Found>, Problem> {
        let Some(folder) = self.folder(name) else { return Ok(None) };
        let array =
            |layout| Ok(Some(Found::Array(Box::new(ZarrArray::new(folder.clone(), layout)?))));
        if let Some(metadata) = json(&folder.join("zarr.json"))? {
            return match metadata.get("node_type").and_then(Value::as_str) {
                Some("array") => array(metadata::version_3(metadata)?),
                Some("group") => Ok(Some(Found::Group)),
                other => Err(Problem::Damaged(format!("`zarr.json` has the node type {other:?}"))),
            };
        }
        if let Some(metadata) = json(&folder.join(".zarray"))? {
            return array(metadata::version_2(metadata)?);
        }
        Ok(folder.join(".zgroup").is_file().then_some(Found::Group))
    }

    /// Names of the arrays and groups inside a group, sorted.
    pub(super) fn children(&self, name: &str) -> Result<Vec<String>, Problem> {
        let Some(folder) = self.folder(name) else { return Ok(Vec::new()) };
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(Problem::Io)? {
            let entry = entry.map_err(Problem::Io)?;
            if is_zarr(&entry.path())
                && let Ok(name) = entry.file_name().into_string()
            {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// The attributes of a group; one that is neither text nor integers is left out.
    pub(super) fn attributes(&self, name: &str) -> Result<BTreeMap<String, Attribute>, Problem> {
        let Some(folder) = self.folder(name) else { return Ok(BTreeMap::new()) };
        let attributes = match json(&folder.join("zarr.json"))? {
            Some(mut metadata) => metadata.get_mut("attributes").map(Value::take),
            None => json(&folder.join(".zattrs"))?,
        };
        let Some(Value::Object(attributes)) = attributes else { return Ok(BTreeMap::new()) };
        Ok(attributes
            .into_iter()
            .filter_map(|(name, value)| Some((name, attribute(value)?)))
            .collect())
    }
}

fn attribute(value: Value) -> Option<Attribute> {
    let values = match value {
        Value::Array(values) => values,
        single => vec![single],
    };
    let integers = values.iter().map(Value::as_i64).collect::<Option<_>>();
    let text =
        || values.iter().map(|value| value.as_str().map(str::to_owned)).collect::<Option<_>>();
    integers.map(Attribute::Integers).or_else(|| text().map(Attribute::Text))
}

/// The JSON of a file, or nothing where there is no such file.
fn json(path: &Path) -> Result<Option<Value>, Problem> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        // A file where a folder is looked for.
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => return Ok(None),
        Err(error) => return Err(Problem::Io(error)),
    };
    let name = path.file_name().unwrap_or_default().display();
    serde_json::from_slice(&text)
        .map(Some)
        .map_err(|error| Problem::Damaged(format!("`{name}` is not JSON: {error}")))
}
