//! Validation curves of cross-validated ensembles.

use modality_harness::record::RunRecord;

/// The training of one model of an ensemble, as its validation cells saw it.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// What the validation cells have in common: a site, or donors.
    pub fold: String,
    /// Counted from zero.
    pub repeat: usize,
    /// Epochs, counted from one, each with the validation RMSE after it.
    pub points: Vec<(usize, f64)>,
}

impl Curve {
    /// The epoch with the lowest validation RMSE, the first of several, and that RMSE; none if none is finite.
    pub fn best(&self) -> Option<(usize, f64)> {
        self.finite().min_by(|(_, a), (_, b)| a.total_cmp(b))
    }

    pub(crate) fn finite(&self) -> impl Iterator<Item = (usize, f64)> {
        self.points.iter().copied().filter(|(_, rmse)| rmse.is_finite())
    }

    pub(crate) fn epochs(&self) -> usize {
        self.points.iter().map(|(epoch, _)| *epoch).max().unwrap_or(0)
    }
}

/// One curve a fold, in order of training.
pub(crate) fn of_run(record: &RunRecord) -> Vec<Curve> {
    let mut curves: Vec<Curve> = Vec::new();
    for epoch in &record.epochs {
        let point = (epoch.epoch, epoch.validation_rmse);
        match curves.iter_mut().find(|curve| curve.fold == epoch.fold) {
            Some(curve) => curve.points.push(point),
            None => curves.push(Curve {
                fold: epoch.fold.clone(),
                repeat: record.run.repeat,
                points: vec![point],
            }),
        }
    }
    curves
}

/// The repeats of each fold, in order of training.
pub(crate) fn by_fold(curves: &[Curve]) -> Vec<(&str, Vec<&Curve>)> {
    let mut folds: Vec<(&str, Vec<&Curve>)> = Vec::new();
    for curve in curves {
        match folds.iter_mut().find(|(fold, _)| *fold == curve.fold) {
            Some((_, repeats)) => repeats.push(curve),
            None => folds.push((&curve.fold, vec![curve])),
        }
    }
    folds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_equal_epochs_is_the_best() {
        let of = |points: &[(usize, f64)]| {
            Curve { fold: String::new(), repeat: 0, points: points.to_vec() }.best()
        };
        assert_eq!(of(&[(1, f64::NAN), (2, 0.5), (3, 0.4), (4, 0.4)]), Some((3, 0.4)));
        assert_eq!(of(&[(1, f64::INFINITY)]), None);
    }
}
