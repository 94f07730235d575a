//! What is predicted from what.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::did_you_mean;

/// What is measured of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Modality {
    /// Gene expression.
    Gex,
    /// Surface proteins, by antibodies.
    Adt,
    /// Open chromatin: peaks, seen or not.
    Atac,
}

/// A modality that is predicted from another; as text, `gex-to-adt`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Task {
    /// What is known of every cell.
    pub input: Modality,
    /// What is predicted.
    pub target: Modality,
}

impl Modality {
    /// The name in tasks and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gex => "gex",
            Self::Adt => "adt",
            Self::Atac => "atac",
        }
    }

    /// What its features are called, many of them.
    pub fn features(self) -> &'static str {
        match self {
            Self::Gex => "genes",
            Self::Adt => "proteins",
            Self::Atac => "peaks",
        }
    }

    /// The largest value that there can be, where there is one.
    pub fn most(self) -> Option<f32> {
        match self {
            Self::Gex | Self::Adt => None,
            Self::Atac => Some(1.0),
        }
    }

    /// What was measured, in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Gex => "gene expression",
            Self::Adt => "surface proteins",
            Self::Atac => "open chromatin",
        }
    }

    /// What one of its features is called.
    pub fn feature(self) -> &'static str {
        match self {
            Self::Gex => "gene",
            Self::Adt => "protein",
            Self::Atac => "peak",
        }
    }
}

/// As texts have it: GEX, ADT, ATAC.
impl fmt::Display for Modality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Gex => "GEX",
            Self::Adt => "ADT",
            Self::Atac => "ATAC",
        })
    }
}

impl Task {
    /// Surface proteins from gene expression, where nothing else is said.
    pub const GEX_TO_ADT: Self = Self { input: Modality::Gex, target: Modality::Adt };
    /// Gene expression from surface proteins.
    pub const ADT_TO_GEX: Self = Self { input: Modality::Adt, target: Modality::Gex };
    /// Open chromatin from gene expression.
    pub const GEX_TO_ATAC: Self = Self { input: Modality::Gex, target: Modality::Atac };
    /// Gene expression from open chromatin.
    pub const ATAC_TO_GEX: Self = Self { input: Modality::Atac, target: Modality::Gex };

    /// The four of the competition (Open Problems, NeurIPS 2021, predict modality).
    pub const ALL: [Self; 4] =
        [Self::GEX_TO_ADT, Self::ADT_TO_GEX, Self::GEX_TO_ATAC, Self::ATAC_TO_GEX];
}

impl Default for Task {
    fn default() -> Self {
        Self::GEX_TO_ADT
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-to-{}", self.input.name(), self.target.name())
    }
}

impl FromStr for Task {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|task| task.to_string() == text).ok_or_else(|| {
            let known = Self::ALL.map(|task| task.to_string());
            let near = did_you_mean(text, &known);
            format!("there is no task `{text}`; there are: {}{near}", known.join(", "))
        })
    }
}

impl TryFrom<String> for Task {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Task> for String {
    fn from(task: Task) -> Self {
        task.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_are_read_as_they_are_written() {
        for task in Task::ALL {
            assert_eq!(task.to_string().parse(), Ok(task));
        }
        let json = serde_json::to_string(&Task::ATAC_TO_GEX).unwrap();
        assert_eq!(json, "\"atac-to-gex\"");
        assert_eq!(serde_json::from_str::<Task>(&json).unwrap(), Task::ATAC_TO_GEX);
        let error = "adt-to-atac".parse::<Task>().unwrap_err();
        assert!(error.starts_with("there is no task `adt-to-atac`; there are: gex-to-adt, "));
    }
}
