//! What a record says by itself, and several of one row together.

use std::collections::BTreeMap;

use modality_harness::record::{RunRecord, StageTime, Status};
use modality_protocol::Stage;

use crate::Spread;

/// The record itself if its predictions were scored.
pub(crate) fn scored(record: &RunRecord) -> Option<&RunRecord> {
    (record.status == Status::Ok && record.metrics.is_some_and(|metrics| metrics.rmse.is_finite()))
        .then_some(record)
}

/// What a reader is told of a record without a score.
pub(crate) fn reason(record: &RunRecord) -> &str {
    match (record.note.trim(), record.status) {
        ("", Status::Ok) => "the record holds no score",
        ("", _) => "no reason was recorded",
        (note, _) => note,
    }
}

/// A value of each stage over repeats, where there is one.
pub(crate) fn by_stage(
    records: &[&RunRecord],
    value: impl Fn(&RunRecord, &StageTime) -> Option<f64>,
) -> BTreeMap<Stage, Spread> {
    let mut values: BTreeMap<Stage, Vec<f64>> = BTreeMap::new();
    for record in records {
        for time in &record.stages {
            values.entry(time.stage).or_default().extend(value(record, time));
        }
    }
    values.into_iter().filter_map(|(stage, values)| Some((stage, Spread::of(values)?))).collect()
}

/// What is said, each once, in order of first appearance.
pub(crate) fn distinct<'a>(values: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for value in values.map(str::trim).filter(|value| !value.is_empty()) {
        if !found.iter().any(|other| other == value) {
            found.push(value.to_owned());
        }
    }
    found
}

/// `method`, and in a sweep `method variant`.
pub(crate) fn label(method: &str, variant: &str) -> String {
    let space = if variant.is_empty() { "" } else { " " };
    format!("{method}{space}{variant}")
}

/// A variant without the words that say how many cells.
pub(crate) fn without_cells(variant: &str, cells: Option<usize>) -> &str {
    let words = cells.map(|cells| format!("cells={cells}"));
    let rest = words.and_then(|words| variant.strip_prefix(&words));
    match rest {
        Some(rest) if rest.is_empty() || rest.starts_with(' ') => rest.trim_start(),
        _ => variant,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_cells_are_taken_from_a_variant() {
        assert_eq!(without_cells("cells=40 kernel=kept", Some(40)), "kernel=kept");
        assert_eq!(without_cells("cells=40", Some(40)), "");
        assert_eq!(without_cells("cells=400", Some(40)), "cells=400");
        assert_eq!(without_cells("cells=40 kernel=kept", None), "cells=40 kernel=kept");
    }
}
