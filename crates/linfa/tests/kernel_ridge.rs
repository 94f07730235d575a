//! `KernelRidge` against scikit-learn and against a plain float64 solve.

#![allow(clippy::unwrap_used)]

use backend_linfa::{Kernel, KernelRidge, KernelRidgeError, Real};
use linfa::{
    Dataset, DatasetBase, ParamGuard,
    traits::{Fit, Predict},
};
use ndarray::{Array1, Array2, ArrayView1, Axis, array};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

fn reference() -> Value {
    serde_json::from_str(include_str!("reference/kernel_ridge.json")).unwrap()
}

fn vector(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn matrix<F: Real>(value: &Value) -> Array2<F> {
    let rows: Vec<Vec<f64>> = value.as_array().unwrap().iter().map(vector).collect();
    Array2::from_shape_fn((rows.len(), rows[0].len()), |(i, j)| F::of(rows[i][j]))
}

/// As in `reference.py`.
fn kernels<F: Real>() -> [(&'static str, Kernel<F>); 4] {
    [
        ("rbf", Kernel::Rbf { gamma: F::of(0.5) }),
        ("laplacian", Kernel::Laplacian { gamma: F::of(0.375) }),
        ("polynomial", Kernel::Polynomial { gamma: F::of(0.25), coef0: F::of(1.5), degree: 3 }),
        ("linear", Kernel::Linear),
    ]
}

/// Largest difference, relative to the largest value.
fn distance<F: Real>(found: &Array2<F>, wanted: &Array2<f64>) -> f64 {
    assert_eq!(found.dim(), wanted.dim());
    let largest = |a: &Array2<f64>| a.iter().map(|value| value.abs()).fold(0.0, f64::max);
    largest(&(found.mapv(Real::wide) - wanted)) / largest(wanted)
}

fn agrees_with_scikit_learn<F: Real>(tolerance: f64) {
    let reference = reference();
    let (x, x_test) = (matrix::<F>(&reference["x"]), matrix::<F>(&reference["x_test"]));
    let targets = matrix::<F>(&reference["targets"]);
    let alpha = F::of(reference["alpha"].as_f64().unwrap());
    for (name, kernel) in kernels::<F>() {
        let close = |what, found: &Array2<F>, wanted: Array2<f64>| {
            let off = distance(found, &wanted);
            assert!(off < tolerance, "{name}: {what} off by {off:e}");
        };
        let params = KernelRidge::params(kernel).alpha(alpha);
        let wanted = &reference["kernels"][name]["multi"];
        let model = params.fit(&Dataset::new(x.clone(), targets.clone())).unwrap();
        close("coefficients", model.coefficients(), matrix(&wanted["coefficients"]));
        close("predictions", &model.predict(&x_test), matrix(&wanted["predictions"]));

        let wanted = &reference["kernels"][name]["single"];
        let column = |key: &str| Array1::from(vector(&wanted[key])).insert_axis(Axis(1));
        let single = targets.column(0).to_owned();
        let model = params.fit(&Dataset::new(x.clone(), single)).unwrap();
        close("single coefficients", model.coefficients(), column("coefficients"));
        close("single predictions", &model.predict(&x_test), column("predictions"));
    }
}

#[test]
fn every_kernel_agrees_with_scikit_learn() {
    agrees_with_scikit_learn::<f64>(1e-12);
    agrees_with_scikit_learn::<f32>(2e-5);
}

fn uniform(rows: usize, columns: usize, seed: u64) -> Array2<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    // Rounded, so that float32 has the same values.
    Array2::from_shape_simple_fn((rows, columns), || f64::from(rng.gen_range(-1.0_f32..1.0)))
}

/// Each kernel by its definition.
fn definition(kernel: Kernel<f64>, x: ArrayView1<'_, f64>, y: ArrayView1<'_, f64>) -> f64 {
    let difference = &x - &y;
    match kernel {
        Kernel::Rbf { gamma } => (-gamma * difference.dot(&difference)).exp(),
        Kernel::Laplacian { gamma } => (-gamma * difference.mapv(f64::abs).sum()).exp(),
        Kernel::Polynomial { gamma, coef0, degree } => {
            (gamma * x.dot(&y) + coef0).powi(i32::from(degree))
        }
        Kernel::Linear => x.dot(&y),
    }
}

fn kernel_matrix(kernel: Kernel<f64>, x: &Array2<f64>, y: &Array2<f64>) -> Array2<f64> {
    Array2::from_shape_fn((x.nrows(), y.nrows()), |(i, j)| definition(kernel, x.row(i), y.row(j)))
}

/// Gaussian elimination without pivots: `a` is positive definite.
fn eliminate(mut a: Array2<f64>, mut b: Array2<f64>) -> Array2<f64> {
    let n = a.nrows();
    for i in 0..n {
        for j in i + 1..n {
            let factor = a[[j, i]] / a[[i, i]];
            let (row, target) = (a.row(i).to_owned(), b.row(i).to_owned());
            a.row_mut(j).scaled_add(-factor, &row);
            b.row_mut(j).scaled_add(-factor, &target);
        }
    }
    for i in (0..n).rev() {
        for j in i + 1..n {
            let (factor, known) = (a[[i, j]], b.row(j).to_owned());
            b.row_mut(i).scaled_add(-factor, &known);
        }
        let pivot = a[[i, i]];
        b.row_mut(i).mapv_inplace(|value| value / pivot);
    }
    b
}

fn agrees_with_definitions<F: Real>(tolerance: f64) {
    // More test rows than are predicted at a time.
    let (x, x_test, targets) = (uniform(300, 17, 1), uniform(1100, 17, 2), uniform(300, 5, 3));
    let alpha = 0.5;
    for ((name, wide), (_, kernel)) in kernels::<f64>().into_iter().zip(kernels::<F>()) {
        let regularised = kernel_matrix(wide, &x, &x) + Array2::<f64>::eye(300) * alpha;
        let coefficients = eliminate(regularised, targets.clone());
        let wanted = kernel_matrix(wide, &x_test, &x).dot(&coefficients);
        let cast = |a: &Array2<f64>| a.mapv(F::of);
        let dataset = Dataset::new(cast(&x), cast(&targets));
        let model = KernelRidge::params(kernel).alpha(F::of(alpha)).fit(&dataset).unwrap();
        let off = distance(model.coefficients(), &coefficients);
        assert!(off < tolerance, "{name}: coefficients off by {off:e}");
        let off = distance(&model.predict(&cast(&x_test)), &wanted);
        assert!(off < tolerance, "{name}: predictions off by {off:e}");
    }
}

#[test]
fn every_kernel_agrees_with_its_definition() {
    agrees_with_definitions::<f64>(1e-11);
    agrees_with_definitions::<f32>(1e-3);
}

#[test]
fn records_in_any_memory_order_are_the_same_records() {
    let (x, targets) = (uniform(40, 6, 1), uniform(40, 2, 2));
    let columns_first = x.t().as_standard_layout().into_owned().reversed_axes();
    for (name, kernel) in kernels::<f64>() {
        let params = KernelRidge::params(kernel);
        let model = params.fit(&Dataset::new(x.clone(), targets.clone())).unwrap();
        let other = params.fit(&Dataset::new(columns_first.clone(), targets.clone())).unwrap();
        let off = distance(other.coefficients(), model.coefficients());
        assert!(off < 1e-12, "{name}: {off:e}");
        let off = distance(&model.predict(&columns_first), &model.predict(&x));
        assert!(off < 1e-12, "{name}: {off:e}");
    }
}

#[test]
fn no_rows_have_no_predictions() {
    let model = KernelRidge::params(Kernel::Linear)
        .fit(&Dataset::new(array![[1.0], [2.0]], array![[1.0, 2.0], [3.0, 4.0]]))
        .unwrap();
    assert_eq!(model.predict(&Array2::<f64>::zeros((0, 1))).dim(), (0, 2));
}

#[test]
#[should_panic(expected = "the rows have another number of columns than was fitted on")]
fn rows_of_another_width_are_refused() {
    let dataset = Dataset::new(array![[1.0], [2.0]], array![[1.0], [3.0]]);
    KernelRidge::params(Kernel::Linear).fit(&dataset).unwrap().predict(&Array2::zeros((2, 3)));
}

#[track_caller]
fn refused<F: Real>(kernel: Kernel<F>, alpha: F, text: &str) {
    let error: KernelRidgeError = KernelRidge::params(kernel).alpha(alpha).check().unwrap_err();
    assert_eq!(error.to_string(), text);
}

#[test]
fn settings_out_of_range_are_named() {
    let positive = |name, value| format!("{name} is {value}; it must be a finite number above 0");
    for (alpha, written) in [(0.0, "0"), (-0.1, "-0.1"), (f64::NAN, "NaN"), (f64::INFINITY, "inf")]
    {
        refused(Kernel::Linear, alpha, &positive("alpha", written));
        refused(Kernel::Linear, alpha as f32, &positive("alpha", written));
        refused(Kernel::Rbf { gamma: alpha }, 1.0, &positive("gamma", written));
        refused(Kernel::Laplacian { gamma: alpha }, 1.0, &positive("gamma", written));
        let polynomial = Kernel::Polynomial { gamma: alpha, coef0: 1.0, degree: 2 };
        refused(polynomial, 1.0, &positive("gamma", written));
    }
    let polynomial = |coef0, degree| Kernel::Polynomial { gamma: 1.0, coef0, degree };
    refused(polynomial(1.0, 0), 1.0, "degree is 0; it must be at least 1");
    refused(polynomial(f64::NAN, 2), 1.0, "coef0 is NaN; it must be a finite number");
}

#[track_caller]
fn unfit<F: Real>(alpha: F, records: Array2<F>, targets: Array2<F>, text: &str) {
    let params = KernelRidge::params(Kernel::Rbf { gamma: F::one() }).alpha(alpha);
    let model: Result<_, KernelRidgeError> = params.fit(&DatasetBase::new(records, targets));
    assert_eq!(model.unwrap_err().to_string(), text);
}

#[test]
fn records_and_targets_that_do_not_fit_are_named() {
    let rows = |records, targets| {
        format!(
            "{records} records and {targets} rows of targets; there must be as many, and at least one"
        )
    };
    unfit(1.0, uniform(4, 2, 1), uniform(3, 1, 2), &rows(4, 3));
    unfit(1.0, uniform(0, 2, 1), uniform(0, 1, 2), &rows(0, 0));
}

#[test]
fn values_that_are_not_finite_are_named() {
    for bad in [f64::NAN, f64::NEG_INFINITY] {
        let wrong = array![[1.0], [bad]];
        let good = array![[1.0], [2.0]];
        unfit(1.0, wrong.clone(), good.clone(), "the records hold NaN or infinite values");
        unfit(1.0, good, wrong, "the targets hold NaN or infinite values");
    }
}

#[test]
fn a_singular_kernel_is_named() {
    // The fourth row is the second again.
    let x = array![[0.0_f32, 1.0], [2.0, 0.5], [-1.0, 3.0], [2.0, 0.5]];
    unfit(
        1e-12,
        x,
        Array2::ones((4, 1)),
        "K + alpha I is not positive definite at row 3: alpha 1e-12 is too small for this kernel and precision",
    );
}
