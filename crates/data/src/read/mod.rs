//! The way from files to a [`Dataset`](crate::Dataset).
//!
//! A reader gives a [`Table`]: one matrix, its cells and its features. Tables become a [`Pair`], two
//! modalities of the same cells, which is normalised where it holds counts and then cut into a training
//! and a test half as a [`CiteLayout`] says.

mod anndata;
mod cite;
mod codec;
mod delimited;
mod element;
mod entries;
mod four_files;
mod frame;
mod h5;
mod labels;
mod layout;
mod legacy;
mod looks;
mod mtx;
mod pair;
mod place;
mod rows;
mod sources;
mod split;
mod store;
mod table;
mod tenx;
mod text;
mod windows;
mod words;
mod zarr;

use std::path::Path;

pub use cite::{read_cite_file, read_pair, read_source, source_sums};
pub use four_files::read_four_files;
pub use layout::{CellRule, CiteLayout, Sizes, Stored};
pub use pair::{Block, Pair};
pub use place::{Matrix, Place};
pub(crate) use rows::take_rows;
pub use sources::{Source, Wanted};
use store::Store;
pub use table::{Column, Columns, Feature, FeatureKind, Table};

use crate::{Error, Result};

/// Reads one matrix; what the file is, its content decides.
///
/// Known are AnnData and MuData, as HDF5 (`.h5ad`, `.h5mu`) or as a zarr folder, 10x Genomics HDF5, a 10x folder of `matrix.mtx`, `features.tsv` and
/// `barcodes.tsv`, and comma- or tab-separated text (`.csv`, `.tsv`, `.txt`), text plain or gzip.
/// `place` says which matrix of an AnnData or MuData file.
///
/// # Errors
/// [`Error::Io`] where the operating system refuses, [`Error::File`] where the content is not what it should be.
pub fn read_table(path: &Path, place: &Place) -> Result<Table> {
    let meta =
        std::fs::metadata(path).map_err(|cause| Error::Io { path: path.to_owned(), cause })?;
    let table = match (meta.is_dir(), delimited::delimiter(path)) {
        (true, _) if Store::is_zarr(path) => read_store(path, place),
        (false, None) => read_store(path, place),
        (_, _) if *place != Place::default() => {
            Err(bad(path, format!("holds one matrix; `{place}` stands in AnnData files only")))
        }
        (true, _) => tenx::read_folder(path),
        (false, Some(_)) => delimited::read_matrix(path),
    };
    table?.checked()
}

fn read_store(path: &Path, place: &Place) -> Result<Table> {
    let store = Store::open(path)?;
    if *place == Place::default() && tenx::is_tenx(&store)? {
        tenx::read_h5(&store)
    } else {
        anndata::read_anndata(&store, place)
    }
}

/// The modalities of a MuData file, in its order; none of any other file.
///
/// # Errors
/// As [`read_table`].
pub fn read_modalities(path: &Path) -> Result<Vec<String>> {
    let is_store =
        if path.is_dir() { Store::is_zarr(path) } else { delimited::delimiter(path).is_none() };
    if is_store { anndata::modalities(&Store::open(path)?) } else { Ok(Vec::new()) }
}

/// An error about the content of `path`.
fn bad(path: &Path, what: impl Into<String>) -> Error {
    Error::File { path: path.to_owned(), what: what.into() }
}
