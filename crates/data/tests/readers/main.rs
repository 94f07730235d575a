//! Every reader, on small files that Python wrote (`tests/make_fixtures.py`), on the competition's starter files,
//! on files written here, and on damaged ones.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a helper that fails is a failed test")]

mod fixtures;
mod garbled;
mod own;
mod places;
mod recognition;
mod refusals;
mod round_trip;
mod starter;
mod writer;

use std::path::{Path, PathBuf};

use modality_data::{CellRule, CiteLayout, Dataset, Place, Result, Stored, Table};
use modality_protocol::Task;

const CELLS: [&str; 7] =
    ["AAACA-1", "AAACB-1", "AAACC-1", "AAACD-1", "AAACE-2", "AAACF-2", "AAACG-2"];
const GENES: [&str; 4] = ["CD3D", "CD19", "CD4", "MS4A1"];
const PROTEINS: [&str; 3] = ["CD4", "CD19", "Isotype_IgG1"];
/// Genes, then proteins.
const COUNTS: [[f32; 7]; 7] = [
    [1.0, 0.0, 3.0, 0.0, 10.0, 0.0, 2.0],
    [0.0, 2.0, 0.0, 0.0, 0.0, 20.0, 1.0],
    [4.0, 0.0, 0.0, 1.0, 7.0, 3.0, 0.0],
    [0.0, 0.0, 0.0, 5.0, 1.0, 1.0, 1.0],
    [2.0, 2.0, 2.0, 2.0, 0.0, 9.0, 4.0],
    [0.0, 1.0, 0.0, 0.0, 12.0, 0.0, 0.0],
    [6.0, 0.0, 1.0, 0.0, 5.0, 5.0, 5.0],
];

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures")).join(name)
}

fn cells_with(column: &str, values: &[&str]) -> CellRule {
    CellRule {
        column: column.to_owned(),
        values: values.iter().map(|&value| value.to_owned()).collect(),
    }
}

/// Training cells are those whose `column` is one of `train`; values as stored.
fn as_stored(column: &str, train: &[&str]) -> CiteLayout {
    CiteLayout {
        values: Stored::Normalised,
        train: Some(cells_with(column, train)),
        batch_column: Some(column.to_owned()),
        ..CiteLayout::default()
    }
}

fn read_table(path: &Path) -> Result<Table> {
    modality_data::read_table(path, &Place::default())
}

fn read_place(path: &Path, place: &str) -> Result<Table> {
    modality_data::read_table(path, &place.parse().unwrap())
}

fn read_cite_file(path: &Path, name: &str, layout: &CiteLayout) -> Result<Dataset> {
    modality_data::read_cite_file(path, name, layout, Task::default())
}

fn read_pair(gex: &Path, adt: &Path, name: &str, layout: &CiteLayout) -> Result<Dataset> {
    modality_data::read_pair([gex, adt], name, layout, Task::default())
}

fn read_four_files(folder: &Path, name: &str) -> Result<Dataset> {
    modality_data::read_four_files(folder, name, &CiteLayout::default(), None)
}
