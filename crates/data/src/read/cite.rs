//! A data set from a file that holds both modalities, or from a file for each.

use std::path::{Path, PathBuf};

use super::delimited::read_cells;
use super::layout::{CiteLayout, Values};
use super::pair::Pair;
use super::rows::partition_rows;
use super::{read_table, tenx};
use crate::sums::file_sum;
use crate::{Dataset, Error, Provenance, Result, Split};
use ndarray::Axis;

const COUNTS_NORMALISED: &str = "GEX log1p(count / s), s = cell total / median total; \
                                 ADT log1p(count / g), g = exp(mean over proteins of log1p(count))";
pub(super) const AS_STORED: &str = "none: values as stored in the files";

/// Reads a file with both modalities: AnnData or 10x HDF5, or a 10x folder of matrix, features and barcodes.
///
/// The steps: read, split by modality (by column, so a name may stand in both), leave out proteins, normalise
/// counts over all cells of the file, cut into halves, check.
///
/// # Errors
/// [`Error`] as a sentence that names the file and what would be right.
pub fn read_cite_file(path: &Path, name: &str, layout: &CiteLayout) -> Result<Dataset> {
    let pair = Pair::from_table(read_table(path, layout.layer.as_deref())?)?;
    into_dataset(pair, name, layout, &[path])
}

/// Reads a file for each modality, of any kind that [`read_table`] knows, joined by the names of the cells.
///
/// # Errors
/// As [`read_cite_file`]; also where the two files are of different cells.
pub fn read_pair(gex: &Path, adt: &Path, name: &str, layout: &CiteLayout) -> Result<Dataset> {
    let layer = layout.layer.as_deref();
    let pair = Pair::from_tables(read_table(gex, layer)?, read_table(adt, layer)?)?;
    into_dataset(pair, name, layout, &[gex, adt])
}

fn into_dataset(
    mut pair: Pair,
    name: &str,
    layout: &CiteLayout,
    paths: &[&Path],
) -> Result<Dataset> {
    let mut read = Vec::new();
    for path in paths {
        read.extend(if path.is_dir() {
            tenx::folder_files(path)?.to_vec()
        } else {
            vec![path.to_path_buf()]
        });
    }
    if let Some(table) = &layout.cells {
        let table = pair.path.parent().unwrap_or(Path::new("")).join(table);
        let (cells, columns) = read_cells(&table)?;
        pair.add_columns(&table, &cells, &columns)?;
        read.push(table);
    }
    pair.drop_proteins_containing(&layout.drop_proteins_containing)?;
    let normalisation = match layout.values {
        Values::Counts => {
            pair.normalise()?;
            COUNTS_NORMALISED
        }
        Values::Normalised => AS_STORED,
    };
    let provenance = provenance(&pair.path, &read, normalisation)?;
    let path = pair.path.clone();
    let dataset = cut(pair, name, layout, provenance)?;
    check_sizes(&path, &dataset, layout)?;
    dataset.validate()?;
    Ok(dataset)
}

fn cut(pair: Pair, name: &str, layout: &CiteLayout, provenance: Provenance) -> Result<Dataset> {
    let [train, test] = layout.halves(&pair)?;
    let (train_cells, test_cells) =
        (layout.annotate(&pair, &train)?, layout.annotate(&pair, &test)?);
    let (train_adt, test_adt) = (pair.adt.select(Axis(0), &train), pair.adt.select(Axis(0), &test));
    drop(pair.adt);
    let (train_gex, test_gex) = partition_rows(pair.gex, &train, &test);
    Ok(Dataset {
        name: name.to_owned(),
        genes: pair.genes,
        proteins: pair.proteins,
        train: Split { gex: train_gex, adt: train_adt, cells: train_cells },
        test: Split { gex: test_gex, adt: test_adt, cells: test_cells },
        provenance,
    })
}

fn check_sizes(path: &Path, dataset: &Dataset, layout: &CiteLayout) -> Result<()> {
    let Some(sizes) = layout.sizes else { return Ok(()) };
    let found = [
        ("training cells", dataset.train.cells.names.len(), sizes.train_cells),
        ("test cells", dataset.test.cells.names.len(), sizes.test_cells),
        ("genes", dataset.genes.len(), sizes.genes),
        ("proteins", dataset.proteins.len(), sizes.proteins),
    ];
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
