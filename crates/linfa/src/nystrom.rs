//! Nystrom preconditioners that share their landmarks.
//!
//! With F = K(x, z) L^-T and L L^T = K(z, z), F F^T is near K, and (F_f F_f^T + alpha I)^-1 of a fit's rows is, by the
//! identity of Woodbury, (I - F_f (alpha I + F_f^T F_f)^-1 F_f^T) / alpha. F serves all fits, and their F_f^T F_f are
//! sums of those of groups of cells that are in the same fits.

use modality_recipe::{Group, Groups, Wide};
use ndarray::{Array2, ArrayView2, Axis, Zip, s};
use rayon::prelude::*;

use crate::{
    dense::{self, Cholesky},
    kernel::Kernel,
};

/// Added to K(z, z), whose float32 entries may not be those of a positive definite matrix; tenfold until it is.
const FIRST_JITTER: f64 = 1e-6;
const TRIES: i32 = 8;

/// Rows of a symmetric product that are computed together, from the diagonal on.
const PANEL: usize = 256;

/// The preconditioners of all fits.
#[derive(Debug)]
pub struct Nystrom {
    /// F: cells in the order of the groups x landmarks.
    factor: Array2<f32>,
    /// alpha I + F_f^T F_f of each fit, factorised; tenfold alpha, and so on, where that is not positive definite. In
    /// float64: along the leading directions the identity leaves a share of alpha / ||K|| of what is subtracted.
    inner: Vec<Cholesky>,
    alpha: f32,
}

impl Nystrom {
    /// `None` if K(z, z) is not positive definite, however much is added to it.
    pub(crate) fn new(
        x: ArrayView2<'_, f32>,
        (gamma, alpha): (f64, f64),
        landmarks: &[u32],
        groups: &Groups,
    ) -> Option<Self> {
        let kernel = Kernel::Rbf { gamma: gamma as f32 };
        let rows: Vec<usize> = landmarks.iter().map(|&row| row as usize).collect();
        let z = x.select(Axis(0), &rows);
        let among = kernel.between(z.view(), z.view());
        let inverse = factorised(&among, FIRST_JITTER)?
            .inverse_factor(landmarks.len())
            .mapv(|value| value as f32);
        // K(x, z) L^-T = K(x, z) (L^-1)^T
        let factor = kernel.product(x, z.view(), inverse.t());
        let inner = inner(&factor, alpha, groups)?;
        Some(Self { factor, inner, alpha: alpha as f32 })
    }

    /// Floating-point operations of [`Nystrom::new`].
    pub(crate) fn forming_flops(
        (cells, components): (usize, usize),
        landmarks: usize,
        groups: &Groups,
    ) -> f64 {
        let (n, d, m) = (cells as f64, components as f64, landmarks as f64);
        let (kernels, factor, grams) = (2.0 * (n + m) * m * d, 2.0 * n * m * m, n * m * m);
        kernels + factor + grams + (groups.fits().len() + 2) as f64 * m.powi(3) / 3.0
    }

    /// Floating-point operations of [`Nystrom::apply`] to so many cells x columns.
    pub(crate) fn flops(&self, (cells, columns): (usize, usize)) -> f64 {
        let m = self.factor.ncols() as f64;
        (4.0 * cells as f64 * m + 2.0 * m * m) * columns as f64
    }

    /// The preconditioner of each fit times its residual.
    pub(crate) fn apply(
        &self,
        groups: &Groups,
        residuals: &[(usize, &Array2<f32>)],
    ) -> Vec<Array2<f32>> {
        let landmarks = self.factor.ncols();
        let widths: Vec<(usize, usize)> =
            residuals.iter().map(|(fit, residual)| (*fit, residual.ncols())).collect();
        let beside = groups.side_by_side(&widths);
        let mut inner: Vec<Array2<f32>> = residuals
            .iter()
            .map(|(_, residual)| Array2::zeros((landmarks, residual.ncols())))
            .collect();
        for group @ Wide { cells, sides } in &beside {
            let mut wide = Array2::zeros((cells.len(), group.width()));
            for side in sides {
                let rows = residuals[side.index].1.slice(s![side.rows.clone(), ..]);
                wide.slice_mut(s![.., side.columns.clone()]).assign(&rows);
            }
            let factor = self.factor.slice(s![cells.clone(), ..]);
            let product = dense::product(factor.t(), wide.view());
            for side in sides {
                inner[side.index] += &product.slice(s![.., side.columns.clone()]);
            }
        }
        let inner: Vec<Array2<f32>> = inner
            .par_iter()
            .zip(residuals)
            .with_max_len(1)
            .map(|(inner, (fit, _))| self.inner[*fit].solve(inner.view()))
            .collect();
        let mut out: Vec<Array2<f32>> =
            residuals.iter().map(|(_, residual)| Array2::zeros(residual.dim())).collect();
        for group @ Wide { cells, sides } in &beside {
            let mut wide = Array2::zeros((landmarks, group.width()));
            for side in sides {
                wide.slice_mut(s![.., side.columns.clone()]).assign(&inner[side.index]);
            }
            let product = dense::product(self.factor.slice(s![cells.clone(), ..]), wide.view());
            for side in sides {
                let residual = residuals[side.index].1.slice(s![side.rows.clone(), ..]);
                Zip::from(out[side.index].slice_mut(s![side.rows.clone(), ..]))
                    .and(residual)
                    .and(product.slice(s![.., side.columns.clone()]))
                    .par_for_each(|out, &residual, &product| {
                        *out = (residual - product) / self.alpha;
                    });
            }
        }
        out
    }
}

/// Of the symmetric matrix whose upper triangle is in `a`, with `first` added to its diagonal, or ten times as much, and
/// so on until it is positive definite.
fn factorised(a: &Array2<f32>, first: f64) -> Option<Cholesky> {
    (0..TRIES).find_map(|power| Cholesky::new(a.view(), first * 10_f64.powi(power)))
}

/// alpha I + F_f^T F_f of each fit, factorised.
fn inner(factor: &Array2<f32>, alpha: f64, groups: &Groups) -> Option<Vec<Cholesky>> {
    let m = factor.ncols();
    let mut grams = vec![Array2::<f32>::zeros((m, m)); groups.fits().len()];
    let mut gram = Array2::zeros((m, m));
    for Group { cells, fits, .. } in groups.iter() {
        gram_upper(factor.slice(s![cells, ..]), &mut gram);
        let sums = grams.par_iter_mut().enumerate().filter(|(fit, _)| fits.contains(fit));
        sums.for_each(|(_, sum)| {
            for (i, (mut sum, row)) in sum.rows_mut().into_iter().zip(gram.rows()).enumerate() {
                let mut sum = sum.slice_mut(s![i..]);
                sum += &row.slice(s![i..]);
            }
        });
    }
    grams.into_par_iter().with_max_len(1).map(|gram| factorised(&gram, alpha)).collect()
}

/// The upper triangle of F^T F; what stands below it means nothing.
fn gram_upper(factor: ArrayView2<'_, f32>, gram: &mut Array2<f32>) {
    for start in (0..factor.ncols()).step_by(PANEL) {
        let end = factor.ncols().min(start + PANEL);
        let panel = factor.slice(s![.., start..end]);
        let out = gram.slice_mut(s![start..end, start..]);
        dense::product_into(panel.t(), factor.slice(s![.., start..]), out);
    }
}
