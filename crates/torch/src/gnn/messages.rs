//! Messages along edges on the CPU.
//!
//! Edges lie in tiles of a few rows, column by column in each: the rows' values stay next to the core while all edges of the tile are
//! gone through, and those of a column in its registers. A message costs two operations a value and edge that is kept. Threads
//! take fixed runs of tiles and every sum has one fixed order, so that results do not depend on their number.

use std::ops::Range;

use rayon::prelude::*;

use super::{edges::Edges, mask::Mask};
use crate::vectorised::vectorised;

/// Rows of a tile: at the published width, 24 KiB.
const ROWS: usize = 128;
/// Sums over tiles that are formed side by side at most, as each has memory for all that is sent to, ...
const PARTS: usize = 16;
/// ... and tiles at least of each.
const TILES: usize = 16;
/// Edges of which it is decided together whether they are left out.
const LANES: usize = 16;

/// Calls `$block::<B>(..., at)` for blocks of B values from left to right; the published width of 48 is one.
macro_rules! in_blocks {
    ($width:expr, $block:ident($($argument:expr),*)) => {{
        let (width, mut at) = ($width, 0);
        while width - at >= 48 {
            $block::<48>($($argument,)* at);
            at += 48;
        }
        while width - at >= 16 {
            $block::<16>($($argument,)* at);
            at += 16;
        }
        while width - at >= 4 {
            $block::<4>($($argument,)* at);
            at += 4;
        }
        assert_eq!(at, width, "widths are multiples of four");
    }};
}

/// Some rows of a matrix of edges, made ready for messages.
pub(super) struct Tiles {
    tiles: Vec<Tile>,
}

struct Tile {
    /// Where each column begins, and where the last ends.
    starts: Vec<u32>,
    /// By edge, its row in the tile and its weight.
    rows: Vec<u8>,
    weights: Vec<f32>,
    /// By edge, its index among all edges, by which it is left out; only where some are. Beyond 2^32, indices repeat.
    indices: Vec<u32>,
}

/// Messages along the edges of [`Tiles`], some of which are left out.
#[derive(Clone, Copy)]
pub(super) struct Messages<'a> {
    pub(super) tiles: &'a Tiles,
    pub(super) mask: Option<Mask>,
    /// By row, what its sums are multiplied by, or what it sends.
    pub(super) scales: Option<&'a [f32]>,
}

impl Tiles {
    /// Of these rows; `masked` where some of their edges will be left out.
    pub(super) fn new(edges: &Edges, rows: &[u32], masked: bool) -> Self {
        let tiles = rows.par_chunks(ROWS).map(|rows| Tile::new(edges, rows, masked)).collect();
        Self { tiles }
    }
}

impl Tile {
    fn new(edges: &Edges, rows: &[u32], masked: bool) -> Self {
        let mut starts = vec![0_u32; edges.width() + 1];
        for &row in rows {
            edges.columns(row).iter().for_each(|&column| starts[column as usize + 1] += 1);
        }
        for column in 0..edges.width() {
            starts[column + 1] += starts[column];
        }
        let count = starts[edges.width()] as usize;
        let mut next = starts.clone();
        let (mut in_tile, mut weights, mut indices) =
            (vec![0; count], vec![0.0; count], vec![0; if masked { count } else { 0 }]);
        for (number, &row) in (0_u8..).zip(rows) {
            let entries = edges.columns(row).iter().zip(edges.weights(row)).zip(edges.range(row));
            for ((&column, &weight), index) in entries {
                let next = &mut next[column as usize];
                let place = *next as usize;
                (in_tile[place], weights[place]) = (number, weight);
                if masked {
                    indices[place] = index as u32;
                }
                *next += 1;
            }
        }
        Self { starts, rows: in_tile, weights, indices }
    }

    /// Calls `take` with the number of each column that has edges, and rows and weights of those that the mask does not leave out.
    #[inline(always)]
    fn each_column(&self, mask: Option<Mask>, mut take: impl FnMut(usize, &[u8], &[f32])) {
        let (mut rows, mut weights) = ([0; ROWS], [0.0; ROWS]);
        for (column, ends) in self.starts.windows(2).enumerate() {
            let [mut first, end] = [ends[0] as usize, ends[1] as usize];
            let Some(mask) = mask else {
                take(column, &self.rows[first..end], &self.weights[first..end]);
                continue;
            };
            // More than there are rows only where some are joined more than once.
            while first < end {
                let next = end.min(first + ROWS);
                let kept = self.keep(mask, first..next, &mut rows, &mut weights);
                take(column, &rows[..kept], &weights[..kept]);
                first = next;
            }
        }
    }

    /// Puts those of `range` that the mask keeps close together, and counts them.
    #[inline(always)]
    fn keep(
        &self,
        mask: Mask,
        range: Range<usize>,
        kept_rows: &mut [u8; ROWS],
        kept_weights: &mut [f32; ROWS],
    ) -> usize {
        let mut count = 0;
        let edges =
            self.rows[range.clone()].chunks(LANES).zip(self.weights[range.clone()].chunks(LANES));
        for ((rows, weights), indices) in edges.zip(self.indices[range].chunks(LANES)) {
            let mut keeps = [false; LANES];
            for (keeps, &index) in keeps.iter_mut().zip(indices) {
                *keeps = mask.keeps(index);
            }
            // Without a branch, which would be guessed wrong too often.
            for ((&row, &weight), &keep) in rows.iter().zip(weights).zip(&keeps) {
                kept_rows[count] = row;
                kept_weights[count] = weight;
                count += usize::from(keep);
            }
        }
        count
    }
}

impl Messages<'_> {
    /// Adds to each row of `out`, rows x `width`, the sum of its columns' rows of `h`, weighted and scaled.
    pub(super) fn gather(self, h: &[f32], out: &mut [f32], width: usize) {
        let kept = self.mask.map_or(1.0, |mask| mask.kept);
        let tiles = out.par_chunks_mut(ROWS * width).zip(&self.tiles.tiles);
        tiles.enumerate().for_each(|(number, (out, tile))| {
            let scales = self.scales.map(|scales| &scales[number * ROWS..]);
            let mut sums = vec![0.0; out.len()];
            vectorised(
                #[inline(always)]
                || {
                    tile.each_column(
                        self.mask,
                        #[inline(always)]
                        |column, rows, weights| {
                            let sent = &h[column * width..(column + 1) * width];
                            in_blocks!(width, send_block(rows, weights, sent, &mut sums));
                        },
                    );
                    let rows = out.chunks_exact_mut(width).zip(sums.chunks_exact(width));
                    for (row, (out, sums)) in rows.enumerate() {
                        let scale = kept * scales.map_or(1.0, |scales| scales[row]);
                        out.iter_mut().zip(sums).for_each(|(out, sum)| *out += scale * sum);
                    }
                },
            );
        });
    }

    /// Adds to each row of `out`, columns x `width`, the sum of the rows of `h` that are joined to it, weighted and scaled, times
    /// its own of `out_scales`.
    pub(super) fn scatter(
        self,
        h: &[f32],
        out: &mut [f32],
        out_scales: Option<&[f32]>,
        width: usize,
    ) {
        let part = self.tiles.tiles.len().div_ceil(PARTS).max(TILES);
        let parts = self.tiles.tiles.par_chunks(part).zip(h.par_chunks(part * ROWS * width));
        let sums: Vec<Vec<f32>> = parts
            .enumerate()
            .map(|(number, (tiles, h))| {
                let mut sums = vec![0.0; out.len()];
                let scales = self.scales.map(|scales| &scales[number * part * ROWS..]);
                for (number, (tile, h)) in tiles.iter().zip(h.chunks(ROWS * width)).enumerate() {
                    let scales = scales.map(|scales| &scales[number * ROWS..]);
                    self.collect(tile, scales, h, &mut sums, width);
                }
                sums
            })
            .collect();
        let kept = self.mask.map_or(1.0, |mask| mask.kept);
        out.par_chunks_mut(ROWS * width).enumerate().for_each(|(chunk, out)| {
            vectorised(
                #[inline(always)]
                || {
                    for (i, out) in out.chunks_exact_mut(width).enumerate() {
                        let row = chunk * ROWS + i;
                        let scale = kept * out_scales.map_or(1.0, |scales| scales[row]);
                        for part in &sums {
                            let part = &part[row * width..(row + 1) * width];
                            out.iter_mut().zip(part).for_each(|(out, sum)| *out += scale * sum);
                        }
                    }
                },
            );
        });
    }

    /// Adds what a tile's rows `h` send to `sums`, columns x `width`.
    fn collect(
        &self,
        tile: &Tile,
        scales: Option<&[f32]>,
        h: &[f32],
        sums: &mut [f32],
        width: usize,
    ) {
        vectorised(
            #[inline(always)]
            || {
                let mut sent = h.to_vec();
                if let Some(scales) = scales {
                    for (sent, scale) in sent.chunks_exact_mut(width).zip(scales) {
                        sent.iter_mut().for_each(|sent| *sent *= scale);
                    }
                }
                tile.each_column(
                    self.mask,
                    #[inline(always)]
                    |column, rows, weights| {
                        let sum = &mut sums[column * width..(column + 1) * width];
                        in_blocks!(width, collect_block(rows, weights, &sent, sum));
                    },
                );
            },
        );
    }
}

/// B values of a row, from `at`.
#[inline(always)]
fn block<const B: usize>(row: &[f32], at: usize) -> &[f32; B] {
    row[at..at + B].try_into().expect("as many as are asked for")
}

#[inline(always)]
fn block_mut<const B: usize>(row: &mut [f32], at: usize) -> &mut [f32; B] {
    (&mut row[at..at + B]).try_into().expect("as many as are asked for")
}

/// Adds the weighted rows of `h` to `sums`, one row.
#[inline(always)]
fn collect_block<const B: usize>(
    rows: &[u8],
    weights: &[f32],
    h: &[f32],
    sums: &mut [f32],
    at: usize,
) {
    let width = sums.len();
    let mut sum: [f32; B] = *block(sums, at);
    for (&row, &weight) in rows.iter().zip(weights) {
        let sent: &[f32; B] = block(h, row as usize * width + at);
        for i in 0..B {
            sum[i] += weight * sent[i];
        }
    }
    *block_mut(sums, at) = sum;
}

/// Adds `sent`, one row, weighted, to rows of `sums`.
#[inline(always)]
fn send_block<const B: usize>(
    rows: &[u8],
    weights: &[f32],
    sent: &[f32],
    sums: &mut [f32],
    at: usize,
) {
    let width = sent.len();
    let sent: [f32; B] = *block(sent, at);
    for (&row, &weight) in rows.iter().zip(weights) {
        let sum: &mut [f32; B] = block_mut(sums, row as usize * width + at);
        for i in 0..B {
            sum[i] += weight * sent[i];
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, s};

    use super::*;
    use crate::gnn::mask::{Masks, Site};

    /// As many as need sums side by side.
    const CELLS: usize = ROWS * TILES * 2;
    const COLUMNS: usize = 90;

    /// A dense matrix with an empty row and an empty column, and its edges.
    fn made(rows: usize) -> (Array2<f32>, Edges) {
        let dense = Array2::from_shape_fn((rows, COLUMNS), |(i, j)| {
            let there = (i * 31 + j * 17 + i * j) % 3 == 0 && i != 5 && j != 7;
            if there { ((i * 7 + j * 13) % 23) as f32 / 23.0 - 0.3 } else { 0.0 }
        });
        let edges = Edges::stacked(&[dense.view().into()]);
        (dense, edges)
    }

    fn states(rows: usize, width: usize) -> Array2<f32> {
        Array2::from_shape_fn((rows, width), |(i, j)| ((i * 5 + j * 3) % 19) as f32 / 19.0 - 0.5)
    }

    /// The matrix of the rows' edges with those left out that the mask leaves out, and the rest made up for.
    fn masked(dense: &Array2<f32>, taken: &[u32], messages: &Messages<'_>) -> Array2<f32> {
        let mut index = 0;
        let all = dense.mapv(|value| {
            let factor = messages.mask.map_or(1.0, |mask| mask.factor(index));
            index += u32::from(value != 0.0);
            value * factor
        });
        let mut rows = Array2::zeros((taken.len(), COLUMNS));
        for (i, (mut out, &row)) in rows.rows_mut().into_iter().zip(taken).enumerate() {
            let scale = messages.scales.map_or(1.0, |scales| scales[i]);
            out.assign(&(&all.slice(s![row as usize, ..]) * scale));
        }
        rows
    }

    fn close(one: &Array2<f32>, other: &Array2<f32>) {
        let far = (one - other).mapv(f32::abs).into_iter().fold(0.0, f32::max);
        assert!(far < 2e-5, "{far}");
    }

    #[test]
    fn messages_are_products_with_the_masked_matrix() {
        let (dense, edges) = made(CELLS);
        let rows: Vec<u32> = (0..CELLS as u32).rev().filter(|row| row % 4 != 1).collect();
        let tiles = Tiles::new(&edges, &rows, true);
        let scales: Vec<f32> = rows.iter().map(|&row| 1.0 / (row + 1) as f32).collect();
        let by_column: Vec<f32> = (0..COLUMNS).map(|column| 1.0 / (column + 2) as f32).collect();
        let masks = Masks { seed: 1, step: 2 };
        for width in [4, 20, 48] {
            for mask in [None, masks.at(Site::GenesToCells(0), 0.4)] {
                for scales in [None, Some(&scales[..])] {
                    let messages = Messages { tiles: &tiles, mask, scales };
                    let matrix = masked(&dense, &rows, &messages);
                    let (h, before) = (states(COLUMNS, width), states(rows.len(), width));
                    let mut out = before.clone();
                    messages.gather(h.as_slice().unwrap(), out.as_slice_mut().unwrap(), width);
                    close(&out, &(&before + &matrix.dot(&h)));

                    let (h, before) = (states(rows.len(), width), states(COLUMNS, width));
                    let mut out = before.clone();
                    let out_slice = out.as_slice_mut().unwrap();
                    messages.scatter(h.as_slice().unwrap(), out_slice, Some(&by_column), width);
                    let sum = matrix.t().dot(&h);
                    let factors = Array2::from_shape_fn(sum.dim(), |(column, _)| by_column[column]);
                    close(&out, &(&before + &(sum * factors)));
                }
            }
        }
    }

    #[test]
    fn any_number_of_threads_makes_the_same_bits() {
        let (_, edges) = made(CELLS);
        let rows: Vec<u32> = (0..CELLS as u32).collect();
        let mask = Masks { seed: 1, step: 2 }.at(Site::CellsToGenes(1), 0.4);
        let tiles = Tiles::new(&edges, &rows, true);
        let messages = Messages { tiles: &tiles, mask, scales: None };
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let (mut gathered, mut scattered) =
                    (vec![0.0; rows.len() * 48], vec![0.0; COLUMNS * 48]);
                messages.gather(states(COLUMNS, 48).as_slice().unwrap(), &mut gathered, 48);
                messages.scatter(
                    states(rows.len(), 48).as_slice().unwrap(),
                    &mut scattered,
                    None,
                    48,
                );
                (gathered, scattered)
            })
        };
        let one = on(1);
        assert!(one == on(2) && one == on(3));
    }
}
