//! The one place that speaks to the HDF5 library. A size that a file claims is checked against what the
//! file stores before memory is asked for.

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use hdf5_pure::{AttrValue, DType, FormatError, Layout, VlenStringReadOptions};
use rayon::prelude::*;

use super::bad;
use crate::{Error, Result};

/// DEFLATE cannot shrink anything further than 1032:1.
const MAX_COMPRESSION: u64 = 1100;
/// Entries decoded in one piece, and in all pieces at once: with up to 32 bytes an entry about 16 MiB.
const WINDOW_ENTRIES: usize = 1 << 16;
const ENTRIES_AT_ONCE: usize = 8 * WINDOW_ENTRIES;

/// An HDF5 file that is read in pieces.
pub(super) struct H5File {
    path: PathBuf,
    file: hdf5_pure::File,
    bytes: u64,
}

/// What stands at a path inside a file.
pub(super) enum Node<'a> {
    Group,
    Array(H5Array<'a>),
}

/// A dataset whose claimed size its storage can hold.
pub(super) struct H5Array<'a> {
    file: &'a H5File,
    name: String,
    inner: hdf5_pure::Dataset,
    shape: Vec<usize>,
    dtype: DType,
    band: usize,
}

impl H5File {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let io = |cause| Error::Io { path: path.to_owned(), cause };
        let bytes = std::fs::metadata(path).map_err(io)?.len();
        if !hdf5_pure::is_hdf5(path).map_err(io)? {
            return Err(bad(path, "this is not an HDF5 file (its signature is missing)"));
        }
        let file = hdf5_pure::File::open_streaming(path).map_err(|error| {
            bad(path, format!("the HDF5 file cannot be opened: {error}; it may be truncated"))
        })?;
        Ok(Self { path: path.to_owned(), file, bytes })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn error(&self, what: impl Into<String>) -> Error {
        bad(&self.path, what)
    }

    fn damaged(&self, name: &str, error: &dyn std::fmt::Display) -> Error {
        self.error(format!(
            "`{name}` cannot be read: {error}; the file may be truncated or damaged"
        ))
    }

    /// Refuses storage that reaches past the end of the file.
    fn check_inside(&self, name: &str, address: u64, size: u64) -> Result<()> {
        match address.checked_add(size) {
            Some(end) if end <= self.bytes => Ok(()),
            _ => Err(self.error(format!(
                "`{name}` is stored at {address} with {size} bytes, past the file's end at {}; the file is truncated or damaged",
                self.bytes
            ))),
        }
    }

    /// What stands at `name`, or nothing.
    pub(super) fn node(&self, name: &str) -> Result<Option<Node<'_>>> {
        use hdf5_pure::Error as H5;
        match self.file.dataset(name) {
            Ok(inner) => H5Array::new(self, name, inner).map(|array| Some(Node::Array(array))),
            Err(H5::NotADataset(_)) => Ok(Some(Node::Group)),
            Err(H5::Format(FormatError::PathNotFound(_))) => Ok(None),
            Err(H5::MissingMessage(_)) => Ok(Some(Node::Group)),
            Err(error) => Err(self.damaged(name, &error)),
        }
    }

    pub(super) fn array(&self, name: &str) -> Result<H5Array<'_>> {
        match self.node(name)? {
            Some(Node::Array(array)) => Ok(array),
            Some(Node::Group) => {
                Err(self.error(format!("`{name}` is a group where an array is expected")))
            }
            None => Err(self.error(format!("`{name}` is missing"))),
        }
    }

    pub(super) fn has_group(&self, name: &str) -> Result<bool> {
        Ok(matches!(self.node(name)?, Some(Node::Group)))
    }

    /// Names of the arrays and groups inside a group, in the file's order.
    pub(super) fn children(&self, name: &str) -> Result<Vec<String>> {
        let listed = self.file.group(name).and_then(|group| {
            let mut names = group.datasets()?;
            names.extend(group.groups()?);
            Ok(names)
        });
        listed.map_err(|error| self.damaged(name, &error))
    }

    pub(super) fn group_attributes(&self, name: &str) -> Result<HashMap<String, AttrValue>> {
        self.file
            .group(name)
            .and_then(|group| group.attrs())
            .map_err(|error| self.damaged(name, &error))
    }
}

impl<'a> H5Array<'a> {
    fn new(file: &'a H5File, name: &str, inner: hdf5_pure::Dataset) -> Result<Self> {
        let damaged = |error: hdf5_pure::Error| file.damaged(name, &error);
        let claimed = inner.shape().map_err(damaged)?;
        let dtype = inner.dtype().map_err(damaged)?;
        let element = inner.element_size().map_err(damaged)?;
        let shape =
            claimed.iter().map(|&extent| usize::try_from(extent).ok()).collect::<Option<Vec<_>>>();
        let bytes = claimed.iter().try_fold(element, |size, &extent| size.checked_mul(extent));
        let (Some(shape), Some(bytes)) = (shape, bytes) else {
            return Err(file.error(format!(
                "`{name}` claims a shape of {claimed:?}, more than memory can address"
            )));
        };
        let storage = Storage::of(file, name, &inner)?;
        let most = storage.bytes.min(file.bytes).saturating_mul(MAX_COMPRESSION);
        if bytes.max(storage.chunk_elements.saturating_mul(element)) > most && bytes > 0 {
            return Err(file.error(format!(
                "`{name}` claims {bytes} bytes where the file stores {} bytes of it; the file is truncated or damaged",
                storage.bytes.min(file.bytes)
            )));
        }
        let band = usize::try_from(storage.band).unwrap_or(usize::MAX).max(1);
        Ok(Self { file, name: name.to_owned(), inner, shape, dtype, band })
    }

    pub(super) fn shape(&self) -> &[usize] {
        &self.shape
    }

    pub(super) fn is_text(&self) -> bool {
        matches!(self.dtype, DType::String | DType::VariableLengthString)
    }

    pub(super) fn is_compound(&self) -> bool {
        matches!(self.dtype, DType::Compound(_))
    }

    /// The number of entries of a one-dimensional array.
    pub(super) fn vector_len(&self) -> Result<usize> {
        match self.shape[..] {
            [len] => Ok(len),
            _ => {
                Err(self
                    .error(format!("has {} dimensions where one is expected", self.shape.len())))
            }
        }
    }

    pub(super) fn error(&self, what: impl std::fmt::Display) -> Error {
        self.file.error(format!("`{}` {what}", self.name))
    }

    fn damaged(&self, error: impl std::fmt::Display) -> Error {
        self.file.damaged(&self.name, &error)
    }

    /// Every entry as text; numbers as they print.
    pub(super) fn text(&self) -> Result<Vec<String>> {
        let len = self.vector_len()?;
        match self.dtype {
            DType::VariableLengthString => {
                let payload = usize::try_from(self.file.bytes).unwrap_or(usize::MAX);
                let limits = VlenStringReadOptions::new()
                    .with_max_elements(len)
                    .with_max_payload_bytes(payload);
                self.inner.read_vlen_strings(limits).map_err(|error| self.damaged(error))
            }
            DType::String => self.inner.read_string().map_err(|error| self.damaged(error)),
            _ => Ok(self.numbers()?.into_iter().map(|number| number.to_string()).collect()),
        }
    }

    /// The only entry, where that is text.
    pub(super) fn word(&self) -> Option<String> {
        let is_one = self.shape.iter().product::<usize>() == 1;
        let payload = usize::try_from(self.file.bytes).unwrap_or(usize::MAX);
        let words = match self.dtype {
            DType::VariableLengthString if is_one => {
                let limits = VlenStringReadOptions::new()
                    .with_max_elements(1)
                    .with_max_payload_bytes(payload);
                self.inner.read_vlen_strings(limits)
            }
            DType::String if is_one => self.inner.read_string(),
            _ => return None,
        };
        words.ok()?.pop()
    }

    /// Every entry of a one-dimensional array as a number.
    pub(super) fn numbers(&self) -> Result<Vec<f64>> {
        self.vector_len()?;
        match self.dtype {
            DType::Enum(_) => {
                self.inner.read_u8().map(|bytes| bytes.into_iter().map(f64::from).collect())
            }
            _ => self.inner.read_f64(),
        }
        .map_err(|error| self.damaged(error))
    }

    /// Rows of the array as 64-bit integers, whatever integer type is stored.
    pub(super) fn integers(&self, rows: Range<usize>) -> Result<Vec<i64>> {
        if matches!(self.dtype, DType::F32 | DType::F64) {
            return Err(self.error("holds floating-point numbers where integers are expected"));
        }
        let read = self.inner.read_i64_rows(rows.start as u64, rows.len() as u64);
        self.exact(read, rows.len())
    }

    /// Rows of the array as `f32`, whatever number type is stored, flattened row by row.
    pub(super) fn floats(&self, rows: Range<usize>) -> Result<Vec<f32>> {
        let read = self.inner.read_f32_rows(rows.start as u64, rows.len() as u64);
        let row: usize = self.shape.iter().skip(1).product();
        self.exact(read, rows.len() * row)
    }

    fn exact<T>(&self, read: Result<Vec<T>, hdf5_pure::Error>, expected: usize) -> Result<Vec<T>> {
        let values = read.map_err(|error| self.damaged(error))?;
        if values.len() != expected {
            return Err(
                self.error(format!("gave {} entries where {expected} are expected", values.len()))
            );
        }
        Ok(values)
    }

    /// How to go through the array: whole chunks at a time, so that none is decoded twice.
    pub(super) fn pace(&self) -> Pace {
        let width = self.shape.iter().skip(1).product::<usize>().max(1);
        let total = self.shape.first().copied().unwrap_or(1);
        let band = self.band.min(total).max(1);
        let rows = (WINDOW_ENTRIES / width).max(1).next_multiple_of(band);
        let at_once = (ENTRIES_AT_ONCE / rows.saturating_mul(width)).max(1);
        Pace { rows, at_once }
    }
}

/// Rows decoded in one piece, and pieces decoded at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    rows: usize,
    at_once: usize,
}

impl Pace {
    /// The pace for two arrays that are read side by side.
    pub(super) fn with(self, other: Self) -> Self {
        Self { rows: self.rows.max(other.rows), at_once: self.at_once.min(other.at_once) }
    }
}

/// What a dataset occupies in its file.
struct Storage {
    bytes: u64,
    chunk_elements: u64,
    band: u64,
}

impl Storage {
    fn of(file: &H5File, name: &str, dataset: &hdf5_pure::Dataset) -> Result<Self> {
        let damaged = |error| file.damaged(name, &error);
        match dataset.layout().map_err(damaged)? {
            Layout::Compact { size } => Ok(Self { bytes: size, chunk_elements: 0, band: 1 }),
            Layout::Contiguous { address, size } => {
                file.check_inside(name, address.unwrap_or(0), size)?;
                Ok(Self { bytes: size, chunk_elements: 0, band: 1 })
            }
            Layout::Chunked { chunk_shape, .. } => {
                let mut bytes = 0_u64;
                for chunk in dataset.chunks().map_err(damaged)? {
                    file.check_inside(name, chunk.address, chunk.storage_size)?;
                    bytes = bytes.saturating_add(chunk.storage_size);
                }
                let chunk_elements = chunk_shape
                    .iter()
                    .fold(1, |product: u64, &extent| product.saturating_mul(extent));
                Ok(Self { bytes, chunk_elements, band: chunk_shape.first().copied().unwrap_or(1) })
            }
            _ => Ok(Self { bytes: 0, chunk_elements: 0, band: 1 }),
        }
    }
}

/// Decodes windows of `total` rows in parallel, a few at a time, and hands them on in order.
pub(super) fn for_windows<T: Send>(
    total: usize,
    pace: Pace,
    decode: impl Fn(Range<usize>) -> Result<T> + Sync,
    mut sink: impl FnMut(Range<usize>, T) -> Result<()>,
) -> Result<()> {
    let at_once = pace.at_once.min(rayon::current_num_threads()).max(1);
    let mut start = 0;
    while start < total {
        let batch: Vec<Range<usize>> = (0..at_once)
            .map(|window| start.saturating_add(pace.rows.saturating_mul(window)))
            .take_while(|&begin| begin < total)
            .map(|begin| begin..begin.saturating_add(pace.rows).min(total))
            .collect();
        start = batch.last().map_or(total, |window| window.end);
        let decoded =
            batch.par_iter().map(|window| decode(window.clone())).collect::<Result<Vec<T>>>()?;
        for (window, values) in batch.into_iter().zip(decoded) {
            sink(window, values)?;
        }
    }
    Ok(())
}
