//! How large a run's data is, without reading it.

use std::path::Path;

use super::{Inputs, manifest_in, nonzeros};
use crate::Result;

/// Shapes of a run's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Training cells of the run.
    pub train_cells: usize,
    /// Test cells.
    pub test_cells: usize,
    /// Columns of the GEX matrices.
    pub genes: usize,
    /// Columns of the ADT matrix.
    pub proteins: usize,
    /// Nonzeros of both GEX matrices; of some of the training cells, their share of all.
    pub nonzeros: usize,
}

impl Shape {
    /// Of the prepared `inputs`, or of the rows `cells` of their training half.
    ///
    /// # Errors
    /// Those of the prepared data set, naming the file.
    pub fn of(inputs: &Path, cells: Option<&[u32]>) -> Result<Self> {
        let manifest = manifest_in(inputs)?;
        let (train, test) = nonzeros(inputs)?;
        let train_cells = cells.map_or(manifest.train_cells, <[u32]>::len);
        let share = train_cells as f64 / manifest.train_cells as f64;
        Ok(Self {
            train_cells,
            test_cells: manifest.test_cells,
            genes: manifest.genes.len(),
            proteins: manifest.proteins.len(),
            nonzeros: (train as f64 * share) as usize + test,
        })
    }

    /// Of inputs that have been read.
    pub fn of_inputs(inputs: &Inputs) -> Self {
        let Inputs { train_gex, train_adt, test_gex, .. } = inputs;
        Self {
            train_cells: train_gex.rows(),
            test_cells: test_gex.rows(),
            genes: train_gex.cols(),
            proteins: train_adt.ncols(),
            nonzeros: train_gex.nnz() + test_gex.nnz(),
        }
    }

    /// Training and test cells.
    pub fn cells(&self) -> usize {
        self.train_cells + self.test_cells
    }
}
