//! Kernel functions over rows, as whole matrices and as products that never hold one.

use faer::Par;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayViewMut1, Axis, s};
use pulp::Arch;
use rayon::prelude::*;

use crate::{Real, dense};

/// Rows of test data whose kernel with all training rows is held at a time.
const TILE: usize = 512;

/// A kernel function k(x, y) of two rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kernel<F> {
    /// exp(-gamma ||x - y||^2).
    Rbf {
        /// Above 0.
        gamma: F,
    },
    /// exp(-gamma sum |x_i - y_i|).
    Laplacian {
        /// Above 0.
        gamma: F,
    },
    /// (gamma x . y + coef0)^degree.
    Polynomial {
        /// Above 0.
        gamma: F,
        /// Added before the power is taken.
        coef0: F,
        /// At least 1.
        degree: u16,
    },
    /// x . y.
    Linear,
}

impl<F: Real> Kernel<F> {
    /// Lower triangle of the kernel matrix of the rows of `x`, column-major, into `out`, which has n x n
    /// entries; what stands above the diagonal means nothing.
    pub(crate) fn lower(self, x: ArrayView2<'_, F>, out: &mut [F]) {
        let n = x.nrows();
        if let Self::Laplacian { gamma } = self {
            out.par_chunks_exact_mut(n).enumerate().for_each(|(j, column)| {
                laplacian(gamma, x.slice(s![j.., ..]), x.row(j), &mut column[j..]);
            });
            return;
        }
        dense::gram_lower(x, out);
        let squares = squared_norms(x);
        out.par_chunks_exact_mut(n).enumerate().for_each(|(j, column)| {
            self.of_products(&squares[j..], squares[j], &mut column[j..]);
        });
    }

    /// K(`x`, `y`) on the calling thread alone.
    pub(crate) fn tile(self, x: ArrayView2<'_, F>, y: ArrayView2<'_, F>) -> Array2<F> {
        let mut tile = Array2::zeros((x.nrows(), y.nrows()));
        dense::add_product_on(Par::Seq, x, y.t(), tile.view_mut());
        let squares = squared_norms(y);
        for (row, x) in tile.rows_mut().into_iter().zip(x.rows()) {
            self.of_row(x, (y, &squares), row);
        }
        tile
    }

    /// Turns a row of inner products of `x` with the rows of `y`, whose squared norms are given, into kernel values.
    fn of_row(
        self,
        x: ArrayView1<'_, F>,
        (y, squares): (ArrayView2<'_, F>, &[F]),
        mut row: ArrayViewMut1<'_, F>,
    ) {
        // Rows of a matrix in standard layout are contiguous.
        let Some(row) = row.as_slice_mut() else { return };
        match self {
            Self::Laplacian { gamma } => laplacian(gamma, y, x, row),
            _ => self.of_products(squares, squared_norm(x), row),
        }
    }

    /// K(`x`, `y`) `coefficients`: rows of `x` x columns of `coefficients`.
    pub(crate) fn product(
        self,
        x: ArrayView2<'_, F>,
        y: ArrayView2<'_, F>,
        coefficients: ArrayView2<'_, F>,
    ) -> Array2<F> {
        let mut out = Array2::zeros((x.nrows(), coefficients.ncols()));
        let mut tile = Array2::zeros((TILE.min(x.nrows()), y.nrows()));
        let squares = squared_norms(y);
        for (x, out) in
            x.axis_chunks_iter(Axis(0), TILE).zip(out.axis_chunks_iter_mut(Axis(0), TILE))
        {
            let mut tile = tile.slice_mut(s![..x.nrows(), ..]);
            if !matches!(self, Self::Laplacian { .. }) {
                dense::product_into(x, y.t(), tile.view_mut());
            }
            tile.axis_iter_mut(Axis(0))
                .into_par_iter()
                .zip(x.axis_iter(Axis(0)))
                .for_each(|(row, x)| self.of_row(x, (y, &squares), row));
            dense::product_into(tile.view(), coefficients, out);
        }
        out
    }

    /// Turns inner products x_i . y into kernel values; `squares` are ||x_i||^2, `square` is ||y||^2.
    fn of_products(self, squares: &[F], square: F, values: &mut [F]) {
        match self {
            Self::Rbf { gamma } => Arch::new().dispatch(
                #[inline(always)]
                || {
                    let two = F::of(2.0);
                    for (value, &other) in values.iter_mut().zip(squares) {
                        // Rounding can leave the distance of near rows below zero.
                        let distance = (square + other) - two * *value;
                        let distance = if distance < F::zero() { F::zero() } else { distance };
                        *value = (-gamma * distance).exp_nonpositive();
                    }
                },
            ),
            Self::Polynomial { gamma, coef0, degree } => {
                let power = |value: F| num_traits::pow(gamma * value + coef0, usize::from(degree));
                values.iter_mut().for_each(|value| *value = power(*value));
            }
            Self::Linear | Self::Laplacian { .. } => {}
        }
    }
}

fn laplacian<F: Real>(gamma: F, rows: ArrayView2<'_, F>, y: ArrayView1<'_, F>, out: &mut [F]) {
    for (out, x) in out.iter_mut().zip(rows.rows()) {
        let distance =
            x.iter().zip(y).fold(F::zero(), |sum, (&x, &y)| sum + num_traits::Float::abs(x - y));
        *out = (-gamma * distance).exp_nonpositive();
    }
}

fn squared_norm<F: Real>(x: ArrayView1<'_, F>) -> F {
    // In float64: the distance is a small difference of large norms.
    F::of(x.iter().map(|&value| value.wide() * value.wide()).sum())
}

fn squared_norms<F: Real>(x: ArrayView2<'_, F>) -> Vec<F> {
    let norms: Array1<F> = x.rows().into_iter().map(squared_norm).collect();
    norms.into_raw_vec_and_offset().0
}
