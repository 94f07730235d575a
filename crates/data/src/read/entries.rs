//! From stored entries, in whatever order a file keeps them, to sparse rows: count, allocate once, fill.

use std::path::Path;

use super::bad;
use super::rows::tidy_rows;
use super::store::{Array, Store};
use super::windows::{Pace, for_windows};
use crate::{Csr, Result};

/// A matrix whose entries can be gone through twice.
pub(super) trait Entries {
    /// Cells and features.
    fn shape(&self) -> (usize, usize);
    /// Stored entries of each cell.
    fn row_counts(&self) -> Result<Vec<usize>>;
    /// Hands every entry, as (cell, feature, value) inside the shape, to `sink`.
    fn visit(&self, sink: &mut impl FnMut(usize, usize, f32)) -> Result<()>;
}

/// Sparse rows of `entries`; what stands at one place is added up, as SciPy does. Beside the finished matrix only a row's length a cell and a few windows stand in memory.
///
/// # Errors
/// [`Error::File`](crate::Error::File) where memory does not suffice, or what the source itself reports.
pub(super) fn to_csr(path: &Path, entries: &impl Entries) -> Result<Csr> {
    let (rows, columns) = entries.shape();
    if u32::try_from(columns).is_err() {
        return Err(bad(
            path,
            format!("{columns} features are more than 32-bit column indices can count"),
        ));
    }
    let mut indptr = pointers(&entries.row_counts()?);
    let stored = indptr[rows];
    let (mut indices, mut data) = (zeros::<u32>(path, stored)?, zeros::<f32>(path, stored)?);
    let mut next = indptr[..rows].to_vec();
    entries.visit(&mut |row, column, value| {
        let slot = next[row];
        next[row] += 1;
        if let (Some(index), Some(datum)) = (indices.get_mut(slot), data.get_mut(slot)) {
            (*index, *datum) = (column as u32, value);
        }
    })?;
    if next != indptr[1..] {
        return Err(bad(path, "the file changed while it was read"));
    }
    tidy_rows(&mut indptr, &mut indices, &mut data);
    Csr::try_new((rows, columns), indptr, indices, data)
        .map_err(|(_, _, _, error)| bad(path, format!("the matrix is not well formed: {error}")))
}

/// A file may claim more entries than there is memory for.
fn zeros<T: Copy + Default>(path: &Path, length: usize) -> Result<Vec<T>> {
    let mut zeros = Vec::new();
    zeros
        .try_reserve_exact(length)
        .map_err(|_| bad(path, format!("there is no memory for {length} stored entries")))?;
    zeros.resize(length, T::default());
    Ok(zeros)
}

fn pointers(counts: &[usize]) -> Vec<usize> {
    let mut indptr = Vec::with_capacity(counts.len() + 1);
    let mut total = 0;
    indptr.push(total);
    indptr.extend(counts.iter().map(|count| {
        total += count;
        total
    }));
    indptr
}

/// Which axis the row pointers of a compressed matrix run over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Major {
    Cells,
    Features,
}

/// A compressed sparse matrix in a group: `data`, `indices`, `indptr`.
pub(super) struct Compressed<'a> {
    major: Major,
    shape: (usize, usize),
    indptr: Vec<usize>,
    indices: Array<'a>,
    data: Array<'a>,
}

impl<'a> Compressed<'a> {
    /// Opens `group`; `shape` (cells, features) is what the annotations of cells and features say.
    pub(super) fn open(
        file: &'a Store,
        group: &str,
        major: Major,
        shape: (usize, usize),
    ) -> Result<Self> {
        let [indptr, indices, data] =
            ["indptr", "indices", "data"].map(|part| file.array(&format!("{group}/{part}")));
        let (indptr, indices, data) = (indptr?, indices?, data?);
        let length = match major {
            Major::Cells => shape.0,
            Major::Features => shape.1,
        };
        if indptr.vector_len()? != length + 1 {
            let what =
                format!("has {} entries where {} are expected", indptr.vector_len()?, length + 1);
            return Err(indptr.error(what));
        }
        if indices.vector_len()? != data.vector_len()? {
            let what = format!(
                "has {} entries and its values {}",
                indices.vector_len()?,
                data.vector_len()?
            );
            return Err(indices.error(what));
        }
        let indptr = checked_pointers(&indptr, data.vector_len()?)?;
        Ok(Self { major, shape, indptr, indices, data })
    }

    fn stored(&self) -> usize {
        self.indptr.last().copied().unwrap_or(0)
    }

    fn pace(&self) -> Pace {
        self.data.pace().with(self.indices.pace())
    }

    fn minor_len(&self) -> usize {
        match self.major {
            Major::Cells => self.shape.1,
            Major::Features => self.shape.0,
        }
    }

    fn minor(&self, index: i64) -> Result<usize> {
        let len = self.minor_len();
        usize::try_from(index).ok().filter(|&index| index < len).ok_or_else(|| {
            self.indices
                .error(format!("holds {index}, which is not between 0 and {}", len as i64 - 1))
        })
    }
}

fn checked_pointers(array: &Array<'_>, stored: usize) -> Result<Vec<usize>> {
    let pointers = array.integers(0..array.vector_len()?)?;
    if pointers.first() != Some(&0) || pointers.last().copied() != i64::try_from(stored).ok() {
        return Err(
            array.error(format!("must run from 0 to the number of stored entries, {stored}"))
        );
    }
    if let Some(position) = pointers.windows(2).position(|pair| pair[1] < pair[0]) {
        return Err(array.error(format!("falls after position {position}; it must never fall")));
    }
    Ok(pointers.into_iter().map(|pointer| pointer as usize).collect())
}

impl Entries for Compressed<'_> {
    fn shape(&self) -> (usize, usize) {
        self.shape
    }

    fn row_counts(&self) -> Result<Vec<usize>> {
        if self.major == Major::Cells {
            return Ok(self.indptr.windows(2).map(|pair| pair[1] - pair[0]).collect());
        }
        let mut counts = vec![0; self.shape.0];
        let decode = |window| self.indices.integers(window);
        for_windows(self.stored(), self.pace(), decode, |_, indices| {
            for index in indices {
                counts[self.minor(index)?] += 1;
            }
            Ok(())
        })?;
        Ok(counts)
    }

    fn visit(&self, sink: &mut impl FnMut(usize, usize, f32)) -> Result<()> {
        let mut major = 0;
        let decode = |window: std::ops::Range<usize>| {
            Ok((self.indices.integers(window.clone())?, self.data.floats(window)?))
        };
        for_windows(self.stored(), self.pace(), decode, |window, (indices, values)| {
            for ((position, index), value) in window.zip(indices).zip(values) {
                while self.indptr[major + 1] <= position {
                    major += 1;
                }
                let minor = self.minor(index)?;
                match self.major {
                    Major::Cells => sink(major, minor, value),
                    Major::Features => sink(minor, major, value),
                }
            }
            Ok(())
        })
    }
}

/// A dense two-dimensional array, cells x features; zeros are left out.
pub(super) struct Dense<'a> {
    array: Array<'a>,
    shape: (usize, usize),
}

impl<'a> Dense<'a> {
    pub(super) fn new(array: Array<'a>, shape: (usize, usize)) -> Result<Self> {
        if array.shape() != [shape.0, shape.1] {
            let what = format!(
                "has shape {:?} where {shape:?} (cells, features) is expected",
                array.shape()
            );
            return Err(array.error(what));
        }
        Ok(Self { array, shape })
    }

    fn rows(&self, mut sink: impl FnMut(usize, &[f32])) -> Result<()> {
        let columns = self.shape.1.max(1);
        let decode = |window| self.array.floats(window);
        for_windows(self.shape.0, self.array.pace(), decode, |window, values| {
            window.zip(values.chunks_exact(columns)).for_each(|(row, values)| sink(row, values));
            Ok(())
        })
    }
}

impl Entries for Dense<'_> {
    fn shape(&self) -> (usize, usize) {
        self.shape
    }

    fn row_counts(&self) -> Result<Vec<usize>> {
        let mut counts = vec![0; self.shape.0];
        self.rows(|row, values| {
            counts[row] = values.iter().filter(|&&value| value != 0.0).count()
        })?;
        Ok(counts)
    }

    fn visit(&self, sink: &mut impl FnMut(usize, usize, f32)) -> Result<()> {
        self.rows(|row, values| {
            let stored = values.iter().enumerate().filter(|&(_, &value)| value != 0.0);
            stored.for_each(|(column, &value)| sink(row, column, value));
        })
    }
}
