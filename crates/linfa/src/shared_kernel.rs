//! One kernel matrix for all fits, in tiles between two blocks of cells.
//!
//! An RBF kernel's values lie between 0 and 1, so they are taken as multiples of 1/65535: off by at most 7.6e-6, half
//! the memory of float32, and a thirtieth of the error that float16 would make near 1. A tile that memory has no room for is
//! formed anew for each product, with the same values, so that results do not depend on memory.

use std::sync::{Mutex, PoisonError};

use modality_dense as dense;
use modality_recipe::Groups;
use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis, s};
use pulp::Arch;
use rayon::prelude::*;

use crate::{
    kernel::{self, Kernel},
    rounds::rounds,
};

/// The largest entry.
const ONE: f32 = u16::MAX as f32;
/// Added to a smaller positive number, it rounds it to an integer and leaves that in the low bits.
const ROUND: f32 = (1 << (f32::MANTISSA_DIGITS - 1)) as f32;

/// The kernel among all cells, as far as some fit needs it.
#[derive(Debug)]
pub struct SharedKernel {
    former: Former,
    /// Entries of the tiles that are kept.
    kept: Vec<u16>,
    /// Where the tile between a block and a block before or at it begins in `kept`.
    places: Vec<Option<usize>>,
    rounds: Vec<Vec<(usize, usize)>>,
}

/// What tiles are formed from.
#[derive(Debug)]
struct Former {
    kernel: Kernel<f32>,
    /// Cells in the order of the groups x components.
    x: Array2<f32>,
    /// ||x||^2 by cell.
    squares: Vec<f32>,
}

/// A product under way: what it is of, and the rows of each block in the results of the fits that have it.
struct Task<'a> {
    groups: &'a Groups,
    vectors: &'a [(usize, &'a Array2<f32>)],
    /// By block. In a round each block is in one tile, so no thread waits.
    results: Vec<Mutex<Vec<Rows<'a>>>>,
}

/// Index of a vector, and the rows of its product that are a block's.
type Rows<'a> = (usize, ArrayViewMut2<'a, f32>);

/// Buffers of one thread.
#[derive(Debug, Default)]
struct Buffers {
    tile: Vec<f32>,
    vectors: Vec<f32>,
    products: Vec<f32>,
}

impl SharedKernel {
    /// exp(-gamma ||x - x'||^2) over the rows of `x`, cells in the order of `groups`, of which at most `memory` bytes are
    /// kept.
    pub(crate) fn new(x: ArrayView2<'_, f32>, gamma: f32, groups: &Groups, memory: u64) -> Self {
        let former = Former {
            kernel: Kernel::Rbf { gamma },
            x: x.to_owned(),
            squares: kernel::squared_norms(x),
        };
        let (mut places, mut wanted, mut used) = (Vec::new(), Vec::new(), 0);
        for (row, column) in pairs(groups) {
            let room = memory / BYTES - (used as u64).min(memory / BYTES);
            let size = len(groups, (row, column));
            let is_kept = are_together(groups, row, column) && size as u64 <= room;
            places.push(is_kept.then_some(used));
            if is_kept {
                wanted.push(((row, column), size));
                used += size;
            }
        }
        let mut kept = vec![0; used];
        let mut rest = kept.as_mut_slice();
        let mut tiles = Vec::with_capacity(wanted.len());
        for (pair, size) in wanted {
            let (tile, behind) = rest.split_at_mut(size);
            tiles.push((pair, tile));
            rest = behind;
        }
        let buffers = Pool::default();
        tiles.into_par_iter().with_max_len(1).for_each(|(pair, tile)| {
            buffers.lend(|Buffers { tile: values, .. }| {
                former.form(groups, pair, values);
                pack(values, tile);
            });
        });
        Self { former, kept, places, rounds: rounds(groups.blocks().len()) }
    }

    /// Bytes of the tiles that fits need.
    pub(crate) fn bytes(groups: &Groups) -> u64 {
        let needed = pairs(groups).filter(|&(row, column)| are_together(groups, row, column));
        needed.map(|pair| len(groups, pair) as u64 * BYTES).sum()
    }

    /// Floating-point operations that form the tiles that are kept.
    pub(crate) fn forming_flops(&self) -> f64 {
        2.0 * self.kept.len() as f64 * self.former.x.ncols() as f64
    }

    /// K_f V for each fit f and V in `vectors`, and the floating-point operations that it took.
    pub(crate) fn products(
        &self,
        groups: &Groups,
        vectors: &[(usize, &Array2<f32>)],
    ) -> (Vec<Array2<f32>>, f64) {
        let mut products: Vec<Array2<f32>> =
            vectors.iter().map(|(_, vector)| Array2::zeros(vector.dim())).collect();
        let mut results: Vec<Vec<Rows<'_>>> = groups.blocks().iter().map(|_| Vec::new()).collect();
        for (index, (product, (fit, _))) in products.iter_mut().zip(vectors).enumerate() {
            let mut rest = product.view_mut();
            for part in &groups.fits()[*fit] {
                let (here, below) = rest.split_at(Axis(0), part.rows.len());
                results[part.block].push((index, here));
                rest = below;
            }
        }
        let results = results.into_iter().map(Mutex::new).collect();
        let (task, buffers) = (Task { groups, vectors, results }, Pool::default());
        let mut flops = 0.0;
        for round in &self.rounds {
            let of_pair = |&pair: &(usize, usize)| buffers.lend(|b| self.add_tile(&task, pair, b));
            flops += round.par_iter().with_max_len(1).map(of_pair).sum::<u64>() as f64;
        }
        drop(task);
        (products, flops)
    }

    /// Adds the products with the tile between two blocks to the rows of both.
    fn add_tile(&self, task: &Task<'_>, pair: (usize, usize), buffers: &mut Buffers) -> u64 {
        let (row, column) = pair;
        let fits = task.fits_of(pair);
        if fits.is_empty() {
            return 0;
        }
        let size = len(task.groups, pair);
        let formed = match self.places[row * (row + 1) / 2 + column] {
            Some(place) => {
                unpack(&self.kept[place..place + size], &mut buffers.tile);
                0
            }
            None => {
                self.former.form(task.groups, pair, &mut buffers.tile);
                size * self.former.x.ncols()
            }
        };
        let height = task.groups.blocks()[row].rows.len();
        let Buffers { tile, vectors, products } = buffers;
        let tile = ArrayView2::from_shape((height, size / height), tile)
            .expect("the buffer was filled with this tile");
        let mut width = task.add(tile, (row, column), &fits, (vectors, products));
        if row != column {
            width += task.add(tile.reversed_axes(), (column, row), &fits, (vectors, products));
        }
        2 * (formed + size * width) as u64
    }
}

impl Task<'_> {
    /// Indices of the vectors whose fits have both blocks.
    fn fits_of(&self, (one, other): (usize, usize)) -> Vec<usize> {
        let has = |block: usize, fit: &usize| self.groups.blocks()[block].fits.contains(fit);
        let both = |(_, (fit, _)): &(usize, &(usize, _))| has(one, fit) && has(other, fit);
        self.vectors.iter().enumerate().filter(both).map(|(index, _)| index).collect()
    }

    /// Adds the tile's product with the rows `from` of the vectors to the rows `to` of the results. The vectors are laid
    /// side by side, as one product with many columns is faster than several with few. Gives their columns.
    fn add(
        &self,
        tile: ArrayView2<'_, f32>,
        (to, from): (usize, usize),
        fits: &[usize],
        (vectors, products): (&mut Vec<f32>, &mut Vec<f32>),
    ) -> usize {
        let width = fits.iter().map(|&index| self.vectors[index].1.ncols()).sum();
        vectors.resize(tile.ncols() * width, 0.0);
        products.resize(tile.nrows() * width, 0.0);
        let mut start = 0;
        for &index in fits {
            let (fit, vector) = self.vectors[index];
            let rows = self.groups.rows_of(fit, from).expect("these fits have both blocks");
            let end = start + vector.ncols();
            for (to, from) in
                vectors.chunks_exact_mut(width).zip(row_slices(vector.slice(s![rows, ..])))
            {
                to[start..end].copy_from_slice(from);
            }
            start = end;
        }
        let beside = ArrayView2::from_shape((tile.ncols(), width), vectors)
            .expect("the buffer was given this length");
        let out = ArrayViewMut2::from_shape((tile.nrows(), width), &mut *products)
            .expect("the buffer was given this length");
        dense::product_into_here(tile, beside, out);
        let mut results = self.results[to].lock().unwrap_or_else(PoisonError::into_inner);
        let mut start = 0;
        for (_, result) in results.iter_mut().filter(|(index, _)| fits.contains(index)) {
            let end = start + result.ncols();
            for (mut to, from) in result.rows_mut().into_iter().zip(products.chunks_exact(width)) {
                let to = to.as_slice_mut().expect("results have their rows one behind the other");
                to.iter_mut().zip(&from[start..end]).for_each(|(to, from)| *to += from);
            }
            start = end;
        }
        width
    }
}

impl Former {
    /// The tile between two blocks, rows of the first x rows of the second.
    fn form(&self, groups: &Groups, (row, column): (usize, usize), values: &mut Vec<f32>) {
        let [rows, columns] = [row, column].map(|block| groups.blocks()[block].rows.clone());
        values.resize(rows.len() * columns.len(), 0.0);
        let tile = ArrayViewMut2::from_shape((rows.len(), columns.len()), &mut *values)
            .expect("the buffer was given this length");
        let y = self.x.slice(s![columns.clone(), ..]);
        self.kernel.between_here(self.x.slice(s![rows, ..]), (y, &self.squares[columns]), tile);
        round(values);
    }
}

/// Rows of a matrix in standard layout.
fn row_slices<'a>(matrix: ArrayView2<'a, f32>) -> impl Iterator<Item = &'a [f32]> {
    let values = matrix.to_slice().expect("vectors have their rows one behind the other");
    values.chunks_exact(matrix.ncols().max(1))
}

/// Buffers that threads take and give back.
#[derive(Debug, Default)]
struct Pool(Mutex<Vec<Buffers>>);

impl Pool {
    fn lend<R>(&self, work: impl FnOnce(&mut Buffers) -> R) -> R {
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut buffers = lock().pop().unwrap_or_default();
        let result = work(&mut buffers);
        lock().push(buffers);
        result
    }
}

/// Bytes of an entry that is kept.
const BYTES: u64 = size_of::<u16>() as u64;

/// Every block with every block before it and itself.
fn pairs(groups: &Groups) -> impl Iterator<Item = (usize, usize)> {
    (0..groups.blocks().len()).flat_map(|row| (0..=row).map(move |column| (row, column)))
}

fn len(groups: &Groups, (row, column): (usize, usize)) -> usize {
    groups.blocks()[row].rows.len() * groups.blocks()[column].rows.len()
}

/// Whether a fit has both blocks.
fn are_together(groups: &Groups, one: usize, other: usize) -> bool {
    let (one, other) = (&groups.blocks()[one], &groups.blocks()[other]);
    one.fits.iter().any(|fit| other.fits.contains(fit))
}

/// To the nearest multiples of 1/65535.
fn round(values: &mut [f32]) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            values
                .iter_mut()
                .for_each(|value| *value = (*value * ONE + ROUND - ROUND) * (1.0 / ONE))
        },
    );
}

/// Multiples of 1/65535 as integers.
fn pack(values: &[f32], packed: &mut [u16]) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for (packed, value) in packed.iter_mut().zip(values) {
                *packed = (value * ONE + ROUND).to_bits() as u16;
            }
        },
    );
}

fn unpack(packed: &[u16], values: &mut Vec<f32>) {
    values.resize(packed.len(), 0.0);
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for (value, &packed) in values.iter_mut().zip(packed) {
                *value = f32::from(packed) * (1.0 / ONE);
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups() -> Groups {
        Groups::new(&[(0..1500).collect(), (700..1500).collect(), vec![3, 900]])
    }

    fn x() -> Array2<f32> {
        Array2::from_shape_fn((1500, 7), |(i, j)| ((i * 31 + j * 17) % 97) as f32 / 50.0)
    }

    #[test]
    fn entries_are_off_by_at_most_half_a_step() {
        let (x, groups) = (x(), Groups::new(&[(0..1500).collect()]));
        let shared = SharedKernel::new(x.view(), 0.1, &groups, u64::MAX);
        let identity = Array2::eye(1500);
        let found = shared.products(&groups, &[(0, &identity)]).0.remove(0);
        for ((i, j), &value) in found.indexed_iter() {
            let square: f64 =
                x.row(i).iter().zip(x.row(j)).map(|(a, b)| f64::from(a - b).powi(2)).sum();
            assert!((f64::from(value) - (-0.1 * square).exp()).abs() < 8e-6, "{i}, {j}");
        }
    }

    #[test]
    fn results_do_not_depend_on_memory_or_threads() {
        let (x, groups) = (x(), groups());
        let all = SharedKernel::bytes(&groups);
        let vectors: Vec<Array2<f32>> = (0..3)
            .map(|fit| {
                Array2::from_shape_fn((groups.len_of(fit), 5 + fit), |(i, j)| {
                    ((i * 7 + j) % 13) as f32
                })
            })
            .collect();
        let vectors: Vec<(usize, &Array2<f32>)> = vectors.iter().enumerate().collect();
        let run = |memory: u64, threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let kernel = SharedKernel::new(x.view(), 0.1, &groups, memory);
                assert!(kernel.kept.len() as u64 * BYTES <= memory.min(all));
                (kernel.products(&groups, &vectors), kernel.forming_flops())
            })
        };
        let ((wanted, flops), forming) = run(all, 2);
        for (memory, threads) in [(all - 1, 1), (all / 3, 3), (0, 2)] {
            let ((found, others), other_forming) = run(memory, threads);
            assert_eq!(found, wanted);
            assert_eq!(others + other_forming, flops + forming);
        }
    }
}
