//! Truncated SVD and kernel ridge regression: the first place.

use modality_protocol::{Modality, Task};
use serde::{Deserialize, Serialize};

use crate::{
    Hyperparameters, Method, Needs, Table, Typed,
    check::{Wrong, at_least_one, below_one, positive},
};

pub(crate) const TSVD_KRR: Method = Method {
    name: "tsvd-krr",
    about: "TSVD + kernel ridge regression, an ensemble over halves of the batches",
    source: "the competition's first place, Guanlab-dengkw",
    floor: None,
    needs: Needs::Fits,
    gene_sets: None,
    colour: Some("#0072b2"),
    typed: Typed::of::<TsvdKrrParams>(),
};

/// TSVD + kernel ridge regression, an ensemble over halves of the batches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TsvdKrrParams {
    /// TSVD components of the input; with `all`, or where it has no more features, its features are used as they are.
    pub input_components: Components,
    /// TSVD components of the target.
    pub target_components: usize,
    /// Of the kernel exp(-gamma ||x - x'||^2).
    pub gamma: f64,
    /// Added to the kernel's diagonal.
    pub alpha: f64,
    /// How (K + alpha I) C = T is solved.
    pub solver: Solver,
    /// Cells whose kernel columns make the preconditioner of [`Solver::Pcg`]; if left out,
    /// [`TsvdKrrParams::LANDMARKS`] times the root of the number of training cells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub landmarks: Option<usize>,
    /// [`Solver::Pcg`] is done when the residual's norm is this share of the targets' norm (Frobenius), no column's more
    /// than its part.
    pub tolerance: f64,
    /// What [`Solver::Pcg`] does with the entries of the kernel.
    pub kernel: KernelEntries,
    /// A mistake of the published system in GEX to ATAC, to be shown: the *sum* of the predictions is clipped at 1, and only
    /// then divided by their number, so that with ten fits no prediction is above 0.1.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub clip_sum: bool,
}

/// How many components there are of a truncated SVD.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Written", try_from = "Written")]
pub enum Components {
    /// So many.
    Some(usize),
    /// No decomposition: the features as they are.
    All,
}

/// As studies and records have it.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Number(usize),
    Word(String),
}

impl Components {
    /// As a number, where there are so many features.
    pub fn or_all(self, features: usize) -> usize {
        match self {
            Self::Some(number) => number,
            Self::All => features,
        }
    }
}

impl From<Components> for Written {
    fn from(components: Components) -> Self {
        match components {
            Components::Some(number) => Self::Number(number),
            Components::All => Self::Word("all".to_owned()),
        }
    }
}

impl TryFrom<Written> for Components {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        match written {
            Written::Number(number) => Ok(Self::Some(number)),
            Written::Word(word) if word == "all" => Ok(Self::All),
            Written::Word(word) => {
                Err(format!("components are `{word}`; they must be a number above 0, or \"all\""))
            }
        }
    }
}

/// How the dual coefficients are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Solver {
    /// Exact: n^3 / 3 operations a fit.
    Cholesky,
    /// Preconditioned conjugate gradients: a few products with the kernel.
    Pcg,
}

/// What becomes of a kernel matrix between two products with it. Results are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KernelEntries {
    /// It is kept as far as memory allows.
    Kept,
    /// It is formed anew, block by block, for each product.
    Formed,
}

impl Default for TsvdKrrParams {
    fn default() -> Self {
        Self {
            input_components: Components::Some(300),
            target_components: 70,
            gamma: 0.005,
            alpha: 0.2,
            solver: Solver::Pcg,
            landmarks: None,
            tolerance: 1e-3,
            kernel: KernelEntries::Kept,
            clip_sum: false,
        }
    }
}

impl TsvdKrrParams {
    /// The best measured of 500 to 2,000 landmarks on 17,952 cells, and of 1,000 to 3,000 on 66,175, is near this.
    pub const LANDMARKS: f64 = 8.0;

    /// Cells that make the preconditioner, of so many training cells.
    pub fn landmarks(&self, cells: usize) -> usize {
        let usual = (Self::LANDMARKS * (cells as f64).sqrt()).round() as usize;
        self.landmarks.unwrap_or(usual).min(cells)
    }
}

impl Hyperparameters for TsvdKrrParams {
    const RENAMED: &[(&str, &str)] =
        &[("gex_components", "input_components"), ("adt_components", "target_components")];

    /// As submitted, but for what is clipped: see [`TsvdKrrParams::clip_sum`].
    fn published(task: Task, _given: &Table) -> Self {
        let of = |input_components, target_components, alpha| Self {
            input_components,
            target_components,
            alpha,
            ..Self::default()
        };
        match (task.input, task.target) {
            (_, Modality::Atac) => of(Components::Some(1000), 50, 0.1),
            (Modality::Atac, _) => of(Components::Some(100), 70, 0.1),
            (Modality::Adt, _) => of(Components::All, 50, 0.2),
            (Modality::Gex, _) => Self::default(),
        }
    }

    fn wrong(&self) -> Option<Wrong> {
        at_least_one("input_components", self.input_components.or_all(1))
            .or_else(|| at_least_one("target_components", self.target_components))
            .or_else(|| positive("gamma", self.gamma))
            .or_else(|| positive("alpha", self.alpha))
            .or_else(|| at_least_one("landmarks", self.landmarks.unwrap_or(1)))
            .or_else(|| positive("tolerance", self.tolerance))
            .or_else(|| below_one("tolerance", self.tolerance))
    }
}
