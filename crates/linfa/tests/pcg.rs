//! Conjugate gradients as the product runs them, against Cholesky factorisation in float64.

#![allow(clippy::unwrap_used)]

use backend_linfa::{CpuStages, Kernel, KernelRidge};
use linfa::{
    Dataset, ParamGuard as _,
    traits::{Fit as _, Predict as _},
};
use modality_data::Csr;
use modality_methods::TsvdKrrParams;
use modality_protocol::StageClock;
use modality_recipe::{Linalg as _, Problem, tsvd_krr};
use ndarray::{Array2, Axis};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

/// Cells with as many genes and proteins as the recipe has components, so that neither modality is decomposed.
struct Cells {
    /// Cells x [`GENES`].
    gex: Array2<f32>,
    /// Cells x [`PROTEINS`], none negative.
    adt: Array2<f32>,
}

const GENES: usize = 300;
const PROTEINS: usize = 70;
const LATENTS: usize = 25;

/// Scores of low rank with noise, as a truncated SVD gives them: each column smaller than the one before. Proteins are
/// smooth functions of the latents with noise, of falling norm.
fn cells(number: usize, noise: f32, seed: u64) -> Cells {
    let tissue = &mut ChaCha8Rng::seed_from_u64(0);
    let loadings = normal((LATENTS, GENES), tissue);
    let (directions, phases) = (normal((LATENTS, PROTEINS), tissue), normal((1, PROTEINS), tissue));
    let rng = &mut ChaCha8Rng::seed_from_u64(seed);
    let latents = normal((number, LATENTS), rng);
    let fall = |column: usize| 1.0 / (1.0 + column as f32 / 10.0);
    let mut gex = latents.dot(&loadings) + normal((number, GENES), rng) * noise;
    gex.indexed_iter_mut().for_each(|((_, column), value)| *value *= fall(column));
    let angles = latents.dot(&directions) * 0.2 + &phases;
    let mut adt = angles.mapv(f32::sin) + normal((number, PROTEINS), rng) * (noise * 0.2);
    adt.indexed_iter_mut().for_each(|((_, column), v)| *v = (*v + 2.0).max(0.0) * fall(column));
    Cells { gex, adt }
}

fn normal(shape: (usize, usize), rng: &mut ChaCha8Rng) -> Array2<f32> {
    Array2::from_shape_simple_fn(shape, || rng.sample(StandardNormal))
}

/// Predictions of `test` by the recipe, and what it noted.
fn by_recipe(
    train: &Cells,
    test: &Cells,
    fits: &[Vec<u32>],
    params: &TsvdKrrParams,
) -> (Array2<f32>, Vec<String>) {
    let [train_input, test_input] =
        [train, test].map(|cells| Csr::csr_from_dense(cells.gex.view(), 0.0));
    let problem = Problem {
        train_input: (&train_input).into(),
        train_target: train.adt.view().into(),
        test_input: (&test_input).into(),
        most: None,
        fits,
        seed: 0,
    };
    let mut notes = Vec::new();
    let predicted =
        tsvd_krr(&mut CpuStages::default(), &problem, params, &mut StageClock::noting(&mut notes))
            .unwrap();
    (predicted, notes)
}

/// The same in float64 from the same standardised scores, every fit solved by itself.
fn in_float64(
    train: &Cells,
    test: &Cells,
    fits: &[Vec<u32>],
    params: &TsvdKrrParams,
) -> Array2<f64> {
    let [x, x_test] = [train, test].map(|cells| {
        let mut x = cells.gex.clone();
        CpuStages::default().standardize_rows(&mut x).unwrap();
        x.mapv(f64::from)
    });
    let targets = train.adt.mapv(f64::from);
    let ridge = KernelRidge::params(Kernel::Rbf { gamma: params.gamma }).alpha(params.alpha);
    let mut sum = Array2::zeros((x_test.nrows(), targets.ncols()));
    for fit in fits {
        let rows: Vec<usize> = fit.iter().map(|&row| row as usize).collect();
        let of_fit = Dataset::new(x.select(Axis(0), &rows), targets.select(Axis(0), &rows));
        sum += &ridge.check_ref().unwrap().fit(&of_fit).unwrap().predict(&x_test);
    }
    sum.mapv(|value: f64| value.max(0.0) / fits.len() as f64)
}

fn rms(a: &Array2<f64>, b: &Array2<f64>) -> f64 {
    assert_eq!(a.dim(), b.dim());
    ((a - b).mapv(|difference| difference * difference).sum() / a.len() as f64).sqrt()
}

#[test]
fn predictions_are_those_of_cholesky_in_float64() {
    let (train, test) = (cells(16_000, 1.0, 1), cells(1_000, 1.0, 2));
    let halves: Vec<Vec<u32>> =
        (0..2).map(|half| (0..16_000).filter(|cell| cell / 500 % 2 == half).collect()).collect();
    let params = TsvdKrrParams::default();

    let (found, notes) = by_recipe(&train, &test, &halves, &params);
    assert!(notes.is_empty(), "not by conjugate gradients alone: {notes:?}");
    let (found, wanted) = (found.mapv(f64::from), in_float64(&train, &test, &halves, &params));
    let truth = test.adt.mapv(f64::from);
    let (off, ours, exact) = (rms(&found, &wanted), rms(&found, &truth), rms(&wanted, &truth));
    println!("predictions off by {off:.2e} RMS; RMSE {ours:.6}, exact {exact:.6}");
    assert!(off < 1e-3, "predictions are off by {off:e} RMS");
    assert!((ours - exact).abs() < 1e-4, "RMSE {ours}, exact {exact}");
    // The proteins can be predicted, or agreement would say little.
    let spread = rms(&truth, &(&truth * 0.0 + truth.mean_axis(Axis(0)).unwrap()));
    assert!(exact < 0.8 * spread, "RMSE {exact} of {spread}");
}

/// At cells that a fit was fitted on, predictions are K C; if C leaves the residual R, they are off by
/// K (K + alpha I)^-1 R, which is never longer than R, however small alpha is. The solver sees to it that R is at most
/// four times as long as the tolerance says; of the 800 cells of a fit, 400 are looked at, hence the root of two. The
/// kernel's rounding to multiples of 1/65535, and float32, come on top.
#[test]
fn an_ill_conditioned_fit_is_solved_as_told_or_said_to_fall_back() {
    const DRIFT: f64 = 4.0;
    const ROUNDING: f64 = 5e-5;
    // Without noise the cells lie on a smooth surface, and each is there twice.
    let once = cells(400, 0.0, 3);
    let rows: Vec<usize> = (0..800).map(|row| row % 400).collect();
    let twice =
        Cells { gex: once.gex.select(Axis(0), &rows), adt: once.adt.select(Axis(0), &rows) };
    let fits = [(0..800).collect(), (0..800).rev().collect()];
    let size = rms(&once.adt.mapv(f64::from), &Array2::zeros(once.adt.dim()));
    for (alpha, tolerance) in [(1e-6, 1e-3), (1e-6, 1e-5), (1e-3, 1e-3), (1e-3, 1e-5)] {
        let params = TsvdKrrParams { alpha, tolerance, ..TsvdKrrParams::default() };
        let (found, notes) = by_recipe(&twice, &once, &fits, &params);
        let off = rms(&found.mapv(f64::from), &in_float64(&twice, &once, &fits, &params));
        println!("alpha {alpha:e}, tolerance {tolerance:e}: off by {off:.2e}; {notes:?}");
        let tried = |note: &String| note.contains("conjugate gradients did not reach a residual");
        assert!(notes.iter().all(tried), "{notes:?}");
        let allowed = DRIFT * 2.0_f64.sqrt() * tolerance * size + ROUNDING;
        assert!(off < allowed, "alpha {alpha:e}: off by {off:e}, allowed {allowed:e}; {notes:?}");
        let fell_back =
            notes.last().is_some_and(|note| note.ends_with("solved by Cholesky factorisation"));
        assert!(notes.is_empty() || fell_back || notes.len() == 1, "{notes:?}");
    }
}

/// Cells so far from one another that entries off the diagonal, about 2e-6, are lost in rounding; 6,000 of them count.
#[test]
fn rounding_of_the_kernel_is_not_taken_for_its_solution() {
    let noise = normal((6000, GENES), &mut ChaCha8Rng::seed_from_u64(5));
    let once = Cells { gex: noise, adt: cells(6000, 0.0, 4).adt };
    let fits = [(0..6000).collect()];
    let params = TsvdKrrParams { gamma: 0.022, ..TsvdKrrParams::default() };
    let (found, notes) = by_recipe(&once, &once, &fits, &params);
    let off = rms(&found.mapv(f64::from), &in_float64(&once, &once, &fits, &params));
    println!("off by {off:.2e}; {notes:?}");
    assert!(off < 1e-3, "off by {off:e}; {notes:?}");
    assert!(!notes.is_empty(), "it converged to another kernel's solution unnoticed");
}
