//! Scores of predictions, computed here and never by a backend.
//!
//! Correlations follow scipy: a constant vector has no correlation (scipy returns NaN). Means are taken over
//! the vectors that have one; if none has, there is no mean.

use ndarray::{ArrayView1, ArrayView2, Axis};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// How far predictions are from measured proteins.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Root of the mean squared error over all (cell, protein) entries.
    pub rmse: f64,
    /// Mean absolute error over all entries.
    pub mae: f64,
    /// Pearson correlation over the proteins of a cell, mean over cells.
    pub pearson_cell: Option<f64>,
    /// Pearson correlation over the cells of a protein, mean over proteins.
    pub pearson_protein: Option<f64>,
    /// Spearman correlation over the proteins of a cell, mean over cells.
    pub spearman_cell: Option<f64>,
    /// Spearman correlation over the cells of a protein, mean over proteins.
    pub spearman_protein: Option<f64>,
}

impl Metrics {
    /// Scores `predicted` against `measured`, both test cells x proteins.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the shapes differ or a prediction is NaN or infinite.
    pub fn score(predicted: ArrayView2<'_, f32>, measured: ArrayView2<'_, f32>) -> Result<Self> {
        check(predicted, measured)?;
        let entries = measured.len() as f64;
        let (mut squares, mut absolutes) = (0.0, 0.0);
        ndarray::Zip::from(predicted).and(measured).for_each(|&p, &m| {
            let difference = f64::from(p) - f64::from(m);
            squares += difference * difference;
            absolutes += difference.abs();
        });
        Ok(Self {
            rmse: (squares / entries).sqrt(),
            mae: absolutes / entries,
            pearson_cell: mean_over(predicted, measured, Axis(0), pearson),
            pearson_protein: mean_over(predicted, measured, Axis(1), pearson),
            spearman_cell: mean_over(predicted, measured, Axis(0), spearman),
            spearman_protein: mean_over(predicted, measured, Axis(1), spearman),
        })
    }
}

fn check(predicted: ArrayView2<'_, f32>, measured: ArrayView2<'_, f32>) -> Result<()> {
    if predicted.dim() != measured.dim() {
        let ((cells, proteins), (want_cells, want_proteins)) = (predicted.dim(), measured.dim());
        return Err(Error::Invalid(format!(
            "predictions are {cells} x {proteins} where {want_cells} cells x {want_proteins} proteins are expected"
        )));
    }
    if let Some(((cell, protein), value)) =
        predicted.indexed_iter().find(|(_, value)| !value.is_finite())
    {
        return Err(Error::Invalid(format!(
            "the prediction of cell {cell}, protein {protein} is {value}"
        )));
    }
    Ok(())
}

type Correlation = fn(&[f64], &[f64]) -> Option<f64>;

fn mean_over(
    a: ArrayView2<'_, f32>,
    b: ArrayView2<'_, f32>,
    axis: Axis,
    of: Correlation,
) -> Option<f64> {
    let wide = |vector: ArrayView1<'_, f32>| {
        vector.iter().map(|&value| f64::from(value)).collect::<Vec<_>>()
    };
    let values: Vec<Option<f64>> = (0..a.len_of(axis))
        .into_par_iter()
        .map(|i| of(&wide(a.index_axis(axis, i)), &wide(b.index_axis(axis, i))))
        .collect();
    let defined: Vec<f64> = values.into_iter().flatten().collect();
    (!defined.is_empty()).then(|| defined.iter().sum::<f64>() / defined.len() as f64)
}

fn is_constant(x: &[f64]) -> bool {
    x.iter().all(|&value| value == x[0])
}

fn pearson(x: &[f64], y: &[f64]) -> Option<f64> {
    if x.len() < 2 || is_constant(x) || is_constant(y) {
        return None;
    }
    let n = x.len() as f64;
    let (mean_x, mean_y) = (x.iter().sum::<f64>() / n, y.iter().sum::<f64>() / n);
    let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
    for (&a, &b) in x.iter().zip(y) {
        let (a, b) = (a - mean_x, b - mean_y);
        xy += a * b;
        xx += a * a;
        yy += b * b;
    }
    Some((xy / (xx.sqrt() * yy.sqrt())).clamp(-1.0, 1.0))
}

fn spearman(x: &[f64], y: &[f64]) -> Option<f64> {
    pearson(&ranks(x), &ranks(y))
}

/// Ranks from one; ties share the mean of their ranks.
fn ranks(x: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..x.len()).collect();
    order.sort_unstable_by(|&a, &b| x[a].total_cmp(&x[b]));
    let mut ranks = vec![0.0; x.len()];
    let mut start = 0;
    for tie in order.chunk_by(|&a, &b| x[a] == x[b]) {
        let rank = start as f64 + (tie.len() as f64 + 1.0) / 2.0;
        tie.iter().for_each(|&i| ranks[i] = rank);
        start += tie.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::*;

    fn close(found: Option<f64>, wanted: f64) {
        let found = found.unwrap();
        assert!((found - wanted).abs() < 1e-12, "{found} where {wanted} is expected");
    }

    #[test]
    fn agrees_with_scipy() {
        // scipy.stats.pearsonr and spearmanr on the same values, numpy.nanmean over rows and columns.
        let measured = array![[0.0_f32, 1.0, 2.0, 2.0], [1.0, 1.0, 1.0, 1.0], [3.0, 0.5, 0.5, 4.0]];
        let predicted =
            array![[0.5_f32, 0.75, 2.5, 1.0], [1.0, 2.0, 3.0, 4.0], [2.5, 1.0, 0.25, 4.0]];
        let metrics = Metrics::score(predicted.view(), measured.view()).unwrap();
        assert!((metrics.rmse - 1.159_202_311_936_963).abs() < 1e-12);
        assert!((metrics.mae - 0.791_666_666_666_666_6).abs() < 1e-12);
        close(metrics.pearson_cell, 0.836_907_516_339_788_5);
        close(metrics.pearson_protein, 0.536_323_187_764_925_2);
        close(metrics.spearman_cell, 0.948_683_298_050_513_9);
        close(metrics.spearman_protein, 0.375);
    }

    #[test]
    fn constant_predictions_have_no_correlation() {
        let measured = array![[0.0_f32, 1.0], [1.0, 3.0]];
        let metrics = Metrics::score(Array2::zeros((2, 2)).view(), measured.view()).unwrap();
        assert_eq!((metrics.pearson_cell, metrics.spearman_protein), (None, None));
    }

    #[test]
    fn ties_share_their_rank() {
        assert_eq!(ranks(&[3.0, 1.0, 3.0, 2.0]), [3.5, 1.0, 3.5, 2.0]);
    }

    #[test]
    fn wrong_shapes_and_nan_are_named() {
        let measured = Array2::<f32>::zeros((2, 3));
        let shape = Metrics::score(Array2::zeros((3, 2)).view(), measured.view()).unwrap_err();
        assert_eq!(
            shape.to_string(),
            "predictions are 3 x 2 where 2 cells x 3 proteins are expected"
        );
        let nan = Metrics::score(
            array![[0.0_f32, 0.0, 0.0], [0.0, f32::NAN, 0.0]].view(),
            measured.view(),
        );
        assert_eq!(nan.unwrap_err().to_string(), "the prediction of cell 1, protein 1 is NaN");
    }
}
