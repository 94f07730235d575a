//! Ridge regression on TSVD scores.

use modality_protocol::Task;
use serde::{Deserialize, Serialize};

use crate::{
    Hyperparameters, Method, Needs, Table, Typed,
    check::{Wrong, at_least_one, positive},
};

pub(crate) const LINEAR: Method = Method {
    name: "linear",
    about: "ridge regression on TSVD scores of the input",
    source: "after the competition's linear baseline, with a penalty and an intercept",
    floor: None,
    needs: Needs::Nothing,
    gene_sets: None,
    colour: Some("#cc79a7"),
    typed: Typed::of::<LinearParams>(),
};

/// Ridge regression on TSVD scores of the input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LinearParams {
    /// TSVD components of the input.
    pub input_components: usize,
    /// Ridge penalty.
    pub alpha: f64,
}

impl Default for LinearParams {
    fn default() -> Self {
        Self { input_components: 50, alpha: 1.0 }
    }
}

impl Hyperparameters for LinearParams {
    const RENAMED: &[(&str, &str)] = &[("gex_components", "input_components")];

    fn published(_task: Task, _given: &Table) -> Self {
        Self::default()
    }

    fn wrong(&self) -> Option<Wrong> {
        at_least_one("input_components", self.input_components)
            .or_else(|| positive("alpha", self.alpha))
    }
}
