//! How large a run's data is, without reading it.

use std::path::Path;

use ndarray::Array1;

use super::{Columns, Form, Inputs, manifest_in, part, read_npy};
use crate::{Error, Result, Values};

/// Shapes of a run's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Training cells of the run.
    pub train_cells: usize,
    /// Test cells.
    pub test_cells: usize,
    /// Of the input, training and test cells.
    pub input: Extent,
    /// Of the target, training cells.
    pub target: Extent,
}

/// How much there is of a modality.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Columns.
    pub features: usize,
    /// Numbers that are stored, where it is sparse; of some of the cells, their share of all.
    pub nonzeros: Option<usize>,
}

impl Extent {
    /// Bytes of a matrix of so many cells: float32 values, 32-bit columns, 64-bit row pointers.
    pub fn bytes(self, cells: usize) -> usize {
        match self.nonzeros {
            Some(nonzeros) => {
                nonzeros * (size_of::<f32>() + size_of::<u32>()) + cells * size_of::<usize>()
            }
            None => self.dense_bytes(cells),
        }
    }

    /// Bytes of every number of so many cells.
    pub fn dense_bytes(self, cells: usize) -> usize {
        cells * self.features * size_of::<f32>()
    }

    /// Numbers that take part in a product.
    pub fn entries(self, cells: usize) -> usize {
        self.nonzeros.unwrap_or(cells * self.features)
    }

    fn of(values: &[&Values]) -> Self {
        let nonzeros = |values: &&Values| match values {
            Values::Sparse(csr) => Some(csr.nnz()),
            Values::Dense(_) => None,
        };
        let features = values.first().map_or(0, |values| values.columns());
        Self { features, nonzeros: values.iter().map(nonzeros).sum() }
    }
}

impl Shape {
    /// Of the prepared `inputs`, or of the rows `cells` of their training half.
    ///
    /// # Errors
    /// Those of the prepared data set, naming the file.
    pub fn of(inputs: &Path, cells: Option<&[u32]>) -> Result<Self> {
        let manifest = manifest_in(inputs)?;
        let train_cells = cells.map_or(manifest.train_cells, <[u32]>::len);
        let share = train_cells as f64 / manifest.train_cells as f64;
        let shared = |nonzeros: usize| (nonzeros as f64 * share) as usize;
        let input = match nonzeros(inputs, "train_input", &manifest.input)? {
            Some(train) => {
                let test = nonzeros(inputs, "test_input", &manifest.input)?;
                test.map(|test| shared(train) + test)
            }
            None => None,
        };
        let target = nonzeros(inputs, "train_target", &manifest.target)?;
        Ok(Self {
            train_cells,
            test_cells: manifest.test_cells,
            input: Extent { features: manifest.input.len(), nonzeros: input },
            target: Extent { features: manifest.target.len(), nonzeros: target.map(shared) },
        })
    }

    /// Of inputs that have been read.
    pub fn of_inputs(inputs: &Inputs) -> Self {
        let Inputs { train_input, train_target, test_input, .. } = inputs;
        Self {
            train_cells: train_input.rows(),
            test_cells: test_input.rows(),
            input: Extent::of(&[train_input, test_input]),
            target: Extent::of(&[train_target]),
        }
    }

    /// Training and test cells.
    pub fn cells(&self) -> usize {
        self.train_cells + self.test_cells
    }
}

/// Of a matrix, where it is sparse.
fn nonzeros(inputs: &Path, stem: &str, columns: &Columns) -> Result<Option<usize>> {
    if columns.values == Form::Dense {
        return Ok(None);
    }
    let path = part(inputs, stem, "indptr");
    let indptr: Array1<u64> = read_npy(&path)?;
    match indptr.last() {
        Some(&last) => Ok(Some(last as usize)),
        None => {
            let what = "it holds no offset; delete the folder to have it made anew".to_owned();
            Err(Error::File { path, what })
        }
    }
}
