//! What the models of an ensemble have in common: cells, seeds, and which epoch of each is kept.

use std::{
    f64::consts::PI,
    sync::{Mutex, MutexGuard, PoisonError},
};

use modality_protocol::Fold;
use tch::{Device, Kind, Tensor};

use crate::{Error, Result};

/// Distance between the seeds of two folds.
const FOLD_SEEDS: u64 = 1_000_000;

/// libtorch has one generator a process; models that are begun at the same time take turns.
static GENERATOR: Mutex<()> = Mutex::new(());

/// The training cells of the fold's model, ascending.
pub(crate) fn outside(fold: &Fold, cells: u32) -> Vec<u32> {
    let mut taken = vec![false; cells as usize];
    for &cell in fold.cells.iter().chain(&fold.left_out) {
        taken[cell as usize] = true;
    }
    (0..cells).filter(|&cell| !taken[cell as usize]).collect()
}

/// The seed of all that is random in the model of this fold.
pub(crate) fn seed(run: u64, fold: usize) -> u64 {
    run.wrapping_add(FOLD_SEEDS.wrapping_mul(fold as u64))
}

/// libtorch's generator on the CPU, with this seed and for the caller alone as long as the guard lives.
pub(crate) fn seeded(seed: u64) -> MutexGuard<'static, ()> {
    let generator = GENERATOR.lock().unwrap_or_else(PoisonError::into_inner);
    tch::manual_seed(seed as i64);
    generator
}

/// `cells` in an order that the generator draws.
pub(crate) fn shuffled(cells: &[u32]) -> Result<Vec<u32>> {
    let order = Tensor::f_randperm(cells.len() as i64, (Kind::Int64, Device::Cpu))?;
    Ok(Vec::<i64>::try_from(order)?.into_iter().map(|i| cells[i as usize]).collect())
}

/// Values of this size from the generator, uniform between -`bound` and `bound`, on `device`; the same on any.
pub(crate) fn uniform(size: &[usize], bound: f64, device: Device) -> Result<Tensor> {
    Ok(empty(size)?.f_uniform_(-bound, bound)?.f_to_device(device)?)
}

/// Values of this size from the generator, normal, on `device`; the same on any.
pub(crate) fn normal(size: &[usize], device: Device) -> Result<Tensor> {
    Ok(empty(size)?.f_normal_(0.0, 1.0)?.f_to_device(device)?)
}

fn empty(size: &[usize]) -> Result<Tensor> {
    let size: Vec<i64> = size.iter().map(|&n| n as i64).collect();
    Ok(Tensor::f_empty(size, (Kind::Float, Device::Cpu))?)
}

/// A copy that later training does not change.
pub(crate) fn copy(tensor: &Tensor) -> Result<Tensor> {
    let mut copy = tensor.f_empty_like()?;
    copy.f_copy_(tensor)?;
    Ok(copy)
}

/// The learning rate where `done` of `all` are done: half a cosine, from the first rate towards zero.
pub(crate) fn cosine(first: f64, done: usize, all: usize) -> f64 {
    first * (1.0 + (PI * done as f64 / all as f64).cos()) / 2.0
}

/// The epoch of a model that did best on its validation cells, and what it had learned.
#[derive(Debug)]
pub(crate) struct Best<T>(Option<(f64, T)>);

impl<T> Best<T> {
    pub(crate) fn none() -> Self {
        Self(None)
    }

    /// Keeps what `snapshot` takes if this error is lower than all before.
    pub(crate) fn offer(&mut self, rmse: f64, snapshot: impl FnOnce() -> Result<T>) -> Result<()> {
        if self.0.as_ref().is_none_or(|(lowest, _)| rmse < *lowest) {
            self.0 = Some((rmse, snapshot()?));
        }
        Ok(())
    }

    pub(crate) fn into_kept(self) -> Result<T> {
        let (_, kept) = self
            .0
            .ok_or_else(|| Error::Invalid("there is no epoch that may be kept".to_owned()))?;
        Ok(kept)
    }
}

pub(crate) fn check_finite(
    fold: &Fold,
    epoch: usize,
    loss: f64,
    validation_rmse: f64,
) -> Result<()> {
    if loss.is_finite() && validation_rmse.is_finite() {
        return Ok(());
    }
    Err(Error::Training {
        fold: fold.name.clone(),
        epoch,
        what: format!(
            "the loss is {loss} and the validation RMSE {validation_rmse}; a lower `learning_rate` may help"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_learning_rate_falls_as_a_cosine() {
        let rates: Vec<f64> = (0..4).map(|done| cosine(1e-3, done, 4)).collect();
        let root = 0.5_f64.sqrt();
        for (rate, wanted) in rates.iter().zip([1.0, (1.0 + root) / 2.0, 0.5, (1.0 - root) / 2.0]) {
            assert!((rate - 1e-3 * wanted).abs() < 1e-12, "{rates:?}");
        }
    }

    #[test]
    fn training_cells_are_those_outside_the_fold() {
        let fold = Fold { cells: vec![1, 4], left_out: vec![3], ..Fold::default() };
        assert_eq!(outside(&fold, 6), [0, 2, 5]);
    }

    #[test]
    fn the_first_of_the_best_is_kept() {
        let mut best = Best::none();
        for (epoch, rmse) in [3.0, 1.0, 2.0, 1.0].into_iter().enumerate() {
            best.offer(rmse, || Ok(epoch)).unwrap();
        }
        assert_eq!(best.into_kept().unwrap(), 1);
        assert!(Best::<()>::none().into_kept().is_err());
    }
}
