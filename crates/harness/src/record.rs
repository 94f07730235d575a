//! What is kept of a run.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    Error, Result, conditions::Conditions, environment::Environment, format, metrics::Metrics,
    plan::row_name,
};
use modality_protocol::{DeviceKind, Epoch, Phase, Stage, Task, files};

/// Version of the record's layout, in [`RunRecord::format`].
pub const FORMAT: u32 = 2;

/// The oldest layout that can still be read: of GEX to ADT alone, with other names for its features.
const OLDEST: u32 = 1;

/// What a program may take outside its stages without a word being said of it, seconds.
const MOST_UNTOLD_S: f64 = 10.0;

/// One run of one method on one backend: what was asked, what came out, what it cost, and where.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// [`FORMAT`].
    pub format: u32,
    /// Which run of which study.
    pub run: RunId,
    /// The data set.
    pub dataset: DatasetId,
    /// Hyperparameters as the runner got them.
    pub params: serde_json::Map<String, serde_json::Value>,
    /// Threads and seed of the run.
    pub threads: usize,
    /// Seed of everything random outside the plan's lists.
    pub seed: u64,
    /// How it ended.
    pub status: Status,
    /// What a reader should know: why a run is missing, what a backend noted. Empty if nothing.
    pub note: String,
    /// What computed: `CPU` or the accelerator's name; empty if the runner never said.
    pub device: String,
    /// What kind of device that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_kind: Option<DeviceKind>,
    /// Scores of the predictions; present if and only if `status` is [`Status::Ok`].
    pub metrics: Option<Metrics>,
    /// SHA-256 of the prediction file.
    pub predictions_sha256: Option<String>,
    /// Peak resident memory that the run was allowed, MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_mb: Option<u64>,
    /// Training cells of the run, where it was not given all that there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cells: Option<usize>,
    /// Wall time by stage, in the order in which they first began.
    pub stages: Vec<StageTime>,
    /// ||X V||_F / ||X||_F of the truncated SVD of the input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captured: Option<f64>,
    /// Validation curves of the folds, where there are some.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub epochs: Vec<Epoch>,
    /// What the operating system says the process used.
    pub usage: Usage,
    /// The machine and the tools.
    pub environment: Environment,
    /// The machine while the run ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conditions: Option<Conditions>,
    /// Versions that the runner reported.
    pub versions: BTreeMap<String, String>,
}

/// Which run of which study.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RunId {
    /// Name of the study.
    pub study: String,
    /// Name of the method.
    pub method: String,
    /// What a sweep changes, `epochs=3` for instance; empty outside a sweep.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub variant: String,
    /// Name of the backend.
    pub backend: String,
    /// Counted from zero.
    pub repeat: usize,
}

/// Which data the run saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatasetId {
    /// Name of the data set.
    pub name: String,
    /// Whether the numbers were generated.
    pub synthetic: bool,
    /// SHA-256 over the prepared arrays.
    pub sha256: String,
    /// Training cells.
    pub train_cells: usize,
    /// Test cells.
    pub test_cells: usize,
    /// What is predicted from what.
    #[serde(default)]
    pub task: Task,
    /// Features of the input.
    #[serde(alias = "genes")]
    pub inputs: usize,
    /// Features of the target.
    #[serde(alias = "proteins")]
    pub targets: usize,
    /// What was read, found and chosen, and what a reader should know of the values, a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Predictions were scored.
    Ok,
    /// This machine cannot run it; the note says why.
    Unavailable,
    /// It broke; the note says how.
    Failed,
}

impl Status {
    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unavailable => "unavailable",
            Self::Failed => "failed",
        }
    }
}

/// Wall time of one stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageTime {
    /// Which.
    pub stage: Stage,
    /// Sum over its visits.
    pub seconds: f64,
    /// Peak resident memory during its visits, MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_rss_mb: Option<f64>,
    /// Floating-point operations, a multiplication and an addition counted as two; sum over its visits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flops: Option<f64>,
}

/// What a run cost.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// From the start of the process to its end, seconds; without the measurement of the product rate.
    pub total_s: f64,
    /// CPU time of the process, user and system, seconds.
    pub cpu_s: f64,
    /// Peak resident memory, MiB; absent where the system does not tell.
    pub peak_rss_mb: Option<f64>,
    /// Peak memory on the accelerator, MiB.
    pub peak_gpu_mb: Option<f64>,
    /// Peak memory on the accelerator that the runner expected before it read any data, MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_gpu_mb: Option<f64>,
    /// Energy that the accelerator took during training and prediction, J.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_energy_j: Option<f64>,
    /// Wall time in which it took that, seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_energy_s: Option<f64>,
    /// Peak resident memory that the runner expected before it read any data, MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_rss_mb: Option<f64>,
    /// Float32 matrix products on [`RunRecord::device`] as the runner measured them in this run, 10^9 operations a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product_gflops: Option<f64>,
    /// Products of float16 matrices with float32 sums, likewise, where the run computed on matrix units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matrix_unit_gflops: Option<f64>,
}

impl RunRecord {
    /// Sum of the training stages, seconds.
    pub fn train_s(&self) -> f64 {
        self.phase_s(Phase::Train)
    }

    /// Sum of the prediction stages, seconds.
    pub fn predict_s(&self) -> f64 {
        self.phase_s(Phase::Predict)
    }

    fn phase_s(&self, phase: Phase) -> f64 {
        let times = self.stages.iter().filter(|time| time.stage.phase() == phase);
        // The sum of no floats is -0.
        times.fold(0.0, |sum, time| sum + time.seconds)
    }

    /// Seconds of the process that belong to no stage, where they are so many that its stages cannot be what it took: more
    /// than ten, and more than half of its life. Programs start and end outside their stages; that takes seconds, not more.
    pub fn untold_s(&self) -> Option<f64> {
        let told: f64 = self.stages.iter().map(|time| time.seconds).sum();
        let untold = self.usage.total_s - told;
        (untold > MOST_UNTOLD_S && untold > 0.5 * self.usage.total_s).then_some(untold)
    }

    /// The record itself, unless its device is [emulated](DeviceKind::Emulated): then without times and energy, and a failure.
    #[must_use]
    pub fn without_emulated_times(mut self) -> Self {
        if self.device_kind != Some(DeviceKind::Emulated) {
            return self;
        }
        self.stages.clear();
        self.metrics = None;
        self.predictions_sha256 = None;
        let Usage { peak_rss_mb, peak_gpu_mb, expected_rss_mb, expected_gpu_mb, .. } = self.usage;
        self.usage = Usage {
            peak_rss_mb,
            peak_gpu_mb,
            expected_rss_mb,
            expected_gpu_mb,
            ..Usage::default()
        };
        if self.status == Status::Ok {
            self.status = Status::Failed;
            let joint = if self.note.is_empty() { "" } else { "; " };
            self.note += joint;
            self.note += "it ran on an emulated device, whose times mean nothing";
        }
        self
    }

    /// Writes the record into `folder` whole or not at all.
    ///
    /// # Errors
    /// [`Error::Io`] naming the file.
    pub fn save(&self, folder: &Path) -> Result<()> {
        Ok(files::write_json(&folder.join(self.run.file_name()), self)?)
    }

    /// Reads one record; of an emulated device, as [`RunRecord::without_emulated_times`].
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Json`] naming the file; [`Error::Invalid`] for another format.
    pub fn load(path: &Path) -> Result<Self> {
        let record: Self = format::read(path, "record", OLDEST..=FORMAT)?;
        let device_kind = record.device_kind.or_else(|| DeviceKind::named(&record.device));
        Ok(Self { format: FORMAT, device_kind, ..record }.without_emulated_times())
    }

    /// Reads every record in `folder`, in order of method, backend and repeat.
    ///
    /// # Errors
    /// As [`RunRecord::load`].
    pub fn load_all(folder: &Path) -> Result<Vec<Self>> {
        let io = |cause| Error::Io { path: folder.to_owned(), cause };
        let mut paths: Vec<PathBuf> = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(io)? {
            let path = entry.map_err(io)?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                paths.push(path);
            }
        }
        paths.sort();
        let mut records = paths.iter().map(|path| Self::load(path)).collect::<Result<Vec<_>>>()?;
        records.sort_by(|a, b| a.run.cmp(&b.run));
        Ok(records)
    }
}

impl RunId {
    /// File name of the run's record.
    pub fn file_name(&self) -> String {
        format!("{}.json", self.stem())
    }

    /// Name of its row, as [`row_name`].
    pub fn row(&self) -> String {
        row_name(&self.method, &self.variant, &self.backend)
    }

    /// Stem of every file that belongs to the run.
    pub fn stem(&self) -> String {
        let Self { method, variant, backend, repeat, .. } = self;
        let is_plain = |c: char| c.is_alphanumeric() || "=.-_".contains(c);
        let variant = variant.replace(|c| !is_plain(c), ",");
        let sign = if variant.is_empty() { "" } else { "@" };
        format!("{method}{sign}{variant}-{backend}-r{repeat}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record as it was written before runs on accelerators were told of.
    fn scored_on(device: &str) -> RunRecord {
        let record = serde_json::json!({
            "format": FORMAT,
            "run": { "study": "s", "method": "m", "backend": "b", "repeat": 0 },
            "dataset": {
                "name": "d", "synthetic": true, "sha256": "", "train_cells": 2, "test_cells": 1, "genes": 3, "proteins": 4
            },
            "params": {}, "threads": 1, "seed": 0, "status": "ok", "note": "slow", "device": device,
            "metrics": {
                "rmse": 0.5, "mae": 0.4, "pearson_cell": null, "pearson_protein": null,
                "spearman_cell": null, "spearman_protein": null
            },
            "predictions_sha256": "ab",
            "stages": [{ "stage": "solve", "seconds": 2.5, "flops": 1e9 }],
            "usage": { "total_s": 3.5, "cpu_s": 4.5, "peak_rss_mb": 100.0, "peak_gpu_mb": null },
            "environment": Environment::default(),
            "versions": {}
        });
        let record: RunRecord = serde_json::from_value(record).unwrap();
        RunRecord { device_kind: DeviceKind::named(device), ..record }
    }

    fn measured_on(device: &str) -> RunRecord {
        let mut record = scored_on(device);
        let usage = &mut record.usage;
        (usage.peak_gpu_mb, usage.expected_gpu_mb) = (Some(900.0), Some(1000.0));
        (usage.gpu_energy_j, usage.gpu_energy_s) = (Some(80.0), Some(2.5));
        (usage.product_gflops, usage.matrix_unit_gflops) = (Some(5e4), Some(8e5));
        record
    }

    #[test]
    fn records_are_the_same_before_and_after_a_file() {
        let folder = tempfile::tempdir().unwrap();
        for record in [scored_on("CPU"), measured_on("NVIDIA H200")] {
            record.save(folder.path()).unwrap();
            let path = folder.path().join(record.run.file_name());
            assert_eq!(RunRecord::load(&path).unwrap(), record);
            let text = std::fs::read_to_string(path).unwrap();
            assert_eq!(text.contains("gpu_energy_j"), record.device != "CPU", "{text}");
        }
    }

    #[test]
    fn a_process_that_lives_much_longer_than_its_stages_is_noticed() {
        let untold = |stages: f64, total_s: f64| {
            let mut record = scored_on("CPU");
            (record.stages[0].seconds, record.usage.total_s) = (stages, total_s);
            record.untold_s()
        };
        assert_eq!(untold(0.5, 60.5), Some(60.0));
        assert_eq!(untold(0.5, 9.0), None, "libraries may take long to load");
        assert_eq!(untold(40.0, 60.0), None, "most of it is accounted for");
        assert_eq!(untold(0.0, 0.0), None);
    }

    #[test]
    fn no_time_comes_from_an_emulated_device() {
        let real = measured_on("NVIDIA H200");
        assert_eq!(real.clone().without_emulated_times(), real);
        let folder = tempfile::tempdir().unwrap();
        for device in ["emulated NVIDIA H200", "Emulated GPU", "emulated"] {
            measured_on(device).save(folder.path()).unwrap();
            let record = RunRecord::load_all(folder.path()).unwrap().remove(0);
            assert_eq!(record.status, Status::Failed);
            let note = "slow; it ran on an emulated device, whose times mean nothing";
            assert_eq!(record.note, note);
            let usage = Usage {
                peak_rss_mb: Some(100.0),
                peak_gpu_mb: Some(900.0),
                expected_gpu_mb: Some(1000.0),
                ..Usage::default()
            };
            assert_eq!(record.usage, usage);
            assert!(record.stages.is_empty() && record.metrics.is_none());
            assert_eq!(record.clone().without_emulated_times(), record, "told once");
        }
        let broken = RunRecord {
            status: Status::Failed,
            note: "it broke".to_owned(),
            ..measured_on("emulated")
        };
        assert_eq!(broken.without_emulated_times().note, "it broke");
    }
}
