//! Validation curves of cross-validated ensembles.

use std::collections::BTreeMap;

use modality_harness::record::RunRecord;
use modality_protocol::Epoch;

/// The training of one model of an ensemble, as its validation cells saw it.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// What the validation cells have in common: a site, or donors.
    pub fold: String,
    /// Which of the models with these validation cells, counted from one; none if there is no other.
    pub model: Option<usize>,
    /// Counted from zero.
    pub repeat: usize,
    /// The first epoch that may be kept.
    pub min_epoch: usize,
    /// Epochs, counted from one, each with the validation RMSE after it.
    pub points: Vec<(usize, f64)>,
}

impl Curve {
    /// The epoch that is kept, and its validation RMSE: the lowest of those that may be kept, the first of several. None if
    /// none of them is finite.
    pub fn kept(&self) -> Option<(usize, f64)> {
        let may_be_kept = self.finite().filter(|(epoch, _)| *epoch >= self.min_epoch);
        may_be_kept.min_by(|(_, a), (_, b)| a.total_cmp(b))
    }

    /// The fold, and the model if there is another one with its validation cells.
    pub(crate) fn name(&self) -> String {
        match self.model {
            None => self.fold.clone(),
            Some(model) => format!("{}, model {model}", self.fold),
        }
    }

    pub(crate) fn finite(&self) -> impl Iterator<Item = (usize, f64)> {
        self.points.iter().copied().filter(|(_, rmse)| rmse.is_finite())
    }

    pub(crate) fn epochs(&self) -> usize {
        self.points.iter().map(|(epoch, _)| *epoch).max().unwrap_or(0)
    }
}

/// Which model of its fold each epoch is of, counted from one. Models that are validated on the same cells bear one name, and
/// may be trained one after the other or side by side; the k-th time that an epoch of a fold is told of, it is the k-th model's.
pub(crate) fn models(epochs: &[Epoch]) -> Vec<usize> {
    let mut told: BTreeMap<(&str, usize), usize> = BTreeMap::new();
    let times = epochs.iter().map(|epoch| {
        let times = told.entry((&epoch.fold, epoch.epoch)).or_default();
        *times += 1;
        *times
    });
    times.collect()
}

/// One curve a model, in order of training.
pub(crate) fn of_run(record: &RunRecord) -> Vec<Curve> {
    let min_epoch = record.params.get("min_epoch").and_then(|value| value.as_u64()).unwrap_or(1);
    let mut places: BTreeMap<(&str, usize), usize> = BTreeMap::new();
    let mut curves: Vec<Curve> = Vec::new();
    for (epoch, model) in record.epochs.iter().zip(models(&record.epochs)) {
        let place = *places.entry((&epoch.fold, model)).or_insert(curves.len());
        if place == curves.len() {
            curves.push(Curve {
                fold: epoch.fold.clone(),
                model: Some(model),
                repeat: record.run.repeat,
                min_epoch: usize::try_from(min_epoch).unwrap_or(usize::MAX),
                points: Vec::new(),
            });
        }
        curves[place].points.push((epoch.epoch, epoch.validation_rmse));
    }
    for curve in &mut curves {
        curve.model = curve.model.filter(|_| places.contains_key(&(curve.fold.as_str(), 2)));
    }
    curves
}

/// The kept epoch's validation RMSE, mean over the models of a run; none without models, or if one has no epoch to keep.
pub(crate) fn validation_rmse(record: &RunRecord) -> Option<f64> {
    let kept: Option<Vec<f64>> = of_run(record).iter().map(|curve| Some(curve.kept()?.1)).collect();
    let kept = kept.filter(|kept| !kept.is_empty())?;
    Some(kept.iter().sum::<f64>() / kept.len() as f64)
}

/// The repeats of each model, by its name, in order of training.
pub(crate) fn by_model(curves: &[Curve]) -> Vec<Vec<&Curve>> {
    let mut models: Vec<Vec<&Curve>> = Vec::new();
    let is_of =
        |curve: &Curve, other: &Curve| (&curve.fold, curve.model) == (&other.fold, other.model);
    for curve in curves {
        match models.iter_mut().find(|repeats| is_of(repeats[0], curve)) {
            Some(repeats) => repeats.push(curve),
            None => models.push(vec![curve]),
        }
    }
    models
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_equal_epochs_is_kept() {
        let of = |min_epoch, points: &[(usize, f64)]| {
            let (fold, points) = (String::new(), points.to_vec());
            Curve { fold, model: None, repeat: 0, min_epoch, points }.kept()
        };
        let points = [(1, f64::NAN), (2, 0.5), (3, 0.4), (4, 0.4), (5, 0.45)];
        assert_eq!(of(1, &points), Some((3, 0.4)));
        assert_eq!(of(4, &points), Some((4, 0.4)));
        assert_eq!(of(5, &points), Some((5, 0.45)));
        assert_eq!(of(6, &points), None);
        assert_eq!(of(1, &[(1, f64::INFINITY)]), None);
    }

    #[test]
    fn models_of_one_fold_are_told_apart_in_any_order_of_training() {
        let epoch = |(fold, epoch): &(&str, usize)| Epoch {
            fold: (*fold).to_owned(),
            epoch: *epoch,
            loss: 0.0,
            validation_rmse: 0.0,
        };
        let of = |told: &[(&str, usize)]| models(&told.iter().map(epoch).collect::<Vec<_>>());
        assert_eq!(of(&[("a", 1), ("a", 2), ("b", 1), ("a", 1), ("a", 2)]), [1, 1, 1, 2, 2]);
        assert_eq!(
            of(&[("a", 1), ("b", 1), ("a", 1), ("a", 2), ("b", 2), ("a", 2)]),
            [1, 1, 2, 1, 1, 2]
        );
    }
}
