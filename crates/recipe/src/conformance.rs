//! One suite that any implementation of [`Stages`] runs: each stage, and the whole recipe, against
//! [`Exact`].
//!
//! ```
//! modality_recipe::conformance::check(&mut modality_recipe::Exact, 1e-9);
//! ```

use std::fmt::Debug;

use modality_data::Csr;
use modality_harness::{
    clock::StageClock,
    methods::{Solver, TsvdKrrParams},
    protocol::Event,
};
use ndarray::{Array2, Axis, Zip};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::{Exact, Groups, Problem, Stages, tsvd_krr};

/// Runs the suite. `tolerance` is the largest difference allowed in a quantity of order one: about 1e-4 for
/// float32 arithmetic.
///
/// # Panics
/// With the name of the stage and the difference, if a result is off.
pub fn check<S: Stages>(stages: &mut S, tolerance: f64)
where
    S::Error: Debug,
{
    let suite = Suite { tolerance };
    suite.rows(stages);
    suite.kernels(stages);
    suite.shared(stages);
    suite.columns(stages);
    suite.tsvd(stages);
    suite.recipe(stages);
}

struct Suite {
    tolerance: f64,
}

impl Suite {
    fn rows<S: Stages>(&self, stages: &mut S) {
        let mut matrix = dense(37, 19, 1);
        matrix.row_mut(5).fill(2.5);
        let exact = |work: &dyn Fn(&mut Exact, &mut Array2<f64>)| {
            let mut result = matrix.mapv(f64::from);
            work(&mut Exact, &mut result);
            result
        };
        let mut standardized = on(stages.upload(matrix.view()));
        on(stages.standardize_rows(&mut standardized));
        let wanted = exact(&|stages, matrix| on(stages.standardize_rows(matrix)));
        self.compare("standardize_rows", stages, &standardized, &wanted);

        let rows = [36, 0, 5, 5, 12];
        let uploaded = on(stages.upload(matrix.view()));
        let gathered = on(stages.gather_rows(&uploaded, &rows));
        let wanted = exact(&|stages, matrix| *matrix = on(stages.gather_rows(matrix, &rows)));
        self.compare("gather_rows", stages, &gathered, &wanted);

        let rows = [36, 0, 7, 12, 3];
        let mut sum = on(stages.zeros(37, 19));
        for _ in 0..2 {
            on(stages.scatter_add_rows(&mut sum, &rows, &gathered));
        }
        let mut wanted = Array2::zeros((37, 19));
        let source = on(Exact.gather_rows(&matrix.mapv(f64::from), &[36, 0, 5, 5, 12]));
        for _ in 0..2 {
            on(Exact.scatter_add_rows(&mut wanted, &rows, &source));
        }
        self.compare("scatter_add_rows", stages, &sum, &wanted);
    }

    fn kernels<S: Stages>(&self, stages: &mut S) {
        let gamma = 0.02;
        for (train, test, width, targets) in [(1, 1, 1, 1), (61, 40, 30, 7), (300, 129, 33, 70)] {
            let (x, y) = (dense(train, width, 2), dense(test, width, 3));
            let t = dense(train, targets, 4);
            let wide = |matrix: &Array2<f32>| matrix.mapv(f64::from);
            for alpha in [0.2, 2.0] {
                let (device_x, device_y) =
                    (on(stages.upload(x.view())), on(stages.upload(y.view())));
                let device_t = on(stages.upload(t.view()));
                let kernel = on(stages.kernel(&device_x, gamma));
                let coefficients = on(stages.solve(kernel, alpha, &device_t));
                let kernel = on(Exact.kernel(&wide(&x), gamma));
                let wanted = on(Exact.solve(kernel, alpha, &wide(&t)));
                self.compare("kernel and solve", stages, &coefficients, &wanted);

                let predicted =
                    on(stages.kernel_product(&device_y, &device_x, gamma, &coefficients));
                let wanted = on(Exact.kernel_product(&wide(&y), &wide(&x), gamma, &wanted));
                self.compare("kernel_product", stages, &predicted, &wanted);
            }
            let (a, b) = (on(stages.upload(x.view())), on(stages.upload(x.t())));
            let product = on(stages.matmul(&a, &b));
            self.compare("matmul", stages, &product, &wide(&x).dot(&wide(&x).t()));
        }
    }

    /// Several fits on cells of several groups, the longest of more than one block.
    fn shared<S: Stages>(&self, stages: &mut S) {
        let (gamma, alpha) = (0.02, 0.2);
        let fits: Vec<Vec<u32>> = vec![
            (0..1300).collect(),
            (1200..1500).rev().collect(),
            (0..1500).step_by(7).collect(),
            vec![3],
        ];
        let groups = Groups::new(&fits);
        let x = dense(1500, 12, 11).select(Axis(0), &usizes(groups.cells()));
        let landmarks = [0, 5, 700, 1100, 1499];
        let wide = x.mapv(f64::from);
        let device_x = on(stages.upload(x.view()));
        let kernel = on(stages.shared_kernel(&device_x, gamma, &groups));
        let wanted_kernel = on(Exact.shared_kernel(&wide, gamma, &groups));
        let inverse = on(stages.preconditioner(&device_x, (gamma, alpha), &landmarks, &groups));
        let wanted_inverse = on(Exact.preconditioner(&wide, (gamma, alpha), &landmarks, &groups));
        // In any order, not all of them, with a number of columns of its own each.
        let vectors: Vec<(usize, Array2<f32>)> = [(2, 9), (0, 70), (3, 1)]
            .map(|(fit, columns)| (fit, dense(fits[fit].len(), columns, 12) / 30.0))
            .to_vec();
        let device: Vec<(usize, S::Matrix)> =
            vectors.iter().map(|(fit, vector)| (*fit, on(stages.upload(vector.view())))).collect();
        let device: Vec<(usize, &S::Matrix)> = device.iter().map(|(fit, m)| (*fit, m)).collect();
        let products = on(stages.shared_products(&kernel, &groups, &device));
        let preconditioned = on(stages.precondition(&inverse, &groups, &device));
        for (i, (fit, vector)) in vectors.iter().enumerate() {
            let vector = &[(*fit, &vector.mapv(f64::from))];
            let wanted = on(Exact.shared_products(&wanted_kernel, &groups, vector));
            self.compare("shared_products", stages, &products[i], &wanted[0]);
            let wanted = on(Exact.precondition(&wanted_inverse, &groups, vector));
            self.compare("precondition", stages, &preconditioned[i], &wanted[0]);
        }
    }

    fn columns<S: Stages>(&self, stages: &mut S) {
        let (y, x) = (dense(500, 3, 13), dense(500, 3, 14));
        let (mut device_y, device_x) = (on(stages.upload(y.view())), on(stages.upload(x.view())));
        let (mut y, x) = (y.mapv(f64::from), x.mapv(f64::from));
        let dots = on(stages.column_dots(&device_y, &device_x));
        for (found, wanted) in dots.iter().zip(on(Exact.column_dots(&y, &x))) {
            assert!((found - wanted).abs() < self.tolerance * 500.0, "column_dots: {dots:?}");
        }
        let (keep, take) = ([1.0, 0.0, -0.5], [0.0, 2.0, 0.25]);
        on(stages.combine_columns((&mut device_y, &keep), (&device_x, &take)));
        on(Exact.combine_columns((&mut y, &keep), (&x, &take)));
        self.compare("combine_columns", stages, &device_y, &y);
        let selected = on(stages.select_columns(&device_x, &[2, 0]));
        let wanted = on(Exact.select_columns(&x, &[2, 0]));
        self.compare("select_columns", stages, &selected, &wanted);
        on(stages.put_columns(&mut device_y, &[1, 2], &selected));
        on(Exact.put_columns(&mut y, &[1, 2], &wanted));
        self.compare("put_columns", stages, &device_y, &y);
        let copy = on(stages.copy(&device_y));
        on(stages.combine_columns((&mut device_y, &[0.0; 3]), (&device_x, &[0.0; 3])));
        self.compare("copy", stages, &copy, &y);
    }

    fn tsvd<S: Stages>(&self, stages: &mut S) {
        // Singular values fall off quickly, so that any solver finds the leading vectors exactly.
        let (train, test) = (low_rank(90, 60, 5), low_rank(41, 60, 6));
        let (train, test) = (sparse(&train), sparse(&test));
        let scores = on(stages.tsvd_gex(&train, &test, 5, 0));
        let wanted = on(Exact.tsvd_gex(&train, &test, 5, 0));
        self.compare("tsvd_gex, training scores", stages, &scores.0, &wanted.0);
        self.compare("tsvd_gex, test scores", stages, &scores.1, &wanted.1);
        let dense = on(stages.densify(&test));
        self.compare("densify", stages, &dense, &on(Exact.densify(&test)));

        let adt = low_rank(90, 24, 7);
        let device_adt = on(stages.upload(adt.view()));
        let tsvd = on(stages.tsvd_adt(&device_adt, 5, 0));
        let wanted = on(Exact.tsvd_adt(&adt.mapv(f64::from), 5, 0));
        self.compare("tsvd_adt, scores", stages, &tsvd.scores, &wanted.scores);
        self.compare("tsvd_adt, components", stages, &tsvd.components, &wanted.components);
    }

    fn recipe<S: Stages>(&self, stages: &mut S) {
        let train = low_rank(200, 60, 8).mapv_into(|value| if value > 0.3 { value } else { 0.0 });
        let test = low_rank(50, 60, 9).mapv_into(|value| if value > 0.3 { value } else { 0.0 });
        let (train_gex, test_gex) = (sparse(&train), sparse(&test));
        let adt = low_rank(200, 24, 10).mapv_into(f32::abs);
        let fits: Vec<Vec<u32>> =
            (0..4).map(|fit| (0..200).filter(|cell| cell % 4 != fit).collect()).collect();
        let problem = Problem {
            train_gex: &train_gex,
            train_adt: adt.view(),
            test_gex: &test_gex,
            fits: &fits,
            seed: 3,
        };
        // All components and none left out: with and without TSVD of each modality.
        for (gex_components, adt_components) in [(60, 24), (59, 23)] {
            let solver = Solver::Cholesky;
            let exact = TsvdKrrParams { gex_components, adt_components, solver, ..<_>::default() };
            let mut clock = StageClock::silent();
            let wanted = on(tsvd_krr(&mut Exact, &problem, &exact, &mut clock)).mapv(f64::from);
            for solver in [Solver::Cholesky, Solver::Pcg] {
                let tolerance = 0.5 * self.tolerance;
                let params =
                    TsvdKrrParams { solver, landmarks: Some(40), tolerance, ..exact.clone() };
                let mut notes = Vec::new();
                let mut clock = StageClock::new(|event| {
                    if let Event::Note { text } = event {
                        notes.push(text);
                    }
                });
                let predicted = on(tsvd_krr(stages, &problem, &params, &mut clock));
                drop(clock);
                assert!(notes.is_empty(), "tsvd_krr: {notes:?}");
                assert!(predicted.iter().all(|&value| value >= 0.0), "tsvd_krr: below zero");
                self.equal(&format!("tsvd_krr by {solver:?}"), &predicted, &wanted);
            }
        }
    }

    fn compare<S: Stages>(
        &self,
        what: &str,
        stages: &mut S,
        found: &S::Matrix,
        wanted: &Array2<f64>,
    ) {
        on(stages.synchronize());
        self.equal(what, &on(stages.download(found)), wanted);
    }

    fn equal(&self, what: &str, found: &Array2<f32>, wanted: &Array2<f64>) {
        assert_eq!(found.dim(), wanted.dim(), "{what}: wrong shape");
        let scale = wanted.iter().fold(1.0, |a: f64, b| a.max(b.abs()));
        let worst = Zip::from(found).and(wanted).fold(0.0, |worst: f64, &found, &wanted| {
            let difference = (f64::from(found) - wanted).abs();
            if difference.is_finite() { worst.max(difference) } else { f64::INFINITY }
        });
        let limit = self.tolerance.max(f64::from(f32::EPSILON)) * scale;
        assert!(worst <= limit, "{what}: off by {worst:.2e} where {limit:.2e} is allowed");
    }
}

fn on<T, E: Debug>(result: Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("a stage failed: {error:?}"),
    }
}

fn usizes(rows: &[u32]) -> Vec<usize> {
    rows.iter().map(|&row| row as usize).collect()
}

fn dense(rows: usize, columns: usize, seed: u64) -> Array2<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    Array2::from_shape_simple_fn((rows, columns), || rng.gen_range(-1.0..1.0))
}

/// Rows that mix a few directions whose weights halve from one to the next, and a little noise.
fn low_rank(rows: usize, columns: usize, seed: u64) -> Array2<f32> {
    const RANK: usize = 8;
    let directions = dense(RANK, columns, 77);
    let mut weights = dense(rows, RANK, seed);
    for (i, mut column) in weights.columns_mut().into_iter().enumerate() {
        column *= 0.5_f32.powi(i as i32);
    }
    weights.dot(&directions) + dense(rows, columns, seed + 100) * 1e-3
}

fn sparse(matrix: &Array2<f32>) -> Csr {
    let mut indptr = vec![0];
    let (mut indices, mut data) = (Vec::new(), Vec::new());
    for row in matrix.rows() {
        for (column, &value) in row.iter().enumerate().filter(|(_, value)| **value != 0.0) {
            indices.push(column as u32);
            data.push(value);
        }
        indptr.push(indices.len());
    }
    Csr::new(matrix.dim(), indptr, indices, data)
}
