//! Matrix Market's coordinate format, as Cell Ranger writes it: features x cells, counted from 1.

use std::io::{BufRead, Read};
use std::path::Path;

use super::bad;
use super::entries::{Entries, to_csr};
use super::text::{Content, open_text, unreadable};
use crate::{Csr, Error, Result};

/// Longest line that an entry or a comment may have.
const MAX_LINE: u64 = 1 << 16;

/// Reads `path` into cells x features; `shape` is what the barcodes and features files say.
pub(super) fn read_mtx(path: &Path, shape: (usize, usize)) -> Result<Csr> {
    to_csr(path, &Mtx { path, shape })
}

struct Mtx<'a> {
    path: &'a Path,
    shape: (usize, usize),
}

impl Entries for Mtx<'_> {
    fn shape(&self) -> (usize, usize) {
        self.shape
    }

    fn row_counts(&self) -> Result<Vec<usize>> {
        let mut counts = vec![0; self.shape.0];
        self.visit(&mut |cell, _, _| counts[cell] += 1)?;
        Ok(counts)
    }

    fn visit(&self, sink: &mut impl FnMut(usize, usize, f32)) -> Result<()> {
        let mut lines = Lines::open(self.path)?;
        let claimed = self.header(&mut lines)?;
        let mut seen = 0_u64;
        while let Some(line) = lines.next()? {
            if line.is_empty() {
                continue;
            }
            let Some((feature, cell, value)) = entry(line) else {
                return Err(lines.error("must hold a row, a column and a number"));
            };
            if feature == 0 || feature > self.shape.1 || cell == 0 || cell > self.shape.0 {
                return Err(lines.error(format!(
                    "names feature {feature} of {} and cell {cell} of {}",
                    self.shape.1, self.shape.0
                )));
            }
            sink(cell - 1, feature - 1, value);
            seen += 1;
        }
        if seen != claimed {
            return Err(bad(
                self.path,
                format!("holds {seen} entries where its header says {claimed}"),
            ));
        }
        Ok(())
    }
}

impl Mtx<'_> {
    /// Checks banner and sizes; gives the number of entries.
    fn header(&self, lines: &mut Lines<'_>) -> Result<u64> {
        let banner = lines.next()?.unwrap_or_default().to_ascii_lowercase();
        let words: Vec<&str> = banner.split_whitespace().collect();
        if !matches!(
            words[..],
            ["%%matrixmarket", "matrix", "coordinate", "integer" | "real", "general"]
        ) {
            return Err(lines
                .error("must read `%%MatrixMarket matrix coordinate integer general` (or real)"));
        }
        while let Some(line) = lines.next()? {
            if line.starts_with('%') || line.is_empty() {
                continue;
            }
            let sizes = line
                .split_whitespace()
                .map(|word| word.parse::<u64>().ok())
                .collect::<Option<Vec<_>>>();
            return match sizes.as_deref() {
                Some(&[features, cells, entries])
                    if features == self.shape.1 as u64 && cells == self.shape.0 as u64 =>
                {
                    Ok(entries)
                }
                Some(&[cells, features, _])
                    if features == self.shape.1 as u64 && cells == self.shape.0 as u64 =>
                {
                    Err(lines.error(format!(
                        "says {cells} x {features}, cells x features; 10x Genomics' files are features x cells, so transpose the matrix"
                    )))
                }
                _ => Err(lines.error(format!(
                    "must give {} features, {} cells and the number of entries",
                    self.shape.1, self.shape.0
                ))),
            };
        }
        Err(bad(self.path, "ends before its sizes"))
    }
}

fn entry(line: &str) -> Option<(usize, usize, f32)> {
    let mut words = line.split_ascii_whitespace();
    let (row, column, value) = (words.next()?, words.next()?, words.next()?);
    if words.next().is_some() {
        return None;
    }
    Some((row.parse().ok()?, column.parse().ok()?, value.parse().ok()?))
}

/// The lines of a text file, one buffer for all.
struct Lines<'a> {
    path: &'a Path,
    content: Content,
    line: Vec<u8>,
    number: u64,
}

impl<'a> Lines<'a> {
    fn open(path: &'a Path) -> Result<Self> {
        Ok(Self { path, content: open_text(path)?, line: Vec::new(), number: 0 })
    }

    fn next(&mut self) -> Result<Option<&str>> {
        self.line.clear();
        self.number += 1;
        let Content { reader, is_gzip } = &mut self.content;
        let read = reader.take(MAX_LINE).read_until(b'\n', &mut self.line);
        let read = read.map_err(|cause| unreadable(self.path, *is_gzip, &cause))?;
        if read as u64 == MAX_LINE {
            return Err(self.error("is longer than 65,536 bytes"));
        }
        if read == 0 {
            return Ok(None);
        }
        match std::str::from_utf8(&self.line) {
            Ok(line) => Ok(Some(line.trim())),
            Err(_) => Err(bad(self.path, format!("line {} is not text", self.number))),
        }
    }

    fn error(&self, what: impl std::fmt::Display) -> Error {
        bad(self.path, format!("line {} {what}", self.number))
    }
}
