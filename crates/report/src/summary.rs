//! Records, grouped by method, variant and backend.

use modality_harness::{
    environment::Environment,
    record::{DatasetId, RunRecord},
};

use crate::{
    Error, Missing, ProductRate, Result, Row, Series, SideBySide,
    records::{label, without_cells},
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
    /// Methods on backends at three or more numbers of training cells.
    pub series: Vec<Series>,
    /// Backends of one method, each beside the one that trains fastest.
    pub side_by_side: Vec<SideBySide>,
    /// What the counted operations of the rows are held against; one an accelerator, or a processor and number of threads.
    pub product_rates: Vec<ProductRate>,
    /// The machines, in order of first appearance.
    pub machines: Vec<Machine>,
    /// Hyperparameters of each method and variant as JSON, whatever the number of training cells; one entry a distinct
    /// set.
    pub params: Vec<(String, String)>,
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
        let product_rates = ProductRate::of_study(records);
        let row = |(_, group)| Row::new(group, &product_rates);
        let mut rows: Vec<Row> = groups(records).filter_map(row).collect();
        rows.sort_by(|a, b| {
            let key = |row: &Row| (row.scores.rmse.median, row.train_s.median);
            let ((rmse_a, train_a), (rmse_b, train_b)) = (key(a), key(b));
            rmse_a.total_cmp(&rmse_b).then(train_a.total_cmp(&train_b))
        });
        Ok(Self {
            study: first.run.study.clone(),
            dataset: first.dataset.clone(),
            series: Series::of_rows(&rows),
            side_by_side: SideBySide::of_study(&rows, records),
            rows,
            missing: Missing::of_records(records),
            product_rates,
            machines: machines(records),
            params: params(records),
        })
    }

    /// Whether there is any validation curve.
    pub(crate) fn has_curves(&self) -> bool {
        self.rows.iter().any(|row| !row.curves.is_empty())
    }

    /// Whether any row has an error on cells that its models were validated on.
    pub(crate) fn is_validated(&self) -> bool {
        self.rows.iter().any(|row| row.validation_rmse.is_some())
    }

    /// Smallest and largest number of scored repeats of a row; zero if there is no row.
    pub fn repeats(&self) -> (usize, usize) {
        let counts = || self.rows.iter().map(|row| row.repeats);
        (counts().min().unwrap_or(0), counts().max().unwrap_or(0))
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
        Some(pair) => Err(Error::Twice { row: pair[0].run.row(), repeat: pair[0].run.repeat }),
    }
}

/// The records of each row, with its name; expects them in order of [`crate::order::of_runs`].
pub(crate) fn groups(records: &[RunRecord]) -> impl Iterator<Item = (String, &[RunRecord])> {
    let groups = records.chunk_by(|a, b| a.run.row() == b.run.row());
    groups.filter_map(|group| Some((group.first()?.run.row(), group)))
}

fn machines(records: &[RunRecord]) -> Vec<Machine> {
    let timeless =
        |environment: &Environment| Environment { started_unix: 0, ..environment.clone() };
    let mut found: Vec<Machine> = Vec::new();
    for record in records {
        let name = record.run.row();
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
        let variant = without_cells(&run.run.variant, run.cells);
        let (method, backend) = (label(&run.run.method, variant), &*run.run.backend);
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
