//! Kernel functions over rows, as whole matrices and as products that never hold one.

use modality_dense as dense;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayViewMut1, ArrayViewMut2, Axis, s};
use pulp::Arch;
use rayon::prelude::*;

use crate::Real;

/// Rows of test and training data whose kernel a thread holds at a time.
const TILE: (usize, usize) = (128, 1024);

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

    /// K(`x`, `y`).
    pub(crate) fn between(self, x: ArrayView2<'_, F>, y: ArrayView2<'_, F>) -> Array2<F> {
        let mut kernel = Array2::zeros((x.nrows(), y.nrows()));
        let squares = squared_norms(y);
        let rows = x.axis_chunks_iter(Axis(0), TILE.0).into_par_iter();
        rows.zip(kernel.axis_chunks_iter_mut(Axis(0), TILE.0))
            .for_each(|(x, kernel)| self.between_here(x, (y, &squares), kernel));
        kernel
    }

    /// K(`x`, `y`) on the calling thread alone; `squares` are the squared norms of the rows of `y`.
    pub(crate) fn between_here(
        self,
        x: ArrayView2<'_, F>,
        (y, squares): (ArrayView2<'_, F>, &[F]),
        mut kernel: ArrayViewMut2<'_, F>,
    ) {
        if !matches!(self, Self::Laplacian { .. }) {
            dense::product_into_here(x, y.t(), kernel.view_mut());
        }
        for (row, x) in kernel.rows_mut().into_iter().zip(x.rows()) {
            self.of_row(x, (y, squares), row);
        }
    }

    /// Turns a row of inner products of `x` with the rows of `y`, whose squared norms are given, into kernel values.
    fn of_row(
        self,
        x: ArrayView1<'_, F>,
        (y, squares): (ArrayView2<'_, F>, &[F]),
        mut row: ArrayViewMut1<'_, F>,
    ) {
        let row = row.as_slice_mut().expect("kernel matrices have their rows one behind the other");
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
        let squares = squared_norms(y);
        let rows = x.axis_chunks_iter(Axis(0), TILE.0).into_par_iter();
        rows.zip(out.axis_chunks_iter_mut(Axis(0), TILE.0)).for_each(|(x, mut out)| {
            let parts = y.axis_chunks_iter(Axis(0), TILE.1).zip(squares.chunks(TILE.1));
            let mut tile = Array2::zeros((x.nrows(), TILE.1.min(y.nrows())));
            for ((y, squares), coefficients) in
                parts.zip(coefficients.axis_chunks_iter(Axis(0), TILE.1))
            {
                let mut tile = tile.slice_mut(s![.., ..y.nrows()]);
                self.between_here(x, (y, squares), tile.view_mut());
                dense::add_product_here(tile.view(), coefficients, out.view_mut());
            }
        });
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

/// ||x||^2 by row.
pub(crate) fn squared_norms<F: Real>(x: ArrayView2<'_, F>) -> Vec<F> {
    let norms: Array1<F> = x.rows().into_iter().map(squared_norm).collect();
    norms.into_raw_vec_and_offset().0
}
