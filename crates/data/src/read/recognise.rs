//! What a file or folder is, by its content and not by its name.
//!
//! What is known but not read is refused as what it is, with the way to a file that is read.

mod content;
mod folder;
mod hdf5;

use std::path::Path;

pub(super) use folder::{MtxFiles, visible};

use super::bad;
use super::h5::is_hdf5;
use super::text::Delimiter;
use crate::{Error, Result};

/// What can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Format {
    /// AnnData in HDF5: `X`, `obs`, `var`.
    AnnData,
    /// MuData in HDF5: AnnData for each modality below `mod`.
    MuData,
    /// AnnData or MuData in a zarr folder.
    Zarr,
    /// Cell Ranger's HDF5 since version 3: the group `matrix`.
    TenX,
    /// Cell Ranger's HDF5 before version 3: a group with the name of the genome.
    TenXGenome(String),
    /// Cell Ranger's matrix, features and barcodes in three files.
    Mtx(MtxFiles),
    /// A matrix or table as text.
    Delimited(Delimiter),
}

/// Looks into `path`.
///
/// # Errors
/// [`Error::Io`] where the operating system refuses; [`Error::File`] with what it is where that is not read.
pub(super) fn recognise(path: &Path) -> Result<Format> {
    let io = |cause| Error::Io { path: path.to_owned(), cause };
    let meta = std::fs::metadata(path).map_err(io)?;
    if meta.is_dir() {
        folder::recognise(path)
    } else if !meta.is_file() {
        Err(bad(path, "this is neither a file nor a folder"))
    } else if is_hdf5(path).map_err(io)? {
        hdf5::recognise(path)
    } else {
        content::recognise(path)
    }
}

/// The error that `path` is something known that is not read.
fn foreign(path: &Path, what: &str, way_out: &str) -> Error {
    bad(path, format!("this is {what}, which is not read; {way_out}"))
}
