//! Nystrom preconditioners that share their landmarks.
//!
//! With F = K(x, z) L^-T and L L^T = K(z, z), F F^T is near K, and (F_f F_f^T + alpha I)^-1 of a fit's rows is, by the
//! identity of Woodbury, (I - F_f (alpha I + F_f^T F_f)^-1 F_f^T) / alpha. F serves all fits, and their F_f^T F_f are
//! sums of the blocks'.

use modality_recipe::Groups;
use ndarray::{Array2, ArrayView2, Axis, Zip, s};
use rayon::prelude::*;

use crate::{
    dense::{self, Cholesky},
    kernel::Kernel,
};

/// Added to K(z, z), whose float32 entries may not be those of a positive definite matrix; tenfold until it is.
const FIRST_JITTER: f64 = 1e-6;
const LAST_JITTER: f64 = 1e-1;

/// The preconditioners of all fits.
#[derive(Debug)]
pub struct Nystrom {
    /// F: cells in the order of the groups x landmarks.
    factor: Array2<f32>,
    /// alpha I + F_f^T F_f of each fit, factorised. In float64: along the leading directions the identity leaves a share of
    /// alpha / ||K|| of what is subtracted.
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
        let among = kernel.tile(z.view(), z.view()).mapv(f64::from);
        let inverse = (0..)
            .map(|power| FIRST_JITTER * 10_f64.powi(power))
            .take_while(|&jitter| jitter <= LAST_JITTER * 1.01)
            .find_map(|jitter| Cholesky::new(among.clone(), jitter))?
            .inverse_factor(landmarks.len())
            .mapv(|value| value as f32);
        // K(x, z) L^-T = K(x, z) (L^-1)^T
        let factor = kernel.product(x, z.view(), inverse.t());
        let inner = inner(&factor, alpha, groups)?;
        Some(Self { factor, inner, alpha: alpha as f32 })
    }

    /// The preconditioner of `fit` times `residual`.
    pub(crate) fn apply(&self, groups: &Groups, fit: usize, residual: &Array2<f32>) -> Array2<f32> {
        let parts = || groups.fits()[fit].iter().zip(groups.parts_of(fit));
        let mut inner = Array2::zeros((self.factor.ncols(), residual.ncols()));
        for (part, rows) in parts() {
            let factor = self.factor.slice(s![rows, ..]);
            dense::add_product(
                factor.t(),
                residual.slice(s![part.rows.clone(), ..]),
                inner.view_mut(),
            );
        }
        let mut wide = inner.mapv(f64::from);
        self.inner[fit].solve(&mut wide);
        let inner = wide.mapv(|value| value as f32);
        let mut out = Array2::zeros(residual.dim());
        for (part, rows) in parts() {
            let factor = self.factor.slice(s![rows, ..]);
            dense::product_into(factor, inner.view(), out.slice_mut(s![part.rows.clone(), ..]));
        }
        let alpha = self.alpha;
        Zip::from(&mut out)
            .and(residual)
            .par_for_each(|out, &residual| *out = (residual - *out) / alpha);
        out
    }
}

fn inner(factor: &Array2<f32>, alpha: f64, groups: &Groups) -> Option<Vec<Cholesky>> {
    let m = factor.ncols();
    let mut grams = vec![Array2::<f64>::zeros((m, m)); groups.fits().len()];
    for block in groups.blocks() {
        let rows = factor.slice(s![block.rows.clone(), ..]);
        let gram = dense::product(rows.t(), rows);
        grams.par_iter_mut().enumerate().filter(|(fit, _)| block.fits.contains(fit)).for_each(
            |(_, sum)| Zip::from(sum).and(&gram).for_each(|sum, &value| *sum += f64::from(value)),
        );
    }
    grams.into_iter().map(|gram| Cholesky::new(gram, alpha)).collect()
}
