//! Two modalities of the same cells, before they are cut into halves.

use std::path::{Path, PathBuf};

use modality_protocol::{Modality, Task};
use ndarray::Axis;

use super::bad;
use super::feature::FeatureKind;
use super::rows::{dense_columns, keep_columns, take_rows};
use super::table::{Column, Columns, Table, positions, take_cells};
use crate::normalise::{binarise, normalise_adt, normalise_gex_together};
use crate::{Csr, Error, Features, Result, Values};

/// Two modalities of the same cells, in one order.
#[derive(Debug, Clone)]
pub struct Pair {
    /// The file, or the one of the first modality; named by every later error.
    pub path: PathBuf,
    /// Names of the cells, one a row of both matrices.
    pub cells: Vec<String>,
    /// What else is known of each cell.
    pub obs: Columns,
    /// Of different modalities.
    pub blocks: [Block; 2],
}

/// One modality: features by name, each once, and their values.
#[derive(Debug, Clone)]
pub struct Block {
    /// The columns.
    pub features: Features,
    /// Cells x features; of proteins dense, else sparse.
    pub values: Values,
}

impl Pair {
    /// Takes two modalities of one table apart, by what its features say they are.
    ///
    /// # Errors
    /// [`Error::File`] where a modality is missing or one of its names stands twice.
    pub fn from_table(table: Table, modalities: [Modality; 2]) -> Result<Self> {
        let table = table.checked()?;
        if table.features.iter().all(|feature| feature.kind == FeatureKind::Unknown) {
            let [one, other] = modalities.map(Modality::features);
            return Err(table.error(format!(
                "does not say which features are {one} and which {other}: `var/feature_types` is missing; where they \
                 stand apart, name the places with `--input-at` and `--target-at` (`places`)"
            )));
        }
        let [first, second] = modalities;
        let [columns, others] = [first, second]
            .map(|modality| columns_of(&table, modality, |kind| kind == FeatureKind::Of(modality)));
        let (columns, others) = (columns?, others?);
        let Table { path, cells, obs, values, .. } = table;
        // The larger one keeps the table's own memory.
        let second = Block::copied(&values, second, others);
        let first = Block::moved(values, first, columns);
        Ok(Self { path, cells, obs, blocks: [first, second] })
    }

    /// Joins two tables by the names of their cells; the order is that of the first.
    ///
    /// Features whose kind a file does not name count as what the table stands for.
    ///
    /// # Errors
    /// [`Error::File`] where the cells differ, a name stands twice, or a table holds nothing of its modality.
    pub fn from_tables(tables: [Table; 2], modalities: [Modality; 2]) -> Result<Self> {
        let [first, second] = tables;
        let (first, second) = (first.checked()?, second.checked()?);
        for (table, modality) in [&first, &second].into_iter().zip(modalities) {
            if let Some(found) = table.modality().filter(|found| *found != modality) {
                let (found, wanted) = (found.words(), modality.words());
                return Err(
                    table.error(format!("says that it holds {found} where {wanted} is to be read"))
                );
            }
        }
        let columns = |table: &Table, modality| {
            let belongs = |kind| kind == FeatureKind::Of(modality) || kind == FeatureKind::Unknown;
            columns_of(table, modality, belongs)
        };
        let columns = [columns(&first, modalities[0])?, columns(&second, modalities[1])?];
        let order = matching("cell", (&first.path, &first.cells), (&second.path, &second.cells))?;
        let mut obs = first.obs;
        add(&mut obs, take_cells(&second.obs, &order), [&first.path, &second.path], &first.cells);
        let values =
            if is_identity(&order) { second.values } else { take_rows(&second.values, &order) };
        let [of_first, of_second] = columns;
        let blocks = [
            Block::moved(first.values, modalities[0], of_first),
            Block::moved(values, modalities[1], of_second),
        ];
        Ok(Self { path: first.path, cells: first.cells, obs, blocks })
    }

    /// The block that `task` predicts from, and the one that it predicts.
    ///
    /// # Errors
    /// [`Error::File`] where the two are of other modalities.
    pub fn split_for(mut self, task: Task) -> Result<(Block, Block)> {
        if self.modalities() == [task.target, task.input] {
            self.blocks.reverse();
        }
        if self.modalities() != [task.input, task.target] {
            let [one, other] = self.modalities();
            return Err(self.error(format!("holds {one} and {other}; task {task} needs others")));
        }
        let [input, target] = self.blocks;
        Ok((input, target))
    }

    fn modalities(&self) -> [Modality; 2] {
        [0, 1].map(|i| self.blocks[i].features.modality)
    }

    /// Adds the columns of a table of cells; cells that are not in this pair are left aside. A column in which both
    /// have other values of a cell cannot be used.
    ///
    /// # Errors
    /// [`Error::File`] where a cell is not in the table or stands there twice.
    pub fn add_columns(&mut self, path: &Path, cells: &[String], columns: &Columns) -> Result<()> {
        let rows = find_all("cell", (&self.path, &self.cells), (path, cells))?;
        add(&mut self.obs, take_cells(columns, &rows), [&self.path, path], &self.cells);
        Ok(())
    }

    /// Puts the features into the order of `other`, which has the same modalities.
    ///
    /// # Errors
    /// [`Error::File`] where the two do not have the same features.
    pub fn align_features(&mut self, other: &Self) -> Result<()> {
        for (block, wanted) in self.blocks.iter_mut().zip(&other.blocks) {
            let what = wanted.features.modality.feature();
            let (here, there) = (&block.features.names, &wanted.features.names);
            let order = matching(what, (&other.path, there), (&self.path, here))?;
            if !is_identity(&order) {
                block.keep(&order);
            }
        }
        Ok(())
    }

    /// Leaves out the proteins whose name contains one of `parts`, in upper or lower case; says how many.
    ///
    /// # Errors
    /// [`Error::File`] where nothing remains.
    pub fn drop_proteins_containing(&mut self, parts: &[String]) -> Result<usize> {
        let parts: Vec<String> = parts.iter().map(|part| part.to_lowercase()).collect();
        let dropped = |name: &str| parts.iter().any(|part| name.to_lowercase().contains(part));
        let mut left_out = 0;
        for block in self.blocks.iter_mut().filter(|block| block.features.modality == Modality::Adt)
        {
            let names = &block.features.names;
            let kept: Vec<usize> =
                (0..names.len()).filter(|&column| !dropped(&names[column])).collect();
            if kept.is_empty() {
                return Err(bad(
                    &self.path,
                    format!("every protein's name contains one of {parts:?}; none remains"),
                ));
            }
            if kept.len() < names.len() {
                left_out += names.len() - kept.len();
                block.keep(&kept);
            }
        }
        Ok(left_out)
    }

    /// Turns counts into the values that models are fitted on; see [`normalise_gex`](crate::normalise_gex),
    /// [`normalise_adt`](crate::normalise_adt) and [`binarise`](crate::binarise).
    ///
    /// # Errors
    /// [`Error::File`] with cell and feature where a count is negative or no number.
    pub fn normalise(&mut self) -> Result<()> {
        self.check_counts()?;
        (0..2).try_for_each(|index| normalise_together(&mut [&mut *self], index))
    }

    fn check_counts(&self) -> Result<()> {
        for Block { features, values } in &self.blocks {
            let mut wrong = None;
            if !values.stored().iter().all(|&count| count.is_finite() && count >= 0.0) {
                values.view().for_each_nonzero(|row, column, count| {
                    if !(count.is_finite() && count >= 0.0) {
                        wrong.get_or_insert((row, column, count));
                    }
                });
            }
            if let Some((row, column, count)) = wrong {
                let (kind, name) = (features.modality.feature(), &features.names[column]);
                let cell = &self.cells[row];
                return Err(self.error(format!(
                    "{kind} `{name}` of cell `{cell}` has the count {count}; counts are finite and not negative"
                )));
            }
        }
        Ok(())
    }

    pub(super) fn error(&self, what: impl Into<String>) -> Error {
        bad(&self.path, what)
    }
}

/// Turns the counts of one modality into the values that models are fitted on. The pairs are parts of one data set: what
/// is taken over all cells is taken over those of all parts.
///
/// # Errors
/// [`Error::File`] where there is too little to normalise by.
pub(super) fn normalise_together(pairs: &mut [&mut Pair], index: usize) -> Result<()> {
    let mut genes = Vec::new();
    let path = pairs[0].path.clone();
    for pair in pairs {
        let Block { features, values } = &mut pair.blocks[index];
        match values {
            Values::Dense(adt) => normalise_adt(adt),
            Values::Sparse(peaks) if features.modality == Modality::Atac => binarise(peaks),
            Values::Sparse(gex) => genes.push(gex),
        }
    }
    if genes.is_empty() {
        return Ok(());
    }
    normalise_gex_together(&mut genes).map_err(|what| bad(&path, what))
}

/// Adds columns of the same cells. Where both sources have a column, it must say the same of each cell, or it is unreadable.
fn add(obs: &mut Columns, more: Columns, sources: [&Path; 2], cells: &[String]) {
    for (name, column) in more {
        match obs.get_mut(&name) {
            Some(known) if matches!(known, Column::Unreadable(_)) => *known = column,
            Some(known) if *known != column => {
                if let (Ok(one), Ok(other)) = (known.values(), column.values())
                    && let Some(row) = one.iter().zip(&other).position(|(one, other)| one != other)
                {
                    let told = |value: &Option<String>| value.clone().unwrap_or_default();
                    *known = Column::Unreadable(format!(
                        "of cell `{}` it holds `{}` in {} and `{}` in {}",
                        cells[row],
                        told(&one[row]),
                        sources[0].display(),
                        told(&other[row]),
                        sources[1].display()
                    ));
                }
            }
            Some(_) => {}
            None => {
                obs.insert(name, column);
            }
        }
    }
}

/// Columns of a table, and their names.
type Chosen = (Vec<usize>, Vec<String>);

impl Block {
    /// Of columns of a matrix that is needed no more.
    fn moved(values: Csr, modality: Modality, (columns, names): Chosen) -> Self {
        let values = match modality {
            Modality::Adt => Values::Dense(dense_columns(&values, &columns)),
            Modality::Gex | Modality::Atac => Values::Sparse(keep_columns(values, &columns)),
        };
        Self { features: Features { modality, names }, values }
    }

    fn copied(values: &Csr, modality: Modality, chosen: Chosen) -> Self {
        match modality {
            Modality::Adt => Self {
                values: Values::Dense(dense_columns(values, &chosen.0)),
                features: Features { modality, names: chosen.1 },
            },
            Modality::Gex | Modality::Atac => Self::moved(values.clone(), modality, chosen),
        }
    }

    /// Keeps these columns, in this order.
    fn keep(&mut self, columns: &[usize]) {
        let names = &mut self.features.names;
        *names = columns.iter().map(|&column| names[column].clone()).collect();
        match &mut self.values {
            Values::Dense(dense) => {
                *dense = dense.select(Axis(1), columns).as_standard_layout().into_owned();
            }
            Values::Sparse(csr) => {
                let all = std::mem::replace(csr, Csr::empty(sprs::CSR, 0));
                *csr = keep_columns(all, columns);
            }
        }
    }
}

/// Columns and names of the features that `belongs` takes.
fn columns_of(
    table: &Table,
    modality: Modality,
    belongs: impl Fn(FeatureKind) -> bool,
) -> Result<Chosen> {
    let features = table.features.iter().enumerate().filter(|(_, feature)| belongs(feature.kind));
    let (columns, names): Chosen =
        features.map(|(column, feature)| (column, feature.name.clone())).unzip();
    let what = modality.feature();
    if columns.is_empty() {
        let labels = FeatureKind::labels(modality);
        let notes = table.notes.iter().map(|note| format!("; {note}")).collect::<String>();
        return Err(table.error(format!("no feature is a {what} ({labels}){notes}")));
    }
    match positions(&names) {
        Ok(_) => Ok((columns, names)),
        Err(twice) => {
            Err(table.error(format!(
                "two features are the {what} `{twice}`; each name may stand once: name them anew, or give each an id of its own (in AnnData `var/gene_ids`)"
            )))
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
