//! What a runner is asked.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{DeviceId, Task};

/// Version of the protocol, in [`RunSpec::protocol`].
pub const PROTOCOL: u32 = 4;

/// Everything a runner needs to know; nothing random is left for it to choose.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RunSpec {
    /// [`PROTOCOL`].
    pub protocol: u32,
    /// Name of the method, `tsvd-krr` for instance.
    pub method: String,
    /// The method's hyperparameters, the same for every backend.
    pub params: serde_json::Map<String, serde_json::Value>,
    /// What is predicted from what, as the data set has it.
    pub task: Task,
    /// Folder of the prepared data set (`modality_data::prepared`).
    pub dataset: PathBuf,
    /// Where the predictions go: `.npy`, float32, C order, test cells x features of the target.
    pub predictions: PathBuf,
    /// Where to compute.
    pub device: DeviceId,
    /// Number of CPU threads to use.
    pub threads: usize,
    /// Peak resident memory that the run may come to, bytes.
    pub memory: u64,
    /// Whether only [`Event::Expect`](crate::Event::Expect) is wanted, and no run.
    pub rehearsal: bool,
    /// Seed of everything random that is not in the plan.
    pub seed: u64,
    /// Rows of the prepared training half that are this run's training cells, ascending; all if absent.
    pub cells: Option<Vec<u32>>,
    /// The training cells that each fit of an ensemble is fitted on, counted among the run's.
    pub fits: Vec<Vec<u32>>,
    /// What each model of a cross-validated ensemble is validated on; it is trained on all other cells.
    pub folds: Vec<Fold>,
}

/// The validation cells of one model.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Fold {
    /// What the cells have in common: a site, or donors.
    pub name: String,
    /// The run's training cells, ascending.
    pub cells: Vec<u32>,
    /// Training cells, ascending, that the model does not see at all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<u32>,
}
