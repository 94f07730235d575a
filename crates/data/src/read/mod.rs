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
mod feature;
mod four_files;
mod frame;
pub mod gene_sets;
mod h5;
mod labels;
mod layout;
mod legacy;
mod looks;
mod mtx;
mod pair;
mod place;
mod recognise;
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

use std::path::{Path, PathBuf};

pub use cite::{read_cite_file, read_pair, read_source, source_sums};
pub use feature::{Feature, FeatureKind};
pub use four_files::read_four_files;
pub use layout::{CellRule, CiteLayout, Sizes, Stored};
pub use pair::{Block, Pair};
pub use place::{Matrix, Place};
pub(crate) use rows::take_rows;
pub use sources::{Source, Wanted};
pub use table::{Column, Columns, Table};

use self::recognise::{Format, MtxFiles, recognise};
use self::store::Store;
use crate::{Error, Result};

/// Reads one matrix; what the file is, its content decides.
///
/// Known are AnnData and MuData, as HDF5 (`.h5ad`, `.h5mu`) or as a zarr folder, 10x Genomics HDF5, a 10x folder of `matrix.mtx`,
/// `features.tsv` and `barcodes.tsv` (or the first of these, which may all have one prefix), and comma- or tab-separated text, text plain or gzip.
/// `place` says which matrix of an AnnData or MuData file.
///
/// # Errors
/// [`Error::Io`] where the operating system refuses, [`Error::File`] where the content is not what it should be.
pub fn read_table(path: &Path, place: &Place) -> Result<Table> {
    let table = match recognise(path)? {
        Format::AnnData | Format::MuData | Format::Zarr => {
            anndata::read_anndata(&Store::open(path)?, place)
        }
        _ if *place != Place::default() => {
            Err(bad(path, format!("holds one matrix; `{place}` stands in AnnData files only")))
        }
        Format::TenX => tenx::read_h5(path),
        Format::TenXGenome(genome) => tenx::read_genome(path, &genome),
        Format::Mtx(files) => tenx::read_files(path, &files),
        Format::Delimited(delimiter) => delimited::read_matrix(path, delimiter),
    };
    table?.checked()
}

/// The files that [`read_table`] reads of `path`; a zarr folder counts as one.
///
/// # Errors
/// As [`read_table`], where `path` is not what can be read.
pub(crate) fn files_of(path: &Path) -> Result<Vec<PathBuf>> {
    Ok(match recognise(path)? {
        Format::Mtx(MtxFiles { matrix, features, barcodes }) => vec![matrix, features, barcodes],
        _ => vec![path.to_owned()],
    })
}

/// The modalities of a MuData file, in its order; none of any other file.
///
/// # Errors
/// As [`read_table`].
pub fn read_modalities(path: &Path) -> Result<Vec<String>> {
    match recognise(path)? {
        Format::MuData | Format::Zarr => anndata::modalities(&Store::open(path)?),
        _ => Ok(Vec::new()),
    }
}

/// An error about the content of `path`.
fn bad(path: &Path, what: impl Into<String>) -> Error {
    Error::File { path: path.to_owned(), what: what.into() }
}
