//! The floor of the comparison: what simple methods reach.

use modality_data::ValuesView;
use modality_dense as dense;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayViewMut1, Axis};
use rayon::prelude::*;

use crate::KernelRidgeError;

/// Test cells whose distances to all training cells are held at a time.
pub(crate) const TILE: usize = 256;

/// The mean of each feature over the training cells (`target`, cells x features).
pub fn mean(target: ValuesView<'_>) -> Array1<f32> {
    wide_mean(target).mapv(|value| value as f32)
}

/// Ridge regression with an intercept, by the normal equations in float64.
#[derive(Debug, Clone, PartialEq)]
pub struct Ridge {
    x_mean: Array1<f64>,
    target_mean: Array1<f64>,
    /// Scores x features.
    weights: Array2<f64>,
}

impl Ridge {
    /// Fits `target` (cells x features) to `x` (cells x scores).
    ///
    /// # Errors
    /// [`KernelRidgeError::NotPositiveDefinite`] if `alpha` is too small for the scores.
    pub fn fit(
        x: ArrayView2<'_, f32>,
        target: ValuesView<'_>,
        alpha: f64,
    ) -> Result<Self, KernelRidgeError> {
        let (x_mean, target_mean) = (wide_mean(x.into()), wide_mean(target));
        let centred = x.mapv(f64::from) - &x_mean;
        let mut normal = vec![0.0; x.ncols() * x.ncols()];
        dense::gram_lower(centred.t(), &mut normal);
        normal.iter_mut().step_by(x.ncols() + 1).for_each(|value| *value += alpha);
        let mut weights = match target {
            ValuesView::Dense(target) => {
                dense::product(centred.t(), (target.mapv(f64::from) - &target_mean).view())
            }
            // The mean, which would fill it, has no product with centred scores.
            ValuesView::Sparse(_) => sparse_product(&centred, target),
        };
        dense::cholesky_solve(&mut normal, &mut weights)
            .map_err(|row| KernelRidgeError::NotPositiveDefinite { row, alpha })?;
        Ok(Self { x_mean, target_mean, weights })
    }

    /// Predictions for `x`, cells x scores: cells x features.
    pub fn predict(&self, x: ArrayView2<'_, f32>) -> Array2<f32> {
        let centred = x.mapv(f64::from) - &self.x_mean;
        let predicted = dense::product(centred.view(), self.weights.view()) + &self.target_mean;
        predicted.mapv(|value| value as f32)
    }
}

/// The mean over the nearest training cells, in Euclidean distance of scores: `x_test` (cells x scores) against
/// `x` (cells x scores), averaging rows of `target` (cells x features). Of cells equally near, the first count.
pub fn knn(
    x: ArrayView2<'_, f32>,
    target: ValuesView<'_>,
    x_test: ArrayView2<'_, f32>,
    neighbours: usize,
) -> Array2<f32> {
    let neighbours = neighbours.min(x.nrows());
    let squares: Vec<f32> = x.rows().into_iter().map(|row| row.dot(&row)).collect();
    let mut predicted = Array2::zeros((x_test.nrows(), target.columns()));
    for (x_test, mut predicted) in
        x_test.axis_chunks_iter(Axis(0), TILE).zip(predicted.axis_chunks_iter_mut(Axis(0), TILE))
    {
        let products = dense::product(x_test, x.t());
        let rows =
            predicted.axis_iter_mut(Axis(0)).into_par_iter().zip(products.axis_iter(Axis(0)));
        rows.for_each(|(mut predicted, products)| {
            for cell in nearest(products, &squares, neighbours) {
                add_row(predicted.view_mut(), target, cell as usize);
            }
            predicted /= neighbours as f32;
        });
    }
    predicted
}

/// Rows with the smallest ||x||^2 - 2 x . y, the squared distance less a constant, in order of their number.
fn nearest(products: ArrayView1<'_, f32>, squares: &[f32], neighbours: usize) -> Vec<u32> {
    let mut cells: Vec<(f32, u32)> = products
        .iter()
        .zip(squares)
        .zip(0..)
        .map(|((&product, &square), cell)| (square - 2.0 * product, cell))
        .collect();
    if neighbours < cells.len() {
        cells.select_nth_unstable_by(neighbours, |a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        cells.truncate(neighbours);
    }
    let mut cells: Vec<u32> = cells.into_iter().map(|(_, cell)| cell).collect();
    cells.sort_unstable();
    cells
}

fn add_row(mut sum: ArrayViewMut1<'_, f32>, values: ValuesView<'_>, row: usize) {
    match values {
        ValuesView::Dense(dense) => sum += &dense.row(row),
        ValuesView::Sparse(csr) => {
            let entries = csr.outer_view(row).expect("it is a row of the matrix");
            entries.iter().for_each(|(column, &value)| sum[column] += value);
        }
    }
}

/// `x`^T times sparse rows, columns of `x` x features.
fn sparse_product(x: &Array2<f64>, values: ValuesView<'_>) -> Array2<f64> {
    let mut transposed = Array2::<f64>::zeros((values.columns(), x.ncols()));
    values.for_each_nonzero(|row, column, value| {
        transposed.row_mut(column).scaled_add(f64::from(value), &x.row(row));
    });
    transposed.reversed_axes().as_standard_layout().into_owned()
}

fn wide_mean(values: ValuesView<'_>) -> Array1<f64> {
    let mut sum = Array1::<f64>::zeros(values.columns());
    match values {
        ValuesView::Dense(dense) => {
            for row in dense.rows() {
                ndarray::Zip::from(&mut sum).and(row).for_each(|sum, &x| *sum += f64::from(x));
            }
        }
        ValuesView::Sparse(_) => {
            values.for_each_nonzero(|_, column, value| sum[column] += f64::from(value));
        }
    }
    sum / values.rows() as f64
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn neighbours_are_averaged_and_ties_go_to_the_first() {
        let x = array![[0.0_f32, 0.0], [1.0, 0.0], [0.0, 1.0], [5.0, 5.0]];
        let target = array![[1.0_f32], [2.0], [4.0], [100.0]];
        let test = array![[0.1_f32, 0.1], [6.0, 5.0]];
        assert_eq!(knn(x.view(), target.view().into(), test.view(), 2), array![[1.5], [51.0]]);
        assert_eq!(knn(x.view(), target.view().into(), test.view(), 1), array![[1.0], [100.0]]);
        assert_eq!(knn(x.view(), target.view().into(), test.view(), 9)[[0, 0]], 26.75);
    }

    #[test]
    fn a_line_is_found_and_shrunk() {
        let x = array![[0.0_f32], [1.0], [2.0], [3.0]];
        let target = array![[1.0_f32, 0.0], [3.0, 0.0], [5.0, 0.0], [7.0, 0.0]];
        let found = Ridge::fit(x.view(), target.view().into(), 1e-9)
            .unwrap()
            .predict(array![[4.0_f32]].view());
        assert!((found[[0, 0]] - 9.0).abs() < 1e-5 && found[[0, 1]] == 0.0, "{found}");
        // Slope 2 * 5 / (5 + 5), through the mean (1.5, 4).
        let shrunk = Ridge::fit(x.view(), target.view().into(), 5.0)
            .unwrap()
            .predict(array![[4.0_f32]].view());
        assert!((shrunk[[0, 0]] - 6.5).abs() < 1e-5, "{shrunk}");
    }

    #[test]
    fn means_are_per_feature() {
        assert_eq!(mean(array![[1.0_f32, 5.0], [3.0, 7.0]].view().into()), array![2.0, 6.0]);
    }

    #[test]
    fn sparse_targets_give_what_dense_ones_give() {
        let x = Array2::from_shape_fn((40, 3), |(i, j)| ((i * 7 + j * 5) % 11) as f32 / 11.0);
        let dense = Array2::from_shape_fn((40, 6), |(i, j)| {
            if (i + j) % 3 == 0 { ((i * 3 + j) % 5) as f32 } else { 0.0 }
        });
        let csr = modality_data::Csr::csr_from_dense(dense.view(), 0.0);
        let (sparse, dense) = (ValuesView::from(&csr), ValuesView::from(dense.view()));
        assert_eq!(mean(sparse), mean(dense));
        assert_eq!(knn(x.view(), sparse, x.view(), 4), knn(x.view(), dense, x.view(), 4));
        let predict = |target| Ridge::fit(x.view(), target, 0.5).unwrap().predict(x.view());
        let difference = predict(sparse) - predict(dense);
        assert!(difference.iter().all(|difference| difference.abs() < 1e-6), "{difference}");
    }
}
