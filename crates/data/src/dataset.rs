//! What a comparison runs on, whatever file it came from.

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Sparse rows: 32-bit column indices, so eight bytes an entry; 64-bit row pointers.
pub type Csr = sprs::CsMatI<f32, u32, usize>;

/// Paired gene expression and surface proteins of training and test cells.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// The name in `bench-configs/datasets.toml`, or of the user's folder.
    pub name: String,
    /// Gene names, one a column of [`Split::gex`].
    pub genes: Vec<String>,
    /// Protein names, one a column of [`Split::adt`].
    pub proteins: Vec<String>,
    /// The cells that models are fitted on.
    pub train: Split,
    /// The cells that predictions are scored on.
    pub test: Split,
    /// Where the numbers come from.
    pub provenance: Provenance,
}

/// The cells of one half, one row each.
#[derive(Debug, Clone)]
pub struct Split {
    /// Gene expression, cells x genes, normalised.
    pub gex: Csr,
    /// Surface proteins, cells x proteins, normalised, row-major.
    pub adt: Array2<f32>,
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
    /// Checks what every backend relies on: equal numbers of cells on both sides, equal genes and proteins
    /// in both halves, at least one cell, gene and protein, finite values, labels for every cell.
    ///
    /// # Errors
    /// [`Error::Invalid`] with a sentence that names the half and the matrix.
    pub fn validate(&self) -> Result<()> {
        for (half, split) in [("training", &self.train), ("test", &self.test)] {
            split.validate(half, self.genes.len(), self.proteins.len())?;
        }
        Ok(())
    }
}

impl Split {
    /// Mean of all (cell, protein) entries.
    pub fn adt_mean(&self) -> f64 {
        self.adt.iter().map(|&value| f64::from(value)).sum::<f64>() / self.adt.len() as f64
    }

    /// Root mean square of all (cell, protein) entries: the RMSE of predicting zero.
    pub fn adt_rms(&self) -> f64 {
        (self.adt.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>()
            / self.adt.len() as f64)
            .sqrt()
    }

    /// Share of (cell, gene) entries that are stored.
    pub fn gex_density(&self) -> f64 {
        self.gex.nnz() as f64 / (self.gex.rows() as f64 * self.gex.cols() as f64)
    }

    fn validate(&self, half: &str, genes: usize, proteins: usize) -> Result<()> {
        let cells = self.gex.rows();
        let expected = [
            ("GEX genes", self.gex.cols(), genes),
            ("ADT cells", self.adt.nrows(), cells),
            ("ADT proteins", self.adt.ncols(), proteins),
            ("cell names", self.cells.names.len(), cells),
            ("batch labels", self.cells.batch.len(), cells),
            ("donor labels", self.cells.donor.len(), cells),
            ("site labels", self.cells.site.len(), cells),
        ];
        if cells == 0 || genes == 0 || proteins == 0 {
            return Err(Error::Invalid(format!(
                "the {half} half has {cells} cells, {genes} genes and {proteins} proteins; at least one of each is needed"
            )));
        }
        if let Some((what, found, wanted)) =
            expected.into_iter().find(|(_, found, wanted)| found != wanted)
        {
            return Err(Error::Invalid(format!(
                "the {half} half has {found} {what} where {wanted} are expected"
            )));
        }
        if !self.gex.data().iter().chain(&self.adt).all(|value| value.is_finite()) {
            return Err(Error::Invalid(format!("the {half} half holds NaN or infinite values")));
        }
        Ok(())
    }
}
