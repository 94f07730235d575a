//! The graph neural network of the second place.

use modality_protocol::Task;
use serde::{Deserialize, Serialize};

use crate::{
    Chosen, Hyperparameters, Method, Needs, Table, Typed,
    check::{Wrong, at_least_one, at_most, below_one, not_negative, positive},
    smaller_batch,
};

pub(crate) const GNN: Method = Method {
    name: "gnn",
    about: "a graph neural network over cells and their genes, one model a fold, averaged",
    source: "the competition's second place, DANCE (Wen et al. 2022, \"scMoGNN\")",
    floor: None,
    needs: Needs::Folds,
    gene_sets: Some("pathways"),
    colour: Some("#009e73"),
    typed: Typed::of::<GnnParams>(),
};

/// Groups that a norm divides the hidden width into.
pub const GROUPS: usize = 4;

/// A graph neural network over cells and the features of their input, one model a fold, averaged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GnnParams {
    /// Width of every state of a cell or gene; a multiple of [`GROUPS`].
    pub hidden: usize,
    /// Rounds of messages.
    pub layers: usize,
    /// Share of the states' values that is left out of each step of training, drawn anew.
    pub dropout: f64,
    /// Share of the edges that is left out of each step of training, drawn anew by layer and relation.
    pub edge_dropout: f64,
    /// What a step of training sees.
    pub training: Training,
    /// Passes over the training cells of a fold.
    pub epochs: usize,
    /// The first epoch that may be kept.
    pub min_epoch: usize,
    /// Cells of a step that does not see all; the last incomplete batch of an epoch is left out.
    pub batch_size: usize,
    /// Of the first step.
    pub learning_rate: f64,
    /// Decoupled from the gradient.
    pub weight_decay: f64,
    /// Share of the running mean of the parameters that stays in each step. The mean is what is judged, kept and predicts; with 0
    /// the parameters themselves are.
    pub averaging: f64,
    /// A file of gene sets (GMT), whose genes are joined by edges; none if empty. A relative path starts at the checkout, where
    /// runners are started.
    pub pathways: String,
}

/// What a step of training sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Training {
    /// All cells, those of the fold without their target: a step an epoch, at a constant learning rate, as published.
    FullGraph,
    /// A batch of cells and all genes; the learning rate falls as half a cosine, step by step.
    Cells,
}

impl Default for GnnParams {
    fn default() -> Self {
        Self {
            hidden: 48,
            layers: 4,
            dropout: 0.2,
            edge_dropout: 0.4,
            training: Training::Cells,
            epochs: 30,
            min_epoch: 1,
            batch_size: 128,
            learning_rate: 1e-2,
            weight_decay: 1e-5,
            averaging: 0.0,
            pathways: String::new(),
        }
    }
}

impl GnnParams {
    /// Whether every value is in its range.
    ///
    /// # Errors
    /// A sentence that names the first that is not, and what would be right.
    pub fn check(&self) -> Result<(), String> {
        self.wrong().map_or(Ok(()), |Wrong { key, what }| Err(format!("`{key}` {what}")))
    }
}

impl Hyperparameters for GnnParams {
    fn published(_task: Task, given: &Table) -> Self {
        let whole = serde_json::to_value(Training::FullGraph).ok();
        if given.get("training") == whole.as_ref() {
            let (epochs, min_epoch) = (10_000, 4_000);
            let given = |key: &str| given.get(key)?.as_u64().map(|n| n as usize);
            // Fewer epochs than the published ones are all looked at.
            let min_epoch =
                if given("epochs").is_some_and(|n| n < min_epoch) { 1 } else { min_epoch };
            return Self { training: Training::FullGraph, epochs, min_epoch, ..Self::default() };
        }
        Self::default()
    }

    /// So that each epoch has four steps at least.
    fn suit(&mut self, chosen: Chosen<'_>, cells: usize) -> Option<String> {
        if self.training == Training::FullGraph || chosen("batch_size") {
            return None;
        }
        smaller_batch(&mut self.batch_size, cells)
    }

    fn wrong(&self) -> Option<Wrong> {
        let grouped = (!self.hidden.is_multiple_of(GROUPS)).then(|| Wrong {
            key: "hidden",
            what: format!("is {}; it must be a multiple of {GROUPS}", self.hidden),
        });
        at_least_one("hidden", self.hidden)
            .or(grouped)
            .or_else(|| at_most("hidden", self.hidden, 1024))
            .or_else(|| at_least_one("layers", self.layers))
            .or_else(|| at_most("layers", self.layers, 12))
            .or_else(|| not_negative("dropout", self.dropout))
            .or_else(|| below_one("dropout", self.dropout))
            .or_else(|| not_negative("edge_dropout", self.edge_dropout))
            .or_else(|| below_one("edge_dropout", self.edge_dropout))
            .or_else(|| at_least_one("epochs", self.epochs))
            .or_else(|| at_most("epochs", self.epochs, 100_000))
            .or_else(|| at_least_one("min_epoch", self.min_epoch))
            .or_else(|| at_most("min_epoch", self.min_epoch, self.epochs))
            .or_else(|| at_least_one("batch_size", self.batch_size))
            .or_else(|| positive("learning_rate", self.learning_rate))
            .or_else(|| not_negative("weight_decay", self.weight_decay))
            .or_else(|| not_negative("averaging", self.averaging))
            .or_else(|| below_one("averaging", self.averaging))
    }
}
