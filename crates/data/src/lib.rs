//! The one loader: every backend sees the same cells and features, because all of them read what
//! this crate made ready.
//!
//! A [`Dataset`] is a training and a test half of two modalities of the same cells, one to be predicted from the other. It comes from AnnData,
//! 10x or delimited files, or from the [generator](synthetic), is normalised here and nowhere else, and
//! is written once as a folder of plain `.npy` files ([`prepared`]) that any language can read.

mod dataset;
mod error;
mod normalise;
pub mod prepared;
mod read;
mod sums;
pub mod synthetic;
mod values;

pub use dataset::{Cells, Csr, Dataset, Features, FileSum, Labels, Provenance, Split};
pub use error::{Error, Result};
pub use normalise::{binarise, normalise_adt, normalise_gex};
pub use read::{
    Block, CellRule, CiteLayout, Column, Columns, Feature, FeatureKind, Matrix, Pair, Place, Sizes,
    Source, Stored, Table, Wanted, gene_sets, read_cite_file, read_four_files, read_modalities,
    read_pair, read_source, read_table, source_sums,
};
pub use sums::{file_sum, hex, sha256_file};
pub use values::{Values, ValuesView};
