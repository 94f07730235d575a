//! One suite that any implementation of [`Stages`] runs: each stage, and the whole recipe, against
//! [`Exact`](crate::Exact).
//!
//! ```
//! modality_recipe::conformance::check(&mut modality_recipe::Exact, 1e-9);
//! ```

mod gradients;
mod matrices;
mod recipe;
mod shared;

use std::fmt::Debug;

use modality_data::Csr;
use ndarray::{Array2, Zip};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::{Linalg, Stages};

/// A part of the suite: its name, and what runs it with a tolerance as in [`check`].
pub type Part<S> = (&'static str, fn(&mut S, f64));

/// Runs the suite. `tolerance` is the largest difference allowed in a quantity of order one: about 1e-4 for
/// float32 arithmetic.
///
/// # Panics
/// With the name of the stage and the difference, if a result is off.
pub fn check<S: Stages>(stages: &mut S, tolerance: f64) {
    for (_, part) in parts() {
        part(stages, tolerance);
    }
}

/// The parts of the suite, in the order of [`check`]. Each panics as that does.
pub fn parts<S: Stages>() -> [Part<S>; 11] {
    [
        ("rows", matrices::rows),
        ("columns", matrices::columns),
        ("kernel and solve", matrices::kernels),
        ("kernel product", matrices::kernel_products),
        ("conjugate gradients", gradients::gradients),
        ("shared kernel of long groups", shared::long_groups),
        ("shared kernel of many groups", shared::many_groups),
        ("TSVD", recipe::tsvd),
        ("TSVD of many features", recipe::tsvd_of_many_features),
        ("recipe", recipe::recipe),
        ("recipe of uneven fits", recipe::uneven_fits),
    ]
}

/// A stage's results beside those of [`Exact`](crate::Exact).
struct Suite {
    tolerance: f64,
}

impl Suite {
    fn compare<S: Linalg>(
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
        let pairs =
            Zip::from(found).and(wanted).map_collect(|&found, &wanted| (f64::from(found), wanted));
        self.near(what, pairs.iter());
    }

    /// Numbers by column, each a sum of `terms` numbers of order one.
    fn numbers(&self, what: &str, found: &[f64], wanted: &[f64], terms: usize) {
        assert_eq!(found.len(), wanted.len(), "{what}: wrong number of columns");
        let part = |(&found, &wanted): (&f64, &f64)| (found / terms as f64, wanted / terms as f64);
        self.near(what, found.iter().zip(wanted).map(part).collect::<Vec<_>>().iter());
    }

    fn near<'a>(&self, what: &str, pairs: impl Iterator<Item = &'a (f64, f64)> + Clone) {
        let scale = pairs.clone().fold(1.0, |a: f64, (_, wanted)| a.max(wanted.abs()));
        let worst = pairs.fold(0.0, |worst: f64, (found, wanted)| {
            let difference = (found - wanted).abs();
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

/// One set of numbers, brought back.
fn read<S: Linalg>(stages: &mut S, scalars: &S::Scalars) -> Vec<f64> {
    let mut read = on(stages.read(&[scalars]));
    assert_eq!(read.len(), 1, "read: one set of numbers asked for, {} given", read.len());
    read.remove(0)
}

fn wide(matrix: &Array2<f32>) -> Array2<f64> {
    matrix.mapv(f64::from)
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
