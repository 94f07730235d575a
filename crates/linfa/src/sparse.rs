//! Products of a sparse matrix in compressed rows with a dense one.
//!
//! The matrix is copied once into tiles of [`ROWS`] x [`COLUMNS`], so that the rows of a slab of [`WIDTH`] columns of
//! B that a tile touches stay in the caches next to the core, and its indices take two bytes. Chunks of rows go to
//! threads; every sum has one fixed order, so results do not depend on the number of threads. A B costs
//! 2 nnz(A) columns(B) operations, A^T A B twice that.

use std::ops::Range;

use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use sprs::CsMatViewI;

use crate::Real;

/// Compressed rows, cells x genes, borrowed.
pub type CsrView<'a, F> = CsMatViewI<'a, F, u32, usize>;

/// Columns of a slab: a product costs as much as one with the next multiple.
pub(crate) const WIDTH: usize = 32;

/// Rows of a chunk, and of its tiles.
const ROWS: usize = 256;

/// Columns of a tile; a power of two.
const COLUMNS: usize = 512;

/// Sums of A^T A B that are formed side by side, then added up in order.
pub(crate) const PARTS: usize = 16;

/// Sums of one row kept side by side, to hide the latency of an addition.
const UNROLL: usize = 2;

/// A row of a slab.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Lane<F>([F; WIDTH]);

impl<F: Real> Lane<F> {
    fn zero() -> Self {
        Self([F::zero(); WIDTH])
    }
}

/// A sparse matrix in tiles: chunks of rows from top to bottom, the tiles of a chunk from left to right, the rows of a
/// tile from top to bottom, their entries from left to right.
pub(crate) struct Tiles<F> {
    columns: usize,
    chunks: Vec<Range<usize>>,
    /// Entries before each chunk, and all.
    offsets: Vec<usize>,
    /// Entries of each row of each tile.
    counts: Vec<u16>,
    /// Column in the tile of each entry.
    indices: Vec<u16>,
    values: Vec<F>,
}

/// Memory that products A^T A B share; empty before the first.
pub(crate) struct Scratch<F> {
    slab: Vec<Lane<F>>,
    sums: Vec<Vec<Lane<F>>>,
}

impl<F> Default for Scratch<F> {
    fn default() -> Self {
        Self { slab: Vec::new(), sums: Vec::new() }
    }
}

/// One chunk of [`Tiles`].
struct Chunk<'a, F> {
    rows: usize,
    counts: &'a [u16],
    indices: &'a [u16],
    values: &'a [F],
}

impl<F: Real> Tiles<F> {
    /// Of the blocks on top of one another.
    pub(crate) fn new(blocks: &[CsrView<'_, F>]) -> Self {
        let columns = blocks[0].cols();
        let tiles = columns.div_ceil(COLUMNS);
        let rows = blocks.iter().map(|block| block.rows()).sum::<usize>();
        let entries = blocks.iter().map(|block| block.nnz()).sum::<usize>();
        let (mut chunks, mut offsets) = (Vec::new(), vec![0]);
        let mut counts = vec![0; rows * tiles];
        let (mut indices, mut values) = (vec![0; entries], vec![F::zero(); entries]);
        let (mut free_counts, mut free_indices, mut free_values) =
            (&mut counts[..], &mut indices[..], &mut values[..]);
        let mut copies = Vec::new();
        let (mut first, mut offset) = (0, 0);
        for block in blocks {
            for start in (0..block.rows()).step_by(ROWS) {
                let part = start..(start + ROWS).min(block.rows());
                let source = block.slice_outer(part.clone());
                offset += source.nnz();
                chunks.push(first + part.start..first + part.end);
                offsets.push(offset);
                let counts = take(&mut free_counts, part.len() * tiles);
                let indices = take(&mut free_indices, source.nnz());
                let values = take(&mut free_values, source.nnz());
                copies.push((*block, part, counts, indices, values));
            }
            first += block.rows();
        }
        copies.into_par_iter().for_each(|(block, part, counts, indices, values)| {
            tile(block.slice_outer(part), counts, indices, values);
        });
        Self { columns, chunks, offsets, counts, indices, values }
    }

    /// Rows and columns.
    pub(crate) fn dim(&self) -> (usize, usize) {
        (self.chunks.last().map_or(0, |rows| rows.end), self.columns)
    }

    pub(crate) fn values(&self) -> &[F] {
        &self.values
    }

    fn chunk(&self, index: usize) -> Chunk<'_, F> {
        let (rows, tiles) = (&self.chunks[index], self.columns.div_ceil(COLUMNS));
        let entries = self.offsets[index]..self.offsets[index + 1];
        Chunk {
            rows: rows.len(),
            counts: &self.counts[rows.start * tiles..rows.end * tiles],
            indices: &self.indices[entries.clone()],
            values: &self.values[entries],
        }
    }

    /// A B: rows x columns of B.
    pub(crate) fn product(&self, b: ArrayView2<'_, F>) -> Array2<F> {
        let slabs: Vec<_> = b.axis_chunks_iter(Axis(1), WIDTH).collect();
        let slabs: Vec<_> = slabs.into_par_iter().map(packed).collect();
        let mut out = Array2::zeros((self.dim().0, b.ncols()));
        let mut below: ArrayViewMut2<'_, F> = out.view_mut();
        let mut jobs = Vec::new();
        for (index, rows) in self.chunks.iter().enumerate() {
            let (here, rest) = below.split_at(Axis(0), rows.len());
            jobs.push((self.chunk(index), here));
            below = rest;
        }
        jobs.into_par_iter().with_max_len(1).for_each(|(chunk, mut out)| {
            let mut y = vec![Lane::zero(); chunk.rows];
            for (b, mut out) in slabs.iter().zip(out.axis_chunks_iter_mut(Axis(1), WIDTH)) {
                y.fill(Lane::zero());
                Arch::new().dispatch(Gather { chunk: &chunk, b, y: &mut y });
                unpack(&y, out.view_mut());
            }
        });
        out
    }

    /// `out` = A^T A B: columns x columns of B. A is read once a slab, and neither A B nor A^T is formed.
    pub(crate) fn gram_product_into(
        &self,
        b: ArrayView2<'_, F>,
        mut out: ArrayViewMut2<'_, F>,
        Scratch { slab, sums }: &mut Scratch<F>,
    ) {
        let (chunks, parts) = (self.chunks.len(), self.chunks.len().min(PARTS));
        let height = self.columns.next_multiple_of(COLUMNS);
        slab.resize(height, Lane::zero());
        sums.resize(parts, Vec::new());
        for (b, out) in
            b.axis_chunks_iter(Axis(1), WIDTH).zip(out.axis_chunks_iter_mut(Axis(1), WIDTH))
        {
            pack(b, slab);
            sums.par_iter_mut().with_max_len(1).enumerate().for_each(|(part, sum)| {
                sum.clear();
                sum.resize(height, Lane::zero());
                let mut y = [Lane::zero(); ROWS];
                for index in part * chunks / parts..(part + 1) * chunks / parts {
                    let chunk = self.chunk(index);
                    let y = &mut y[..chunk.rows];
                    y.fill(Lane::zero());
                    Arch::new().dispatch(Gather { chunk: &chunk, b: slab, y });
                    Arch::new().dispatch(Scatter { chunk: &chunk, y, sum });
                }
            });
            add_up(sums, out);
        }
    }
}

/// The first `count` elements, which `free` loses.
fn take<'a, T>(free: &mut &'a mut [T], count: usize) -> &'a mut [T] {
    let (here, rest) = std::mem::take(free).split_at_mut(count);
    *free = rest;
    here
}

/// Copies rows into the tiles of a chunk.
fn tile<F: Real>(
    source: CsrView<'_, F>,
    counts: &mut [u16],
    mut indices: &mut [u16],
    mut values: &mut [F],
) {
    let mut left: Vec<_> = rows(&source).collect();
    for (tile, counts) in counts.chunks_exact_mut(left.len()).enumerate() {
        let (first, end) = (tile * COLUMNS, (tile + 1) * COLUMNS);
        for ((columns, entries), count) in left.iter_mut().zip(counts) {
            let here = columns.iter().take_while(|&&column| (column as usize) < end).count();
            let (columns_here, entries_here);
            (columns_here, *columns) = columns.split_at(here);
            (entries_here, *entries) = entries.split_at(here);
            for (index, &column) in take(&mut indices, here).iter_mut().zip(columns_here) {
                *index = (column as usize - first) as u16;
            }
            take(&mut values, here).copy_from_slice(entries_here);
            *count = here as u16;
        }
    }
}

/// Column indices and values of each row.
fn rows<'a, F: Real>(a: &'a CsrView<'_, F>) -> impl Iterator<Item = (&'a [u32], &'a [F])> {
    let offsets = a.indptr().into_raw_storage();
    // Offsets of a slice of rows count from the start of the whole matrix.
    let first = *offsets.first().expect("there is an offset more than rows");
    offsets.windows(2).map(move |pair| {
        let row = pair[0] - first..pair[1] - first;
        (&a.indices()[row.clone()], &a.data()[row])
    })
}

/// Copies `b` into a slab; rows below it stay as they are.
fn pack<F: Real>(b: ArrayView2<'_, F>, slab: &mut [Lane<F>]) {
    for (lane, row) in slab.iter_mut().zip(b.rows()) {
        *lane = Lane::zero();
        lane.0.iter_mut().zip(row).for_each(|(lane, &value)| *lane = value);
    }
}

/// A slab of whole tiles.
fn packed<F: Real>(b: ArrayView2<'_, F>) -> Vec<Lane<F>> {
    let mut slab = vec![Lane::zero(); b.nrows().next_multiple_of(COLUMNS)];
    pack(b, &mut slab);
    slab
}

fn unpack<F: Real>(slab: &[Lane<F>], mut out: ArrayViewMut2<'_, F>) {
    for (mut out, lane) in out.rows_mut().into_iter().zip(slab) {
        out.iter_mut().zip(lane.0).for_each(|(out, value)| *out = value);
    }
}

/// `out` = the sum of the slabs.
fn add_up<F: Real>(sums: &[Vec<Lane<F>>], mut out: ArrayViewMut2<'_, F>) {
    let blocks: Vec<_> = out.axis_chunks_iter_mut(Axis(0), COLUMNS).enumerate().collect();
    blocks.into_par_iter().for_each(|(block, mut out)| {
        out.fill(F::zero());
        for sum in sums {
            for (mut out, lane) in out.rows_mut().into_iter().zip(&sum[block * COLUMNS..]) {
                out.iter_mut().zip(lane.0).for_each(|(out, value)| *out += value);
            }
        }
    });
}

/// `y` += the chunk times `b`.
struct Gather<'a, F: Real> {
    chunk: &'a Chunk<'a, F>,
    b: &'a [Lane<F>],
    y: &'a mut [Lane<F>],
}

impl<F: Real> WithSimd for Gather<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let mut segments = Segments::of(self.chunk);
        for b in self.b.as_chunks::<COLUMNS>().0 {
            for (y, (indices, values)) in self.y.iter_mut().zip(&mut segments) {
                gather::<S, F>(indices, values, b, &mut y.0);
            }
        }
    }
}

/// `sum` += the transposed chunk times `y`.
struct Scatter<'a, F: Real> {
    chunk: &'a Chunk<'a, F>,
    y: &'a [Lane<F>],
    sum: &'a mut [Lane<F>],
}

impl<F: Real> WithSimd for Scatter<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let mut segments = Segments::of(self.chunk);
        for sum in self.sum.as_chunks_mut::<COLUMNS>().0 {
            for (y, (indices, values)) in self.y.iter().zip(&mut segments) {
                for (&index, &value) in indices.iter().zip(values) {
                    add_multiple::<S, F>(&mut sum[within(index)].0, value, &y.0);
                }
            }
        }
    }
}

/// Indices and values of each row of each tile of a chunk.
struct Segments<'a, F> {
    counts: std::slice::Iter<'a, u16>,
    indices: &'a [u16],
    values: &'a [F],
}

impl<'a, F: Real> Segments<'a, F> {
    #[inline(always)]
    fn of(chunk: &Chunk<'a, F>) -> Self {
        Self { counts: chunk.counts.iter(), indices: chunk.indices, values: chunk.values }
    }
}

impl<'a, F: Real> Iterator for Segments<'a, F> {
    type Item = (&'a [u16], &'a [F]);

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        let count = usize::from(*self.counts.next()?);
        let (indices, values);
        (indices, self.indices) = self.indices.split_at(count);
        (values, self.values) = self.values.split_at(count);
        Some((indices, values))
    }
}

/// The index again, in a form that needs no check against the length of a tile.
#[inline(always)]
fn within(index: u16) -> usize {
    usize::from(index) & (COLUMNS - 1)
}

#[inline(always)]
fn gather<S: Simd, F: Real>(
    indices: &[u16],
    values: &[F],
    b: &[Lane<F>; COLUMNS],
    y: &mut [F; WIDTH],
) {
    let mut sums = [[F::zero(); WIDTH]; UNROLL];
    sums[0] = *y;
    let (index_chunks, indices) = indices.as_chunks::<UNROLL>();
    let (value_chunks, values) = values.as_chunks::<UNROLL>();
    for (indices, values) in index_chunks.iter().zip(value_chunks) {
        for (sum, (&index, &value)) in sums.iter_mut().zip(indices.iter().zip(values)) {
            add_multiple::<S, F>(sum, value, &b[within(index)].0);
        }
    }
    for (&index, &value) in indices.iter().zip(values) {
        add_multiple::<S, F>(&mut sums[0], value, &b[within(index)].0);
    }
    let [mut total, rest @ ..] = sums;
    for sum in rest {
        total.iter_mut().zip(sum).for_each(|(total, sum)| *total += sum);
    }
    *y = total;
}

#[inline(always)]
fn add_multiple<S: Simd, F: Real>(sum: &mut [F; WIDTH], factor: F, row: &[F; WIDTH]) {
    for lane in 0..WIDTH {
        sum[lane] = multiply_add::<S, F>(factor, row[lane], sum[lane]);
    }
}

/// a b + c, fused where the processor has it: without, a fused operation is a slow function call.
#[inline(always)]
fn multiply_add<S: Simd, F: Real>(a: F, b: F, c: F) -> F {
    if S::IS_SCALAR { a * b + c } else { num_traits::MulAdd::mul_add(a, b, c) }
}

#[cfg(test)]
mod tests;
