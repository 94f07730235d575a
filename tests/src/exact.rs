//! TSVD + KRR with every fit solved by Cholesky factorisation in float64.

use std::{
    iter,
    panic::resume_unwind,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    thread,
};

use backend_linfa::{CpuStages, Kernel, KernelRidge};
use linfa::{
    Dataset, ParamGuard as _,
    traits::{Fit as _, Predict as _},
};
use modality_data::prepared::Inputs;
use modality_harness::plan::{Fit, Repeat};
use modality_methods::TsvdKrrParams;
use modality_recipe::{Linalg as _, Rows as _, Tsvd};
use ndarray::{Array2, Axis};
use rayon::ThreadPoolBuilder;

/// Fits that are solved at a time, each on a thread of its own: a factorisation on several threads has them wait for one
/// another by turning round, in the way of whatever else is running. Each takes 8 n^2 bytes.
const AT_A_TIME: usize = 4;

/// Predictions of the test cells, from the scores that the runner of the CPU backend computes in float32.
///
/// # Panics
/// If a decomposition or factorisation fails, or there are no more features than components.
pub fn predictions(inputs: &Inputs, repeat: &Repeat, params: &TsvdKrrParams) -> Array2<f64> {
    let [x, x_test, targets, components] = scores(inputs, repeat.seed, params);
    let ridge = KernelRidge::params(Kernel::Rbf { gamma: params.gamma }).alpha(params.alpha);
    let ridge = ridge.check().unwrap_or_else(|error| panic!("{error}"));
    let predict = |fit: &Fit| {
        let rows: Vec<usize> = fit.cells.iter().map(|&row| row as usize).collect();
        let cells = Dataset::new(x.select(Axis(0), &rows), targets.select(Axis(0), &rows));
        let fitted = ridge.fit(&cells).unwrap_or_else(|error| panic!("{error}"));
        fitted.predict(&x_test)
    };
    let mut sum = Array2::zeros((x_test.nrows(), targets.ncols()));
    for predicted in each_on_one_thread(&repeat.fits, predict) {
        sum += &predicted;
    }
    let fits = repeat.fits.len() as f64;
    sum.dot(&components).mapv(|value: f64| value.max(0.0) / fits)
}

/// What `work` makes of each item, in their order, whatever the number of threads.
fn each_on_one_thread<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let take = || {
        let alone = ThreadPoolBuilder::new().num_threads(1).build();
        let alone = alone.unwrap_or_else(|error| panic!("{error}"));
        let items = iter::from_fn(|| {
            let at = next.fetch_add(1, Relaxed);
            Some((at, items.get(at)?))
        });
        items.map(|(at, item)| (at, alone.install(|| work(item)))).collect::<Vec<_>>()
    };
    let mut results = thread::scope(|scope| {
        let threads: Vec<_> = (0..cores.min(AT_A_TIME)).map(|_| scope.spawn(take)).collect();
        let results = threads.into_iter().map(|thread| thread.join());
        results
            .flat_map(|done| done.unwrap_or_else(|panic| resume_unwind(panic)))
            .collect::<Vec<_>>()
    });
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Standardised scores of training and test cells, and scores and components of the target.
fn scores(inputs: &Inputs, seed: u64, params: &TsvdKrrParams) -> [Array2<f64>; 4] {
    let mut stages = CpuStages::default();
    let mut compute = || {
        let input = stages.upload_rows(&[inputs.train_input.view(), inputs.test_input.view()])?;
        let mut x = stages.tsvd(&input, params.input_components.or_all(usize::MAX), seed)?.scores;
        x.iter_mut().try_for_each(|block| stages.standardize_rows(block))?;
        let target = stages.upload_rows(&[inputs.train_target.view()])?;
        let Tsvd { scores, components } = stages.tsvd(&target, params.target_components, seed)?;
        let all = x.into_iter().chain(scores).chain([components]);
        let all: Vec<Array2<f64>> = all.map(|matrix| matrix.mapv(f64::from)).collect();
        Ok(<[Array2<f64>; 4]>::try_from(all).expect("two blocks of the input, one of the target"))
    };
    compute().unwrap_or_else(|error: backend_linfa::StageError| panic!("{error}"))
}

/// Root of the mean squared difference.
pub fn rms(a: &Array2<f64>, b: &Array2<f64>) -> f64 {
    assert_eq!(a.dim(), b.dim());
    ((a - b).mapv(|difference| difference * difference).sum() / a.len() as f64).sqrt()
}
