//! Folders, by the files in them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Format, foreign};
use crate::read::bad;
use crate::read::store::Store;
use crate::{Error, Result};

/// The three files of a matrix as Cell Ranger writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::read) struct MtxFiles {
    pub(in crate::read) matrix: PathBuf,
    /// `features.tsv`, or `genes.tsv` before Cell Ranger 3.
    pub(in crate::read) features: PathBuf,
    pub(in crate::read) barcodes: PathBuf,
}

/// The names that each of the three may have, behind what all of them begin with; the first that is there is taken.
const PARTS: [&[&str]; 3] = [
    &["matrix.mtx.gz", "matrix.mtx"],
    &["features.tsv.gz", "features.tsv", "genes.tsv.gz", "genes.tsv"],
    &["barcodes.tsv.gz", "barcodes.tsv"],
];

pub(super) fn recognise(folder: &Path) -> Result<Format> {
    if Store::is_zarr(folder) {
        return Ok(Format::Zarr);
    }
    let names = visible(folder)?;
    let mut sets = sets(&names);
    let complete: Vec<String> = sets
        .iter()
        .filter(|(_, set)| set.iter().all(Option::is_some))
        .map(|(prefix, _)| prefix.clone())
        .collect();
    match &complete[..] {
        [] => {}
        [prefix] => {
            let set = sets.remove(prefix).unwrap_or_default();
            return files(folder, prefix, set).map(Format::Mtx);
        }
        several => {
            return Err(bad(
                folder,
                format!(
                    "holds the files of several matrices, with names that begin with {several:?}; name the matrix file of one, such as `{}matrix.mtx.gz`",
                    several[0]
                ),
            ));
        }
    }
    if let Some((prefix, set)) = sets.into_iter().find(|(_, set)| set[0].is_some()) {
        return files(folder, &prefix, set).map(Format::Mtx);
    }
    if names.iter().any(|name| name == "assays.h5") && names.iter().any(|name| name == "se.rds") {
        return Err(foreign(
            folder,
            "a SummarizedExperiment of R",
            "`zellkonverter::writeH5AD(HDF5Array::loadHDF5SummarizedExperiment(\"FOLDER\"), \"FILE.h5ad\")` writes a file that is",
        ));
    }
    Err(unknown(folder, &names))
}

/// The files that stand beside a matrix file, under names that begin as its own does.
pub(super) fn beside(matrix: &Path) -> Result<MtxFiles> {
    let missing = || {
        bad(
            matrix,
            "this is a matrix without names; name it `matrix.mtx` or `PREFIXmatrix.mtx`, with `features.tsv` and `barcodes.tsv` beside it under the same prefix",
        )
    };
    let name = matrix.file_name().and_then(|name| name.to_str()).ok_or_else(missing)?;
    let prefix = PARTS[0].iter().find_map(|part| name.strip_suffix(part)).ok_or_else(missing)?;
    let folder = match matrix.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let mut set = sets(&visible(folder)?).remove(prefix).unwrap_or_default();
    set[0] = Some(name.to_owned());
    let files = files(folder, prefix, set)?;
    Ok(MtxFiles { matrix: matrix.to_owned(), ..files })
}

/// Names of the three files by what they begin with.
type Sets = BTreeMap<String, [Option<String>; 3]>;

fn sets(names: &[String]) -> Sets {
    let mut sets = Sets::new();
    for (part, endings) in PARTS.iter().enumerate() {
        for ending in endings.iter() {
            for name in names {
                if let Some(prefix) = name.strip_suffix(ending) {
                    let set = sets.entry(prefix.to_owned()).or_default();
                    set[part].get_or_insert_with(|| name.clone());
                }
            }
        }
    }
    sets
}

/// The three files of a set.
///
/// # Errors
/// [`Error::File`] with the one that is missing.
fn files(folder: &Path, prefix: &str, set: [Option<String>; 3]) -> Result<MtxFiles> {
    let usual = ["matrix.mtx", "features.tsv", "barcodes.tsv"];
    let [matrix, features, barcodes] = [0, 1, 2].map(|part| {
        set[part].as_ref().map(|name| folder.join(name)).ok_or_else(|| {
            let name = format!("{prefix}{}", usual[part]);
            bad(
                folder,
                format!(
                    "holds `{prefix}matrix.mtx`, plain or gzip, but no `{name}` and no `{name}.gz`"
                ),
            )
        })
    });
    Ok(MtxFiles { matrix: matrix?, features: features?, barcodes: barcodes? })
}

/// Names of what stands in a folder, sorted, without what macOS leaves there and names that are not UTF-8.
pub(in crate::read) fn visible(folder: &Path) -> Result<Vec<String>> {
    let io = |cause| Error::Io { path: folder.to_owned(), cause };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let name = entry.map_err(io)?.file_name();
        names.extend(
            name.into_string().ok().filter(|name| !name.starts_with("._") && name != ".DS_Store"),
        );
    }
    names.sort();
    Ok(names)
}

fn unknown(folder: &Path, names: &[String]) -> Error {
    let mut holds: Vec<String> = names.iter().take(8).map(|name| format!("`{name}`")).collect();
    if names.len() > holds.len() {
        holds.push(format!("{} more", names.len() - holds.len()));
    }
    let holds = if holds.is_empty() {
        "is empty".to_owned()
    } else {
        format!("holds {}", holds.join(", "))
    };
    bad(
        folder,
        format!(
            "a folder that is read holds `matrix.mtx`, `features.tsv` and `barcodes.tsv`, each plain or gzip, or is a zarr store; this one {holds}"
        ),
    )
}
