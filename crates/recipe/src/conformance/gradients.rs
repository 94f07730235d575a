//! What conjugate gradients do with columns and a number for each of them.

use ndarray::{Array2, s};

use super::{Suite, dense, on, read, wide};
use crate::{Exact, Linalg, Step};

pub(super) fn gradients<S: Linalg>(stages: &mut S, tolerance: f64) {
    numbers(stages);
    for shape in [(1, 1), (37, 73), (257, 2), (1025, 17)] {
        turn(stages, tolerance, shape);
        step(stages, tolerance, shape);
    }
}

/// Numbers come back as they were, in the order in which they are asked for.
fn numbers<S: Linalg>(stages: &mut S) {
    let many: Vec<f64> = (0..73).map(|i| f64::from(i).sqrt() * 1e-3 - 0.01).collect();
    let sets = [vec![1.0 / 3.0], many, vec![-1e-200, 1e200]];
    let held = sets.each_ref().map(|values| on(stages.scalars(values)));
    for wanted in [vec![1], vec![2, 0, 1, 0], vec![]] {
        let found = on(stages.read(&wanted.iter().map(|&set| &held[set]).collect::<Vec<_>>()));
        let wanted: Vec<&Vec<f64>> = wanted.iter().map(|&set| &sets[set]).collect();
        assert!(found.iter().eq(wanted), "read: other numbers than were brought there: {found:?}");
    }
}

/// With a column of zeros, as of a cell that is solved.
fn matrix(shape: (usize, usize), seed: u64) -> Array2<f32> {
    let mut matrix = dense(shape.0, shape.1, seed);
    if shape.1 > 1 {
        matrix.slice_mut(s![.., 1]).fill(0.0);
    }
    matrix
}

fn turn<S: Linalg>(stages: &mut S, tolerance: f64, shape: (usize, usize)) {
    let suite = Suite { tolerance };
    let (direction, next) = (matrix(shape, 20), dense(shape.0, shape.1, 21));
    let (new, mut old): (Vec<f64>, Vec<f64>) =
        (0..shape.1).map(|i| (0.5 + i as f64 / 99.0, 2.0 - i as f64 / 99.0)).unzip();
    let mut new = new;
    // Nothing of something, and nothing of nothing.
    new.iter_mut().skip(1).step_by(2).for_each(|new| *new = 0.0);
    old.iter_mut().skip(1).step_by(4).for_each(|old| *old = 0.0);
    let (device_new, device_old) = (on(stages.scalars(&new)), on(stages.scalars(&old)));
    let device_next = on(stages.upload(next.view()));
    for is_first in [false, true] {
        let mut found = on(stages.upload(direction.view()));
        let mut wanted = wide(&direction);
        let (old, device_old) = ((!is_first).then_some(&old), (!is_first).then_some(&device_old));
        on(stages.turn(&mut found, &device_next, &device_new, device_old));
        on(Exact.turn(&mut wanted, &wide(&next), &new, old));
        suite.compare("turn", stages, &found, &wanted);
        suite.compare("turn, the other operand", stages, &device_next, &wide(&next));
    }
}

/// Two steps, so that the second begins with what the first left.
fn step<S: Linalg>(stages: &mut S, tolerance: f64, shape: (usize, usize)) {
    let (suite, alpha) = (Suite { tolerance }, 0.2);
    let (direction, start) = (matrix(shape, 22), matrix(shape, 23));
    let mut rho = vec![0.25 * shape.0 as f64; shape.1];
    rho.iter_mut().skip(1).step_by(2).for_each(|rho| *rho = 0.0);
    let device_rho = on(stages.scalars(&rho));
    let device_direction = on(stages.upload(direction.view()));
    let [mut device_solution, mut device_residual] =
        [&start, &direction].map(|matrix| on(stages.upload(matrix.view())));
    let (mut solution, mut residual, direction) =
        (wide(&start), wide(&direction), wide(&direction));
    for seed in [24, 25] {
        // So near to the direction that the curvature is far from zero.
        let product = (matrix(shape, seed) * 0.1 + direction.mapv(|value| value as f32)).to_owned();
        let device_product = on(stages.upload(product.view()));
        let found = on(stages.step(Step {
            solution: &mut device_solution,
            residual: &mut device_residual,
            direction: &device_direction,
            product: device_product,
            alpha,
            rho: &device_rho,
        }));
        let wanted = on(Exact.step(Step {
            solution: &mut solution,
            residual: &mut residual,
            direction: &direction,
            product: wide(&product),
            alpha,
            rho: &rho,
        }));
        let (curvature, squares) = (read(stages, &found.curvature), read(stages, &found.squares));
        suite.numbers("step, curvature", &curvature, &wanted.curvature, shape.0);
        suite.numbers("step, squares of the residual", &squares, &wanted.squares, shape.0);
        suite.compare("step, solution", stages, &device_solution, &solution);
        suite.compare("step, residual", stages, &device_residual, &residual);
    }
}
