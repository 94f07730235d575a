//! The way from files to a [`Dataset`](crate::Dataset).
//!
//! A reader gives a [`Table`]: one matrix, its cells and its features. Tables become a [`Pair`], two
//! modalities of the same cells, which is normalised where it holds counts and then cut into a training
//! and a test half as a [`CiteLayout`] says.

mod anndata;
mod cite;
mod delimited;
mod entries;
mod four_files;
mod frame;
mod h5;
mod labels;
mod layout;
mod looks;
mod mtx;
mod pair;
mod place;
mod rows;
mod sources;
mod split;
mod table;
mod tenx;
mod text;
mod words;

use std::path::Path;

pub use cite::{read_cite_file, read_pair, read_source, source_sums};
pub use four_files::read_four_files;
pub use layout::{CellRule, CiteLayout, Sizes, Stored};
pub use pair::{Block, Pair};
pub use place::{Matrix, Place};
pub(crate) use rows::take_rows;
pub use sources::{Source, Wanted};
pub use table::{Column, Columns, Feature, FeatureKind, Table};

use crate::{Error, Result};

/// Reads one matrix; what the file is, its content decides.
///
/// Known are AnnData `.h5ad`, 10x Genomics HDF5, a 10x folder of `matrix.mtx`, `features.tsv` and
/// `barcodes.tsv`, and comma- or tab-separated text (`.csv`, `.tsv`, `.txt`), text plain or gzip.
/// `place` says which matrix of an AnnData or MuData file.
///
/// # Errors
/// [`Error::Io`] where the operating system refuses, [`Error::File`] where the content is not what it should be.
pub fn read_table(path: &Path, place: &Place) -> Result<Table> {
    let meta =
        std::fs::metadata(path).map_err(|cause| Error::Io { path: path.to_owned(), cause })?;
    let table = match (meta.is_dir(), delimited::delimiter(path)) {
        (false, None) => read_hdf5(path, place),
        (_, _) if *place != Place::default() => {
            Err(bad(path, format!("holds one matrix; `{place}` stands in AnnData files only")))
        }
        (true, _) => tenx::read_folder(path),
        (false, Some(_)) => delimited::read_matrix(path),
    };
    table?.checked()
}

fn read_hdf5(path: &Path, place: &Place) -> Result<Table> {
    let file = h5::H5File::open(path)?;
    if *place == Place::default() && tenx::is_tenx(&file)? {
        tenx::read_h5(&file)
    } else {
        anndata::read_anndata(&file, place)
    }
}

/// The modalities of a MuData file, in its order; none of any other file.
///
/// # Errors
/// As [`read_table`].
pub fn read_modalities(path: &Path) -> Result<Vec<String>> {
    if path.is_dir() || delimited::delimiter(path).is_some() {
        return Ok(Vec::new());
    }
    anndata::modalities(&h5::H5File::open(path)?)
}

/// An error about the content of `path`.
fn bad(path: &Path, what: impl Into<String>) -> Error {
    Error::File { path: path.to_owned(), what: what.into() }
}
