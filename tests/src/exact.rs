//! TSVD + KRR with every fit solved by Cholesky factorisation in float64.

use backend_linfa::{CpuStages, Kernel, KernelRidge};
use linfa::{
    Dataset, ParamGuard as _,
    traits::{Fit as _, Predict as _},
};
use modality_data::prepared::Inputs;
use modality_harness::{methods::TsvdKrrParams, plan::Repeat};
use modality_recipe::{Stages as _, Tsvd};
use ndarray::{Array2, Axis};

/// Predictions of the test cells, from the scores that the runner of the CPU backend computes in float32.
///
/// # Panics
/// If a decomposition or factorisation fails, or there are no more genes or proteins than components.
pub fn predictions(inputs: &Inputs, repeat: &Repeat, params: &TsvdKrrParams) -> Array2<f64> {
    let [x, x_test, targets, components] = scores(inputs, repeat.seed, params);
    let ridge = KernelRidge::params(Kernel::Rbf { gamma: params.gamma }).alpha(params.alpha);
    let ridge = ridge.check().unwrap_or_else(|error| panic!("{error}"));
    let mut sum = Array2::zeros((x_test.nrows(), targets.ncols()));
    for fit in &repeat.fits {
        let rows: Vec<usize> = fit.cells.iter().map(|&row| row as usize).collect();
        let cells = Dataset::new(x.select(Axis(0), &rows), targets.select(Axis(0), &rows));
        let fitted = ridge.fit(&cells).unwrap_or_else(|error| panic!("{error}"));
        sum += &fitted.predict(&x_test);
    }
    let fits = repeat.fits.len() as f64;
    sum.dot(&components).mapv(|value: f64| value.max(0.0) / fits)
}

/// Standardised scores of training and test cells, and scores and components of the proteins.
fn scores(inputs: &Inputs, seed: u64, params: &TsvdKrrParams) -> [Array2<f64>; 4] {
    let mut stages = CpuStages::default();
    let mut compute = || {
        let gex = (&inputs.train_gex, &inputs.test_gex);
        let (mut x, mut x_test) = stages.tsvd_gex(&gex, params.gex_components, seed)?;
        stages.standardize_rows(&mut x)?;
        stages.standardize_rows(&mut x_test)?;
        let Tsvd { scores, components } =
            stages.tsvd_adt(&inputs.train_adt, params.adt_components, seed)?;
        Ok([x, x_test, scores, components].map(|matrix| matrix.mapv(f64::from)))
    };
    compute().unwrap_or_else(|error: backend_linfa::StageError| panic!("{error}"))
}

/// Root of the mean squared difference.
pub fn rms(a: &Array2<f64>, b: &Array2<f64>) -> f64 {
    assert_eq!(a.dim(), b.dim());
    ((a - b).mapv(|difference| difference * difference).sum() / a.len() as f64).sqrt()
}
