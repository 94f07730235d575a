//! Norms, GELU and what is left out of their results, on the CPU, a row at a time while it is near the core.
//!
//! `SIZE` is the number of values of a group of a norm, or 0 for any: loops whose length the compiler knows become a few vectors.
//!
//! Nothing but the inputs is kept for the backward pass, which computes the rest again. Threads take fixed runs of rows, and
//! sums over rows have one fixed order.

use modality_methods::GROUPS;
use rayon::prelude::*;

use super::{
    mask::Mask,
    normal::{normal_cdf, slope},
};
use crate::vectorised::vectorised;

/// Rows that a thread takes at a time.
const ROWS: usize = 256;
/// Added to a variance before its root is taken.
pub(super) const EPSILON: f32 = 1e-5;

/// A norm over groups of the values of each row (Wu and He 2018), and its weights and biases.
#[derive(Clone, Copy)]
pub(super) struct Norm<'a> {
    pub(super) weight: &'a [f32],
    pub(super) bias: &'a [f32],
}

/// Gradients by the input, rows x width, and by the weights and biases of a norm.
pub(super) struct ByNorm {
    pub(super) input: Vec<f32>,
    pub(super) weight: Vec<f32>,
    pub(super) bias: Vec<f32>,
}

/// GELU of the mean of the norms of `inputs`, some of it left out: rows x width.
pub(super) fn norm_gelu<const SIZE: usize>(
    inputs: &[(&[f32], Norm<'_>)],
    mask: Option<Mask>,
    out: &mut [f32],
) {
    let width = inputs[0].1.weight.len();
    in_chunks(
        out,
        width,
        #[inline(always)]
        |first: usize, out: &mut [f32]| {
            let mut scratch = Scratch::<SIZE>::new(width);
            for (row, out) in out.chunks_exact_mut(width).enumerate() {
                let row = first + row;
                mean_of_norms(inputs, row, &mut scratch, out);
                for z in out.iter_mut() {
                    *z *= normal_cdf(*z).0;
                }
                leave_out(mask, row, out);
            }
        },
    );
}

/// The gradients of [`norm_gelu`] by each input and norm, for `by_out` by its result.
pub(super) fn norm_gelu_backward<const SIZE: usize>(
    inputs: &[(&[f32], Norm<'_>)],
    mask: Option<Mask>,
    by_out: &[f32],
) -> Vec<ByNorm> {
    let width = inputs[0].1.weight.len();
    let share = 1.0 / inputs.len() as f32;
    let mut by_z = by_out.to_vec();
    in_chunks(
        &mut by_z,
        width,
        #[inline(always)]
        |first: usize, by_z: &mut [f32]| {
            let (mut scratch, mut z) = (Scratch::<SIZE>::new(width), vec![0.0; width]);
            for (row, by_z) in by_z.chunks_exact_mut(width).enumerate() {
                let row = first + row;
                mean_of_norms(inputs, row, &mut scratch, &mut z);
                leave_out(mask, row, by_z);
                for (by_z, &z) in by_z.iter_mut().zip(&z) {
                    *by_z *= share * slope(z);
                }
            }
        },
    );
    let backward = |&(x, norm): &(&[f32], Norm<'_>)| {
        by_chunks::<SIZE>(
            x,
            &by_z,
            norm,
            #[inline(always)]
            |_, _, _| (),
        )
    };
    inputs.iter().map(backward).collect()
}

/// The norm of GELU of `x`, some of it left out: rows x width.
pub(super) fn gelu_norm<const SIZE: usize>(
    x: &[f32],
    norm: Norm<'_>,
    mask: Option<Mask>,
    out: &mut [f32],
) {
    let width = norm.weight.len();
    in_chunks(
        out,
        width,
        #[inline(always)]
        |first: usize, out: &mut [f32]| {
            let (mut scratch, mut g) = (Scratch::<SIZE>::new(width), vec![0.0; width]);
            for (row, out) in out.chunks_exact_mut(width).enumerate() {
                let row = first + row;
                for (g, &x) in g.iter_mut().zip(of_row(x, row, width)) {
                    *g = x * normal_cdf(x).0;
                }
                scratch.normalise(&g);
                out.fill(0.0);
                scratch.add_to(norm, 1.0, out);
                leave_out(mask, row, out);
            }
        },
    );
}

/// The gradients of [`gelu_norm`], for `by_out` by its result.
pub(super) fn gelu_norm_backward<const SIZE: usize>(
    x: &[f32],
    norm: Norm<'_>,
    mask: Option<Mask>,
    by_out: &[f32],
) -> ByNorm {
    let width = norm.weight.len();
    let (mut g, mut by_norm) = (x.to_vec(), by_out.to_vec());
    in_chunks(
        &mut g,
        width,
        #[inline(always)]
        |_, g: &mut [f32]| {
            for g in g {
                *g *= normal_cdf(*g).0;
            }
        },
    );
    leave_out_all(mask, &mut by_norm, width);
    by_chunks::<SIZE>(
        &g,
        &by_norm,
        norm,
        #[inline(always)]
        |row: usize, width: usize, by_g: &mut [f32]| {
            for (by_g, &x) in by_g.iter_mut().zip(of_row(x, row, width)) {
                *by_g *= slope(x);
            }
        },
    )
}

/// Gradients of a norm of `x`, for `by_norm` by its result; `finish` changes that by the input, row by row.
fn by_chunks<const SIZE: usize>(
    x: &[f32],
    by_norm: &[f32],
    norm: Norm<'_>,
    finish: impl Fn(usize, usize, &mut [f32]) + Sync,
) -> ByNorm {
    let width = norm.weight.len();
    let mut by_input = vec![0.0; x.len()];
    let chunks = by_input.par_chunks_mut(ROWS * width).enumerate();
    let sums: Vec<[Vec<f32>; 2]> = chunks
        .map(|(chunk, by_input)| {
            let mut sums = [vec![0.0; width], vec![0.0; width]];
            vectorised(
                #[inline(always)]
                || {
                    let mut scratch = Scratch::<SIZE>::new(width);
                    for (row, by_input) in by_input.chunks_exact_mut(width).enumerate() {
                        let row = chunk * ROWS + row;
                        scratch.normalise(of_row(x, row, width));
                        let by_norm = of_row(by_norm, row, width);
                        scratch.backward(norm, by_norm, &mut sums, by_input);
                        finish(row, width, by_input);
                    }
                },
            );
            sums
        })
        .collect();
    let [mut weight, mut bias] = [vec![0.0; width], vec![0.0; width]];
    for [by_weight, by_bias] in &sums {
        add(&mut weight, by_weight);
        add(&mut bias, by_bias);
    }
    ByNorm { input: by_input, weight, bias }
}

/// `z` = the mean of the norms of this row of each input.
#[inline(always)]
fn mean_of_norms<const SIZE: usize>(
    inputs: &[(&[f32], Norm<'_>)],
    row: usize,
    scratch: &mut Scratch<SIZE>,
    z: &mut [f32],
) {
    let share = 1.0 / inputs.len() as f32;
    z.fill(0.0);
    for &(x, norm) in inputs {
        scratch.normalise(of_row(x, row, z.len()));
        scratch.add_to(norm, share, z);
    }
}

/// One row without its weights and biases.
struct Scratch<const SIZE: usize> {
    /// Values of mean 0 and variance 1 by group.
    normal: Vec<f32>,
    /// One over the standard deviation.
    inverse: [f32; GROUPS],
}

impl<const SIZE: usize> Scratch<SIZE> {
    #[inline(always)]
    fn new(width: usize) -> Self {
        Self { normal: vec![0.0; width], inverse: [0.0; GROUPS] }
    }

    #[inline(always)]
    fn size(&self) -> usize {
        if SIZE == 0 { self.normal.len() / GROUPS } else { SIZE }
    }

    #[inline(always)]
    fn normalise(&mut self, x: &[f32]) {
        let size = self.size();
        let groups = self.normal.chunks_exact_mut(size).zip(x.chunks_exact(size));
        for ((normal, x), inverse) in groups.zip(&mut self.inverse) {
            let mean = sum(
                size,
                #[inline(always)]
                |i| x[i],
            ) / size as f32;
            normal.iter_mut().zip(x).for_each(|(normal, x)| *normal = x - mean);
            let variance = sum(
                size,
                #[inline(always)]
                |i| normal[i] * normal[i],
            ) / size as f32;
            *inverse = 1.0 / (variance + EPSILON).sqrt();
            normal.iter_mut().for_each(|normal| *normal *= *inverse);
        }
    }

    /// Adds `share` of the norm.
    #[inline(always)]
    fn add_to(&self, norm: Norm<'_>, share: f32, out: &mut [f32]) {
        for (((out, x), weight), bias) in
            out.iter_mut().zip(&self.normal).zip(norm.weight).zip(norm.bias)
        {
            *out += share * (x * weight + bias);
        }
    }

    /// The gradient by the row, for `by_norm` by its norm; adds those by weight and bias to `sums`.
    #[inline(always)]
    fn backward(
        &self,
        norm: Norm<'_>,
        by_norm: &[f32],
        [by_weight, by_bias]: &mut [Vec<f32>; 2],
        by_row: &mut [f32],
    ) {
        for (((sum, by_norm), x), by_bias) in
            by_weight.iter_mut().zip(by_norm).zip(&self.normal).zip(by_bias)
        {
            *sum += by_norm * x;
            *by_bias += by_norm;
        }
        by_row.iter_mut().zip(by_norm).zip(norm.weight).for_each(|((by, g), w)| *by = g * w);
        let size = self.size();
        let groups = by_row.chunks_exact_mut(size).zip(self.normal.chunks_exact(size));
        for ((by, x), inverse) in groups.zip(self.inverse) {
            let mean = sum(
                size,
                #[inline(always)]
                |i| by[i],
            ) / size as f32;
            let along = sum(
                size,
                #[inline(always)]
                |i| by[i] * x[i],
            ) / size as f32;
            by.iter_mut().zip(x).for_each(|(by, x)| *by = inverse * (*by - mean - x * along));
        }
    }
}

/// The sum of `count` values, four sums side by side.
#[inline(always)]
fn sum(count: usize, value: impl Fn(usize) -> f32) -> f32 {
    let mut sums = [0.0; 4];
    let whole = count / 4 * 4;
    for first in (0..whole).step_by(4) {
        for (i, sum) in sums.iter_mut().enumerate() {
            *sum += value(first + i);
        }
    }
    let rest = (whole..count).fold(0.0, |sum, i| sum + value(i));
    (sums[0] + sums[1]) + (sums[2] + sums[3]) + rest
}

/// Multiplies a matrix by what the mask says of it, row by row.
pub(super) fn leave_out_all(mask: Option<Mask>, values: &mut [f32], width: usize) {
    in_chunks(
        values,
        width,
        #[inline(always)]
        |first: usize, values: &mut [f32]| {
            for (row, values) in values.chunks_exact_mut(width).enumerate() {
                leave_out(mask, first + row, values);
            }
        },
    );
}

/// Multiplies a row of a matrix by what the mask says of it.
#[inline(always)]
fn leave_out(mask: Option<Mask>, row: usize, values: &mut [f32]) {
    if let Some(mask) = mask {
        let first = (row * values.len()) as u32;
        for (i, value) in (0_u32..).zip(values) {
            *value *= mask.factor(first.wrapping_add(i));
        }
    }
}

/// Calls `work` with runs of rows of `out` and the number of the first.
fn in_chunks(out: &mut [f32], width: usize, work: impl Fn(usize, &mut [f32]) + Sync) {
    out.par_chunks_mut(ROWS * width).enumerate().for_each(|(chunk, out)| {
        vectorised(
            #[inline(always)]
            || work(chunk * ROWS, out),
        );
    });
}

#[inline(always)]
fn of_row(values: &[f32], row: usize, width: usize) -> &[f32] {
    &values[row * width..(row + 1) * width]
}

fn add(sum: &mut [f32], values: &[f32]) {
    sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
}
