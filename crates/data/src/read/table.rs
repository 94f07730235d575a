//! What every reader gives: one matrix of cells x features with what is known about both.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use modality_protocol::Modality;

use super::bad;
use super::feature::{Feature, FeatureKind};
use super::place::Place;
use crate::{Csr, Error, Result};

/// The columns of a table of cells, by name.
pub type Columns = BTreeMap<String, Column>;

/// A matrix as one file holds it.
#[derive(Debug, Clone)]
pub struct Table {
    /// The file, or the folder of a matrix in parts.
    pub path: PathBuf,
    /// Names (barcodes) of the cells, one a row.
    pub cells: Vec<String>,
    /// The measured features, one a column.
    pub features: Vec<Feature>,
    /// Cells x features, as stored.
    pub values: Csr,
    /// What else is known of each cell.
    pub obs: Columns,
    /// What all of it is, where the file says so of itself and not of each feature (`uns/modality`, the name of a modality of
    /// MuData).
    pub modality: Option<Modality>,
    /// Which matrix of the file it is, where a file may hold several; the matrix is named, even where the caller named none.
    pub place: Option<Place>,
    /// What a reader of the result should know of how the file was read; sentences without a full stop.
    pub notes: Vec<String>,
}

/// Annotations of cells, one value a cell.
#[derive(Debug, Clone, PartialEq)]
pub enum Column {
    /// Text or categories.
    Text {
        /// Index into `names`; nothing where the value is missing.
        codes: Vec<Option<u32>>,
        /// The different values.
        names: Vec<String>,
    },
    /// Numbers and booleans (0 and 1); NaN where missing.
    Numbers(Vec<f64>),
    /// A column that cannot be read, and why.
    Unreadable(String),
}

impl Column {
    /// A text column, from values in order.
    pub fn from_text(values: impl IntoIterator<Item = Option<String>>) -> Self {
        let mut index: HashMap<String, u32> = HashMap::new();
        let mut names = Vec::new();
        let codes = values
            .into_iter()
            .map(|value| {
                let value = value?;
                Some(*index.entry(value).or_insert_with_key(|value| {
                    names.push(value.clone());
                    names.len() as u32 - 1
                }))
            })
            .collect();
        Self::Text { codes, names }
    }

    /// Number of cells; none where the column cannot be read.
    pub fn len(&self) -> usize {
        match self {
            Self::Text { codes, .. } => codes.len(),
            Self::Numbers(numbers) => numbers.len(),
            Self::Unreadable(_) => 0,
        }
    }

    /// Whether there is no cell.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every value as text, nothing where it is missing.
    ///
    /// # Errors
    /// The reason why the column could not be read.
    pub fn values(&self) -> Result<Vec<Option<String>>, String> {
        match self {
            Self::Text { codes, names } => Ok(codes
                .iter()
                .map(|code| code.and_then(|code| names.get(code as usize).cloned()))
                .collect()),
            Self::Numbers(numbers) => Ok(numbers
                .iter()
                .map(|number| (!number.is_nan()).then(|| number.to_string()))
                .collect()),
            Self::Unreadable(why) => Err(why.clone()),
        }
    }

    fn take(&self, rows: &[usize]) -> Self {
        match self {
            Self::Text { codes, names } => Self::Text {
                codes: rows.iter().map(|&row| codes[row]).collect(),
                names: names.clone(),
            },
            Self::Numbers(numbers) => Self::Numbers(rows.iter().map(|&row| numbers[row]).collect()),
            Self::Unreadable(why) => Self::Unreadable(why.clone()),
        }
    }
}

/// The rows of `columns` in another order or selection; every index is a row.
pub(super) fn take_cells(columns: &Columns, rows: &[usize]) -> Columns {
    columns.iter().map(|(name, column)| (name.clone(), column.take(rows))).collect()
}

impl Table {
    /// The one modality that all features are of, where the file says so.
    pub fn modality(&self) -> Option<Modality> {
        let mut kinds = self.features.iter().map(|feature| feature.kind);
        match kinds.next()? {
            FeatureKind::Of(first) if kinds.all(|kind| kind == FeatureKind::Of(first)) => {
                Some(first)
            }
            FeatureKind::Unknown => self.modality,
            FeatureKind::Of(_) | FeatureKind::Other => None,
        }
    }

    /// Checks that names and matrix fit, that there is at least one cell, and that every value is finite.
    ///
    /// # Errors
    /// [`Error::File`] with a sentence that names the cell and the feature.
    pub(super) fn checked(self) -> Result<Self> {
        if self.cells.is_empty() {
            return Err(self.error("holds no cells"));
        }
        if self.features.is_empty() {
            return Err(self.error("holds no features"));
        }
        let shape = (self.cells.len(), self.features.len());
        if self.values.shape() != shape {
            return Err(self.error(format!(
                "the matrix is {:?} where {shape:?} (cells, features) is expected",
                self.values.shape()
            )));
        }
        let short = |column: &Column| {
            !matches!(column, Column::Unreadable(_)) && column.len() != self.cells.len()
        };
        if let Some((name, _)) = self.obs.iter().find(|(_, column)| short(column)) {
            return Err(self.error(format!("the column `{name}` does not have a value a cell")));
        }
        self.check_finite()?;
        Ok(self)
    }

    fn check_finite(&self) -> Result<()> {
        let Some(position) = self.values.data().iter().position(|value| !value.is_finite()) else {
            return Ok(());
        };
        let row =
            self.values.indptr().raw_storage().partition_point(|&start| start <= position) - 1;
        let feature = &self.features[self.values.indices()[position] as usize].name;
        let (cell, value) = (&self.cells[row], self.values.data()[position]);
        Err(self.error(format!("the value of cell `{cell}`, feature `{feature}` is {value}; finite numbers are expected")))
    }

    pub(super) fn error(&self, what: impl Into<String>) -> Error {
        bad(&self.path, what)
    }
}

/// Positions of `names`, each of which may occur once.
///
/// # Errors
/// The name that occurs twice.
pub(super) fn positions(names: &[String]) -> Result<HashMap<&str, usize>, &str> {
    let mut found = HashMap::with_capacity(names.len());
    for (position, name) in names.iter().enumerate() {
        if found.insert(name.as_str(), position).is_some() {
            return Err(name);
        }
    }
    Ok(found)
}
