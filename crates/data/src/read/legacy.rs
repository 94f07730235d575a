//! Tables as anndata before 0.7 wrote them: one array of records, whose first field names the rows. Columns of categories
//! are numbers there, and their names stand in `uns`.

use super::frame::{Frame, coded};
use super::store::{Array, Field, Kind, Node, Store};
use super::table::{Column, Columns};
use crate::Result;

/// Reads an array of records.
pub(super) fn read_records(store: &Store, table: &Array<'_>) -> Result<Frame> {
    let Kind::Table { record, fields } = table.kind() else {
        return Err(table.error("is an array where a group is expected"));
    };
    let rows = table.vector_len()?;
    let Some((first, fields)) = fields.split_first() else {
        return Err(table.error("is a table without columns"));
    };
    let bytes = table.records()?;
    let records: Vec<&[u8]> = bytes.chunks_exact((*record).max(1)).collect();
    if records.len() != rows {
        return Err(table.error(format!("holds {} records where {rows} belong", records.len())));
    }
    let column = |field: &Field| -> Result<Column> {
        match &field.kind {
            Kind::Text => {
                let text = texts(table, &records, field)?;
                Ok(Column::from_text(text.into_iter().map(Some)))
            }
            Kind::Number(element) => {
                let stored = strided(&records, field.offset, element.size())
                    .ok_or_else(|| out_of_record(table, field))?;
                match store.node(&format!("uns/{}_categories", field.name))? {
                    Some(Node::Array(categories)) if !element.is_float() => {
                        coded(element.decode(&stored), categories.text()?)
                            .map_err(|wrong| table.error(format!("(`{}`) {wrong}", field.name)))
                    }
                    _ => Ok(Column::Numbers(element.decode(&stored))),
                }
            }
            other => Ok(Column::Unreadable(format!("`{}` holds {other:?}", field.name))),
        }
    };
    let index = match first.kind {
        Kind::Text => texts(table, &records, first)?,
        _ => column(first)?.values().unwrap_or_default().into_iter().flatten().collect(),
    };
    if index.len() != rows {
        return Err(table.error(format!("does not name its rows in `{}`", first.name)));
    }
    let columns = fields.iter().map(|field| Ok((field.name.clone(), column(field)?)));
    Ok(Frame { index, columns: columns.collect::<Result<Columns>>()? })
}

/// The bytes of a field, of all records one after another.
fn strided(records: &[&[u8]], offset: usize, size: usize) -> Option<Vec<u8>> {
    let end = offset.checked_add(size)?;
    let fields = records.iter().map(|record| record.get(offset..end)).collect::<Option<Vec<_>>>();
    Some(fields?.concat())
}

fn texts(table: &Array<'_>, records: &[&[u8]], field: &Field) -> Result<Vec<String>> {
    let text = |record: &&[u8]| {
        let bytes = record.get(field.offset..).unwrap_or_default();
        let Some(size) = field.fixed_text else { return table.referred(bytes) };
        let bytes = bytes.get(..size).ok_or_else(|| out_of_record(table, field))?;
        let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        String::from_utf8(bytes[..end].to_vec())
            .map_err(|error| table.error(format!("holds text that is no UTF-8: {error}")))
    };
    records.iter().map(text).collect()
}

fn out_of_record(table: &Array<'_>, field: &Field) -> crate::Error {
    table.error(format!("has a field `{}` outside its records; the file is damaged", field.name))
}
