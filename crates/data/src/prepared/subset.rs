//! Some rows of a matrix in CSR files, without the memory that all of them would take.

use std::{
    fs::File,
    io::{BufReader, Read as _, Seek as _, SeekFrom},
    path::Path,
};

use ndarray::Array1;

use super::{io, part, read_npy};
use crate::{Csr, Error, Result};

/// Bytes of a column index and of a value.
const WORD: usize = 4;

/// `cells` as rows of a matrix that has so many.
pub(super) fn rows(cells: &[u32], of: usize) -> Result<Vec<usize>> {
    let rows: Vec<usize> = cells.iter().map(|&cell| cell as usize).collect();
    let ascending = rows.windows(2).all(|pair| pair[0] < pair[1]);
    match rows.last() {
        Some(&last) if ascending && last < of => Ok(rows),
        _ => Err(Error::Invalid(format!("a run's cells must be ascending rows below {of}"))),
    }
}

/// The `rows`, ascending, of the matrix `stem`, which has so many rows and columns.
pub(super) fn read_csr(
    folder: &Path,
    stem: &str,
    (of, columns): (usize, usize),
    rows: &[usize],
) -> Result<Csr> {
    let all: Array1<u64> = read_npy(&part(folder, stem, "indptr"))?;
    if all.len() != of + 1 {
        let what = format!("{} offsets where {} are expected", all.len(), of + 1);
        return Err(Error::File { path: part(folder, stem, "indptr"), what });
    }
    let offset = |row: usize| all[row] as usize;
    let ranges: Vec<(usize, usize)> =
        rows.iter().map(|&row| (offset(row), offset(row + 1))).collect();
    if all.windows(2).into_iter().any(|pair| pair[0] > pair[1]) {
        let what = "its offsets fall; delete the folder to have it made anew".to_owned();
        return Err(Error::File { path: part(folder, stem, "indptr"), what });
    }
    let entries = all[of] as usize;
    let mut indptr = vec![0];
    indptr.extend(ranges.iter().scan(0, |end, (from, to)| {
        *end += to - from;
        Some(*end)
    }));
    let indices = read_words(&part(folder, stem, "indices"), entries, &ranges, u32::from_le_bytes)?;
    let data = read_words(&part(folder, stem, "data"), entries, &ranges, f32::from_le_bytes)?;
    Csr::try_new((rows.len(), columns), indptr, indices, data).map_err(|(_, _, _, error)| {
        Error::File { path: part(folder, stem, "indptr"), what: error.to_string() }
    })
}

/// The `ranges`, ascending, of the `entries` words that stand at the end of an `.npy` file.
fn read_words<T>(
    path: &Path,
    entries: usize,
    ranges: &[(usize, usize)],
    word: fn([u8; WORD]) -> T,
) -> Result<Vec<T>> {
    let file = File::open(path).map_err(io(path))?;
    let length = file.metadata().map_err(io(path))?.len();
    let header = length.checked_sub((entries * WORD) as u64).ok_or_else(|| Error::File {
        path: path.to_owned(),
        what: format!("it holds fewer than {entries} entries"),
    })?;
    let mut file = BufReader::new(file);
    file.seek(SeekFrom::Start(header)).map_err(io(path))?;
    let total = ranges.iter().map(|(from, to)| to - from).sum();
    let (mut words, mut bytes, mut place) = (Vec::with_capacity(total), Vec::new(), 0);
    for &(from, to) in ranges {
        file.seek_relative(((from - place) * WORD) as i64).map_err(io(path))?;
        bytes.resize((to - from) * WORD, 0);
        file.read_exact(&mut bytes).map_err(io(path))?;
        words.extend(bytes.as_chunks().0.iter().map(|&bytes| word(bytes)));
        place = to;
    }
    Ok(words)
}
