//! The multi-layer perceptron of the fourth place.

use modality_protocol::Task;
use serde::{Deserialize, Serialize};

use crate::{
    Hyperparameters, Method, Needs,
    check::{Wrong, at_least_one, at_most, not_negative, positive},
    completed,
};

pub(crate) const MLP: Method = Method {
    name: "mlp",
    about: "a multi-layer perceptron on the input itself, one model a fold, averaged",
    source: "the competition's fourth place, AXX \"SimpleMLP\"",
    is_floor: false,
    needs: Needs::Folds,
    colour: Some("#d55e00"),
    complete: completed::<MlpParams>,
};

/// A multi-layer perceptron on the input itself, one model a fold, averaged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MlpParams {
    /// Widths of the two hidden layers; the output layer sees both.
    pub hidden: [usize; 2],
    /// Passes over the training cells of a fold; also the half period of the cosine schedule.
    pub epochs: usize,
    /// Cells of a step; the last incomplete batch of an epoch is left out.
    pub batch_size: usize,
    /// Of the first epoch.
    pub learning_rate: f64,
    /// L2 penalty, added to the gradient.
    pub weight_decay: f64,
    /// A target feature whose training mean is lower is predicted by that mean.
    pub min_target_mean: f64,
}

impl Default for MlpParams {
    fn default() -> Self {
        Self {
            hidden: [1024, 512],
            epochs: 10,
            batch_size: 512,
            learning_rate: 1e-3,
            weight_decay: 1e-5,
            min_target_mean: 0.05,
        }
    }
}

impl Hyperparameters for MlpParams {
    const RENAMED: &[(&str, &str)] = &[("min_protein_mean", "min_target_mean")];

    fn published(_task: Task) -> Self {
        Self::default()
    }

    fn wrong(&self) -> Option<Wrong> {
        let narrowest = self.hidden[0].min(self.hidden[1]);
        at_least_one("hidden", narrowest)
            .or_else(|| at_least_one("epochs", self.epochs))
            .or_else(|| at_most("epochs", self.epochs, 10_000))
            .or_else(|| at_least_one("batch_size", self.batch_size))
            .or_else(|| positive("learning_rate", self.learning_rate))
            .or_else(|| not_negative("weight_decay", self.weight_decay))
            .or_else(|| not_negative("min_target_mean", self.min_target_mean))
    }
}
