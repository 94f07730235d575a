//! The two modalities of the same cells, before they are cut into halves.

use std::path::{Path, PathBuf};

use ndarray::{Array2, Axis};

use super::bad;
use super::rows::{dense_columns, keep_columns, take_rows};
use super::table::{Columns, FeatureKind, Table, positions, take_cells};
use crate::normalise::{normalise_adt, normalise_gex};
use crate::{Csr, Error, Result};

/// Gene expression and proteins of the same cells, in one order.
#[derive(Debug, Clone)]
pub struct Pair {
    /// The file, or the one with gene expression; named by every later error.
    pub path: PathBuf,
    /// Names of the cells, one a row of both matrices.
    pub cells: Vec<String>,
    /// What else is known of each cell.
    pub obs: Columns,
    /// Gene names, each once.
    pub genes: Vec<String>,
    /// Cells x genes.
    pub gex: Csr,
    /// Protein names, each once.
    pub proteins: Vec<String>,
    /// Cells x proteins, row-major.
    pub adt: Array2<f32>,
}

impl Pair {
    /// Takes the two modalities of one table apart, by what its features say they are.
    ///
    /// # Errors
    /// [`Error::File`] where a modality is missing or one of its names stands twice.
    pub fn from_table(table: Table) -> Result<Self> {
        let table = table.checked()?;
        if table.features.iter().all(|feature| feature.kind == FeatureKind::Unknown) {
            return Err(table.error("does not say which features are genes and which proteins: `var/feature_types` is missing"));
        }
        let (gene_columns, genes) =
            modality(&table, |kind| kind == FeatureKind::Gene, "gene (`Gene Expression`, `GEX`)")?;
        let (protein_columns, proteins) = modality(
            &table,
            |kind| kind == FeatureKind::Protein,
            "protein (`Antibody Capture`, `ADT`)",
        )?;
        let adt = dense_columns(&table.values, &protein_columns);
        let gex = keep_columns(table.values, &gene_columns);
        Ok(Self { path: table.path, cells: table.cells, obs: table.obs, genes, gex, proteins, adt })
    }

    /// Joins two tables by the names of their cells; the order is that of `gex`.
    ///
    /// Features whose kind a file does not name count as what the table stands for.
    ///
    /// # Errors
    /// [`Error::File`] where the cells differ, a name stands twice, or a table holds nothing of its modality.
    pub fn from_tables(gex: Table, adt: Table) -> Result<Self> {
        let (gex, adt) = (gex.checked()?, adt.checked()?);
        let either = |wanted| move |kind| kind == wanted || kind == FeatureKind::Unknown;
        let (gene_columns, genes) = modality(&gex, either(FeatureKind::Gene), "gene")?;
        let (protein_columns, proteins) = modality(&adt, either(FeatureKind::Protein), "protein")?;
        let order = matching("cell", (&gex.path, &gex.cells), (&adt.path, &adt.cells))?;
        let Table { values, obs: adt_obs, .. } = adt;
        let mut obs = take_cells(&adt_obs, &order);
        obs.extend(gex.obs);
        let values = if is_identity(&order) { values } else { take_rows(&values, &order) };
        let adt = dense_columns(&values, &protein_columns);
        let values = keep_columns(gex.values, &gene_columns);
        Ok(Self { path: gex.path, cells: gex.cells, obs, genes, gex: values, proteins, adt })
    }

    /// Adds the columns of a table of cells; cells that are not in this pair are left aside.
    ///
    /// # Errors
    /// [`Error::File`] where a cell is not in the table or stands there twice.
    pub fn add_columns(&mut self, path: &Path, cells: &[String], columns: &Columns) -> Result<()> {
        let rows = find_all("cell", (&self.path, &self.cells), (path, cells))?;
        self.obs.extend(take_cells(columns, &rows));
        Ok(())
    }

    /// Puts genes and proteins into the order of `other`.
    ///
    /// # Errors
    /// [`Error::File`] where the two do not have the same genes and proteins.
    pub fn align_features(&mut self, other: &Self) -> Result<()> {
        let genes = matching("gene", (&other.path, &other.genes), (&self.path, &self.genes))?;
        let proteins =
            matching("protein", (&other.path, &other.proteins), (&self.path, &self.proteins))?;
        if !is_identity(&genes) {
            self.gex =
                keep_columns(std::mem::replace(&mut self.gex, Csr::empty(sprs::CSR, 0)), &genes);
            self.genes.clone_from(&other.genes);
        }
        if !is_identity(&proteins) {
            self.keep_proteins(&proteins);
        }
        Ok(())
    }

    /// Leaves out the proteins whose name contains one of `parts`, in upper or lower case.
    ///
    /// # Errors
    /// [`Error::File`] where nothing remains.
    pub fn drop_proteins_containing(&mut self, parts: &[String]) -> Result<()> {
        let parts: Vec<String> = parts.iter().map(|part| part.to_lowercase()).collect();
        let dropped = |name: &str| parts.iter().any(|part| name.to_lowercase().contains(part));
        let kept: Vec<usize> =
            (0..self.proteins.len()).filter(|&column| !dropped(&self.proteins[column])).collect();
        if kept.is_empty() {
            return Err(
                self.error(format!("every protein's name contains one of {parts:?}; none remains"))
            );
        }
        if kept.len() < self.proteins.len() {
            self.keep_proteins(&kept);
        }
        Ok(())
    }

    fn keep_proteins(&mut self, columns: &[usize]) {
        self.adt = self.adt.select(Axis(1), columns);
        self.proteins = columns.iter().map(|&column| self.proteins[column].clone()).collect();
    }

    /// Turns counts into the values that models are fitted on; see [`normalise_gex`] and [`normalise_adt`].
    ///
    /// # Errors
    /// [`Error::File`] with cell and feature where a count is negative or no number.
    pub fn normalise(&mut self) -> Result<()> {
        self.check_counts()?;
        normalise_gex(&mut self.gex).map_err(|what| self.error(what))?;
        normalise_adt(&mut self.adt);
        Ok(())
    }

    fn check_counts(&self) -> Result<()> {
        let wrong = |value: f32| !(value.is_finite() && value >= 0.0);
        let complain = |value: f32, row: usize, kind: &str, name: &str| {
            let cell = &self.cells[row];
            self.error(format!("{kind} `{name}` of cell `{cell}` has the count {value}; counts are finite and not negative"))
        };
        for (row, entries) in self.gex.outer_iterator().enumerate() {
            if let Some((column, &value)) = entries.iter().find(|&(_, &value)| wrong(value)) {
                return Err(complain(value, row, "gene", &self.genes[column]));
            }
        }
        match self.adt.indexed_iter().find(|&(_, &value)| wrong(value)) {
            Some(((row, column), &value)) => {
                Err(complain(value, row, "protein", &self.proteins[column]))
            }
            None => Ok(()),
        }
    }

    pub(super) fn error(&self, what: impl Into<String>) -> Error {
        bad(&self.path, what)
    }
}

/// Columns and names of the features that `belongs` takes.
fn modality(
    table: &Table,
    belongs: impl Fn(FeatureKind) -> bool,
    what: &str,
) -> Result<(Vec<usize>, Vec<String>)> {
    let features = table.features.iter().enumerate().filter(|(_, feature)| belongs(feature.kind));
    let (columns, names): (Vec<usize>, Vec<String>) =
        features.map(|(column, feature)| (column, feature.name.clone())).unzip();
    if columns.is_empty() {
        return Err(table.error(format!("no feature is a {what}")));
    }
    match positions(&names) {
        Ok(_) => Ok((columns, names)),
        Err(twice) => {
            Err(table
                .error(format!("two features are the {what} `{twice}`; each name may stand once")))
        }
    }
}

/// Where each of the first's names stands in the second, which must have the same names and no other.
fn matching(
    what: &str,
    wanted: (&Path, &[String]),
    found: (&Path, &[String]),
) -> Result<Vec<usize>> {
    if wanted.1 == found.1 {
        return Ok((0..found.1.len()).collect());
    }
    let order = find_all(what, wanted, found)?;
    find_all(what, found, wanted)?;
    Ok(order)
}

/// Where each of the first's names stands in the second.
fn find_all(
    what: &str,
    wanted: (&Path, &[String]),
    found: (&Path, &[String]),
) -> Result<Vec<usize>> {
    let index = positions(found.1).map_err(|twice| {
        bad(
            found.0,
            format!("the {what} `{twice}` stands twice, so that it cannot be matched by name"),
        )
    })?;
    let find = |name: &String| {
        index.get(name.as_str()).copied().ok_or_else(|| {
            bad(
                found.0,
                format!("the {what} `{name}` of {} is not in this file", wanted.0.display()),
            )
        })
    };
    wanted.1.iter().map(find).collect()
}

fn is_identity(order: &[usize]) -> bool {
    order.iter().enumerate().all(|(new, &old)| new == old)
}
