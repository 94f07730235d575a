//! 10x Genomics' feature-barcode matrices: `filtered_feature_bc_matrix.h5`, and three files side by side.

use std::path::Path;

use super::bad;
use super::entries::{Compressed, Major, to_csr};
use super::feature::{Described, Named};
use super::mtx::read_mtx;
use super::recognise::MtxFiles;
use super::store::Store;
use super::table::{Column, Columns, Table};
use super::text::{Delimiter, Quotes, delimited};
use crate::{Csr, Result};

/// What all features are in files that do not say, which come from before Cell Ranger 3.
const GENES: &str = "Gene Expression";

/// Reads the group `matrix` of an HDF5 file of Cell Ranger 3 and later.
pub(super) fn read_h5(path: &Path) -> Result<Table> {
    let file = Store::open(path)?;
    let features = Described {
        names: text(&file, "matrix/features/name")?,
        ids: some(text(&file, "matrix/features/id")?),
        labels: some(text(&file, "matrix/features/feature_type")?),
    };
    read_group(&file, "matrix", features)
}

/// Reads the group of a genome in an HDF5 file of before Cell Ranger 3, which holds genes and nothing else.
pub(super) fn read_genome(path: &Path, genome: &str) -> Result<Table> {
    let file = Store::open(path)?;
    let names = text(&file, &format!("{genome}/gene_names"))?;
    let labels = vec![Some(GENES.to_owned()); names.len()];
    let ids = some(text(&file, &format!("{genome}/genes"))?);
    let mut table = read_group(&file, genome, Described { names, ids, labels })?;
    table
        .notes
        .push("written by Cell Ranger before version 3, whose files hold genes only".to_owned());
    Ok(table)
}

fn read_group(file: &Store, group: &str, features: Described) -> Result<Table> {
    let shape = file.array(&format!("{group}/shape"))?;
    let shape = shape.integers(0..shape.vector_len()?)?;
    let cells = text(file, &format!("{group}/barcodes"))?;
    let features = features.named().map_err(|what| file.error(format!("`{group}`: {what}")))?;
    let counted = (cells.len(), features.features.len());
    if shape != [counted.1 as i64, counted.0 as i64] {
        return Err(file.error(format!(
            "`{group}/shape` is {shape:?} where {} features and {} barcodes are named",
            counted.1, counted.0
        )));
    }
    // The file's columns are cells: read by rows, the same arrays are cells x features.
    let matrix = Compressed::open(file, group, Major::Cells, counted)?;
    let values = to_csr(file.path(), &matrix)?;
    Ok(table(file.path(), cells, features, values))
}

fn text(file: &Store, name: &str) -> Result<Vec<String>> {
    file.array(name)?.text()
}

fn some(values: Vec<String>) -> Vec<Option<String>> {
    values.into_iter().map(Some).collect()
}

/// Reads three files; `path` is the folder, or the file that was named.
pub(super) fn read_files(path: &Path, files: &MtxFiles) -> Result<Table> {
    let barcodes = delimited(&files.barcodes, Delimiter::Tab, Quotes::Plain)?;
    let cells =
        barcodes.map(|record| Ok(record?.first(0)?.to_owned())).collect::<Result<Vec<_>>>()?;
    let features = read_features(&files.features)?;
    let values = read_mtx(&files.matrix, (cells.len(), features.features.len()))?;
    Ok(table(path, cells, features, values))
}

fn read_features(path: &Path) -> Result<Named> {
    let (mut names, mut ids, mut labels) = (Vec::new(), Vec::new(), Vec::new());
    for record in delimited(path, Delimiter::Tab, Quotes::Plain)? {
        let record = record?;
        ids.push(Some(record.first(0)?.to_owned()));
        names.push(record.first(1)?.to_owned());
        labels.push(Some(record.get(2).unwrap_or(GENES).to_owned()));
    }
    Described { names, ids, labels }.named().map_err(|what| bad(path, what))
}

fn table(path: &Path, cells: Vec<String>, features: Named, values: Csr) -> Table {
    let obs = Columns::from([("gem_group".to_owned(), gem_groups(&cells))]);
    let Named { features, notes } = features;
    Table {
        path: path.to_owned(),
        cells,
        features,
        values,
        obs,
        modality: None,
        place: None,
        notes,
    }
}

/// The number behind a barcode's last dash: which channel (or sample, after aggregation) a cell comes from.
fn gem_groups(cells: &[String]) -> Column {
    Column::from_text(cells.iter().map(|cell| {
        let (_, group) = cell.rsplit_once('-')?;
        group.bytes().all(|byte| byte.is_ascii_digit()).then(|| group.to_owned())
    }))
}
