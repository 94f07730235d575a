//! Rows, columns and kernels of matrices.

use ndarray::Array2;

use super::{Suite, dense, on, read, wide};
use crate::{Exact, Linalg, Rbf};

pub(super) fn rows<S: Linalg>(stages: &mut S, tolerance: f64) {
    for shape in [(37, 19), (70, 305), (41, 1)] {
        rows_of(stages, &Suite { tolerance }, shape);
    }
}

fn rows_of<S: Linalg>(stages: &mut S, suite: &Suite, shape: (usize, usize)) {
    let mut matrix = dense(shape.0, shape.1, 1);
    matrix.row_mut(5).fill(2.5);
    let exact = |work: &dyn Fn(&mut Exact, &mut Array2<f64>)| {
        let mut result = matrix.mapv(f64::from);
        work(&mut Exact, &mut result);
        result
    };
    let mut standardized = on(stages.upload(matrix.view()));
    on(stages.standardize_rows(&mut standardized));
    let wanted = exact(&|stages, matrix| on(stages.standardize_rows(matrix)));
    suite.compare("standardize_rows", stages, &standardized, &wanted);

    let rows = [36, 0, 5, 5, 12];
    let uploaded = on(stages.upload(matrix.view()));
    let gathered = on(stages.gather_rows(&uploaded, &rows));
    let wanted = exact(&|stages, matrix| *matrix = on(stages.gather_rows(matrix, &rows)));
    suite.compare("gather_rows", stages, &gathered, &wanted);

    let rows = [36, 0, 7, 12, 3];
    let mut sum = on(stages.zeros(shape.0, shape.1));
    for _ in 0..2 {
        on(stages.scatter_add_rows(&mut sum, &rows, &gathered));
    }
    let mut wanted = Array2::zeros(shape);
    let source = on(Exact.gather_rows(&matrix.mapv(f64::from), &[36, 0, 5, 5, 12]));
    for _ in 0..2 {
        on(Exact.scatter_add_rows(&mut wanted, &rows, &source));
    }
    suite.compare("scatter_add_rows", stages, &sum, &wanted);
}

pub(super) fn columns<S: Linalg>(stages: &mut S, tolerance: f64) {
    let suite = Suite { tolerance };
    let (y, x) = (dense(500, 3, 13), dense(500, 3, 14));
    let (mut device_y, device_x) = (on(stages.upload(y.view())), on(stages.upload(x.view())));
    let (mut y, x) = (wide(&y), wide(&x));
    let dots = on(stages.column_dots(&device_y, &device_x));
    let (dots, wanted) = (read(stages, &dots), on(Exact.column_dots(&y, &x)));
    suite.numbers("column_dots", &dots, &wanted, 500);
    let (keep, take) = (vec![1.0, 0.0, -0.5], vec![0.0, 2.0, 0.25]);
    let (device_keep, device_take) = (on(stages.scalars(&keep)), on(stages.scalars(&take)));
    on(stages.combine_columns((&mut device_y, &device_keep), (&device_x, &device_take)));
    on(Exact.combine_columns((&mut y, &keep), (&x, &take)));
    suite.compare("combine_columns", stages, &device_y, &y);
    let selected = on(stages.select_columns(&device_x, &[2, 0]));
    let wanted = on(Exact.select_columns(&x, &[2, 0]));
    suite.compare("select_columns", stages, &selected, &wanted);
    on(stages.put_columns(&mut device_y, &[1, 2], &selected));
    on(Exact.put_columns(&mut y, &[1, 2], &wanted));
    suite.compare("put_columns", stages, &device_y, &y);
    let copy = on(stages.copy(&device_y));
    on(stages.combine_columns((&mut device_y, &device_take), (&device_x, &device_take)));
    suite.compare("copy", stages, &copy, &y);
}

pub(super) fn kernels<S: Rbf>(stages: &mut S, tolerance: f64) {
    let (suite, gamma) = (Suite { tolerance }, 0.02);
    for (cells, width, targets) in [(1, 1, 1), (61, 30, 7), (300, 33, 73)] {
        let (x, t) = (dense(cells, width, 2), dense(cells, targets, 4));
        let (device_x, device_t) = (on(stages.upload(x.view())), on(stages.upload(t.view())));
        for alpha in [0.2, 2.0] {
            let kernel = on(stages.kernel(&device_x, gamma));
            let coefficients = on(stages.solve(kernel, alpha, &device_t));
            let kernel = on(Exact.kernel(&wide(&x), gamma));
            let wanted = on(Exact.solve(kernel, alpha, &wide(&t)));
            suite.compare("kernel and solve", stages, &coefficients, &wanted);
        }
        let transposed = on(stages.upload(x.t()));
        let product = on(stages.matmul(&device_x, &transposed));
        suite.compare("matmul", stages, &product, &wide(&x).dot(&wide(&x).t()));
    }
}

/// Among them shapes that fill no tile of any size, and numbers of components with and without a rest.
pub(super) fn kernel_products<S: Rbf>(stages: &mut S, tolerance: f64) {
    let suite = Suite { tolerance };
    let shapes = [
        (1, 1, 1, 1),
        (50, 33, 1, 3),
        (45, 70, 17, 73),
        (1, 130, 16, 64),
        (129, 300, 33, 70),
        (33, 97, 305, 1),
        (257, 1, 305, 73),
    ];
    for (test, train, width, targets) in shapes {
        let gamma = 0.6 / width as f64;
        let (x, y) = (dense(test, width, 3), dense(train, width, 2));
        let c = dense(train, targets, 4) / (train as f32).sqrt();
        let [device_x, device_y, device_c] =
            [&x, &y, &c].map(|matrix| on(stages.upload(matrix.view())));
        let found = on(stages.kernel_product(&device_x, &device_y, gamma, &device_c));
        let wanted = on(Exact.kernel_product(&wide(&x), &wide(&y), gamma, &wide(&c)));
        suite.compare(&format!("kernel_product of width {width}"), stages, &found, &wanted);
    }
}
