//! What a comparison runs on, whatever file it came from.

use modality_protocol::{Modality, Task};
use serde::{Deserialize, Serialize};

use crate::{Error, Result, Values};

/// Sparse rows: 32-bit column indices, so eight bytes an entry; 64-bit row pointers.
pub type Csr = sprs::CsMatI<f32, u32, usize>;

/// Two modalities of training and test cells, one to be predicted from the other.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// The name in `bench-configs/datasets.toml`, or of the user's folder.
    pub name: String,
    /// The columns of [`Split::input`].
    pub input: Features,
    /// The columns of [`Split::target`].
    pub target: Features,
    /// The cells that models are fitted on.
    pub train: Split,
    /// The cells that predictions are scored on.
    pub test: Split,
    /// Where the numbers come from.
    pub provenance: Provenance,
}

/// The features of a modality, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Features {
    /// What was measured.
    pub modality: Modality,
    /// One name a column.
    pub names: Vec<String>,
}

/// The cells of one half, one row each.
#[derive(Debug, Clone)]
pub struct Split {
    /// Cells x features of the input, normalised.
    pub input: Values,
    /// Cells x features of the target, normalised.
    pub target: Values,
    /// What is known about each cell.
    pub cells: Cells,
}

/// Annotations of cells, one entry a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cells {
    /// Barcodes.
    pub names: Vec<String>,
    /// The unit that the ten halves are drawn from.
    pub batch: Labels,
    /// The person a cell comes from.
    pub donor: Labels,
    /// The laboratory, or what stands for it.
    pub site: Labels,
}

/// A categorical column: a code a cell, and the name of each code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Labels {
    /// Index into `names`, one a cell.
    pub codes: Vec<u32>,
    /// The categories.
    pub names: Vec<String>,
}

/// Where a data set comes from and what was done to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// One sentence a reader can follow: a package and version, an address, a folder, a generator and seed.
    pub source: String,
    /// The files that were read, with their SHA-256 sums; empty for generated data.
    pub files: Vec<FileSum>,
    /// Whether the numbers were generated; shown in every table and figure.
    pub synthetic: bool,
    /// What was done to the values after reading, in one line.
    pub normalisation: String,
    /// What was read, found and chosen, and what a reader should know of the values; a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
}

/// A file that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSum {
    /// File name without its folder.
    pub name: String,
    /// SHA-256, lower-case hexadecimal.
    pub sha256: String,
}

impl Labels {
    /// Codes in order of first appearance.
    pub fn from_names<S: AsRef<str>>(values: impl IntoIterator<Item = S>) -> Self {
        let mut index = std::collections::HashMap::new();
        let mut names = Vec::new();
        let codes = values
            .into_iter()
            .map(|value| {
                let value = value.as_ref();
                if let Some(&code) = index.get(value) {
                    return code;
                }
                let code = names.len() as u32;
                index.insert(value.to_owned(), code);
                names.push(value.to_owned());
                code
            })
            .collect();
        Self { codes, names }
    }

    /// Every cell in one category.
    pub fn constant(name: &str, cells: usize) -> Self {
        Self { codes: vec![0; cells], names: vec![name.to_owned()] }
    }

    /// The cells that have one of `codes`, ascending.
    pub fn cells_of(&self, codes: &[u32]) -> Vec<u32> {
        let cells = (0..).zip(&self.codes).filter(|(_, code)| codes.contains(code));
        cells.map(|(cell, _)| cell).collect()
    }

    /// Number of cells.
    pub fn len(&self) -> usize {
        self.codes.len()
    }

    /// Whether there is no cell.
    pub fn is_empty(&self) -> bool {
        self.codes.is_empty()
    }
}

impl Dataset {
    /// What is predicted from what.
    pub fn task(&self) -> Task {
        Task { input: self.input.modality, target: self.target.modality }
    }

    /// The same cells, with input and target changed for one another.
    #[must_use]
    pub fn reversed(self) -> Self {
        let turned = |Split { input, target, cells }| Split { input: target, target: input, cells };
        Self {
            input: self.target,
            target: self.input,
            train: turned(self.train),
            test: turned(self.test),
            ..self
        }
    }

    /// Checks what every backend relies on: equal numbers of cells on both sides, equal features in both halves, at least
    /// one cell and one feature of each modality, finite values, labels for every cell.
    ///
    /// # Errors
    /// [`Error::Invalid`] with a sentence that names the half and the matrix.
    pub fn validate(&self) -> Result<()> {
        for (half, split) in [("training", &self.train), ("test", &self.test)] {
            split.validate(half, &self.input, &self.target)?;
        }
        Ok(())
    }
}

impl Split {
    /// Mean of all (cell, target feature) entries.
    pub fn target_mean(&self) -> f64 {
        self.target.stored().iter().map(|&value| f64::from(value)).sum::<f64>()
            / self.target_entries()
    }

    /// Root mean square of all (cell, target feature) entries: the RMSE of predicting zero.
    pub fn target_rms(&self) -> f64 {
        (self.target.view().squares() / self.target_entries()).sqrt()
    }

    /// Share of (cell, input feature) entries that are stored.
    pub fn input_density(&self) -> f64 {
        let all = self.input.rows() as f64 * self.input.columns() as f64;
        self.input.stored().len() as f64 / all
    }

    fn target_entries(&self) -> f64 {
        self.target.rows() as f64 * self.target.columns() as f64
    }

    fn validate(&self, half: &str, input: &Features, target: &Features) -> Result<()> {
        let cells = self.cells.names.len();
        let [inputs, targets] = [input, target].map(|of| (of.names.len(), of.modality.features()));
        if cells == 0 || inputs.0 == 0 || targets.0 == 0 {
            let ((inputs, input), (targets, target)) = (inputs, targets);
            return Err(Error::Invalid(format!(
                "the {half} half has {cells} cells, {inputs} {input} and {targets} {target}; at least one of each is needed"
            )));
        }
        let of = |features: &Features, what: &str| format!("{} {what}", features.modality);
        let expected = [
            (of(input, "cells"), self.input.rows(), cells),
            (of(input, inputs.1), self.input.columns(), inputs.0),
            (of(target, "cells"), self.target.rows(), cells),
            (of(target, targets.1), self.target.columns(), targets.0),
            ("batch labels".to_owned(), self.cells.batch.len(), cells),
            ("donor labels".to_owned(), self.cells.donor.len(), cells),
            ("site labels".to_owned(), self.cells.site.len(), cells),
        ];
        if let Some((what, found, wanted)) =
            expected.into_iter().find(|(_, found, wanted)| found != wanted)
        {
            return Err(Error::Invalid(format!(
                "the {half} half has {found} {what} where {wanted} are expected"
            )));
        }
        if !(self.input.view().is_finite() && self.target.view().is_finite()) {
            return Err(Error::Invalid(format!("the {half} half holds NaN or infinite values")));
        }
        Ok(())
    }
}
