//! The scored repeats of one variant of a method on one backend.

use std::collections::BTreeMap;

use modality_harness::{metrics::Metrics, plan::row_name, record::RunRecord};
use modality_protocol::{DeviceKind, Stage};

use crate::{
    Spread,
    curves::{self, Curve},
    efficiency::{ProductRate, Work},
    records::{by_stage, distinct, label, scored},
};

/// The scored repeats of one variant of a method on one backend.
#[derive(Debug, Clone)]
pub struct Row {
    /// Name of the method.
    pub method: String,
    /// What a sweep changes, `epochs=3` for instance; empty outside a sweep.
    pub variant: String,
    /// Training cells, where the study names several numbers; `variant` begins with them.
    pub cells: Option<usize>,
    /// Whether nothing is fitted, so that the training time means nothing.
    pub fits_nothing: bool,
    /// Name of the backend.
    pub backend: String,
    /// What computed, as the runner said.
    pub device: String,
    /// What kind of device that is, if it is known.
    pub device_kind: Option<DeviceKind>,
    /// Number of scored repeats.
    pub repeats: usize,
    /// Scores of the predictions.
    pub scores: Scores,
    /// RMSE of the kept epochs on the cells that their models were validated on, mean over the models of a run.
    pub validation_rmse: Option<Spread>,
    /// Sum of the training stages, seconds.
    pub train_s: Spread,
    /// Sum of the prediction stages, seconds.
    pub predict_s: Spread,
    /// The whole process, seconds.
    pub total_s: Spread,
    /// Seconds of the processes that belong to no stage, where they are too many to believe its stages
    /// ([`RunRecord::untold_s`]).
    pub untold_s: Option<Spread>,
    /// CPU time, user and system, seconds.
    pub cpu_s: Spread,
    /// Peak resident memory, MiB.
    pub peak_rss_mb: Option<Spread>,
    /// Peak resident memory that the runner expected before it read any data, MiB.
    pub expected_rss_mb: Option<Spread>,
    /// Peak resident memory that the runs were allowed, MiB.
    pub memory_mb: Option<Spread>,
    /// Peak memory on the accelerator, MiB.
    pub peak_gpu_mb: Option<Spread>,
    /// Peak memory on the accelerator that the runner expected before it read any data, MiB.
    pub expected_gpu_mb: Option<Spread>,
    /// Energy that the accelerator took during training and prediction, J.
    pub gpu_energy_j: Option<Spread>,
    /// ||X V||_F / ||X||_F of the truncated SVD of the input.
    pub captured: Option<Spread>,
    /// Seconds by stage, in the order in which a run goes through them.
    pub stages: BTreeMap<Stage, Spread>,
    /// Peak resident memory by stage, MiB; of the stages where it is known.
    pub stage_rss_mb: BTreeMap<Stage, Spread>,
    /// Operations by stage; of the stages where they were counted.
    pub work: BTreeMap<Stage, Work>,
    /// CPU threads.
    pub threads: usize,
    /// Versions that the runner reported.
    pub versions: BTreeMap<String, String>,
    /// What the backend noted, each once.
    pub notes: Vec<String>,
    /// Validation curves, repeat by repeat, the models of each in order of training; none for most methods.
    pub curves: Vec<Curve>,
}

/// The harness's metrics over repeats.
#[derive(Debug, Clone)]
pub struct Scores {
    /// Root mean squared error.
    pub rmse: Spread,
    /// Mean absolute error.
    pub mae: Spread,
    /// Mean over cells of the Pearson correlation over features.
    pub pearson_cell: Option<Spread>,
    /// Mean over features of the Pearson correlation over cells.
    pub pearson_feature: Option<Spread>,
    /// Mean over cells of the Spearman correlation over features.
    pub spearman_cell: Option<Spread>,
    /// Mean over features of the Spearman correlation over cells.
    pub spearman_feature: Option<Spread>,
    /// Pearson correlation over all entries.
    pub pearson_all: Option<Spread>,
    /// Spearman correlation over all entries.
    pub spearman_all: Option<Spread>,
}

impl Row {
    /// Nothing if no record of `group`, which are the repeats of one row, was scored.
    pub(crate) fn new(group: &[RunRecord], rates: &[ProductRate]) -> Option<Self> {
        let records: Vec<&RunRecord> = group.iter().filter_map(scored).collect();
        let metrics: Vec<Metrics> = records.iter().filter_map(|record| record.metrics).collect();
        let first = *records.first()?;
        let of = |value: fn(&RunRecord) -> f64| Spread::of(records.iter().map(|r| value(r)));
        let maybe = |value: fn(&RunRecord) -> Option<f64>| {
            Spread::of(records.iter().filter_map(|r| value(r)))
        };
        Some(Self {
            method: first.run.method.clone(),
            variant: first.run.variant.clone(),
            cells: first.cells,
            fits_nothing: modality_methods::fits_nothing(&first.run.method, &first.params),
            backend: first.run.backend.clone(),
            device: distinct(records.iter().map(|record| record.device.as_str())).join(", "),
            device_kind: first.device_kind,
            repeats: records.len(),
            scores: Scores::new(&metrics)?,
            validation_rmse: maybe(curves::validation_rmse),
            train_s: of(RunRecord::train_s)?,
            predict_s: of(RunRecord::predict_s)?,
            total_s: of(|record| record.usage.total_s)?,
            untold_s: maybe(RunRecord::untold_s),
            cpu_s: of(|record| record.usage.cpu_s)?,
            peak_rss_mb: maybe(|record| record.usage.peak_rss_mb),
            expected_rss_mb: maybe(|record| record.usage.expected_rss_mb),
            memory_mb: maybe(|record| record.memory_mb.map(|mebibytes| mebibytes as f64)),
            peak_gpu_mb: maybe(|record| record.usage.peak_gpu_mb),
            expected_gpu_mb: maybe(|record| record.usage.expected_gpu_mb),
            gpu_energy_j: maybe(|record| record.usage.gpu_energy_j),
            captured: maybe(|record| record.captured),
            stages: by_stage(&records, |_, time| Some(time.seconds)),
            stage_rss_mb: by_stage(&records, |_, time| time.peak_rss_mb),
            work: Work::by_stage(&records, rates),
            threads: first.threads,
            versions: first.versions.clone(),
            notes: distinct(records.iter().map(|record| record.note.as_str())),
            curves: records.iter().flat_map(|record| curves::of_run(record)).collect(),
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

    /// `method on backend`, with what a sweep changes.
    pub(crate) fn said(&self) -> String {
        format!("{} on {}", self.label(), self.backend)
    }

    /// What is predicted, in words, if the method looks at no cell's input.
    pub(crate) fn floor(&self) -> Option<&'static str> {
        modality_methods::find(&self.method)?.floor
    }

    /// Whether something else than the CPU computed.
    pub(crate) fn is_accelerated(&self) -> bool {
        self.device_kind == Some(DeviceKind::Gpu)
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
            pearson_feature: maybe(|m| m.pearson_feature),
            spearman_cell: maybe(|m| m.spearman_cell),
            spearman_feature: maybe(|m| m.spearman_feature),
            pearson_all: maybe(|m| m.pearson_all),
            spearman_all: maybe(|m| m.spearman_all),
        })
    }
}
