//! Text files, plain or gzip, and their records.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use super::bad;
use crate::{Error, Result};

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Opens a text file; whether it is gzip is decided by its first bytes.
pub(super) fn open_text(path: &Path) -> Result<Box<dyn BufRead>> {
    let io = |cause| Error::Io { path: path.to_owned(), cause };
    let mut raw = BufReader::with_capacity(1 << 16, File::open(path).map_err(io)?);
    if raw.fill_buf().map_err(io)?.starts_with(&GZIP_MAGIC) {
        return Ok(Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(raw))));
    }
    Ok(Box::new(raw))
}

/// One line of a delimited file.
pub(super) struct Record {
    path: PathBuf,
    inner: csv::StringRecord,
}

impl Record {
    pub(super) fn get(&self, field: usize) -> Option<&str> {
        self.inner.get(field)
    }

    pub(super) fn len(&self) -> usize {
        self.inner.len()
    }

    /// The field at `field`, which every record must have.
    pub(super) fn first(&self, field: usize) -> Result<&str> {
        self.get(field).ok_or_else(|| self.error(format!("has no field {}", field + 1)))
    }

    pub(super) fn fields(&self) -> impl Iterator<Item = &str> {
        self.inner.iter()
    }

    pub(super) fn error(&self, what: impl std::fmt::Display) -> Error {
        let line = self.inner.position().map_or(0, csv::Position::line);
        bad(&self.path, format!("line {line} {what}"))
    }
}

/// Every record of a delimited file, the first line included; records may differ in length.
pub(super) fn delimited(
    path: &Path,
    delimiter: u8,
) -> Result<impl Iterator<Item = Result<Record>>> {
    let reader: Box<dyn Read> = Box::new(open_text(path)?);
    // Tab-separated barcodes and features are written without quoting.
    let quoting = delimiter == b',';
    let records = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .quoting(quoting)
        .from_reader(reader)
        .into_records();
    let path = path.to_owned();
    Ok(records.map(move |record| match record {
        Ok(inner) => Ok(Record { path: path.clone(), inner }),
        Err(error) => Err(bad(&path, format!("the text cannot be read: {error}"))),
    }))
}
