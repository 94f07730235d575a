//! One kernel matrix for all fits: its lower triangle in tiles, 16 bits an entry.
//!
//! An RBF kernel's values lie between 0 and 1, so they are kept as multiples of 1/65535: off by at most 7.6e-6, half
//! the memory of float32, and a third of an error that float16 would make a hundred times larger. A tile is turned back into
//! float32 when it is multiplied with, once for all fits that have both its blocks.

use faer::Par;
use modality_recipe::Groups;
use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis, s};
use pulp::Arch;
use rayon::prelude::*;

use crate::{dense, kernel::Kernel};

/// The largest entry.
const ONE: f32 = u16::MAX as f32;

/// The kernel among all cells, as far as some fit needs it.
#[derive(Debug)]
pub struct SharedKernel {
    /// By block and block before or at it; empty where no fit has both.
    tiles: Vec<Vec<u16>>,
}

/// The rows of one block in the matrices of the fits that have it.
struct Outputs<'a> {
    block: usize,
    /// Index of the vector, and the rows.
    rows: Vec<(usize, ArrayViewMut2<'a, f32>)>,
}

impl SharedKernel {
    /// exp(-gamma ||x - x'||^2) over the rows of `x`, cells in the order of `groups`.
    pub(crate) fn new(x: ArrayView2<'_, f32>, gamma: f32, groups: &Groups) -> Self {
        let kernel = Kernel::Rbf { gamma };
        let pairs: Vec<(usize, usize)> =
            (0..groups.blocks().len()).flat_map(|i| (0..=i).map(move |j| (i, j))).collect();
        let tile = |&(i, j): &(usize, usize)| {
            let (one, other) = (&groups.blocks()[i], &groups.blocks()[j]);
            if !one.fits.iter().any(|fit| other.fits.contains(fit)) {
                return Vec::new();
            }
            let rows = |block: &modality_recipe::Block| x.slice_move(s![block.rows.clone(), ..]);
            let values = kernel.tile(rows(one), rows(other));
            values.iter().map(|&value| (value * ONE + 0.5) as u16).collect()
        };
        Self { tiles: pairs.par_iter().map(tile).collect() }
    }

    /// K_f V for each fit f and V in `vectors`.
    pub(crate) fn products(
        &self,
        groups: &Groups,
        vectors: &[(usize, &Array2<f32>)],
    ) -> Vec<Array2<f32>> {
        let mut products: Vec<Array2<f32>> =
            vectors.iter().map(|(_, vector)| Array2::zeros(vector.dim())).collect();
        let mut outputs: Vec<Outputs<'_>> =
            (0..groups.blocks().len()).map(|block| Outputs { block, rows: Vec::new() }).collect();
        for (index, (product, (fit, _))) in products.iter_mut().zip(vectors).enumerate() {
            let mut rest = product.view_mut();
            for part in &groups.fits()[*fit] {
                let (here, below) = rest.split_at(Axis(0), part.rows.len());
                outputs[part.block].rows.push((index, here));
                rest = below;
            }
        }
        outputs.par_iter_mut().for_each_init(Vec::new, |buffer, outputs| {
            for other in 0..groups.blocks().len() {
                self.add_tile(groups, vectors, outputs, other, buffer);
            }
        });
        products
    }

    /// Adds the products with the tile between the outputs' block and `other`.
    fn add_tile(
        &self,
        groups: &Groups,
        vectors: &[(usize, &Array2<f32>)],
        outputs: &mut Outputs<'_>,
        other: usize,
        buffer: &mut Vec<f32>,
    ) {
        let (row, column) = (outputs.block.max(other), outputs.block.min(other));
        let packed = &self.tiles[row * (row + 1) / 2 + column];
        let mut unpacked = false;
        for (index, out) in &mut outputs.rows {
            let (fit, vector) = vectors[*index];
            let Some(part) = groups.fits()[fit].iter().find(|part| part.block == other) else {
                continue;
            };
            if !unpacked {
                unpack(packed, buffer);
                unpacked = true;
            }
            let size = (groups.blocks()[row].rows.len(), groups.blocks()[column].rows.len());
            let Ok(tile) = ArrayView2::from_shape(size, buffer) else { continue };
            let tile = if row == outputs.block { tile } else { tile.reversed_axes() };
            let vector = vector.slice(s![part.rows.clone(), ..]);
            dense::add_product_on(Par::Seq, tile, vector, out.view_mut());
        }
    }
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

    #[test]
    fn entries_are_off_by_at_most_half_a_step() {
        let x = Array2::from_shape_fn((1500, 7), |(i, j)| ((i * 31 + j * 17) % 97) as f32 / 50.0);
        let groups = Groups::new(&[(0..1500).collect()]);
        let shared = SharedKernel::new(x.view(), 0.1, &groups);
        let identity = Array2::eye(1500);
        let found = shared.products(&groups, &[(0, &identity)]).remove(0);
        for ((i, j), &value) in found.indexed_iter() {
            let square: f64 =
                x.row(i).iter().zip(x.row(j)).map(|(a, b)| f64::from(a - b).powi(2)).sum();
            assert!((f64::from(value) - (-0.1 * square).exp()).abs() < 8e-6, "{i}, {j}");
        }
    }
}
