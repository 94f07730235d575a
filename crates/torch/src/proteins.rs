//! Proteins that are predicted by their training mean.

use ndarray::{ArrayView2, Axis};
use tch::{Device, Tensor};

use crate::Result;

/// Which outputs of the network count, and what takes the place of the others.
pub(crate) struct Proteins {
    /// One where the network predicts, zero where the mean does.
    learned: Tensor,
    /// The mean where it predicts, zero elsewhere.
    means: Tensor,
    /// Which the mean predicts.
    low: Vec<bool>,
}

impl Proteins {
    /// Of the training cells `rows` of `adt`, cells x proteins: a protein whose mean over them is below `min_mean`
    /// is predicted by that mean.
    pub(crate) fn new(
        adt: ArrayView2<'_, f32>,
        rows: impl Iterator<Item = u32>,
        min_mean: f64,
        device: Device,
    ) -> Result<Self> {
        let means = means(adt, rows);
        let low: Vec<bool> = means.iter().map(|&mean| mean < min_mean).collect();
        let learned: Vec<f32> = low.iter().map(|&low| if low { 0.0 } else { 1.0 }).collect();
        let kept = means.iter().zip(&low).map(|(&mean, &low)| if low { mean as f32 } else { 0.0 });
        let means: Vec<f32> = kept.collect();
        let tensor = |values: &[f32]| Tensor::f_from_slice(values)?.f_to_device(device);
        Ok(Self { learned: tensor(&learned)?, means: tensor(&means)?, low })
    }

    /// How many proteins the mean predicts here but not in `other`.
    pub(crate) fn lower_than(&self, other: &Self) -> usize {
        self.low.iter().zip(&other.low).filter(|(here, there)| **here && !**there).count()
    }

    /// The prediction that the network's output, cells x proteins, stands for.
    pub(crate) fn predict(&self, output: &Tensor) -> Result<Tensor> {
        Ok(output.f_mul(&self.learned)?.f_add_(&self.means)?)
    }

    /// The gradient by the output, for one by the prediction.
    pub(crate) fn by_output(&self, mut by_prediction: Tensor) -> Result<Tensor> {
        Ok(by_prediction.f_mul_(&self.learned)?)
    }
}

fn means(adt: ArrayView2<'_, f32>, rows: impl Iterator<Item = u32>) -> Vec<f64> {
    let mut sums = vec![0.0; adt.ncols()];
    let mut count = 0.0;
    for row in rows {
        count += 1.0;
        for (sum, &value) in sums.iter_mut().zip(adt.index_axis(Axis(0), row as usize)) {
            *sum += f64::from(value);
        }
    }
    sums.into_iter().map(|sum| sum / count).collect()
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn low_proteins_have_their_mean_and_no_gradient() {
        let adt = array![[0.0, 1.0], [0.08, 1.0], [9.0, 9.0]];
        let proteins = Proteins::new(adt.view(), 0..2, 0.05, Device::Cpu).unwrap();
        let output = Tensor::from_slice2(&[[5.0_f32, 6.0]]);
        assert_eq!(
            (proteins.lower_than(&proteins), proteins.low.as_slice()),
            (0, [true, false].as_slice())
        );
        let everyone = Proteins::new(adt.view(), 0..3, 0.05, Device::Cpu).unwrap();
        assert_eq!((proteins.lower_than(&everyone), everyone.lower_than(&proteins)), (1, 0));
        let predicted = Vec::<Vec<f32>>::try_from(proteins.predict(&output).unwrap()).unwrap();
        assert_eq!(predicted, [[0.04, 6.0]]);
        let gradient = Vec::<Vec<f32>>::try_from(proteins.by_output(output).unwrap()).unwrap();
        assert_eq!(gradient, [[0.0, 6.0]]);
    }
}
