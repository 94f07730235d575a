//! The multi-layer perceptron of the fourth place.

use modality_protocol::{Modality, Task};
use serde::{Deserialize, Serialize};

use crate::{
    Chosen, Hyperparameters, Method, Needs, Table, Typed,
    check::{Wrong, at_least_one, at_most, below_one, not_negative, positive},
    smaller_batch,
};

pub(crate) const MLP: Method = Method {
    name: "mlp",
    about: "a multi-layer perceptron on the input itself, one model a fold, averaged",
    source: "the competition's fourth place, AXX \"SimpleMLP\"",
    floor: None,
    needs: Needs::Folds,
    gene_sets: None,
    colour: Some("#d55e00"),
    typed: Typed::of::<MlpParams>(),
};

/// A multi-layer perceptron on the input itself, one model a fold, averaged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MlpParams {
    /// Widths of the two hidden layers; the output layer sees both.
    pub hidden: [usize; 2],
    /// Share of the first hidden layer that is left out of each step of training, drawn anew.
    pub dropout: f64,
    /// Passes over the training cells of a fold; also the half period of the cosine schedule. With none there is no
    /// network, and the training mean is predicted.
    pub epochs: usize,
    /// Cells of a step; the last incomplete batch of an epoch is left out.
    pub batch_size: usize,
    /// Of the first epoch.
    pub learning_rate: f64,
    /// What becomes of the learning rate from epoch to epoch.
    pub schedule: Schedule,
    /// L2 penalty, added to the gradient.
    pub weight_decay: f64,
    /// A target feature whose training mean is lower is predicted by that mean.
    pub min_target_mean: f64,
}

/// The learning rate over the epochs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// Half a cosine, from the first epoch's rate towards zero.
    Cosine,
    /// The same in every epoch.
    Constant,
}

impl Default for MlpParams {
    fn default() -> Self {
        Self {
            hidden: [1024, 512],
            dropout: 0.0,
            epochs: 10,
            batch_size: 512,
            learning_rate: 1e-3,
            schedule: Schedule::Cosine,
            weight_decay: 1e-5,
            min_target_mean: 0.05,
        }
    }
}

impl Hyperparameters for MlpParams {
    const RENAMED: &[(&str, &str)] = &[("min_protein_mean", "min_target_mean")];

    /// Of peaks, the published system predicts the training mean.
    fn published(task: Task, _given: &Table) -> Self {
        let small = Self {
            hidden: [256, 128],
            schedule: Schedule::Constant,
            min_target_mean: 0.0,
            ..Self::default()
        };
        match (task.input, task.target) {
            (_, Modality::Atac) => Self { epochs: 0, ..Self::default() },
            (Modality::Atac, _) => Self { dropout: 0.5, ..small },
            (Modality::Adt, _) => small,
            (Modality::Gex, _) => Self::default(),
        }
    }

    fn fits_nothing(&self) -> bool {
        self.epochs == 0
    }

    /// So that each epoch has four steps at least.
    fn suit(&mut self, chosen: Chosen<'_>, cells: usize) -> Option<String> {
        if self.fits_nothing() || chosen("batch_size") {
            return None;
        }
        smaller_batch(&mut self.batch_size, cells)
    }

    fn wrong(&self) -> Option<Wrong> {
        let narrowest = self.hidden[0].min(self.hidden[1]);
        at_least_one("hidden", narrowest)
            .or_else(|| not_negative("dropout", self.dropout))
            .or_else(|| below_one("dropout", self.dropout))
            .or_else(|| at_most("epochs", self.epochs, 10_000))
            .or_else(|| at_least_one("batch_size", self.batch_size))
            .or_else(|| positive("learning_rate", self.learning_rate))
            .or_else(|| not_negative("weight_decay", self.weight_decay))
            .or_else(|| not_negative("min_target_mean", self.min_target_mean))
    }
}
