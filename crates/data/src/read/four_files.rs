//! The competition's four files: each half and each modality in its own AnnData file.

use std::path::{Path, PathBuf};

use super::cite::{AS_STORED, provenance};
use super::layout::{CellRule, CiteLayout, Values};
use super::pair::Pair;
use super::{bad, read_table};
use crate::{Dataset, Error, Result, Split};

/// Reads a folder with one file each of `*train_mod1*.h5ad`, `*train_mod2*.h5ad`, `*test_mod1*.h5ad` and
/// `*test_mod2*.h5ad`; the first modality is gene expression.
///
/// The values are taken as stored, the batch is `obs/batch`, and site and donor come from batches like `s1d2`.
/// Cells, genes and proteins in another order are put right by their names.
///
/// # Errors
/// [`Error`] as a sentence that names the file and what would be right.
pub fn read_four_files(dir: &Path, name: &str) -> Result<Dataset> {
    let [train_gex, train_adt, test_gex, test_adt] =
        ["train_mod1", "train_mod2", "test_mod1", "test_mod2"].map(|part| find(dir, part));
    let files = [train_gex?, train_adt?, test_gex?, test_adt?];
    let train = half(&files[0], &files[1])?;
    let mut test = half(&files[2], &files[3])?;
    test.align_features(&train)?;
    let (genes, proteins) = (train.genes.clone(), train.proteins.clone());
    let dataset = Dataset {
        name: name.to_owned(),
        genes,
        proteins,
        train: split(train)?,
        test: split(test)?,
        provenance: provenance(dir, &files, AS_STORED)?,
    };
    dataset.validate()?;
    Ok(dataset)
}

fn half(gex: &Path, adt: &Path) -> Result<Pair> {
    Pair::from_tables(read_table(gex, None)?, read_table(adt, None)?)
}

fn split(pair: Pair) -> Result<Split> {
    let rows: Vec<usize> = (0..pair.cells.len()).collect();
    let cells = by_batch().annotate(&pair, &rows)?;
    Ok(Split { gex: pair.gex, adt: pair.adt, cells })
}

/// The labels of the competition's files, where the files themselves are the rule for the halves.
fn by_batch() -> CiteLayout {
    CiteLayout {
        layer: None,
        cells: None,
        values: Values::Normalised,
        drop_proteins_containing: Vec::new(),
        train: CellRule { column: "batch".to_owned(), values: Vec::new() },
        test: None,
        batch_column: "batch".to_owned(),
        donor_column: None,
        site_column: None,
        sizes: None,
    }
}

/// The one file of the folder whose name contains `part` and ends in `.h5ad`.
fn find(dir: &Path, part: &str) -> Result<PathBuf> {
    let io = |cause| Error::Io { path: dir.to_owned(), cause };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(io)? {
        let path = entry.map_err(io)?.path();
        let fits = |name: &str| name.contains(part) && name.ends_with(".h5ad");
        if path.file_name().and_then(|name| name.to_str()).is_some_and(fits) {
            found.push(path);
        }
    }
    found.sort();
    match (found.pop(), found.pop()) {
        (Some(path), None) => Ok(path),
        (None, _) => Err(bad(dir, format!("the folder holds no file named like `*{part}*.h5ad`"))),
        (Some(last), Some(other)) => Err(bad(
            dir,
            format!(
                "{} and {} are both named like `*{part}*.h5ad`; one is expected",
                other.display(),
                last.display()
            ),
        )),
    }
}
