//! The one loader: every backend sees the same cells, genes and proteins, because all of them read what
//! this crate made ready.
//!
//! A [`Dataset`] is a training and a test half of the same genes and proteins. It comes from AnnData,
//! 10x or delimited files, or from the [generator](synthetic), is normalised here and nowhere else, and
//! is written once as a folder of plain `.npy` files ([`prepared`]) that any language can read.

mod dataset;
mod error;
mod normalise;
pub mod prepared;
mod read;
mod sums;
pub mod synthetic;

pub use dataset::{Cells, Csr, Dataset, FileSum, Labels, Provenance, Split};
pub use error::{Error, Result};
pub use normalise::{normalise_adt, normalise_gex};
pub use read::{
    CellRule, CiteLayout, Column, Columns, Feature, FeatureKind, Pair, Sizes, Table, Values,
    read_cite_file, read_four_files, read_pair, read_table,
};
pub use sums::{hex, sha256_file};
