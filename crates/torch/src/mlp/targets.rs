//! Features of the target that are predicted by their training mean.

use modality_data::ValuesView;
use tch::{Device, Tensor};

use crate::Result;

/// Which outputs of the network count, and what takes the place of the others.
pub(crate) struct Targets {
    /// One where the network predicts, zero where the mean does.
    learned: Tensor,
    /// The mean where it predicts, zero elsewhere.
    means: Tensor,
    /// Which the mean predicts.
    low: Vec<bool>,
}

impl Targets {
    /// Of the training cells `rows`, ascending, of `target`, cells x features: one whose mean over them is below
    /// `min_mean` is predicted by that mean.
    pub(crate) fn new(
        target: ValuesView<'_>,
        rows: impl Iterator<Item = u32>,
        min_mean: f64,
        device: Device,
    ) -> Result<Self> {
        let means = means(target, rows);
        let low: Vec<bool> = means.iter().map(|&mean| mean < min_mean).collect();
        let learned: Vec<f32> = low.iter().map(|&low| if low { 0.0 } else { 1.0 }).collect();
        let kept = means.iter().zip(&low).map(|(&mean, &low)| if low { mean as f32 } else { 0.0 });
        let means: Vec<f32> = kept.collect();
        let tensor = |values: &[f32]| Tensor::f_from_slice(values)?.f_to_device(device);
        Ok(Self { learned: tensor(&learned)?, means: tensor(&means)?, low })
    }

    /// How many features the mean predicts here but not in `other`.
    pub(crate) fn lower_than(&self, other: &Self) -> usize {
        self.low.iter().zip(&other.low).filter(|(here, there)| **here && !**there).count()
    }

    /// The prediction that the network's output, cells x features, stands for.
    pub(crate) fn predict(&self, output: &Tensor) -> Result<Tensor> {
        Ok(output.f_mul(&self.learned)?.f_add_(&self.means)?)
    }

    /// The gradient by the output, for one by the prediction.
    pub(crate) fn by_output(&self, mut by_prediction: Tensor) -> Result<Tensor> {
        Ok(by_prediction.f_mul_(&self.learned)?)
    }
}

pub(crate) fn means(target: ValuesView<'_>, rows: impl Iterator<Item = u32>) -> Vec<f64> {
    let mut sums = vec![0.0; target.columns()];
    let mut count = 0.0;
    for row in rows {
        count += 1.0;
        match target {
            ValuesView::Dense(dense) => {
                let row = dense.row(row as usize);
                sums.iter_mut().zip(row).for_each(|(sum, &value)| *sum += f64::from(value));
            }
            ValuesView::Sparse(csr) => {
                let row = csr.outer_view(row as usize).expect("the cell is there");
                row.iter().for_each(|(feature, &value)| sums[feature] += f64::from(value));
            }
        }
    }
    sums.into_iter().map(|sum| sum / count).collect()
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn low_features_have_their_mean_and_no_gradient() {
        let target = array![[0.0, 1.0], [0.08, 1.0], [9.0, 9.0]];
        let targets = Targets::new(target.view().into(), 0..2, 0.05, Device::Cpu).unwrap();
        let output = Tensor::from_slice2(&[[5.0_f32, 6.0]]);
        assert_eq!(
            (targets.lower_than(&targets), targets.low.as_slice()),
            (0, [true, false].as_slice())
        );
        let everyone = Targets::new(target.view().into(), 0..3, 0.05, Device::Cpu).unwrap();
        assert_eq!((targets.lower_than(&everyone), everyone.lower_than(&targets)), (1, 0));
        let predicted = Vec::<Vec<f32>>::try_from(targets.predict(&output).unwrap()).unwrap();
        assert_eq!(predicted, [[0.04, 6.0]]);
        let gradient = Vec::<Vec<f32>>::try_from(targets.by_output(output).unwrap()).unwrap();
        assert_eq!(gradient, [[0.0, 6.0]]);
    }
}
