//! From a study to its records: the plan fixes everything random, each run is one process that is handed a
//! [`RunSpec`](modality_protocol::RunSpec), and what comes back is scored here and kept as a
//! [`RunRecord`](record::RunRecord).

pub mod bench;
pub mod conditions;
pub mod conduct;
pub mod environment;
mod error;
mod fold_choice;
mod folds;
mod format;
pub mod host;
pub mod machine;
pub mod metrics;
pub mod plan;
mod predictions;
pub mod presence;
pub mod record;
pub mod study;

pub use error::{Error, Result};
