//! A data set from a file that holds both modalities, or from a file for each.

use std::path::{Path, PathBuf};

use super::delimited::read_cells;
use modality_protocol::{Modality, Task};
use ndarray::Axis;

use super::layout::{CiteLayout, Stored};
use super::pair::{Block, Pair};
use super::rows::partition_rows;
use super::{files_of, read_table};
use crate::sums::file_sum;
use crate::{Dataset, Error, Provenance, Result, Split, Values};

pub(super) const AS_STORED: &str = "none: values as stored in the files";

/// Reads a file with both modalities: AnnData or 10x HDF5, or a 10x folder of matrix, features and barcodes.
///
/// The steps: read, split by modality (by column, so a name may stand in both), leave out proteins, normalise
/// counts over all cells of the file, cut into halves, check.
///
/// # Errors
/// [`Error`] as a sentence that names the file and what would be right.
pub fn read_cite_file(path: &Path, name: &str, layout: &CiteLayout, task: Task) -> Result<Dataset> {
    let mut modalities = [task.input, task.target];
    modalities.sort_unstable();
    let pair = Pair::from_table(read_table(path, &layout.place())?, modalities)?;
    into_dataset(pair, name, layout, task, &[path])
}

/// Reads a file for each modality, of any kind that [`read_table`] knows, joined by the names of the cells; that of the
/// task's input comes first.
///
/// # Errors
/// As [`read_cite_file`]; also where the two files are of different cells.
pub fn read_pair(
    files: [&Path; 2],
    name: &str,
    layout: &CiteLayout,
    task: Task,
) -> Result<Dataset> {
    let read = |path| read_table(path, &layout.place());
    let tables = [read(files[0])?, read(files[1])?];
    let pair = Pair::from_tables(tables, [task.input, task.target])?;
    into_dataset(pair, name, layout, task, &files)
}

fn into_dataset(
    mut pair: Pair,
    name: &str,
    layout: &CiteLayout,
    task: Task,
    paths: &[&Path],
) -> Result<Dataset> {
    let mut read = Vec::new();
    for path in paths {
        read.extend(files_of(path)?);
    }
    if let Some(table) = &layout.cells {
        let table = pair.path.parent().unwrap_or(Path::new("")).join(table);
        let (cells, columns) = read_cells(&table)?;
        pair.add_columns(&table, &cells, &columns)?;
        read.push(table);
    }
    pair.drop_proteins_containing(&layout.drop_proteins_containing)?;
    let normalisation = match layout.values {
        Stored::Counts => {
            pair.normalise()?;
            normalisation(&pair)
        }
        Stored::Normalised => AS_STORED.to_owned(),
    };
    let provenance = provenance(&pair.path, &read, &normalisation)?;
    let path = pair.path.clone();
    let dataset = cut(pair, name, layout, task, provenance)?;
    check_sizes(&path, &dataset, layout)?;
    dataset.validate()?;
    Ok(dataset)
}

/// What was done to the counts of both modalities.
fn normalisation(pair: &Pair) -> String {
    let of = |block: &Block| match block.features.modality {
        Modality::Gex => "GEX log1p(count / s), s = cell total / median total",
        Modality::Adt => "ADT log1p(count / g), g = exp(mean over proteins of log1p(count))",
        Modality::Atac => "ATAC 1 where there is a count",
    };
    pair.blocks.iter().map(of).collect::<Vec<_>>().join("; ")
}

fn cut(
    pair: Pair,
    name: &str,
    layout: &CiteLayout,
    task: Task,
    provenance: Provenance,
) -> Result<Dataset> {
    let [train, test] = layout.halves(&pair)?;
    let (train_cells, test_cells) =
        (layout.annotate(&pair, &train)?, layout.annotate(&pair, &test)?);
    let (input, target) = pair.split_for(task)?;
    let (train_input, test_input) = halves(input.values, &train, &test);
    let (train_target, test_target) = halves(target.values, &train, &test);
    Ok(Dataset {
        name: name.to_owned(),
        input: input.features,
        target: target.features,
        train: Split { input: train_input, target: train_target, cells: train_cells },
        test: Split { input: test_input, target: test_target, cells: test_cells },
        provenance,
    })
}

fn halves(values: Values, train: &[usize], test: &[usize]) -> (Values, Values) {
    match values {
        Values::Dense(dense) => {
            let half = |rows| Values::Dense(dense.select(Axis(0), rows));
            (half(train), half(test))
        }
        Values::Sparse(csr) => {
            let (train, test) = partition_rows(csr, train, test);
            (Values::Sparse(train), Values::Sparse(test))
        }
    }
}

fn check_sizes(path: &Path, dataset: &Dataset, layout: &CiteLayout) -> Result<()> {
    let Some(sizes) = layout.sizes else { return Ok(()) };
    let mut found = vec![
        ("training cells", dataset.train.cells.names.len(), sizes.train_cells),
        ("test cells", dataset.test.cells.names.len(), sizes.test_cells),
    ];
    for features in [&dataset.input, &dataset.target] {
        let (here, what) = (features.names.len(), features.modality.features());
        found.extend(sizes.of(features.modality).map(|expected| (what, here, expected)));
    }
    match found.into_iter().find(|(_, found, expected)| found != expected) {
        Some((what, found, expected)) => Err(super::bad(
            path,
            format!("gives {found} {what} where the layout expects {expected}"),
        )),
        None => Ok(()),
    }
}

/// What is recorded about data that was read from `files`.
pub(super) fn provenance(
    source: &Path,
    files: &[PathBuf],
    normalisation: &str,
) -> Result<Provenance, Error> {
    let name = source.file_name().unwrap_or(source.as_os_str());
    let kind = if source.is_dir() { "folder" } else { "file" };
    Ok(Provenance {
        source: format!("the {kind} `{}`", name.display()),
        files: files.iter().map(|path| file_sum(path)).collect::<Result<_>>()?,
        synthetic: false,
        normalisation: normalisation.to_owned(),
    })
}
