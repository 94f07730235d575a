//! Floors: what they predict is the same for every cell.

use modality_protocol::Task;
use serde::{Deserialize, Serialize};

use crate::{Hyperparameters, Method, Needs, Table, Typed, check::Wrong};

pub(crate) const ZEROS: Method = Method {
    name: "zeros",
    about: "zero everywhere; its RMSE is the root mean square of what was measured",
    source: "the competition's baseline",
    floor: Some("zeros everywhere"),
    needs: Needs::Nothing,
    gene_sets: None,
    colour: None,
    typed: Typed::of::<NoParams>(),
};

pub(crate) const MEAN: Method = Method {
    name: "mean",
    about: "the mean of each feature over the training cells",
    source: "the competition's baseline",
    floor: Some("the training mean"),
    needs: Needs::Nothing,
    gene_sets: None,
    colour: None,
    typed: Typed::of::<NoParams>(),
};

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NoParams {}

impl Hyperparameters for NoParams {
    fn published(_task: Task, _given: &Table) -> Self {
        Self {}
    }

    fn wrong(&self) -> Option<Wrong> {
        None
    }
}
