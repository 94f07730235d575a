//! 10x Genomics' feature-barcode matrices: `filtered_feature_bc_matrix.h5`, and the folder of three files.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::bad;
use super::entries::{Compressed, Major, to_csr};
use super::mtx::read_mtx;
use super::store::Store;
use super::table::{Column, Columns, Feature, FeatureKind, Table};
use super::text::delimited;
use crate::{Error, Result};

/// Reads the group `matrix` of a Cell Ranger HDF5 file.
pub(super) fn read_h5(file: &Store) -> Result<Table> {
    let shape = file.array("matrix/shape")?;
    let shape = shape.integers(0..shape.vector_len()?)?;
    let cells = file.array("matrix/barcodes")?.text()?;
    let column =
        |name: &str| file.array(&format!("matrix/features/{name}")).and_then(|array| array.text());
    let features =
        features(file.path(), column("id")?, column("name")?, Some(column("feature_type")?))?;
    if shape != [features.len() as i64, cells.len() as i64] {
        return Err(file.error(format!(
            "`matrix/shape` is {shape:?} where {} features and {} barcodes are named",
            features.len(),
            cells.len()
        )));
    }
    // The file's columns are cells: read by rows, the same arrays are cells x features.
    let matrix = Compressed::open(file, "matrix", Major::Cells, (cells.len(), features.len()))?;
    let values = to_csr(file.path(), &matrix)?;
    Ok(table(file.path(), cells, features, values))
}

/// Reads a folder with `matrix.mtx`, `features.tsv` (or `genes.tsv`) and `barcodes.tsv`, each with or without `.gz`.
pub(super) fn read_folder(folder: &Path) -> Result<Table> {
    let [matrix, features_file, barcodes_file] = folder_files(folder)?;
    let cells = delimited(&barcodes_file, b'\t')?.map(|record| Ok(record?.first(0)?.to_owned()));
    let cells = cells.collect::<Result<Vec<_>>>()?;
    let features = read_features(&features_file)?;
    let values = read_mtx(&matrix, (cells.len(), features.len()))?;
    Ok(table(folder, cells, features, values))
}

/// The three files of a folder: matrix, features, barcodes.
///
/// # Errors
/// [`Error::File`] where one is missing.
pub(super) fn folder_files(folder: &Path) -> Result<[PathBuf; 3]> {
    let find = |names: [&str; 2]| {
        let candidates = names.into_iter().flat_map(|name| [format!("{name}.gz"), name.to_owned()]);
        let found = candidates.map(|name| folder.join(name)).find(|path| path.is_file());
        found.ok_or_else(|| {
            bad(folder, format!("the folder holds no `{}` and no `{}.gz`", names[0], names[0]))
        })
    };
    Ok([
        find(["matrix.mtx", "matrix.mtx"])?,
        find(["features.tsv", "genes.tsv"])?,
        find(["barcodes.tsv", "barcodes.tsv"])?,
    ])
}

fn read_features(path: &Path) -> Result<Vec<Feature>> {
    let (mut ids, mut names, mut kinds) = (Vec::new(), Vec::new(), Vec::new());
    for record in delimited(path, b'\t')? {
        let record = record?;
        ids.push(record.first(0)?.to_owned());
        names.push(record.first(1)?.to_owned());
        // Before Cell Ranger 3 the file had two columns and genes only.
        kinds.push(record.get(2).unwrap_or("Gene Expression").to_owned());
    }
    features(path, ids, names, Some(kinds))
}

/// Names of features: the symbol, with the identifier behind it where a symbol stands twice in a modality.
fn features(
    path: &Path,
    ids: Vec<String>,
    names: Vec<String>,
    kinds: Option<Vec<String>>,
) -> Result<Vec<Feature>> {
    let kinds = kinds.unwrap_or_default();
    if ids.len() != names.len() || kinds.len() != names.len() {
        let lengths = (ids.len(), names.len(), kinds.len());
        return Err(bad(
            path,
            format!("features have {lengths:?} ids, names and types; the three must be equal"),
        ));
    }
    let kinds: Vec<FeatureKind> =
        kinds.iter().map(|label| FeatureKind::from_label(label)).collect();
    let mut uses: HashMap<(FeatureKind, &str), usize> = HashMap::new();
    for (kind, name) in kinds.iter().zip(&names) {
        *uses.entry((*kind, name)).or_default() += 1;
    }
    let unique = |(kind, name, id): (FeatureKind, &String, &String)| {
        if uses.get(&(kind, name.as_str())) == Some(&1) {
            name.clone()
        } else {
            format!("{name} ({id})")
        }
    };
    let rows = kinds.iter().zip(&names).zip(&ids);
    Ok(rows.map(|((&kind, name), id)| Feature { name: unique((kind, name, id)), kind }).collect())
}

fn table(path: &Path, cells: Vec<String>, features: Vec<Feature>, values: crate::Csr) -> Table {
    let obs = Columns::from([("gem_group".to_owned(), gem_groups(&cells))]);
    Table { path: path.to_owned(), cells, features, values, obs, modality: None, place: None }
}

/// The number behind a barcode's last dash: which channel (or sample, after aggregation) a cell comes from.
fn gem_groups(cells: &[String]) -> Column {
    Column::from_text(cells.iter().map(|cell| {
        let (_, group) = cell.rsplit_once('-')?;
        group.bytes().all(|byte| byte.is_ascii_digit()).then(|| group.to_owned())
    }))
}

/// Whether an HDF5 file follows Cell Ranger's layout.
pub(super) fn is_tenx(file: &Store) -> Result<bool, Error> {
    Ok(file.has_group("matrix")? && !file.has_group("obs")?)
}
