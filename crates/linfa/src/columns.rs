//! Arithmetic on the columns of tall matrices in standard layout, each column with a scalar of its own.

use modality_recipe::{Step, Stepped, ratio};
use ndarray::Array2;
use pulp::Arch;
use rayon::prelude::*;

/// Rows that a thread takes at a time.
const ROWS: usize = 1024;

/// The inner product of each column of `a` with that of `b`, added up in float64: within a block of rows, then block by
/// block, so that the number of threads does not matter.
pub(crate) fn dots(a: &Array2<f32>, b: &Array2<f32>) -> Vec<f64> {
    let columns = a.ncols();
    let of_block = |(a, b): (&[f32], &[f32])| {
        let mut sums = vec![0.0; columns];
        Arch::new().dispatch(
            #[inline(always)]
            || {
                for (a, b) in a.chunks_exact(columns).zip(b.chunks_exact(columns)) {
                    for ((sum, &a), &b) in sums.iter_mut().zip(a).zip(b) {
                        *sum += f64::from(a) * f64::from(b);
                    }
                }
            },
        );
        sums
    };
    let blocks = blocks(a).into_par_iter().zip(blocks(b)).map(of_block);
    let mut sums = vec![0.0; columns];
    for block in blocks.collect::<Vec<_>>() {
        sums.iter_mut().zip(block).for_each(|(sum, dot)| *sum += dot);
    }
    sums
}

/// Y = Y diag(`keep`) + X diag(`take`).
pub(crate) fn combine((y, keep): (&mut Array2<f32>, &[f64]), (x, take): (&Array2<f32>, &[f64])) {
    let columns = keep.len();
    blocks_mut(y).into_par_iter().zip(blocks(x)).for_each(|(y, x)| {
        Arch::new().dispatch(
            #[inline(always)]
            || {
                for (y, x) in y.chunks_exact_mut(columns).zip(x.chunks_exact(columns)) {
                    for (((y, &x), &keep), &take) in y.iter_mut().zip(x).zip(keep).zip(take) {
                        *y = (f64::from(*y) * keep + f64::from(x) * take) as f32;
                    }
                }
            },
        );
    });
}

/// See [`modality_recipe::Linalg::turn`].
pub(crate) fn turn(
    direction: &mut Array2<f32>,
    next: &Array2<f32>,
    new: &[f64],
    old: Option<&[f64]>,
) {
    match old {
        Some(old) => combine((direction, &ratios(new, old)), (next, &vec![1.0; new.len()])),
        None => direction.assign(next),
    }
}

/// See [`Step`].
pub(crate) fn step(step: Step<'_, Array2<f32>, Vec<f64>>) -> Stepped<Vec<f64>> {
    let Step { solution, residual, direction, mut product, alpha, rho } = step;
    let [one, alpha] = [1.0, alpha].map(|value| vec![value; rho.len()]);
    combine((&mut product, &one), (direction, &alpha));
    let curvature = dots(direction, &product);
    let lengths = ratios(rho, &curvature);
    let back: Vec<f64> = lengths.iter().map(|length| -length).collect();
    combine((solution, &one), (direction, &lengths));
    combine((residual, &one), (&product, &back));
    Stepped { curvature, squares: dots(residual, residual) }
}

fn ratios(above: &[f64], below: &[f64]) -> Vec<f64> {
    above.iter().zip(below).map(|(&above, &below)| ratio(above, below)).collect()
}

/// The columns of `matrix` named in `wanted`, in that order.
pub(crate) fn select(matrix: &Array2<f32>, wanted: &[u32]) -> Array2<f32> {
    let (columns, mut selected) = (matrix.ncols(), Array2::zeros((matrix.nrows(), wanted.len())));
    blocks_mut(&mut selected).into_par_iter().zip(blocks(matrix)).for_each(|(to, from)| {
        for (to, from) in to.chunks_exact_mut(wanted.len()).zip(from.chunks_exact(columns)) {
            to.iter_mut().zip(wanted).for_each(|(to, &column)| *to = from[column as usize]);
        }
    });
    selected
}

/// Overwrites column `wanted[k]` of `target` by column k of `source`.
pub(crate) fn put(target: &mut Array2<f32>, wanted: &[u32], source: &Array2<f32>) {
    let columns = target.ncols();
    blocks_mut(target).into_par_iter().zip(blocks(source)).for_each(|(to, from)| {
        for (to, from) in to.chunks_exact_mut(columns).zip(from.chunks_exact(wanted.len())) {
            from.iter().zip(wanted).for_each(|(&from, &column)| to[column as usize] = from);
        }
    });
}

const STANDARD: &str = "a matrix of this backend has its rows one behind the other";

/// Blocks of rows, one behind the other; none of a matrix without columns.
fn blocks(matrix: &Array2<f32>) -> Vec<&[f32]> {
    let length = block_length(matrix);
    matrix.as_slice().expect(STANDARD).chunks(length).collect()
}

fn blocks_mut(matrix: &mut Array2<f32>) -> Vec<&mut [f32]> {
    let length = block_length(matrix);
    matrix.as_slice_mut().expect(STANDARD).chunks_mut(length).collect()
}

fn block_length(matrix: &Array2<f32>) -> usize {
    (ROWS * matrix.ncols()).max(1)
}
