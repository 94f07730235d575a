//! What a runner says.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{DeviceKind, Stage};

/// One point of a fold's validation curve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Epoch {
    /// [`Fold::name`](crate::Fold::name).
    pub fold: String,
    /// Counted from one.
    pub epoch: usize,
    /// Mean training loss over the steps of the epoch.
    pub loss: f64,
    /// RMSE on the fold's validation cells after the epoch.
    pub validation_rmse: f64,
}

/// One line that a runner says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// First: what will compute, and the versions of what it is built from.
    Hello {
        /// `CPU` or the accelerator's name.
        device: String,
        /// What kind of device it is; where it is not said, the name tells.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kind: Option<DeviceKind>,
        /// Library name to version.
        versions: BTreeMap<String, String>,
    },
    /// What the run will need; said before any data is read, by runners that can tell.
    Expect {
        /// Peak resident memory, MiB.
        peak_rss_mb: f64,
        /// Peak memory on the accelerator, MiB, where one computes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        peak_gpu_mb: Option<f64>,
    },
    /// A stage begins.
    Begin {
        /// Which.
        stage: Stage,
    },
    /// Steps done inside the stage that began last.
    Progress {
        /// Which.
        stage: Stage,
        /// Steps done.
        done: u64,
        /// Steps in all.
        total: u64,
    },
    /// An epoch of a fold's training ended.
    Epoch(Epoch),
    /// A stage ended, all its device work finished. A stage visited several times counts the sum.
    End {
        /// Which.
        stage: Stage,
        /// Wall time of this visit.
        seconds: f64,
        /// Peak resident memory during this visit, MiB, where the runner can tell.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        peak_rss_mb: Option<f64>,
        /// Floating-point operations of this visit (a multiplication and an addition are two), where they were counted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        flops: Option<f64>,
    },
    /// How much of the input a truncated SVD holds: ||X V||_F / ||X||_F, training and test cells.
    Captured {
        /// At most 1.
        share: f64,
    },
    /// How fast the device that [`Event::Hello`] named multiplies float32 matrices in the runner's hands: the CPU on the run's
    /// threads, an accelerator on matrices that are there already, neither rounding them first (no TF32). What the
    /// measurement takes is not counted as the run's.
    ProductRate {
        /// 10^9 floating-point operations a second.
        gflops: f64,
        /// Wall time of the measurement.
        seconds: f64,
        /// CPU time of the measurement, user and system.
        cpu_seconds: f64,
        /// The same of float16 matrices with float32 sums, from a runner that computes on matrix units: what it counts of its
        /// stages is held against this.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        matrix_unit_gflops: Option<f64>,
    },
    /// Something a reader of the report should know.
    Note {
        /// One sentence.
        text: String,
    },
    /// Peak memory taken on the accelerator: what the program asked for and, where the driver tells, what its context and
    /// libraries take.
    GpuMemory {
        /// In MiB.
        peak_mb: f64,
    },
    /// Energy that the accelerator took while stages of training or prediction ran ([`Stage::phase`]), by its own counter.
    /// Several of these add up.
    GpuEnergy {
        /// What the whole accelerator took, in J.
        joules: f64,
        /// Wall time in which it took that.
        seconds: f64,
    },
    /// This machine cannot run the backend: a row that says why, not an error.
    Unavailable {
        /// One sentence.
        reason: String,
    },
    /// The run failed.
    Failed {
        /// One sentence.
        reason: String,
    },
    /// Last: the predictions are written.
    Done,
}
