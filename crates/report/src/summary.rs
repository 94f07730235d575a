//! Records, grouped by method, variant and backend.

use std::collections::BTreeMap;

use modality_harness::{
    environment::Environment,
    metrics::Metrics,
    plan::row_name,
    protocol::Stage,
    record::{DatasetId, RunId, RunRecord, Status},
};

use crate::{
    Error, Result,
    curves::{self, Curve},
};

/// What the records of one study on one data set say.
#[derive(Debug, Clone)]
pub struct Summary {
    /// Name of the study.
    pub study: String,
    /// The data set.
    pub dataset: DatasetId,
    /// Methods, variants and backends with at least one scored repeat, best median RMSE first.
    pub rows: Vec<Row>,
    /// Runs without a score, grouped by reason, in order of method, variant and backend.
    pub missing: Vec<Missing>,
    /// The machines, in order of first appearance.
    pub machines: Vec<Machine>,
    /// Hyperparameters of each method and variant as JSON, one entry a distinct set.
    pub params: Vec<(String, String)>,
}

/// The scored repeats of one variant of a method on one backend.
#[derive(Debug, Clone)]
pub struct Row {
    /// Name of the method.
    pub method: String,
    /// What a sweep changes, `epochs=3` for instance; empty outside a sweep.
    pub variant: String,
    /// Name of the backend.
    pub backend: String,
    /// What computed, as the runner said.
    pub device: String,
    /// Number of scored repeats.
    pub repeats: usize,
    /// Scores of the predictions.
    pub scores: Scores,
    /// Sum of the training stages, seconds.
    pub train_s: Spread,
    /// Sum of the prediction stages, seconds.
    pub predict_s: Spread,
    /// The whole process, seconds.
    pub total_s: Spread,
    /// CPU time, user and system, seconds.
    pub cpu_s: Spread,
    /// Peak resident memory, MiB.
    pub peak_rss_mb: Option<Spread>,
    /// Peak memory on the accelerator, MiB.
    pub peak_gpu_mb: Option<Spread>,
    /// Seconds by stage, in the order in which a run goes through them.
    pub stages: BTreeMap<Stage, Spread>,
    /// CPU threads.
    pub threads: usize,
    /// Versions that the runner reported.
    pub versions: BTreeMap<String, String>,
    /// What the backend noted, each once.
    pub notes: Vec<String>,
    /// Validation curves, repeat by repeat, the folds of each in order of training; none for most methods.
    pub curves: Vec<Curve>,
}

/// The harness's metrics over repeats.
#[derive(Debug, Clone)]
pub struct Scores {
    /// Root mean squared error.
    pub rmse: Spread,
    /// Mean absolute error.
    pub mae: Spread,
    /// Mean over cells of the Pearson correlation over proteins.
    pub pearson_cell: Option<Spread>,
    /// Mean over proteins of the Pearson correlation over cells.
    pub pearson_protein: Option<Spread>,
    /// Mean over cells of the Spearman correlation over proteins.
    pub spearman_cell: Option<Spread>,
    /// Mean over proteins of the Spearman correlation over cells.
    pub spearman_protein: Option<Spread>,
}

/// Median and range of a value over repeats.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// Middle value; mean of the two middle values of an even number.
    pub median: f64,
    /// Smallest.
    pub min: f64,
    /// Largest.
    pub max: f64,
}

/// Repeats of one variant of a method on one backend that have no score, all for the same reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Name of the method.
    pub method: String,
    /// What a sweep changes, `epochs=3` for instance; empty outside a sweep.
    pub variant: String,
    /// Name of the backend.
    pub backend: String,
    /// Unavailable or failed.
    pub status: Status,
    /// Why, one sentence.
    pub reason: String,
    /// Which repeats, counted from zero.
    pub repeats: Vec<usize>,
}

/// A machine and what ran on it.
#[derive(Debug, Clone)]
pub struct Machine {
    /// The machine and the tools; `started_unix` is that of the earliest run.
    pub environment: Environment,
    /// Names of the rows that were measured there.
    pub rows: Vec<String>,
}

impl Summary {
    /// Expects `records` in order of [`crate::order::of_runs`].
    pub(crate) fn new(records: &[RunRecord]) -> Result<Self> {
        let first = records.first().ok_or(Error::NoRecords)?;
        check(first, records)?;
        let mut rows: Vec<Row> = groups(records).filter_map(Row::new).collect();
        rows.sort_by(|a, b| {
            let key = |row: &Row| (row.scores.rmse.median, row.train_s.median);
            let ((rmse_a, train_a), (rmse_b, train_b)) = (key(a), key(b));
            rmse_a.total_cmp(&rmse_b).then(train_a.total_cmp(&train_b))
        });
        Ok(Self {
            study: first.run.study.clone(),
            dataset: first.dataset.clone(),
            rows,
            missing: missing(records),
            machines: machines(records),
            params: params(records),
        })
    }

    /// Whether there is any validation curve.
    pub(crate) fn has_curves(&self) -> bool {
        self.rows.iter().any(|row| !row.curves.is_empty())
    }

    /// Smallest and largest number of scored repeats of a row; zero if there is no row.
    pub fn repeats(&self) -> (usize, usize) {
        let counts = || self.rows.iter().map(|row| row.repeats);
        (counts().min().unwrap_or(0), counts().max().unwrap_or(0))
    }
}

impl Row {
    fn new(group: &[RunRecord]) -> Option<Self> {
        let scored: Vec<(&RunRecord, Metrics)> =
            group.iter().filter_map(|r| Some((scored(r)?, r.metrics?))).collect();
        let (first, _) = *scored.first()?;
        let of = |value: fn(&RunRecord) -> f64| {
            Spread::of(scored.iter().map(|(record, _)| value(record)))
        };
        let maybe = |value: fn(&RunRecord) -> Option<f64>| {
            Spread::of(scored.iter().filter_map(|(record, _)| value(record)))
        };
        Some(Self {
            method: first.run.method.clone(),
            variant: first.run.variant.clone(),
            backend: first.run.backend.clone(),
            device: distinct(scored.iter().map(|(record, _)| record.device.as_str())).join(", "),
            repeats: scored.len(),
            scores: Scores::new(&scored.iter().map(|(_, metrics)| *metrics).collect::<Vec<_>>())?,
            train_s: of(RunRecord::train_s)?,
            predict_s: of(RunRecord::predict_s)?,
            total_s: of(|record| record.usage.total_s)?,
            cpu_s: of(|record| record.usage.cpu_s)?,
            peak_rss_mb: maybe(|record| record.usage.peak_rss_mb),
            peak_gpu_mb: maybe(|record| record.usage.peak_gpu_mb),
            stages: stages(scored.iter().map(|(record, _)| *record)),
            threads: first.threads,
            versions: first.versions.clone(),
            notes: distinct(scored.iter().map(|(record, _)| record.note.as_str())),
            curves: scored.iter().flat_map(|(record, _)| curves::of_run(record)).collect(),
        })
    }

    /// `method/backend`, and in a sweep `method variant/backend`.
    pub fn name(&self) -> String {
        row_name(&self.method, &self.variant, &self.backend)
    }

    /// `method`, and in a sweep `method variant`.
    pub fn label(&self) -> String {
        label(&self.method, &self.variant)
    }
}

impl Missing {
    /// As [`Row::name`].
    pub fn name(&self) -> String {
        row_name(&self.method, &self.variant, &self.backend)
    }
}

impl Scores {
    fn new(metrics: &[Metrics]) -> Option<Self> {
        let of = |value: fn(&Metrics) -> f64| Spread::of(metrics.iter().map(value));
        let maybe =
            |value: fn(&Metrics) -> Option<f64>| Spread::of(metrics.iter().filter_map(value));
        Some(Self {
            rmse: of(|m| m.rmse)?,
            mae: of(|m| m.mae)?,
            pearson_cell: maybe(|m| m.pearson_cell),
            pearson_protein: maybe(|m| m.pearson_protein),
            spearman_cell: maybe(|m| m.spearman_cell),
            spearman_protein: maybe(|m| m.spearman_protein),
        })
    }
}

impl Spread {
    /// Of any finite values; none of none. Zero has no sign, though the sum of no stages has one.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> =
            values.into_iter().filter(|value| value.is_finite()).map(|value| value + 0.0).collect();
        sorted.sort_by(f64::total_cmp);
        let (&min, &max) = (sorted.first()?, sorted.last()?);
        let middle = sorted.len() / 2;
        let median = match sorted.len() % 2 {
            0 => (sorted[middle - 1] + sorted[middle]) / 2.0,
            _ => sorted[middle],
        };
        Some(Self { median, min, max })
    }
}

fn label(method: &str, variant: &str) -> String {
    let space = if variant.is_empty() { "" } else { " " };
    format!("{method}{space}{variant}")
}

fn name(run: &RunId) -> String {
    row_name(&run.method, &run.variant, &run.backend)
}

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

fn check(first: &RunRecord, records: &[RunRecord]) -> Result<()> {
    let mixed = |what, first: String, other: String| Err(Error::Mixed { what, first, other });
    for record in records {
        if record.run.study != first.run.study {
            return mixed("study", first.run.study.clone(), record.run.study.clone());
        }
        if record.dataset != first.dataset {
            let identify = |id: &DatasetId| format!("{} (SHA-256 {:.12})", id.name, id.sha256);
            return mixed("data set", identify(&first.dataset), identify(&record.dataset));
        }
    }
    match records.windows(2).find(|pair| pair[0].run == pair[1].run) {
        None => Ok(()),
        Some(pair) => Err(Error::Twice { row: name(&pair[0].run), repeat: pair[0].run.repeat }),
    }
}

fn groups(records: &[RunRecord]) -> impl Iterator<Item = &[RunRecord]> {
    records.chunk_by(|a, b| name(&a.run) == name(&b.run))
}

fn stages<'a>(records: impl Iterator<Item = &'a RunRecord>) -> BTreeMap<Stage, Spread> {
    let mut seconds: BTreeMap<Stage, Vec<f64>> = BTreeMap::new();
    for record in records {
        for time in &record.stages {
            seconds.entry(time.stage).or_default().push(time.seconds);
        }
    }
    seconds.into_iter().filter_map(|(stage, values)| Some((stage, Spread::of(values)?))).collect()
}

fn missing(records: &[RunRecord]) -> Vec<Missing> {
    let mut found: Vec<Missing> = Vec::new();
    for record in records.iter().filter(|record| scored(record).is_none()) {
        let entry = Missing {
            method: record.run.method.clone(),
            variant: record.run.variant.clone(),
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

fn machines(records: &[RunRecord]) -> Vec<Machine> {
    let timeless =
        |environment: &Environment| Environment { started_unix: 0, ..environment.clone() };
    let mut found: Vec<Machine> = Vec::new();
    for record in records {
        let name = name(&record.run);
        match found
            .iter_mut()
            .find(|machine| timeless(&machine.environment) == timeless(&record.environment))
        {
            None => {
                found.push(Machine { environment: record.environment.clone(), rows: vec![name] })
            }
            Some(machine) => {
                let started = &mut machine.environment.started_unix;
                *started = (*started).min(record.environment.started_unix);
                if !machine.rows.contains(&name) {
                    machine.rows.push(name);
                }
            }
        }
    }
    found
}

fn params(records: &[RunRecord]) -> Vec<(String, String)> {
    let mut sets: Vec<(String, String, Vec<&str>)> = Vec::new();
    for run in records {
        let text = run
            .params
            .iter()
            .map(|(key, value)| format!("{key} = {value}"))
            .collect::<Vec<_>>()
            .join(", ");
        let (method, backend) = (label(&run.run.method, &run.run.variant), &*run.run.backend);
        match sets.iter_mut().find(|(other, params, _)| *other == method && *params == text) {
            Some((_, _, backends)) if backends.contains(&backend) => {}
            Some((_, _, backends)) => backends.push(backend),
            None => sets.push((method, text, vec![backend])),
        }
    }
    sets.into_iter()
        .filter(|(_, params, _)| !params.is_empty())
        .map(|(method, params, backends)| (format!("{method} ({})", backends.join(", ")), params))
        .collect()
}

fn distinct<'a>(values: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for value in values.map(str::trim).filter(|value| !value.is_empty()) {
        if !found.iter().any(|other| other == value) {
            found.push(value.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_odd_and_even_numbers() {
        assert_eq!(Spread::of([3.0, 1.0, 2.0]), Some(Spread { median: 2.0, min: 1.0, max: 3.0 }));
        assert_eq!(
            Spread::of([4.0, 1.0, 2.0, 3.0]),
            Some(Spread { median: 2.5, min: 1.0, max: 4.0 })
        );
        assert_eq!(Spread::of([]), None);
        assert!(Spread::of([-0.0]).is_some_and(|zero| zero.max.is_sign_positive()));
    }
}
