//! AnnData's tables of annotations: `obs`, `var`, and tables in `obsm`.

use super::legacy::read_records;
use super::store::{Array, Kind, Node, Store};
use super::table::{Column, Columns};
use crate::{Error, Result};

/// Row names and columns of a table in a file.
pub(super) struct Frame {
    pub(super) index: Vec<String>,
    pub(super) columns: Columns,
}

/// Reads the table at `name`.
///
/// A column that this crate cannot read is kept with the reason, which is told to whoever asks for it.
pub(super) fn read_frame(store: &Store, name: &str) -> Result<Frame> {
    match store.node(name)? {
        Some(Node::Group) => {}
        None => {
            return Err(store.error(format!(
                "`{}` is missing; an AnnData file holds obs, var, and X or layers",
                store.full(name)
            )));
        }
        Some(Node::Array(array)) => return read_records(store, &array),
    }
    let attributes = store.attributes(name)?;
    let index_name = attributes.text("_index").unwrap_or("_index").to_owned();
    let index = read_index(store, &format!("{name}/{index_name}"))?;
    let mut columns = Columns::new();
    for column in store.children(name)? {
        if column != index_name && column != "__categories" {
            let read = read_column(store, name, &column, index.len()).unwrap_or_else(unreadable);
            columns.insert(column, read);
        }
    }
    Ok(Frame { index, columns })
}

/// The names of a table's columns in their order, where it says it.
pub(super) fn column_order(store: &Store, name: &str) -> Result<Option<Vec<String>>> {
    Ok(store.attributes(name)?.texts("column-order").map(<[String]>::to_vec))
}

fn unreadable(error: Error) -> Column {
    match error {
        Error::File { what, .. } => Column::Unreadable(what),
        other => Column::Unreadable(other.to_string()),
    }
}

fn read_index(store: &Store, path: &str) -> Result<Vec<String>> {
    let column = match store.node(path)? {
        Some(Node::Array(array)) => return array.text(),
        Some(Node::Group) => read_group(store, path)?,
        None => return Err(store.error(format!("`{}` is missing", store.full(path)))),
    };
    whole(store, path, column)
}

/// The text of a column in which nothing may be missing.
fn whole(store: &Store, path: &str, column: Column) -> Result<Vec<String>> {
    let values = column.values().map_err(|why| store.error(why))?;
    let missing = |row| {
        let path = store.full(path);
        store.error(format!(
            "`{path}` has no value in row {row} (counted from 0); every row needs one"
        ))
    };
    values.into_iter().enumerate().map(|(row, value)| value.ok_or_else(|| missing(row))).collect()
}

fn read_column(store: &Store, frame: &str, column: &str, rows: usize) -> Result<Column> {
    let path = format!("{frame}/{column}");
    let read = match store.node(&path)? {
        Some(Node::Array(array)) => {
            check_length(&array, rows)?;
            match store.node(&format!("{frame}/__categories/{column}"))? {
                Some(Node::Array(categories)) => categorical(&array, categories.text()?)?,
                _ => plain(&array)?,
            }
        }
        _ => read_group(store, &path)?,
    };
    if read.len() != rows {
        return Err(store.error(format!(
            "`{}` has {} entries where {rows} are expected",
            store.full(&path),
            read.len()
        )));
    }
    Ok(read)
}

/// Before memory is asked for.
fn check_length(array: &Array<'_>, rows: usize) -> Result<()> {
    match array.vector_len()? {
        length if length == rows => Ok(()),
        length => Err(array.error(format!("has {length} entries where {rows} are expected"))),
    }
}

/// A column that takes more than one array: categories, or values of which some may be missing.
fn read_group(store: &Store, path: &str) -> Result<Column> {
    if let Some(Node::Array(codes)) = store.node(&format!("{path}/codes"))? {
        return categorical(&codes, read_index(store, &format!("{path}/categories"))?);
    }
    if let Some(Node::Array(values)) = store.node(&format!("{path}/values"))? {
        return masked(&values, store.node(&format!("{path}/mask"))?);
    }
    let attributes = store.attributes(path)?;
    let encoding = attributes.text("encoding-type").unwrap_or("a group of unknown kind");
    Err(store.error(format!(
        "`{}` is stored as {encoding}, which cannot be read as a column",
        store.full(path)
    )))
}

fn plain(array: &Array<'_>) -> Result<Column> {
    if *array.kind() == Kind::Text {
        return Ok(Column::from_text(array.text()?.into_iter().map(Some)));
    }
    Ok(Column::Numbers(array.numbers()?))
}

fn categorical(codes: &Array<'_>, names: Vec<String>) -> Result<Column> {
    let stored = codes.integers(0..codes.vector_len()?)?;
    coded(stored, names).map_err(|wrong| codes.error(wrong))
}

/// A column of codes, -1 where a value is missing.
pub(super) fn coded(codes: Vec<i64>, names: Vec<String>) -> Result<Column, String> {
    let codes = codes
        .into_iter()
        .map(|code| match u32::try_from(code) {
            Ok(code) if (code as usize) < names.len() => Ok(Some(code)),
            Err(_) if code == -1 => Ok(None),
            _ => Err(format!("holds code {code} where {} categories are named", names.len())),
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Column::Text { codes, names })
}

/// Nullable integers, booleans and strings: values, and a mask that is true where one is missing.
fn masked(values: &Array<'_>, mask: Option<Node<'_>>) -> Result<Column> {
    let Some(Node::Array(mask)) = mask else { return plain(values) };
    check_length(&mask, values.vector_len()?)?;
    let missing = mask.numbers()?.into_iter().map(|flag| flag != 0.0);
    if *values.kind() == Kind::Text {
        let text = values.text()?.into_iter().zip(missing);
        return Ok(Column::from_text(text.map(|(value, missing)| (!missing).then_some(value))));
    }
    let numbers = values.numbers()?.into_iter().zip(missing);
    Ok(Column::Numbers(
        numbers.map(|(value, missing)| if missing { f64::NAN } else { value }).collect(),
    ))
}
