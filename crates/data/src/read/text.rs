//! Text files, plain or gzip, and their records.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use super::bad;
use crate::{Error, Result};

pub(super) const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
/// What some editors and spreadsheets put before UTF-8 text.
const BYTE_ORDER_MARK: &[u8] = &[0xef, 0xbb, 0xbf];
const BUFFER: usize = 1 << 16;

/// The content of a file behind its compression.
pub(super) struct Content {
    pub(super) reader: Box<dyn BufRead>,
    pub(super) is_gzip: bool,
}

/// Opens a file; whether it is gzip is decided by its first bytes.
pub(super) fn open(path: &Path) -> Result<Content> {
    let io = |cause| Error::Io { path: path.to_owned(), cause };
    let mut raw = BufReader::with_capacity(BUFFER, File::open(path).map_err(io)?);
    let is_gzip = raw.fill_buf().map_err(io)?.starts_with(GZIP_MAGIC);
    let reader: Box<dyn BufRead> = if is_gzip {
        Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(raw)))
    } else {
        Box::new(raw)
    };
    Ok(Content { reader, is_gzip })
}

/// Opens a text file behind its compression and its byte order mark.
pub(super) fn open_text(path: &Path) -> Result<Content> {
    let Content { mut reader, is_gzip } = open(path)?;
    let start = reader.fill_buf().map_err(|cause| unreadable(path, is_gzip, &cause))?;
    if start.starts_with(BYTE_ORDER_MARK) {
        reader.consume(BYTE_ORDER_MARK.len());
    }
    Ok(Content { reader, is_gzip })
}

/// An error of reading, which for gzip is one of its content.
pub(super) fn unreadable(path: &Path, is_gzip: bool, cause: &std::io::Error) -> Error {
    let end = if is_gzip { "; the gzip file is truncated or damaged" } else { "" };
    bad(path, format!("cannot be read: {cause}{end}"))
}

/// What stands between the fields of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delimiter {
    Comma,
    Tab,
}

/// Whether a field may stand in quotes. Cell Ranger writes none, and quotes in names mean themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quotes {
    Known,
    Plain,
}

/// One line of a delimited file.
pub(super) struct Record {
    path: PathBuf,
    line: u64,
    inner: csv::StringRecord,
}

impl Record {
    fn of(path: &Path, mut bytes: csv::ByteRecord) -> Result<Self> {
        let line = bytes.position().map_or(0, csv::Position::line);
        let last = bytes.len().saturating_sub(1);
        if let Some(field) = bytes.get(last).and_then(|field| field.strip_suffix(b"\r")) {
            let field = field.to_owned();
            bytes.truncate(last);
            bytes.push_field(&field);
        }
        let inner = csv::StringRecord::from_byte_record(bytes).map_err(|error| {
            let field = error.utf8_error().field() + 1;
            bad(
                path,
                format!(
                    "field {field} of line {line} is not UTF-8; save the file in that encoding"
                ),
            )
        })?;
        Ok(Self { path: path.to_owned(), line, inner })
    }

    fn is_blank(&self) -> bool {
        self.len() == 1 && self.get(0) == Some("")
    }

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
        bad(&self.path, format!("line {} {what}", self.line))
    }
}

/// Every record of a delimited file, the first line included; records may differ in length.
pub(super) fn delimited(
    path: &Path,
    delimiter: Delimiter,
    quotes: Quotes,
) -> Result<impl Iterator<Item = Result<Record>>> {
    let Content { mut reader, is_gzip } = open_text(path)?;
    let start = reader.fill_buf().map_err(|cause| unreadable(path, is_gzip, &cause))?;
    // A terminator of two bytes makes the line numbers wrong; `\r` before `\n` is cut off below.
    let terminator = if start.contains(&b'\r') && !start.contains(&b'\n') { b'\r' } else { b'\n' };
    let records = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(match delimiter {
            Delimiter::Comma => b',',
            Delimiter::Tab => b'\t',
        })
        .terminator(csv::Terminator::Any(terminator))
        .quoting(quotes == Quotes::Known)
        .from_reader(reader)
        .into_byte_records();
    let path = path.to_owned();
    let records = records.map(move |record| match record {
        Ok(bytes) => Record::of(&path, bytes),
        Err(error) => Err(match error.kind() {
            csv::ErrorKind::Io(cause) => unreadable(&path, is_gzip, cause),
            _ => bad(&path, format!("the text cannot be read: {error}")),
        }),
    });
    Ok(records.filter(|record| !record.as_ref().is_ok_and(Record::is_blank)))
}
