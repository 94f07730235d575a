//! What times are taken of.

use serde::{Deserialize, Serialize};

/// A named unit of work, the same on every backend, so that times compare like with like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Reading the prepared data set.
    Load,
    /// Warm-up, just-in-time compilation, device contexts, uploads; checks and measures that are no part of the method.
    Setup,
    /// Truncated SVD of the input, training and test cells stacked.
    #[serde(alias = "tsvd-gex")]
    TsvdInput,
    /// Truncated SVD of the training cells' target.
    #[serde(alias = "tsvd-adt")]
    TsvdTarget,
    /// Row-wise standardisation of the input's scores.
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
        Self::TsvdInput,
        Self::TsvdTarget,
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
            Self::TsvdInput
            | Self::TsvdTarget
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
            Self::TsvdInput => "tsvd-input",
            Self::TsvdTarget => "tsvd-target",
            Self::Standardize => "standardize",
            Self::Kernel => "kernel",
            Self::Solve => "solve",
            Self::Fit => "fit",
            Self::Predict => "predict",
            Self::Write => "write",
        }
    }
}
