//! AnnData's tables of annotations, `obs` and `var`, in the layouts of anndata 0.7 and later.

use super::h5::{H5Array, H5File, Node};
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
pub(super) fn read_frame(file: &H5File, name: &str) -> Result<Frame> {
    match file.node(name)? {
        Some(Node::Group) => {}
        None => {
            return Err(
                file.error(format!("`{name}` is missing; an AnnData file holds X, obs and var"))
            );
        }
        Some(Node::Array(array)) if array.is_compound() => {
            return Err(file.error(format!(
                "`{name}` is a compound table, as anndata before 0.7 wrote it; write the file again with a later anndata"
            )));
        }
        Some(Node::Array(_)) => {
            return Err(file.error(format!("`{name}` is an array where a group is expected")));
        }
    }
    let attributes = file.group_attributes(name)?;
    let index_name =
        attributes.get("_index").and_then(|value| value.as_str()).unwrap_or("_index").to_owned();
    let index = file.array(&format!("{name}/{index_name}"))?.text()?;
    let mut columns = Columns::new();
    for column in file.children(name)? {
        if column != index_name && column != "__categories" {
            let read = read_column(file, name, &column, index.len()).unwrap_or_else(unreadable);
            columns.insert(column, read);
        }
    }
    Ok(Frame { index, columns })
}

fn unreadable(error: Error) -> Column {
    match error {
        Error::File { what, .. } => Column::Unreadable(what),
        other => Column::Unreadable(other.to_string()),
    }
}

fn read_column(file: &H5File, frame: &str, column: &str, rows: usize) -> Result<Column> {
    let path = format!("{frame}/{column}");
    let read = match file.node(&path)? {
        Some(Node::Array(array)) => match file.node(&format!("{frame}/__categories/{column}"))? {
            Some(Node::Array(categories)) => categorical(&array, &categories)?,
            _ => plain(&array)?,
        },
        _ => match file.node(&format!("{path}/codes"))? {
            Some(Node::Array(codes)) => {
                categorical(&codes, &file.array(&format!("{path}/categories"))?)?
            }
            _ => masked(file, &path)?,
        },
    };
    if read.len() != rows {
        return Err(
            file.error(format!("`{path}` has {} entries where {rows} are expected", read.len()))
        );
    }
    Ok(read)
}

fn plain(array: &H5Array<'_>) -> Result<Column> {
    if array.is_text() {
        return Ok(Column::from_text(array.text()?.into_iter().map(Some)));
    }
    Ok(Column::Numbers(array.numbers()?))
}

fn categorical(codes: &H5Array<'_>, categories: &H5Array<'_>) -> Result<Column> {
    let names = categories.text()?;
    let codes = codes
        .integers(0..codes.vector_len()?)?
        .into_iter()
        .map(|code| match u32::try_from(code) {
            Ok(code) if (code as usize) < names.len() => Ok(Some(code)),
            Err(_) if code == -1 => Ok(None),
            _ => Err(codes
                .error(format!("holds code {code} where {} categories are named", names.len()))),
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Column::Text { codes, names })
}

/// Nullable integers, booleans and strings: `values`, and a `mask` that is true where a value is missing.
fn masked(file: &H5File, path: &str) -> Result<Column> {
    let values = file.array(&format!("{path}/values"))?;
    let mask = file.array(&format!("{path}/mask"))?.numbers()?;
    if mask.len() != values.vector_len()? {
        return Err(file.error(format!("`{path}/mask` and `{path}/values` differ in length")));
    }
    let missing = mask.into_iter().map(|flag| flag != 0.0);
    if values.is_text() {
        let text = values.text()?.into_iter().zip(missing);
        return Ok(Column::from_text(text.map(|(value, missing)| (!missing).then_some(value))));
    }
    let numbers = values.numbers()?.into_iter().zip(missing);
    Ok(Column::Numbers(
        numbers.map(|(value, missing)| if missing { f64::NAN } else { value }).collect(),
    ))
}
