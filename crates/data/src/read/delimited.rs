//! Comma- or tab-separated matrices (cells x features) and tables of cells.

use std::collections::HashSet;
use std::path::Path;

use super::bad;
use super::feature::{Feature, FeatureKind};
use super::recognise::{Format, recognise};
use super::table::{Column, Columns, Table};
use super::text::{Delimiter, Quotes, Record, delimited};
use crate::{Csr, Error, Result};

/// Reads a matrix: the first line names the features, the first column the cells.
pub(super) fn read_matrix(path: &Path, delimiter: Delimiter) -> Result<Table> {
    let mut lines = Lines::open(path, delimiter)?;
    let features =
        lines.columns.iter().map(|name| Feature { name: name.clone(), kind: FeatureKind::Unknown });
    let features: Vec<Feature> = features.collect();
    let (mut cells, mut indptr, mut indices, mut data) =
        (Vec::new(), vec![0], Vec::new(), Vec::new());
    while let Some((cell, record)) = lines.next()? {
        for (column, field) in record.fields().skip(1).enumerate() {
            let value = number(field)
                .map_err(|why| not_a_number(&record, &cell, &features[column].name, field, why))?;
            if value != 0.0 {
                indices.push(column as u32);
                data.push(value);
            }
        }
        cells.push(cell);
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
        notes: Vec::new(),
    })
}

/// Reads a table of cells: the first line names the columns, the first column the cells.
pub(super) fn read_cells(path: &Path) -> Result<(Vec<String>, Columns)> {
    let Format::Delimited(delimiter) = recognise(path)? else {
        return Err(bad(path, "is no table of cells; comma- or tab-separated text is expected"));
    };
    let mut lines = Lines::open(path, delimiter)?;
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

/// Why a field is no number that can be used.
enum Wrong {
    Missing,
    DecimalComma,
    Infinite,
    Text,
}

fn number(field: &str) -> Result<f32, Wrong> {
    let field = field.trim();
    match field.parse::<f32>() {
        Ok(value) if value.is_finite() => Ok(value),
        Ok(value) if value.is_nan() => Err(Wrong::Missing),
        Ok(_) => Err(Wrong::Infinite),
        Err(_)
            if matches!(
                field.to_ascii_lowercase().as_str(),
                "" | "na" | "n/a" | "null" | "none"
            ) =>
        {
            Err(Wrong::Missing)
        }
        Err(_) if field.contains(',') && field.replacen(',', ".", 1).parse::<f32>().is_ok() => {
            Err(Wrong::DecimalComma)
        }
        Err(_) => Err(Wrong::Text),
    }
}

fn not_a_number(record: &Record, cell: &str, feature: &str, field: &str, why: Wrong) -> Error {
    let place = format!("has {field:?} for feature `{feature}` of cell `{cell}`");
    record.error(match why {
        Wrong::Missing => format!("{place}; a matrix has no missing values, write 0 where nothing was counted"),
        Wrong::DecimalComma => format!("{place}; decimals are written with a point"),
        Wrong::Infinite => format!("{place}; finite numbers are expected"),
        Wrong::Text => format!("{place}, where a number is expected; only the first line and the first column hold names"),
    })
}

/// The lines below the first, checked to have as many fields.
struct Lines<I> {
    columns: Vec<String>,
    records: I,
}

impl Lines<()> {
    fn open(
        path: &Path,
        delimiter: Delimiter,
    ) -> Result<Lines<impl Iterator<Item = Result<Record>>>> {
        let mut records = delimited(path, delimiter, Quotes::Known)?;
        let head = records.next().ok_or_else(|| bad(path, "the file is empty"))??;
        let columns: Vec<String> = head.fields().skip(1).map(str::to_owned).collect();
        let mut seen = HashSet::new();
        if let Some(twice) = columns.iter().find(|&name| !seen.insert(name)) {
            return Err(bad(
                path,
                format!(
                    "the column `{twice}` stands twice in the first line; give each a name of its own"
                ),
            ));
        }
        Ok(Lines { columns, records })
    }
}

impl<I: Iterator<Item = Result<Record>>> Lines<I> {
    fn next(&mut self) -> Result<Option<(String, Record)>> {
        let Some(record) = self.records.next().transpose()? else { return Ok(None) };
        let expected = self.columns.len() + 1;
        let found = record.len();
        if found == expected {
            return Ok(Some((record.first(0)?.to_owned(), record)));
        }
        // R's `write.table` names the other columns only.
        let hint = if found == expected + 1 {
            "; the first line must also have a field above the names of the cells (in R, `col.names = NA`)"
        } else {
            ""
        };
        Err(record.error(format!("has {found} fields where the first line has {expected}{hint}")))
    }
}
