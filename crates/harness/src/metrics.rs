//! Scores of predictions, computed here and never by a backend.
//!
//! A constant vector has no correlation (scipy returns NaN). Means are taken over the vectors that have one; if none has,
//! there is no mean. Open Problems counts such vectors as zero: [`WithZeros`] has those means.
//!
//! Predictions and what was measured are read by blocks, so that neither need be copied whole or be dense.

use std::ops::Range;

use modality_data::ValuesView;
use ndarray::{Array2, ArrayView1, ArrayView2, s};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Numbers of a block.
const BLOCK: usize = 1 << 22;
/// Entries up to which all of them are put in order at once; that takes 24 bytes each.
const MOST_RANKED: usize = 1 << 27;

/// How far predictions are from what was measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Root of the mean squared error over all (cell, feature) entries.
    pub rmse: f64,
    /// Mean absolute error over all entries.
    pub mae: f64,
    /// Pearson correlation over the features of a cell, mean over cells.
    pub pearson_cell: Option<f64>,
    /// Pearson correlation over the cells of a feature, mean over features.
    #[serde(alias = "pearson_protein")]
    pub pearson_feature: Option<f64>,
    /// Spearman correlation over the features of a cell, mean over cells.
    pub spearman_cell: Option<f64>,
    /// Spearman correlation over the cells of a feature, mean over features.
    #[serde(alias = "spearman_protein")]
    pub spearman_feature: Option<f64>,
    /// Pearson correlation over all entries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pearson_all: Option<f64>,
    /// Spearman correlation over all entries, of which there must not be more than 2^27.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spearman_all: Option<f64>,
    /// The means as Open Problems takes them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with_zeros: Option<WithZeros>,
}

/// Means of correlations over all vectors, those that have none counting as zero.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct WithZeros {
    /// As [`Metrics::pearson_cell`].
    pub pearson_cell: f64,
    /// As [`Metrics::pearson_feature`].
    pub pearson_feature: f64,
    /// As [`Metrics::spearman_cell`].
    pub spearman_cell: f64,
    /// As [`Metrics::spearman_feature`].
    pub spearman_feature: f64,
}

impl Metrics {
    /// Scores `predicted` against `measured`, both test cells x features.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the shapes differ or a prediction is NaN or infinite.
    pub fn score(predicted: ArrayView2<'_, f32>, measured: ValuesView<'_>) -> Result<Self> {
        check(predicted, measured)?;
        let entries = predicted.len() as f64;
        let (mut squares, mut absolutes) = (0.0, 0.0);
        each_entry(predicted, measured, |p, m| {
            squares += (p - m) * (p - m);
            absolutes += (p - m).abs();
        });
        let cells = by_cell(predicted, measured);
        let features = by_feature(predicted, measured);
        Ok(Self {
            rmse: (squares / entries).sqrt(),
            mae: absolutes / entries,
            pearson_cell: cells.pearson.mean(),
            pearson_feature: features.pearson.mean(),
            spearman_cell: cells.spearman.mean(),
            spearman_feature: features.spearman.mean(),
            pearson_all: pearson_over_all(predicted, measured),
            spearman_all: spearman_over_all(predicted, measured),
            with_zeros: Some(WithZeros {
                pearson_cell: cells.pearson.mean_with_zeros(),
                pearson_feature: features.pearson.mean_with_zeros(),
                spearman_cell: cells.spearman.mean_with_zeros(),
                spearman_feature: features.spearman.mean_with_zeros(),
            }),
        })
    }
}

fn check(predicted: ArrayView2<'_, f32>, measured: ValuesView<'_>) -> Result<()> {
    let wanted = (measured.rows(), measured.columns());
    if predicted.dim() != wanted {
        let ((cells, features), (want_cells, want_features)) = (predicted.dim(), wanted);
        return Err(Error::Invalid(format!(
            "predictions are {cells} x {features} where {want_cells} cells x {want_features} features are expected"
        )));
    }
    if let Some(((cell, feature), value)) =
        predicted.indexed_iter().find(|(_, value)| !value.is_finite())
    {
        return Err(Error::Invalid(format!(
            "the prediction of cell {cell}, feature {feature} is {value}"
        )));
    }
    Ok(())
}

/// Every prediction beside what was measured, row by row.
fn each_entry(
    predicted: ArrayView2<'_, f32>,
    measured: ValuesView<'_>,
    mut each: impl FnMut(f64, f64),
) {
    for rows in row_blocks(predicted.dim()) {
        let measured = measured.dense_rows(rows.clone());
        let predicted = predicted.slice(s![rows, ..]);
        let pairs = ndarray::Zip::from(predicted).and(&measured);
        pairs.for_each(|&p, &m| each(f64::from(p), f64::from(m)));
    }
}

/// Rows of about a block's numbers.
fn row_blocks((rows, columns): (usize, usize)) -> impl Iterator<Item = Range<usize>> {
    let height = (BLOCK / columns.max(1)).max(1);
    (0..rows).step_by(height).map(move |start| start..rows.min(start + height))
}

/// Correlations of many vectors.
struct Correlations {
    pearson: Means,
    spearman: Means,
}

/// A sum over vectors that have a correlation, their number, and that of all.
#[derive(Default)]
struct Means {
    sum: f64,
    defined: usize,
    all: usize,
}

impl Means {
    fn add(&mut self, value: Option<f64>) {
        self.all += 1;
        if let Some(value) = value {
            (self.sum, self.defined) = (self.sum + value, self.defined + 1);
        }
    }

    fn mean(&self) -> Option<f64> {
        (self.defined > 0).then(|| self.sum / self.defined as f64)
    }

    fn mean_with_zeros(&self) -> f64 {
        self.sum / self.all as f64
    }
}

impl Correlations {
    fn none() -> Self {
        Self { pearson: Means::default(), spearman: Means::default() }
    }

    /// Of each row of `a` with that of `b`.
    fn add_rows(&mut self, a: ArrayView2<'_, f32>, b: ArrayView2<'_, f32>) {
        let of = |i| {
            let (a, b) = (wide(a.row(i)), wide(b.row(i)));
            (pearson(&a, &b), spearman(&a, &b))
        };
        let values: Vec<_> = (0..a.nrows()).into_par_iter().map(of).collect();
        for (pearson, spearman) in values {
            self.pearson.add(pearson);
            self.spearman.add(spearman);
        }
    }
}

fn wide(vector: ArrayView1<'_, f32>) -> Vec<f64> {
    vector.iter().map(|&value| f64::from(value)).collect()
}

fn by_cell(predicted: ArrayView2<'_, f32>, measured: ValuesView<'_>) -> Correlations {
    let mut correlations = Correlations::none();
    for rows in row_blocks(predicted.dim()) {
        let measured = measured.dense_rows(rows.clone());
        correlations.add_rows(predicted.slice(s![rows, ..]), measured.view());
    }
    correlations
}

fn by_feature(predicted: ArrayView2<'_, f32>, measured: ValuesView<'_>) -> Correlations {
    let mut correlations = Correlations::none();
    let by_column = match measured {
        ValuesView::Sparse(csr) => Some(csr.to_csc()),
        ValuesView::Dense(_) => None,
    };
    let (cells, features) = predicted.dim();
    for columns in row_blocks((features, cells)) {
        // Both with a row a feature.
        let here = predicted.slice(s![.., columns.clone()]).reversed_axes();
        let there: Array2<f32> = match (&by_column, measured) {
            (Some(csc), _) => {
                let mut dense = Array2::zeros((columns.len(), cells));
                for (i, column) in columns.clone().enumerate() {
                    let entries = csc.outer_view(column).expect("it is a column of the matrix");
                    entries.iter().for_each(|(cell, &value)| dense[(i, cell)] = value);
                }
                dense
            }
            (None, ValuesView::Dense(dense)) => {
                dense.slice(s![.., columns]).reversed_axes().to_owned()
            }
            (None, ValuesView::Sparse(_)) => unreachable!("sparse values were put in columns"),
        };
        correlations.add_rows(here, there.view());
    }
    correlations
}

/// Pearson's correlation over all entries.
fn pearson_over_all(predicted: ArrayView2<'_, f32>, measured: ValuesView<'_>) -> Option<f64> {
    let n = predicted.len() as f64;
    let (mut sums, mut ranges) = ([0.0; 2], [(f64::INFINITY, f64::NEG_INFINITY); 2]);
    each_entry(predicted, measured, |p, m| {
        for ((sum, range), value) in sums.iter_mut().zip(&mut ranges).zip([p, m]) {
            *sum += value;
            *range = (range.0.min(value), range.1.max(value));
        }
    });
    let [mean_p, mean_m] = sums.map(|sum| sum / n);
    let (mut pm, mut pp, mut mm) = (0.0, 0.0, 0.0);
    each_entry(predicted, measured, |p, m| {
        let (p, m) = (p - mean_p, m - mean_m);
        pm += p * m;
        pp += p * p;
        mm += m * m;
    });
    let vary = ranges.iter().all(|(least, most)| least < most);
    vary.then(|| (pm / (pp.sqrt() * mm.sqrt())).clamp(-1.0, 1.0))
}

/// Spearman's correlation over all entries, where there are not too many.
fn spearman_over_all(predicted: ArrayView2<'_, f32>, measured: ValuesView<'_>) -> Option<f64> {
    if predicted.len() > MOST_RANKED {
        return None;
    }
    let predicted = ranks(&predicted.iter().copied().collect::<Vec<f32>>());
    let measured = ranks(&measured.to_dense().into_iter().collect::<Vec<f32>>());
    pearson(&predicted, &measured)
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
fn ranks<T: Copy + Into<f64> + Sync>(x: &[T]) -> Vec<f64> {
    let value = |i: u32| -> f64 { x[i as usize].into() };
    let mut order: Vec<u32> = (0..x.len() as u32).collect();
    order.par_sort_unstable_by(|&a, &b| value(a).total_cmp(&value(b)));
    let mut ranks = vec![0.0; x.len()];
    let mut start = 0;
    for tie in order.chunk_by(|&a, &b| value(a) == value(b)) {
        let rank = start as f64 + (tie.len() as f64 + 1.0) / 2.0;
        tie.iter().for_each(|&i| ranks[i as usize] = rank);
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
        let metrics = Metrics::score(predicted.view(), measured.view().into()).unwrap();
        assert!((metrics.rmse - 1.159_202_311_936_963).abs() < 1e-12);
        assert!((metrics.mae - 0.791_666_666_666_666_6).abs() < 1e-12);
        close(metrics.pearson_cell, 0.836_907_516_339_788_5);
        close(metrics.pearson_feature, 0.536_323_187_764_925_2);
        close(metrics.spearman_cell, 0.948_683_298_050_513_9);
        close(metrics.spearman_feature, 0.375);
        // The same over the flattened values, and means over all rows and columns with zero for NaN.
        close(metrics.pearson_all, 0.601_254_548_790_685_3);
        close(metrics.spearman_all, 0.652_855_967_654_754_4);
        let zeros = metrics.with_zeros.unwrap();
        // The second cell was measured to be the same everywhere.
        close(Some(zeros.pearson_cell), 0.836_907_516_339_788_5 * 2.0 / 3.0);
        close(Some(zeros.spearman_cell), 0.948_683_298_050_513_9 * 2.0 / 3.0);
        close(Some(zeros.pearson_feature), 0.536_323_187_764_925_2);
        let csr = modality_data::Csr::csr_from_dense(measured.view(), 0.0);
        assert_eq!(Metrics::score(predicted.view(), (&csr).into()).unwrap(), metrics);
    }

    #[test]
    fn constant_predictions_have_no_correlation() {
        let measured = array![[0.0_f32, 1.0], [1.0, 3.0]];
        let metrics = Metrics::score(Array2::zeros((2, 2)).view(), measured.view().into()).unwrap();
        assert_eq!((metrics.pearson_cell, metrics.spearman_feature), (None, None));
    }

    #[test]
    fn ties_share_their_rank() {
        assert_eq!(ranks(&[3.0, 1.0, 3.0, 2.0]), [3.5, 1.0, 3.5, 2.0]);
    }

    #[test]
    fn wrong_shapes_and_nan_are_named() {
        let measured = Array2::<f32>::zeros((2, 3));
        let shape =
            Metrics::score(Array2::zeros((3, 2)).view(), measured.view().into()).unwrap_err();
        assert_eq!(
            shape.to_string(),
            "predictions are 3 x 2 where 2 cells x 3 features are expected"
        );
        let nan = Metrics::score(
            array![[0.0_f32, 0.0, 0.0], [0.0, f32::NAN, 0.0]].view(),
            measured.view().into(),
        );
        assert_eq!(nan.unwrap_err().to_string(), "the prediction of cell 1, feature 1 is NaN");
    }
}
