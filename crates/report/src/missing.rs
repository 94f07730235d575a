//! Runs without a score.

use modality_harness::{
    plan::row_name,
    record::{RunRecord, Status},
};

use crate::records::{reason, scored};

/// Repeats of one variant of a method on one backend that have no score, all for the same reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Name of the method.
    pub method: String,
    /// What a sweep changes, `epochs=3` for instance; empty outside a sweep.
    pub variant: String,
    /// As [`Row::cells`](crate::Row::cells).
    pub cells: Option<usize>,
    /// Name of the backend.
    pub backend: String,
    /// Unavailable or failed.
    pub status: Status,
    /// Why, one sentence.
    pub reason: String,
    /// Which repeats, counted from zero.
    pub repeats: Vec<usize>,
}

impl Missing {
    /// Grouped by reason, in the order of the records.
    pub(crate) fn of_records(records: &[RunRecord]) -> Vec<Self> {
        let mut found: Vec<Self> = Vec::new();
        for record in records.iter().filter(|record| scored(record).is_none()) {
            let entry = Missing {
                method: record.run.method.clone(),
                variant: record.run.variant.clone(),
                cells: record.cells,
                backend: record.run.backend.clone(),
                status: record.status,
                reason: reason(record).to_owned(),
                repeats: Vec::new(),
            };
            let same = |other: &&mut Missing| {
                other.name() == entry.name()
                    && other.status == entry.status
                    && other.reason == entry.reason
            };
            match found.iter_mut().find(same) {
                Some(other) => other.repeats.push(record.run.repeat),
                None => found.push(Missing { repeats: vec![record.run.repeat], ..entry }),
            }
        }
        found
    }

    /// As [`Row::name`](crate::Row::name).
    pub fn name(&self) -> String {
        row_name(&self.method, &self.variant, &self.backend)
    }
}
