//! Nearest neighbours.

use modality_protocol::Task;
use serde::{Deserialize, Serialize};

use crate::{
    Hyperparameters, Method, Needs, Table, Typed,
    check::{Wrong, at_least_one},
};

pub(crate) const KNN: Method = Method {
    name: "knn",
    about: "mean of the nearest training cells in standardised TSVD scores",
    source: "after the competition's baseline of nearest neighbours",
    floor: None,
    needs: Needs::Nothing,
    gene_sets: None,
    colour: Some("#e69f00"),
    typed: Typed::of::<KnnParams>(),
};

/// Mean of the nearest training cells in standardised TSVD scores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KnnParams {
    /// TSVD components of the input.
    pub input_components: usize,
    /// Number of neighbours.
    pub neighbours: usize,
}

impl Default for KnnParams {
    fn default() -> Self {
        Self { input_components: 50, neighbours: 50 }
    }
}

impl Hyperparameters for KnnParams {
    const RENAMED: &[(&str, &str)] = &[("gex_components", "input_components")];

    fn published(_task: Task, _given: &Table) -> Self {
        Self::default()
    }

    fn wrong(&self) -> Option<Wrong> {
        at_least_one("input_components", self.input_components)
            .or_else(|| at_least_one("neighbours", self.neighbours))
    }
}
