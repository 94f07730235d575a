//! Dense matrices.

use modality_recipe::{Linalg, Step, Stepped};
use ndarray::{Array2, ArrayView2};

use super::CudaStages;
use crate::{
    columns::Scalars,
    error::{Error, Result},
    matrix::Matrix,
};

impl Linalg for CudaStages {
    type Matrix = Matrix;
    type Scalars = Scalars;
    type Error = Error;

    fn upload(&mut self, matrix: ArrayView2<'_, f32>) -> Result<Matrix> {
        self.device.upload(matrix)
    }

    fn download(&mut self, matrix: &Matrix) -> Result<Array2<f32>> {
        self.device.download(matrix)
    }

    fn shape(&self, matrix: &Matrix) -> (usize, usize) {
        (matrix.rows, matrix.columns)
    }

    fn zeros(&mut self, rows: usize, columns: usize) -> Result<Matrix> {
        self.device.zeros(rows, columns)
    }

    fn copy(&mut self, matrix: &Matrix) -> Result<Matrix> {
        self.device.copy(matrix)
    }

    fn matmul(&mut self, a: &Matrix, b: &Matrix) -> Result<Matrix> {
        self.flops += 2.0 * a.len() as f64 * b.columns as f64;
        self.device.matmul(a, b)
    }

    fn standardize_rows(&mut self, matrix: &mut Matrix) -> Result<()> {
        self.device.standardize_rows(matrix)
    }

    fn gather_rows(&mut self, matrix: &Matrix, rows: &[u32]) -> Result<Matrix> {
        self.device.gather_rows(matrix, rows)
    }

    fn scatter_add_rows(
        &mut self,
        target: &mut Matrix,
        rows: &[u32],
        source: &Matrix,
    ) -> Result<()> {
        self.device.scatter_add_rows(target, rows, source)
    }

    fn select_columns(&mut self, matrix: &Matrix, columns: &[u32]) -> Result<Matrix> {
        self.device.select_columns(matrix, columns)
    }

    fn put_columns(&mut self, target: &mut Matrix, columns: &[u32], source: &Matrix) -> Result<()> {
        self.device.put_columns(target, columns, source)
    }

    fn column_dots(&mut self, a: &Matrix, b: &Matrix) -> Result<Scalars> {
        self.device.column_dots(a, b)
    }

    fn scalars(&mut self, values: &[f64]) -> Result<Scalars> {
        self.device.scalars(values)
    }

    fn read(&mut self, scalars: &[&Scalars]) -> Result<Vec<Vec<f64>>> {
        self.device.read(scalars)
    }

    fn combine_columns(
        &mut self,
        y_keep: (&mut Matrix, &Scalars),
        x_take: (&Matrix, &Scalars),
    ) -> Result<()> {
        self.device.combine_columns(y_keep, x_take)
    }

    fn turn(
        &mut self,
        direction: &mut Matrix,
        next: &Matrix,
        new: &Scalars,
        old: Option<&Scalars>,
    ) -> Result<()> {
        match old {
            Some(old) => self.device.turn(direction, next, new, old),
            None => {
                *direction = self.device.copy(next)?;
                Ok(())
            }
        }
    }

    fn step(&mut self, step: Step<'_, Matrix, Scalars>) -> Result<Stepped<Scalars>> {
        self.device.step(step)
    }

    fn take_flops(&mut self) -> f64 {
        std::mem::take(&mut self.flops)
    }

    fn synchronize(&mut self) -> Result<()> {
        self.device.synchronize()
    }
}
