//! The floor of the comparison: what simple methods reach.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use rayon::prelude::*;

use crate::{KernelRidgeError, dense};

/// Test cells whose distances to all training cells are held at a time.
pub(crate) const TILE: usize = 256;

/// The mean of each protein over the training cells (`adt`, cells x proteins).
pub fn mean(adt: ArrayView2<'_, f32>) -> Array1<f32> {
    wide_mean(adt).mapv(|value| value as f32)
}

/// Ridge regression with an intercept, by the normal equations in float64.
#[derive(Debug, Clone, PartialEq)]
pub struct Ridge {
    x_mean: Array1<f64>,
    adt_mean: Array1<f64>,
    /// Scores x proteins.
    weights: Array2<f64>,
}

impl Ridge {
    /// Fits `adt` (cells x proteins) to `x` (cells x scores).
    ///
    /// # Errors
    /// [`KernelRidgeError::NotPositiveDefinite`] if `alpha` is too small for the scores.
    pub fn fit(
        x: ArrayView2<'_, f32>,
        adt: ArrayView2<'_, f32>,
        alpha: f64,
    ) -> Result<Self, KernelRidgeError> {
        let (x_mean, adt_mean) = (wide_mean(x), wide_mean(adt));
        let centred = x.mapv(f64::from) - &x_mean;
        let mut normal = vec![0.0; x.ncols() * x.ncols()];
        dense::gram_lower(centred.t(), &mut normal);
        normal.iter_mut().step_by(x.ncols() + 1).for_each(|value| *value += alpha);
        let mut weights = dense::product(centred.t(), (adt.mapv(f64::from) - &adt_mean).view());
        dense::cholesky_solve(&mut normal, &mut weights)
            .map_err(|row| KernelRidgeError::NotPositiveDefinite { row, alpha })?;
        Ok(Self { x_mean, adt_mean, weights })
    }

    /// Predictions for `x`, cells x scores: cells x proteins.
    pub fn predict(&self, x: ArrayView2<'_, f32>) -> Array2<f32> {
        let centred = x.mapv(f64::from) - &self.x_mean;
        let predicted = dense::product(centred.view(), self.weights.view()) + &self.adt_mean;
        predicted.mapv(|value| value as f32)
    }
}

/// The mean over the nearest training cells, in Euclidean distance of scores: `x_test` (cells x scores) against
/// `x` (cells x scores), averaging rows of `adt` (cells x proteins). Of cells equally near, the first count.
pub fn knn(
    x: ArrayView2<'_, f32>,
    adt: ArrayView2<'_, f32>,
    x_test: ArrayView2<'_, f32>,
    neighbours: usize,
) -> Array2<f32> {
    let neighbours = neighbours.min(x.nrows());
    let squares: Vec<f32> = x.rows().into_iter().map(|row| row.dot(&row)).collect();
    let mut predicted = Array2::zeros((x_test.nrows(), adt.ncols()));
    for (x_test, mut predicted) in
        x_test.axis_chunks_iter(Axis(0), TILE).zip(predicted.axis_chunks_iter_mut(Axis(0), TILE))
    {
        let products = dense::product(x_test, x.t());
        let rows =
            predicted.axis_iter_mut(Axis(0)).into_par_iter().zip(products.axis_iter(Axis(0)));
        rows.for_each(|(mut predicted, products)| {
            for cell in nearest(products, &squares, neighbours) {
                predicted += &adt.row(cell as usize);
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

fn wide_mean(matrix: ArrayView2<'_, f32>) -> Array1<f64> {
    let sum = matrix
        .rows()
        .into_iter()
        .fold(Array1::zeros(matrix.ncols()), |sum: Array1<f64>, row| sum + row.mapv(f64::from));
    sum / matrix.nrows() as f64
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn neighbours_are_averaged_and_ties_go_to_the_first() {
        let x = array![[0.0_f32, 0.0], [1.0, 0.0], [0.0, 1.0], [5.0, 5.0]];
        let adt = array![[1.0_f32], [2.0], [4.0], [100.0]];
        let test = array![[0.1_f32, 0.1], [6.0, 5.0]];
        assert_eq!(knn(x.view(), adt.view(), test.view(), 2), array![[1.5], [51.0]]);
        assert_eq!(knn(x.view(), adt.view(), test.view(), 1), array![[1.0], [100.0]]);
        assert_eq!(knn(x.view(), adt.view(), test.view(), 9)[[0, 0]], 26.75);
    }

    #[test]
    fn a_line_is_found_and_shrunk() {
        let x = array![[0.0_f32], [1.0], [2.0], [3.0]];
        let adt = array![[1.0_f32, 0.0], [3.0, 0.0], [5.0, 0.0], [7.0, 0.0]];
        let found =
            Ridge::fit(x.view(), adt.view(), 1e-9).unwrap().predict(array![[4.0_f32]].view());
        assert!((found[[0, 0]] - 9.0).abs() < 1e-5 && found[[0, 1]] == 0.0, "{found}");
        // Slope 2 * 5 / (5 + 5), through the mean (1.5, 4).
        let shrunk =
            Ridge::fit(x.view(), adt.view(), 5.0).unwrap().predict(array![[4.0_f32]].view());
        assert!((shrunk[[0, 0]] - 6.5).abs() < 1e-5, "{shrunk}");
    }

    #[test]
    fn means_are_per_protein() {
        assert_eq!(mean(array![[1.0_f32, 5.0], [3.0, 7.0]].view()), array![2.0, 6.0]);
    }
}
