//! Files over the product of what Python's libraries write, held value by value to what these libraries read of them.
//! `generate.py` beside this makes `files.tar.zst` anew.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a helper that fails is a failed test")]

mod archive;
mod damaged;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use modality_data::{Column, Place, Table, read_table};
use serde::Deserialize;
use serde_json::Value;

/// What Python reads of a file at a place, or words of the sentence with which the file is refused.
#[derive(Deserialize)]
#[serde(untagged)]
enum Case {
    Read(Expected),
    Refused { file: String, asked: String, refused: Vec<String> },
}

#[derive(Deserialize)]
struct Expected {
    file: String,
    /// The place that the reader is asked for; without one it finds it itself.
    asked: String,
    read: String,
    cells: Vec<String>,
    features: Vec<String>,
    values: Vec<Vec<f32>>,
    columns: BTreeMap<String, Vec<Value>>,
}

impl Case {
    /// What is wrong with the reader's answer, if something is.
    fn failure(&self, folder: &Path) -> Option<String> {
        let (Self::Read(Expected { file, asked, .. }) | Self::Refused { file, asked, .. }) = self;
        let place = if asked.is_empty() { Place::default() } else { asked.parse().unwrap() };
        let what = match (self, read_table(&folder.join(file), &place)) {
            (Self::Read(expected), Ok(table)) => expected.difference(&table)?,
            (Self::Read(_), Err(error)) => format!("refused: {error}"),
            (Self::Refused { .. }, Ok(_)) => "read, and should be refused".to_owned(),
            (Self::Refused { refused, .. }, Err(error)) => {
                let text = error.to_string();
                let missing = refused.iter().find(|word| !text.contains(*word))?;
                format!("`{missing}` is not in: {text}")
            }
        };
        Some(format!("{file} {asked}: {what}"))
    }
}

impl Expected {
    fn difference(&self, table: &Table) -> Option<String> {
        let place = table.place.as_ref().map(Place::to_string);
        let features: Vec<&str> = table.features.iter().map(|found| found.name.as_str()).collect();
        let dense = table.values.to_dense();
        let values: Vec<Vec<f32>> = dense.rows().into_iter().map(|row| row.to_vec()).collect();
        if place.as_ref() != Some(&self.read) {
            return Some(format!("{place:?} was read, not {}", self.read));
        }
        if table.cells != self.cells || features != self.features {
            return Some(format!("names are {:?} and {features:?}", table.cells));
        }
        if values != self.values {
            return Some(format!("values are {values:?}, not {:?}", self.values));
        }
        self.columns.iter().find_map(|(name, expected)| match table.obs.get(name) {
            Some(column) if same(column, expected) => None,
            found => Some(format!("column `{name}` is {found:?}, not {expected:?}")),
        })
    }
}

/// Whether a column holds these values; JSON has no NaN, and a missing number is none.
fn same(column: &Column, expected: &[Value]) -> bool {
    match column {
        Column::Numbers(numbers) => {
            numbers.iter().map(|&number| Value::from(number)).eq(expected.iter().cloned())
        }
        _ => column
            .values()
            .is_ok_and(|found| found.into_iter().map(Value::from).eq(expected.iter().cloned())),
    }
}

#[test]
fn every_file_is_read_as_python_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    archive::unpack(folder.path(), |_| true);
    let expected = std::fs::read(folder.path().join("expected.json")).unwrap();
    let cases: Vec<Case> = serde_json::from_slice(&expected).unwrap();
    let failures: Vec<String> =
        cases.iter().filter_map(|case| case.failure(folder.path())).collect();
    let files: BTreeSet<&str> = cases
        .iter()
        .map(|(Case::Read(Expected { file, .. }) | Case::Refused { file, .. })| file.as_str())
        .collect();
    eprintln!("{} matrices of {} files", cases.len(), files.len());
    assert!(failures.is_empty(), "{} wrong:\n{}", failures.len(), failures.join("\n"));
}
