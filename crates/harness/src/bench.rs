//! One run from plan to record, and the folder that a study's results live in.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

use modality_data::{Values, prepared};

use crate::{
    Error, Result,
    conditions::Watch,
    environment::Environment,
    host::{self, Outcome, Runner},
    metrics::Metrics,
    plan::{Plan, PlannedRow},
    predictions::{self, Predictions},
    presence::Presence,
    record::{self, RunId, RunRecord, Status},
};
use modality_methods::Needs;
use modality_protocol::{Event, Fold, PROTOCOL, RunSpec};

/// Where the files of a study lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    root: PathBuf,
}

impl Output {
    /// The output folder `root`, which need not exist.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Makes the folder and those in it.
    ///
    /// # Errors
    /// [`Error::Io`] naming the folder that cannot be made.
    pub fn create(&self) -> Result<()> {
        for folder in [self.records(), self.predictions(), self.logs()] {
            fs::create_dir_all(&folder).map_err(|cause| Error::Io { path: folder, cause })?;
        }
        Ok(())
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The plan.
    pub fn plan(&self) -> PathBuf {
        self.root.join("plan.json")
    }

    /// One JSON file a run.
    pub fn records(&self) -> PathBuf {
        self.root.join("records")
    }

    /// One `.npy` file a run.
    pub fn predictions(&self) -> PathBuf {
        self.root.join("predictions")
    }

    /// What runners wrote to standard error.
    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }
}

/// Everything that the runs of one study share.
#[derive(Debug)]
pub struct Bench {
    plan: Plan,
    dataset: PathBuf,
    answers: Values,
    output: Output,
    environment: Environment,
    patience: Patience,
    presence: Option<Presence>,
}

/// What a rehearsal may take: it reads no data.
const REHEARSAL: Duration = Duration::from_secs(300);

/// How long runs may take; without a limit where there is none.
#[derive(Debug, Clone, Copy, Default)]
pub struct Patience {
    /// Each of them.
    pub each: Option<Duration>,
    /// When all of them must have ended.
    pub until: Option<Instant>,
}

impl Patience {
    /// What a run that begins now may take.
    pub fn now(&self) -> Option<Duration> {
        let left = self.until.map(|until| until.saturating_duration_since(Instant::now()));
        [self.each, left].into_iter().flatten().min()
    }
}

impl Bench {
    /// Reads the answers of the prepared data set in `dataset`.
    ///
    /// # Errors
    /// [`Error::Data`] naming the file.
    pub fn open(
        plan: Plan,
        dataset: &Path,
        output: Output,
        environment: Environment,
    ) -> Result<Self> {
        let answers = prepared::read_answers(dataset)?;
        Ok(Self {
            plan,
            dataset: dataset.to_owned(),
            answers,
            output,
            environment,
            patience: Patience::default(),
            presence: None,
        })
    }

    /// The same, where records name whoever else measures at the time.
    #[must_use]
    pub fn beside(self, presence: Option<Presence>) -> Self {
        Self { presence, ..self }
    }

    /// The same, where a run that takes longer is stopped and has failed.
    #[must_use]
    pub fn with_patience(self, patience: Patience) -> Self {
        Self { patience, ..self }
    }

    /// How long runs may take.
    pub fn patience(&self) -> Patience {
        self.patience
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The record of a run that is already there, if it went well and is the very run that is planned.
    ///
    /// # Errors
    /// As [`RunRecord::load`], for a record that is there and cannot be read.
    pub fn finished(&self, row: &PlannedRow, repeat: usize) -> Result<Option<RunRecord>> {
        let path = self.output.records().join(self.id(row, repeat).file_name());
        if !path.exists() {
            return Ok(None);
        }
        let record = RunRecord::load(&path)?;
        let is_planned = record.dataset == self.plan.dataset
            && record.params == row.params
            && record.cells == row.cells
            && record.threads == self.plan.threads
            && record.seed == self.plan.repeats[repeat].seed;
        Ok(Some(record).filter(|record| record.status == Status::Ok && is_planned))
    }

    /// Runs one row, scores it and saves its record. A run that goes wrong is a record that says so.
    ///
    /// # Errors
    /// [`Error::Io`] if the log or the record cannot be written, or what an earlier run left not be removed.
    pub fn run(
        &self,
        row: &PlannedRow,
        repeat: usize,
        runner: &Runner,
        watch: impl FnMut(&Event),
    ) -> Result<RunRecord> {
        let stem = self.id(row, repeat).stem();
        let spec = self.spec(row, repeat);
        predictions::remove(&spec.predictions)?;
        let log = self.output.logs().join(format!("{stem}.log"));
        let environment = self.environment.now();
        let start = SystemTime::now();
        let mut others = self.others_since(start);
        let conditions = Watch::begin(row.device);
        let outcome = host::run(runner, &spec, &log, self.patience.now(), watch)?;
        let conditions = Some(conditions.end());
        others.extend(self.others_since(start));
        let record = self.record(row, repeat, outcome, environment);
        let record = RunRecord { conditions, ..record }.without_emulated_times();
        let record = remarked(self.scored(record, &spec.predictions), others);
        predictions::remove_unless_file(&spec.predictions)?;
        record.save(&self.output.records())?;
        Ok(record)
    }

    /// Saves the record of a run that could not even be started.
    ///
    /// # Errors
    /// [`Error::Io`] if the record cannot be written.
    pub fn cannot_run(
        &self,
        row: &PlannedRow,
        repeat: usize,
        status: Status,
        reason: &str,
    ) -> Result<RunRecord> {
        let record =
            self.record(row, repeat, Outcome::without_run(status, reason), self.environment.now());
        record.save(&self.output.records())?;
        Ok(record)
    }

    /// What a row will need: the outcome of a run that ends before it has read any data.
    ///
    /// # Errors
    /// [`Error::Io`] if the log cannot be written.
    pub fn rehearse(
        &self,
        row: &PlannedRow,
        runner: &Runner,
        watch: impl FnMut(&Event),
    ) -> Result<Outcome> {
        let spec = RunSpec { rehearsal: true, ..self.spec(row, 0) };
        let log = self.output.logs().join(format!("{}.rehearsal.log", self.id(row, 0).stem()));
        let limit = self.patience.now().map_or(REHEARSAL, |limit| limit.min(REHEARSAL));
        let outcome = host::run(runner, &spec, &log, Some(limit), watch)?;
        // Of interest only where it says something.
        if fs::metadata(&log).is_ok_and(|file| file.len() == 0) {
            let _ = fs::remove_file(&log);
        }
        Ok(outcome)
    }

    fn id(&self, row: &PlannedRow, repeat: usize) -> RunId {
        RunId {
            study: self.plan.study.clone(),
            method: row.method.clone(),
            variant: row.variant.clone(),
            backend: row.backend.clone(),
            repeat,
        }
    }

    fn spec(&self, row: &PlannedRow, repeat: usize) -> RunSpec {
        let random = &self.plan.repeats[repeat];
        let cells = row.cells.map(|number| random.cells(number));
        let among = |all: &[u32]| match &cells {
            Some(cells) => positions(all, cells),
            None => all.to_vec(),
        };
        let needs = modality_methods::find(&row.method).map(|method| method.needs);
        // Of a method that is not known here, nothing is known of what it needs.
        let wants = |what: Needs| needs.is_none_or(|needs| needs == what);
        let fits = random.fits.iter().filter(|_| wants(Needs::Fits));
        let fits = fits.map(|fit| among(&fit.cells)).collect();
        let fold = |fold: &Fold| Fold {
            name: fold.name.clone(),
            cells: among(&fold.cells),
            left_out: among(&fold.left_out),
        };
        let folds = self
            .plan
            .folds_of(&row.method)
            .iter()
            .filter(|_| wants(Needs::Folds))
            .map(fold)
            .collect();
        RunSpec {
            protocol: PROTOCOL,
            method: row.method.clone(),
            params: row.params.clone(),
            task: self.plan.dataset.task,
            dataset: absolute(&prepared::inputs(&self.dataset)),
            predictions: absolute(&self.output.predictions())
                .join(format!("{}.npy", self.id(row, repeat).stem())),
            device: row.device,
            threads: self.plan.threads,
            memory: self.plan.memory,
            rehearsal: false,
            seed: random.seed,
            cells,
            fits,
            folds,
        }
    }

    fn scored(&self, mut record: RunRecord, predictions: &Path) -> RunRecord {
        if record.status != Status::Ok {
            return record;
        }
        match self.score(predictions) {
            Ok((metrics, sha256)) => {
                record.metrics = Some(metrics);
                record.predictions_sha256 = Some(sha256);
            }
            Err(error) => {
                record.status = Status::Failed;
                record.note = error.to_string();
            }
        }
        record
    }

    fn score(&self, path: &Path) -> Result<(Metrics, String)> {
        let shape = (self.answers.rows(), self.answers.columns());
        let predictions = Predictions::open(path, shape)?;
        let metrics = Metrics::score(predictions.view(), self.answers.view())
            .map_err(|error| Error::Invalid(format!("{}: {error}", path.display())))?;
        Ok((metrics, predictions.sha256()))
    }

    fn others_since(&self, then: SystemTime) -> Vec<String> {
        self.presence.as_ref().map(|presence| presence.others_since(then)).unwrap_or_default()
    }

    fn record(
        &self,
        row: &PlannedRow,
        repeat: usize,
        outcome: Outcome,
        environment: Environment,
    ) -> RunRecord {
        RunRecord {
            format: record::FORMAT,
            run: self.id(row, repeat),
            dataset: self.plan.dataset.clone(),
            params: row.params.clone(),
            threads: self.plan.threads,
            seed: self.plan.repeats[repeat].seed,
            status: outcome.status,
            note: noted(row, &outcome),
            device: outcome.device,
            device_kind: outcome.device_kind,
            metrics: None,
            predictions_sha256: None,
            memory_mb: Some(self.plan.memory >> 20),
            cells: row.cells,
            stages: outcome.stages,
            captured: outcome.captured,
            epochs: outcome.epochs,
            usage: outcome.usage,
            environment,
            conditions: None,
            versions: outcome.versions,
        }
    }
}

/// The record with what a reader of its times must know.
fn remarked(mut record: RunRecord, mut others: Vec<String>) -> RunRecord {
    others.sort();
    others.dedup();
    let beside = |other| format!("another measurement ran on this machine: {other}");
    let untold = record.untold_s().filter(|_| record.status == Status::Ok).map(|untold| {
        let total = record.usage.total_s;
        format!("{untold:.1} of the {total:.1} s that it lived belong to no stage")
    });
    for remark in others.into_iter().map(beside).chain(untold) {
        let joint = if record.note.is_empty() { "" } else { "; " };
        record.note = format!("{}{joint}{remark}", record.note);
    }
    record
}

/// What the plan says of a row that was run, before what the run said.
fn noted(row: &PlannedRow, outcome: &Outcome) -> String {
    let planned = Some(row.note.as_str()).filter(|_| outcome.status != Status::Unavailable);
    let notes = planned.into_iter().chain([outcome.note.as_str()]);
    notes.filter(|note| !note.is_empty()).collect::<Vec<_>>().join("; ")
}

/// Where in `cells`, ascending, those of `wanted` stand that are in it.
fn positions(wanted: &[u32], cells: &[u32]) -> Vec<u32> {
    let position = |cell| cells.binary_search(cell).ok().map(|position| position as u32);
    wanted.iter().filter_map(position).collect()
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
