//! Arithmetic on the columns of tall matrices, each with a number of its own.

use cudarc::driver::CudaSlice;
use modality_recipe::{Step, Stepped};

use crate::{
    device::Device,
    error::Result,
    kernels::launch,
    matrix::{Matrix, assert_below},
};

/// Blocks that sum a column each for its rows, at most.
pub(crate) const PARTS: usize = 512;
/// Rows that a block has in hand.
const LANES: usize = 8;
pub(crate) const BLOCK: (u32, u32) = (32, LANES as u32);

/// A float64 number for each column of a matrix.
#[derive(Debug)]
pub struct Scalars {
    pub(crate) values: CudaSlice<f64>,
    pub(crate) columns: usize,
}

/// Blocks for the rows of a matrix; always as many for as many rows, so that sums are made in one order.
pub(crate) fn grid(rows: usize) -> (usize, usize) {
    (rows.div_ceil(LANES * LANES).clamp(1, PARTS), 1)
}

impl Device {
    pub(crate) fn scalars(&self, values: &[f64]) -> Result<Scalars> {
        Ok(Scalars { values: self.send(values)?, columns: values.len() })
    }

    /// All of them on the host, in one wait.
    pub(crate) fn read(&self, scalars: &[&Scalars]) -> Result<Vec<Vec<f64>>> {
        let all = self.allocate::<f64>(scalars.iter().map(|scalars| scalars.columns).sum())?;
        let mut all = all;
        let mut start = 0;
        for scalars in scalars.iter().filter(|scalars| scalars.columns > 0) {
            let end = start + scalars.columns;
            let source = scalars.values.slice(..scalars.columns);
            self.stream.memcpy_dtod(&source, &mut all.slice_mut(start..end))?;
            start = end;
        }
        let values = self.fetch(&all.slice(..start))?;
        let mut rest = values.as_slice();
        let split = |scalars: &&Scalars| {
            let (own, others) = rest.split_at(scalars.columns);
            rest = others;
            own.to_vec()
        };
        Ok(scalars.iter().map(split).collect())
    }

    pub(crate) fn column_dots(&self, a: &Matrix, b: &Matrix) -> Result<Scalars> {
        assert_eq!(a.shape(), b.shape());
        let ((rows, width), mut parts) = (a.shape(), self.parts(a)?);
        launch!(
            self,
            dot_columns,
            grid(a.rows),
            BLOCK,
            (&a.values, &b.values, &rows, &width, &mut parts)
        );
        self.sums(a, &parts)
    }

    pub(crate) fn combine_columns(
        &self,
        (y, keep): (&mut Matrix, &Scalars),
        (x, take): (&Matrix, &Scalars),
    ) -> Result<()> {
        assert_eq!(y.shape(), x.shape());
        assert_eq!((keep.columns, take.columns), (y.columns, y.columns));
        let ((rows, width), grid) = (y.shape(), grid(y.rows));
        launch!(
            self,
            combine_columns,
            grid,
            BLOCK,
            (&mut y.values, &keep.values, &x.values, &take.values, &rows, &width)
        );
        Ok(())
    }

    pub(crate) fn turn(
        &self,
        direction: &mut Matrix,
        next: &Matrix,
        new: &Scalars,
        old: &Scalars,
    ) -> Result<()> {
        assert_eq!(direction.shape(), next.shape());
        assert_eq!((new.columns, old.columns), (next.columns, next.columns));
        let ((rows, width), grid) = (direction.shape(), grid(direction.rows));
        launch!(
            self,
            turn_directions,
            grid,
            BLOCK,
            (&mut direction.values, &next.values, &new.values, &old.values, &rows, &width)
        );
        Ok(())
    }

    pub(crate) fn step(&self, step: Step<'_, Matrix, Scalars>) -> Result<Stepped<Scalars>> {
        let Step { solution, residual, direction, mut product, alpha, rho } = step;
        let shapes = [solution.shape(), residual.shape(), product.shape()];
        assert!(shapes == [direction.shape(); 3] && rho.columns == direction.columns);
        let ((rows, width), grid) = (direction.shape(), grid(direction.rows));
        let mut parts = self.parts(direction)?;
        launch!(
            self,
            add_ridge,
            grid,
            BLOCK,
            (&mut product.values, &direction.values, &alpha, &rows, &width, &mut parts)
        );
        let curvature = self.sums(direction, &parts)?;
        launch!(
            self,
            step_along,
            grid,
            BLOCK,
            (
                &mut solution.values,
                &mut residual.values,
                &direction.values,
                &product.values,
                &rho.values,
                &curvature.values,
                &rows,
                &width,
                &mut parts,
            )
        );
        let squares = self.sums(direction, &parts)?;
        Ok(Stepped { curvature, squares })
    }

    pub(crate) fn select_columns(&self, matrix: &Matrix, columns: &[u32]) -> Result<Matrix> {
        assert_below(columns, matrix.columns);
        let mut selected = self.matrix(matrix.rows, columns.len())?;
        let ((rows, width), wanted, places) =
            (matrix.shape(), columns.len() as u32, self.send(columns)?);
        launch!(
            self,
            select_columns,
            grid(matrix.rows),
            BLOCK,
            (&matrix.values, &rows, &width, &places, &wanted, &mut selected.values)
        );
        Ok(selected)
    }

    pub(crate) fn put_columns(
        &self,
        target: &mut Matrix,
        columns: &[u32],
        source: &Matrix,
    ) -> Result<()> {
        assert_below(columns, target.columns);
        assert_eq!((source.rows, source.columns), (target.rows, columns.len()));
        let ((rows, width), given, places) =
            (target.shape(), columns.len() as u32, self.send(columns)?);
        launch!(
            self,
            put_columns,
            grid(source.rows),
            BLOCK,
            (&mut target.values, &rows, &width, &places, &given, &source.values)
        );
        Ok(())
    }

    fn parts(&self, matrix: &Matrix) -> Result<CudaSlice<f64>> {
        self.allocate(grid(matrix.rows).0 * matrix.columns)
    }

    fn sums(&self, matrix: &Matrix, parts: &CudaSlice<f64>) -> Result<Scalars> {
        let mut sums = self.allocate(matrix.columns)?;
        let (count, width) = (grid(matrix.rows).0 as u32, matrix.columns as u32);
        launch!(
            self,
            finish_sums,
            (matrix.columns.div_ceil(32), 1),
            BLOCK,
            (parts, &count, &width, &mut sums)
        );
        Ok(Scalars { values: sums, columns: matrix.columns })
    }
}
