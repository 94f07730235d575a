//! What passes between the harness and a runner: one [`RunSpec`] in, [`Event`]s out, one line of JSON each.
//!
//! A runner reads the spec from the first line of its standard input, writes events to its standard output,
//! leaves its predictions in the file that the spec names, says [`Event::Done`], and waits for its standard
//! input to close, so that the harness can read its peak memory while it is still alive. What it writes to
//! standard error is kept as its log. Of a rehearsal ([`RunSpec::rehearsal`]) only the first two events and the last are
//! wanted. Any program that does this is a backend.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};

/// Version of the protocol, in [`RunSpec::protocol`].
pub const PROTOCOL: u32 = 3;

/// Everything a runner needs to know; nothing random is left for it to choose.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunSpec {
    /// [`PROTOCOL`].
    pub protocol: u32,
    /// Name of the method, `tsvd-krr` for instance.
    pub method: String,
    /// The method's hyperparameters, the same for every backend.
    pub params: serde_json::Map<String, serde_json::Value>,
    /// Folder of the prepared data set (`modality_data::prepared`).
    pub dataset: PathBuf,
    /// Where the predictions go: `.npy`, float32, C order, test cells x proteins.
    pub predictions: PathBuf,
    /// Where to compute: `cpu`, `cuda` or `cuda:N`.
    pub device: String,
    /// Number of CPU threads to use.
    pub threads: usize,
    /// Peak resident memory that the run may come to, bytes.
    pub memory: u64,
    /// Whether only [`Event::Expect`] is wanted, and no run.
    pub rehearsal: bool,
    /// Seed of everything random that is not in the plan.
    pub seed: u64,
    /// Rows of the prepared training half that are this run's training cells, ascending; all if absent.
    pub cells: Option<Vec<u32>>,
    /// The training cells that each fit of an ensemble is fitted on, counted among the run's.
    pub fits: Vec<Vec<u32>>,
    /// What each model of a cross-validated ensemble is validated on; it is trained on all other cells.
    pub folds: Vec<Fold>,
}

/// The validation cells of one model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fold {
    /// What the cells have in common: a site, or donors.
    pub name: String,
    /// The run's training cells, ascending.
    pub cells: Vec<u32>,
}

/// A named unit of work, the same on every backend, so that times compare like with like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Reading the prepared data set.
    Load,
    /// Warm-up, just-in-time compilation, device contexts, uploads; checks and measures that are no part of the method.
    Setup,
    /// Truncated SVD of gene expression, training and test cells stacked.
    TsvdGex,
    /// Truncated SVD of the training proteins.
    TsvdAdt,
    /// Row-wise standardisation of the gene expression scores.
    Standardize,
    /// Kernel matrices of the training cells.
    Kernel,
    /// Solving for the dual coefficients.
    Solve,
    /// Fitting, where a method has no finer stages.
    Fit,
    /// Predicting the test cells.
    Predict,
    /// Writing the predictions.
    Write,
}

/// What a stage counts towards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Neither training nor prediction: reported, and part of the total alone.
    Overhead,
    /// Training time, the figure's horizontal axis.
    Train,
    /// Prediction time.
    Predict,
}

impl Stage {
    /// All stages, in the order in which a run comes to them.
    pub const ALL: [Self; 10] = [
        Self::Load,
        Self::Setup,
        Self::TsvdGex,
        Self::TsvdAdt,
        Self::Standardize,
        Self::Kernel,
        Self::Solve,
        Self::Fit,
        Self::Predict,
        Self::Write,
    ];

    /// What the stage counts towards.
    pub fn phase(self) -> Phase {
        match self {
            Self::Load | Self::Setup | Self::Write => Phase::Overhead,
            Self::TsvdGex
            | Self::TsvdAdt
            | Self::Standardize
            | Self::Kernel
            | Self::Solve
            | Self::Fit => Phase::Train,
            Self::Predict => Phase::Predict,
        }
    }

    /// The name in records, tables and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Setup => "setup",
            Self::TsvdGex => "tsvd-gex",
            Self::TsvdAdt => "tsvd-adt",
            Self::Standardize => "standardize",
            Self::Kernel => "kernel",
            Self::Solve => "solve",
            Self::Fit => "fit",
            Self::Predict => "predict",
            Self::Write => "write",
        }
    }
}

/// One point of a fold's validation curve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// [`Fold::name`].
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
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// First: what will compute, and the versions of what it is built from.
    Hello {
        /// `CPU` or the accelerator's name.
        device: String,
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
    /// How much of the gene expression a truncated SVD holds: ||X V||_F / ||X||_F, training and test cells.
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
