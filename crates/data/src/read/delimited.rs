//! Comma- or tab-separated matrices (cells x features) and tables of cells.

use std::collections::HashSet;
use std::path::Path;

use super::bad;
use super::table::{Column, Columns, Feature, FeatureKind, Table};
use super::text::{Record, delimited};
use crate::{Csr, Result};

/// The delimiter that the file's name stands for: `.csv`, `.tsv` or `.txt`, each with or without `.gz`.
pub(super) fn delimiter(path: &Path) -> Option<u8> {
    let name = path.file_name()?.to_str()?.to_ascii_lowercase();
    match name.strip_suffix(".gz").unwrap_or(&name).rsplit_once('.')?.1 {
        "csv" => Some(b','),
        "tsv" | "txt" => Some(b'\t'),
        _ => None,
    }
}

/// Reads a matrix: the first line names the features, the first column the cells.
pub(super) fn read_matrix(path: &Path) -> Result<Table> {
    let mut lines = Lines::open(path)?;
    let features =
        lines.columns.iter().map(|name| Feature { name: name.clone(), kind: FeatureKind::Unknown });
    let features: Vec<Feature> = features.collect();
    let (mut cells, mut indptr, mut indices, mut data) =
        (Vec::new(), vec![0], Vec::new(), Vec::new());
    while let Some((cell, record)) = lines.next()? {
        cells.push(cell);
        for (column, field) in record.fields().skip(1).enumerate() {
            let Ok(value) = field.trim().parse::<f32>() else {
                return Err(record.error(format!("has {field:?} where a number is expected")));
            };
            if value != 0.0 {
                indices.push(column as u32);
                data.push(value);
            }
        }
        indptr.push(data.len());
    }
    let values = Csr::try_new((cells.len(), features.len()), indptr, indices, data)
        .map_err(|(_, _, _, error)| bad(path, format!("the matrix is not well formed: {error}")))?;
    Ok(Table {
        path: path.to_owned(),
        cells,
        features,
        values,
        obs: Columns::new(),
        modality: None,
        place: None,
    })
}

/// Reads a table of cells: the first line names the columns, the first column the cells.
pub(super) fn read_cells(path: &Path) -> Result<(Vec<String>, Columns)> {
    let mut lines = Lines::open(path)?;
    let names = lines.columns.clone();
    let mut cells = Vec::new();
    let mut columns = vec![Vec::new(); names.len()];
    while let Some((cell, record)) = lines.next()? {
        cells.push(cell);
        for (column, field) in columns.iter_mut().zip(record.fields().skip(1)) {
            column.push((!field.is_empty()).then(|| field.to_owned()));
        }
    }
    Ok((cells, names.into_iter().zip(columns.into_iter().map(Column::from_text)).collect()))
}

/// The lines below the first, checked to have as many fields.
struct Lines<I> {
    columns: Vec<String>,
    records: I,
}

impl Lines<()> {
    fn open(path: &Path) -> Result<Lines<impl Iterator<Item = Result<Record>>>> {
        let delimiter = delimiter(path).ok_or_else(|| {
            bad(path, "the name must end in .csv, .tsv or .txt, with or without .gz")
        })?;
        let mut records = delimited(path, delimiter)?;
        let head = records.next().ok_or_else(|| bad(path, "the file is empty"))??;
        let columns: Vec<String> = head.fields().skip(1).map(str::to_owned).collect();
        let mut seen = HashSet::new();
        if let Some(twice) = columns.iter().find(|&name| !seen.insert(name)) {
            return Err(bad(path, format!("the column `{twice}` stands twice")));
        }
        Ok(Lines { columns, records })
    }
}

impl<I: Iterator<Item = Result<Record>>> Lines<I> {
    fn next(&mut self) -> Result<Option<(String, Record)>> {
        let Some(record) = self.records.next().transpose()? else { return Ok(None) };
        let expected = self.columns.len() + 1;
        if record.len() != expected {
            return Err(
                record.error(format!("has {} fields where {expected} are expected", record.len()))
            );
        }
        Ok(Some((record.first(0)?.to_owned(), record)))
    }
}
