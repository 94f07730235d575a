//! The kernel that fits share, and their preconditioners.

use ndarray::{Array2, Axis};

use super::{Suite, dense, on, usizes, wide};
use crate::{Exact, Groups, Linalg as _, Nystrom, Rbf};

/// Several fits on cells of several groups, the longest of more than one block; one fit has a single cell, and some
/// groups have no fit that is asked for.
pub(super) fn long_groups<S: Rbf>(stages: &mut S, tolerance: f64) {
    let fits = [
        (0..1300).collect(),
        (1200..1500).rev().collect(),
        (0..1500).step_by(7).collect(),
        vec![3],
    ];
    // In any order, not all of them, with a number of columns of its own each.
    let asked = [(2, 9), (0, 73), (3, 1)];
    shared(stages, &Suite { tolerance }, (1500, 12), &fits, &asked);
}

/// Thirty donors of 20 to 60 cells, in halves: each donor is a group, as no two are in the same halves. The cells of one
/// more donor are in none.
pub(super) fn many_groups<S: Rbf>(stages: &mut S, tolerance: f64) {
    const DONORS: usize = 30;
    let donors: Vec<usize> = (0..=DONORS)
        .flat_map(|donor| std::iter::repeat_n((donor * 7) % (DONORS + 1), 20 + donor * 11 % 41))
        .collect();
    let half = |half: usize| {
        let is_in = |donor: usize| donor > 0 && (donor >> (half / 2)) % 2 == half % 2;
        (0..).zip(&donors).filter(|(_, donor)| is_in(**donor)).map(|(cell, _)| cell).collect()
    };
    let fits: Vec<Vec<u32>> = (0..10).map(half).collect();
    assert_eq!(Groups::new(&fits).blocks().len(), DONORS);
    let asked = [(1, 17), (8, 1), (9, 32), (4, 5)];
    shared(stages, &Suite { tolerance }, (donors.len(), 33), &fits, &asked);
}

/// Of `shape` cells x components: products and preconditioners of the fits that are `asked` for, with so many columns.
fn shared<S: Rbf>(
    stages: &mut S,
    suite: &Suite,
    shape: (usize, usize),
    fits: &[Vec<u32>],
    asked: &[(usize, usize)],
) {
    let (gamma, alpha) = (0.24 / shape.1 as f64, 0.2);
    let groups = Groups::new(fits);
    let x = dense(shape.0, shape.1, 11).select(Axis(0), &usizes(groups.cells()));
    let last = groups.cells().len() as u32 - 1;
    let landmarks = [0, 5, last / 2, last - 7, last];
    let device_x = on(stages.upload(x.view()));
    let kernel = on(stages.shared_kernel(&device_x, gamma, &groups));
    let wanted_kernel = on(Exact.shared_kernel(&wide(&x), gamma, &groups));
    let inverse = on(Nystrom::new(stages, &device_x, (gamma, alpha), &landmarks, &groups));
    let wanted_inverse = approximation(&wide(&x), gamma, &landmarks);
    let vector =
        |&(fit, columns): &(usize, usize)| (fit, dense(groups.len_of(fit), columns, 12) / 30.0);
    let vectors: Vec<(usize, Array2<f32>)> = asked.iter().map(vector).collect();
    let device: Vec<(usize, S::Matrix)> =
        vectors.iter().map(|(fit, vector)| (*fit, on(stages.upload(vector.view())))).collect();
    let device: Vec<(usize, &S::Matrix)> = device.iter().map(|(fit, m)| (*fit, m)).collect();
    let products = on(stages.shared_products(&kernel, &groups, &device));
    let preconditioned = on(inverse.apply(stages, &groups, &device));
    for (i, (fit, vector)) in vectors.iter().enumerate() {
        let vector = wide(vector);
        let wanted = on(Exact.shared_products(&wanted_kernel, &groups, &[(*fit, &vector)]));
        suite.compare("shared_products", stages, &products[i], &wanted[0]);
        let rows: Vec<usize> = groups.parts_of(*fit).flatten().collect();
        let of_fit = wanted_inverse.select(Axis(0), &rows).select(Axis(1), &rows);
        let wanted = on(Exact.solve(of_fit, alpha, &vector));
        suite.compare("Nystrom::apply", stages, &preconditioned[i], &wanted);
    }
}

/// K(x, z) K(z, z)^-1 K(z, x), whole: what a preconditioner approximates the kernel by.
fn approximation(x: &Array2<f64>, gamma: f64, landmarks: &[u32]) -> Array2<f64> {
    let z = on(Exact.gather_rows(x, landmarks));
    let unit = Array2::eye(z.nrows());
    let (across, among) = (
        on(Exact.kernel_product(x, &z, gamma, &unit)),
        on(Exact.kernel_product(&z, &z, gamma, &unit)),
    );
    across.dot(&on(Exact.solve(among, 1e-9, &across.t().to_owned())))
}
