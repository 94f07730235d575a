//! From a study to its records: the plan fixes everything random, each run is one process that is handed a
//! [`RunSpec`](protocol::RunSpec), and what comes back is scored here and kept as a
//! [`RunRecord`](record::RunRecord).

pub mod bench;
pub mod clock;
pub mod environment;
mod error;
pub mod files;
mod folds;
pub mod group;
pub mod host;
pub mod memory;
pub mod methods;
pub mod metrics;
pub mod plan;
pub mod protocol;
pub mod record;
pub mod runner;
pub mod study;

pub use error::{Error, Result};
