//! Going through an array in pieces, several decoded at once, so that little of it stands in memory.

use std::ops::Range;

use rayon::prelude::*;

use crate::Result;

/// Entries decoded in one piece, and in all pieces at once: with up to 32 bytes an entry about 16 MiB.
const WINDOW_ENTRIES: usize = 1 << 16;
const ENTRIES_AT_ONCE: usize = 8 * WINDOW_ENTRIES;

/// Rows decoded in one piece, and pieces decoded at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    rows: usize,
    at_once: usize,
}

impl Pace {
    /// For an array of `shape` of which `band` rows are stored together.
    pub(super) fn of(shape: &[usize], band: usize) -> Self {
        let width = shape.iter().skip(1).product::<usize>().max(1);
        let total = shape.first().copied().unwrap_or(1);
        let band = band.min(total).max(1);
        let rows = (WINDOW_ENTRIES / width).max(1).next_multiple_of(band);
        let at_once = (ENTRIES_AT_ONCE / rows.saturating_mul(width)).max(1);
        Self { rows, at_once }
    }

    /// The pace for two arrays that are read side by side.
    pub(super) fn with(self, other: Self) -> Self {
        Self { rows: self.rows.max(other.rows), at_once: self.at_once.min(other.at_once) }
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
