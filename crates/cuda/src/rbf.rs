//! The kernel matrix in tiles of 16 x 16 and its products; see `kernels/rbf.cu` for the layouts.

use std::{cmp::Reverse, ops::Range};

use cudarc::driver::{CudaSlice, CudaView, DevicePtr as _, DevicePtrMut as _, DeviceRepr};

use crate::{
    device::Device,
    error::Result,
    kernels::{THREADS, blocks, launch},
    matrix::Matrix,
};

/// Rows of a tile, and components of a step.
pub(crate) const TILE: usize = 16;
const LANES: usize = 32;
/// Tiles in a block's hands: of its rows, and of a row.
const WARPS: usize = THREADS / LANES;
const CHUNK: usize = 4;
/// Groups of eight columns that a block multiplies.
const SLAB: usize = 9;
pub(crate) const SLAB_COLUMNS: usize = 8 * SLAB;
/// Tiles across a square of the kernel that blocks form side by side, and across a block of it.
const SQUARE: usize = 64;
const BLOCK_TILES: usize = 8;
/// Blocks that look for the maxima of columns, at most.
const SEARCHERS: usize = 512;
/// Blocks for each multiprocessor that a product is cut into where it has too few rows.
const BLOCKS_EACH: usize = 4;
/// Chunks that a part of a product has at least.
const LEAST_CHUNKS: usize = 8;

const BLOCK: (u32, u32) = (THREADS as u32, 1);

/// 16 bytes, as a lane reads and writes them.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C, align(16))]
pub(crate) struct Quad([u32; 4]);

/// Rows `row` to `row + count` of a matrix are tile `tile` of the kernel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Tile {
    pub(crate) tile: u32,
    pub(crate) row: u32,
    pub(crate) count: u32,
    unused: u32,
}

/// See `kernels/rbf.cu`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
struct Product {
    rows: u64,
    columns: u64,
    vectors: u64,
    scales: u64,
    out: u64,
    row_tiles: u32,
    column_tiles: u32,
    width: u32,
    first_column: u32,
}

/// See `kernels/rbf.cu`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
struct Rbf {
    x_hi: u64,
    x_lo: u64,
    x_norms: u64,
    y_hi: u64,
    y_lo: u64,
    y_norms: u64,
    steps: u32,
    exponent: f32,
}

/// Which product a block works on, and the first tile of its rows.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(8))]
struct Work {
    product: u32,
    first_tile: u32,
}

// SAFETY: plain numbers, laid out as the kernels' structs are.
unsafe impl DeviceRepr for Quad {}
// SAFETY: as above.
unsafe impl DeviceRepr for Tile {}
// SAFETY: as above.
unsafe impl DeviceRepr for Product {}
// SAFETY: as above.
unsafe impl DeviceRepr for Rbf {}
// SAFETY: as above.
unsafe impl DeviceRepr for Work {}

/// Tiles, on the device, in ascending order of their numbers.
pub(crate) struct Tiles {
    list: CudaSlice<Tile>,
    numbers: Vec<u32>,
    /// Rows that their matrix has at least.
    rows: usize,
}

/// Rows of a matrix as fragments of float16 pairs, and their squared norms.
pub(crate) struct Packed {
    hi: CudaSlice<Quad>,
    lo: CudaSlice<Quad>,
    norms: CudaSlice<f32>,
    steps: usize,
}

/// Vectors as fragments.
struct Vectors {
    packed: CudaSlice<Quad>,
    scales: CudaSlice<f32>,
    tiles: usize,
    width: usize,
}

/// The tiles of the kernel: some rows of them in memory, the others formed whenever they are needed, to the same bits.
pub(crate) struct Entries {
    tiles: CudaSlice<Quad>,
    /// Rows of tiles that are kept, the first ones.
    kept: usize,
    /// Rows of tiles, and tiles of a row.
    all: usize,
}

/// Products with the kernel between rows, all queued together.
#[derive(Default)]
struct Batch {
    products: Vec<Product>,
    work: Vec<Work>,
}

/// A batch on the device, and the grid of its launch.
type Sent = (CudaSlice<Product>, CudaSlice<Work>, (usize, usize));

/// Tiles of `rows`, numbered from `first`.
pub(crate) fn tiles_of(rows: Range<usize>, first: usize) -> impl Iterator<Item = Tile> {
    let starts = rows.clone().step_by(TILE).zip(first..);
    starts.map(move |(start, tile)| Tile {
        tile: tile as u32,
        row: start as u32,
        count: (rows.end - start).min(TILE) as u32,
        unused: 0,
    })
}

/// Blocks that look for the maxima of columns.
pub(crate) fn searchers(rows: usize) -> usize {
    rows.div_ceil(TILE * TILE).clamp(1, SEARCHERS)
}

/// Bytes that rows take as fragments.
pub(crate) fn packed_bytes(tiles: usize, components: usize) -> u64 {
    let fragments = tiles * components.div_ceil(TILE) * LANES * 2 * size_of::<Quad>();
    (fragments + tiles * TILE * size_of::<f32>()) as u64
}

/// Bytes of a row of tiles of a kernel that is kept.
pub(crate) fn row_bytes(tiles: usize) -> u64 {
    (tiles * LANES * size_of::<Quad>()) as u64
}

/// Bytes of `rows` x `width` vectors as fragments.
pub(crate) fn vector_bytes(rows: usize, width: usize) -> u64 {
    (rows.div_ceil(TILE) * width.div_ceil(8) * LANES * size_of::<Quad>()) as u64
}

impl Device {
    pub(crate) fn tiles(&self, tiles: impl IntoIterator<Item = Tile>) -> Result<Tiles> {
        let tiles: Vec<Tile> = tiles.into_iter().collect();
        let rows = tiles.iter().map(|tile| tile.row as usize + tile.count as usize).max();
        let numbers: Vec<u32> = tiles.iter().map(|tile| tile.tile).collect();
        assert!(numbers.is_sorted(), "tiles in another order than their numbers'");
        Ok(Tiles { list: self.send(&tiles)?, numbers, rows: rows.unwrap_or(0) })
    }

    /// `tiles` of the rows of `x`, which are to be numbered from zero without a gap.
    pub(crate) fn pack(&self, x: &Matrix, tiles: &Tiles) -> Result<Packed> {
        assert!(tiles.rows <= x.rows, "tiles of {} rows in {x:?}", tiles.rows);
        let steps = x.columns.div_ceil(TILE);
        let length = tiles.count() * steps * LANES;
        let (mut hi, mut lo) = (self.allocate(length)?, self.allocate(length)?);
        let mut norms = self.allocate(tiles.count() * TILE)?;
        let (components, count) = (x.columns as u32, steps as u32);
        let grid = (tiles.count(), 1);
        launch!(
            self,
            pack_rows,
            grid,
            BLOCK,
            (
                &x.values,
                &components,
                &tiles.list,
                &count,
                &mut hi,
                &mut lo,
                &mut norms,
                &*self.not_finite
            )
        );
        Ok(Packed { hi, lo, norms, steps })
    }

    /// The kernel between the packed rows of one matrix and themselves, the first `kept` rows of its tiles in memory.
    pub(crate) fn keep(
        &self,
        x: &Packed,
        tiles: &Tiles,
        gamma: f64,
        kept: usize,
    ) -> Result<Entries> {
        let all = tiles.count();
        assert!(kept <= all, "{kept} of {all} rows of tiles");
        let mut entries = self.allocate(kept * all * LANES)?;
        if kept > 0 {
            let squares = all.div_ceil(SQUARE);
            let grid = (squares * (squares + 1) / 2 * (SQUARE / BLOCK_TILES).pow(2), 1);
            let (rbf, across, down) = (self.rbf((x, x), gamma), all as u32, kept as u32);
            launch!(self, keep_tiles, grid, BLOCK, (&rbf, &across, &down, &mut entries));
        }
        Ok(Entries { tiles: entries, kept, all })
    }

    /// The kernel between the rows of `x` and `y`, whole, in float32.
    pub(crate) fn kernel(&self, x: &Matrix, y: &Matrix, gamma: f64) -> Result<Matrix> {
        self.padded_kernel(x, y, gamma, (x.rows, y.rows))
    }

    /// The same in the upper left corner of a matrix of this shape, with zeros in the rest.
    pub(crate) fn padded_kernel(
        &self,
        x: &Matrix,
        y: &Matrix,
        gamma: f64,
        shape: (usize, usize),
    ) -> Result<Matrix> {
        assert!(x.columns == y.columns && x.rows <= shape.0 && y.rows <= shape.1);
        let (rows, columns) =
            (self.tiles(tiles_of(0..x.rows, 0))?, self.tiles(tiles_of(0..y.rows, 0))?);
        let (packed_x, packed_y) = (self.pack(x, &rows)?, self.pack(y, &columns)?);
        let mut out = match shape == (x.rows, y.rows) {
            true => self.matrix(x.rows, y.rows)?,
            false => self.zeros(shape.0, shape.1)?,
        };
        let rbf = self.rbf((&packed_x, &packed_y), gamma);
        let (across, down, width) = (columns.count() as u32, rows.count() as u32, shape.1);
        let grid = (columns.count().div_ceil(CHUNK), rows.count().div_ceil(WARPS));
        launch!(
            self,
            dense_kernel,
            grid,
            BLOCK,
            (&rbf, &rows.list, &columns.list, &down, &across, &width, &mut out.values)
        );
        Ok(out)
    }

    /// K(`x`, `y`) `coefficients`, the kernel formed to 22 bits and never stored.
    pub(crate) fn kernel_product(
        &self,
        x: &Matrix,
        y: &Matrix,
        gamma: f64,
        coefficients: &Matrix,
    ) -> Result<Matrix> {
        assert_eq!((x.columns, coefficients.rows), (y.columns, y.rows));
        let (rows, columns) =
            (self.tiles(tiles_of(0..x.rows, 0))?, self.tiles(tiles_of(0..y.rows, 0))?);
        let (packed_x, packed_y) = (self.pack(x, &rows)?, self.pack(y, &columns)?);
        let vectors = self.vectors(coefficients, &columns)?;
        let wanted = BLOCKS_EACH * self.facts().multiprocessors;
        let (across, down) = (columns.count(), rows.count());
        let most = across.div_ceil(CHUNK * LEAST_CHUNKS).max(1);
        let parts = wanted.div_ceil(down.div_ceil(WARPS).max(1)).clamp(1, most);
        let length = x.rows * coefficients.columns;
        let mut sums = self.matrix(parts * x.rows, coefficients.columns)?;
        let mut batch = Batch::default();
        let each = across.div_ceil(CHUNK).div_ceil(parts) * CHUNK;
        for part in 0..parts {
            let range = (part * each).min(across)..((part + 1) * each).min(across);
            let out =
                self.address_mut(&mut sums.values) + (part * length * size_of::<f32>()) as u64;
            batch.add(self, (&rows, 0..down), (&columns, range), &vectors, out);
        }
        let rbf = self.rbf((&packed_x, &packed_y), gamma);
        if let Some((products, work, grid)) = batch.sent(self)? {
            launch!(self, multiply_fine, grid, BLOCK, (&rbf, &products, &work));
        }
        if parts == 1 {
            return Ok(sums);
        }
        let mut out = self.matrix(x.rows, coefficients.columns)?;
        let count = parts as u32;
        launch!(
            self,
            sum_parts,
            blocks(length),
            BLOCK,
            (&sums.values, &count, &length, &mut out.values)
        );
        Ok(out)
    }

    /// The kernel among `tiles` of the packed rows times a matrix, for each of `products`: tiles and vectors, whose rows are
    /// those of the tiles.
    pub(crate) fn products(
        &self,
        (x, gamma, entries): (&Packed, f64, &Entries),
        products: &[(&Tiles, &Matrix)],
    ) -> Result<Vec<Matrix>> {
        let (mut kept, mut formed) = (Batch::default(), Batch::default());
        let (mut outs, mut packed) = (Vec::new(), Vec::new());
        for (tiles, matrix) in products {
            let vectors = self.vectors(matrix, tiles)?;
            let mut out = self.matrix(matrix.rows, matrix.columns)?;
            let to = self.address_mut(&mut out.values);
            let (all, in_memory) = (tiles.count(), tiles.below(entries.kept));
            kept.add(self, (tiles, 0..in_memory), (tiles, 0..all), &vectors, to);
            formed.add(self, (tiles, in_memory..all), (tiles, 0..all), &vectors, to);
            outs.push(out);
            packed.push(vectors);
        }
        // What takes longest comes first.
        if let Some((products, work, grid)) = formed.sent(self)? {
            let rbf = self.rbf((x, x), gamma);
            launch!(self, multiply_formed, grid, BLOCK, (&rbf, &products, &work));
        }
        if let Some((products, work, grid)) = kept.sent(self)? {
            let across = entries.all as u32;
            launch!(self, multiply_kept, grid, BLOCK, (&entries.tiles, &across, &products, &work));
        }
        Ok(outs)
    }

    fn vectors(&self, matrix: &Matrix, tiles: &Tiles) -> Result<Vectors> {
        assert_eq!(matrix.rows, tiles.rows, "the tiles of other vectors");
        let mut maxima = self.allocate::<u32>(matrix.columns)?;
        self.stream.memset_zeros(&mut maxima)?;
        let (rows, width) = matrix.shape();
        launch!(
            self,
            column_maxima,
            (searchers(matrix.rows), 1),
            (32, 8),
            (&matrix.values, &rows, &width, &mut maxima)
        );
        let mut scales = self.allocate::<f32>(matrix.columns)?;
        let mut packed = self.allocate(tiles.count() * matrix.columns.div_ceil(8) * LANES)?;
        let grid = (tiles.count(), matrix.columns.div_ceil(SLAB_COLUMNS));
        launch!(
            self,
            pack_columns,
            grid,
            BLOCK,
            (&matrix.values, &width, &tiles.list, &maxima, &mut scales, &mut packed)
        );
        Ok(Vectors { packed, scales, tiles: tiles.count(), width: matrix.columns })
    }

    fn rbf(&self, (x, y): (&Packed, &Packed), gamma: f64) -> Rbf {
        Rbf {
            x_hi: self.address(&x.hi),
            x_lo: self.address(&x.lo),
            x_norms: self.address(&x.norms),
            y_hi: self.address(&y.hi),
            y_lo: self.address(&y.lo),
            y_norms: self.address(&y.norms),
            steps: x.steps as u32,
            exponent: (-gamma * std::f64::consts::LOG2_E) as f32,
        }
    }

    /// Where something lies. It must outlive the kernels that are given the address, which it does when it is freed in the
    /// stream's order.
    fn address<T>(&self, slice: &CudaSlice<T>) -> u64 {
        slice.device_ptr(&self.stream).0
    }

    fn address_mut<T>(&self, slice: &mut CudaSlice<T>) -> u64 {
        slice.device_ptr_mut(&self.stream).0
    }
}

impl Batch {
    /// On the device, with the grid of a launch; nothing where there is nothing to be done.
    fn sent(mut self, device: &Device) -> Result<Option<Sent>> {
        if self.work.is_empty() {
            return Ok(None);
        }
        // So that no block that takes long begins late.
        let products = &self.products;
        self.work.sort_by_key(|work| Reverse(products[work.product as usize].column_tiles));
        let grid = (self.work.len(), 1);
        Ok(Some((device.send(&self.products)?, device.send(&self.work)?, grid)))
    }

    /// The product of some of `rows` with some of the tiles of `columns`, whose vectors are given, to be written at `out`.
    fn add(
        &mut self,
        device: &Device,
        (rows, down): (&Tiles, Range<usize>),
        (columns, across): (&Tiles, Range<usize>),
        vectors: &Vectors,
        out: u64,
    ) {
        let list =
            |tiles: &Tiles, start| device.address(&tiles.list) + (start * size_of::<Tile>()) as u64;
        for first in (0..vectors.width).step_by(SLAB_COLUMNS) {
            let groups = (vectors.width - first).div_ceil(8).min(SLAB);
            let before = first / 8 * vectors.tiles + across.start * groups;
            let product = self.products.len() as u32;
            self.products.push(Product {
                rows: list(rows, down.start),
                columns: list(columns, across.start),
                vectors: device.address(&vectors.packed)
                    + (before * LANES * size_of::<Quad>()) as u64,
                scales: device.address(&vectors.scales),
                out,
                row_tiles: down.len() as u32,
                column_tiles: across.len() as u32,
                width: vectors.width as u32,
                first_column: first as u32,
            });
            let firsts = (0..down.len()).step_by(WARPS);
            self.work.extend(firsts.map(|first| Work { product, first_tile: first as u32 }));
        }
    }
}

impl Tiles {
    pub(crate) fn count(&self) -> usize {
        self.numbers.len()
    }

    /// How many have numbers below `end`.
    fn below(&self, end: usize) -> usize {
        self.numbers.partition_point(|&number| (number as usize) < end)
    }
}

impl Entries {
    /// What is kept, 16 bits an entry.
    pub(crate) fn words(&self) -> CudaView<'_, u16> {
        let quads = self.kept * self.all * LANES;
        let quads = self.tiles.slice(..quads);
        // SAFETY: a quad is eight numbers of 16 bits, of which any bits are one.
        let words = unsafe { quads.transmute::<u16>(8 * quads.len()) };
        words.expect("a quad has eight words")
    }

    /// Of the rows of tiles, how many are formed for each product.
    pub(crate) fn formed_share(&self) -> f64 {
        1.0 - self.kept as f64 / self.all.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_cover_their_rows() {
        let tiles: Vec<Tile> = tiles_of(5..40, 7).collect();
        let found: Vec<(u32, u32, u32)> =
            tiles.iter().map(|tile| (tile.tile, tile.row, tile.count)).collect();
        assert_eq!(found, [(7, 5, 16), (8, 21, 16), (9, 37, 3)]);
        assert_eq!(tiles_of(3..3, 0).count(), 0);
    }
}
