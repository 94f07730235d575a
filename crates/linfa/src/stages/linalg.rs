//! Dense matrices.

use modality_recipe::{Linalg, Step, Stepped};
use ndarray::{Array2, ArrayView2, Axis, Zip};

use super::{CpuStages, StageError};
use modality_dense as dense;

use crate::columns;

impl Linalg for CpuStages {
    type Matrix = Array2<f32>;
    type Scalars = Vec<f64>;
    type Error = StageError;

    fn upload(&mut self, matrix: ArrayView2<'_, f32>) -> Result<Array2<f32>, StageError> {
        Ok(matrix.as_standard_layout().into_owned())
    }

    fn download(&mut self, matrix: &Array2<f32>) -> Result<Array2<f32>, StageError> {
        Ok(matrix.clone())
    }

    fn shape(&self, matrix: &Array2<f32>) -> (usize, usize) {
        matrix.dim()
    }

    fn zeros(&mut self, rows: usize, columns: usize) -> Result<Array2<f32>, StageError> {
        Ok(Array2::zeros((rows, columns)))
    }

    fn copy(&mut self, matrix: &Array2<f32>) -> Result<Array2<f32>, StageError> {
        Ok(matrix.clone())
    }

    fn matmul(&mut self, a: &Array2<f32>, b: &Array2<f32>) -> Result<Array2<f32>, StageError> {
        self.flops += 2.0 * a.len() as f64 * b.ncols() as f64;
        Ok(dense::product(a.view(), b.view()))
    }

    fn standardize_rows(&mut self, matrix: &mut Array2<f32>) -> Result<(), StageError> {
        Zip::from(matrix.rows_mut()).par_for_each(|mut row| {
            let n = row.len() as f64;
            let mean = row.iter().map(|&value| f64::from(value)).sum::<f64>() / n;
            let variance =
                row.iter().map(|&value| (f64::from(value) - mean).powi(2)).sum::<f64>() / n;
            let deviation = if variance == 0.0 { 1.0 } else { variance.sqrt() };
            row.mapv_inplace(|value| ((f64::from(value) - mean) / deviation) as f32);
        });
        Ok(())
    }

    fn gather_rows(
        &mut self,
        matrix: &Array2<f32>,
        rows: &[u32],
    ) -> Result<Array2<f32>, StageError> {
        let rows: Vec<usize> = rows.iter().map(|&row| row as usize).collect();
        Ok(matrix.select(Axis(0), &rows))
    }

    fn scatter_add_rows(
        &mut self,
        target: &mut Array2<f32>,
        rows: &[u32],
        source: &Array2<f32>,
    ) -> Result<(), StageError> {
        for (&row, source) in rows.iter().zip(source.rows()) {
            let mut target = target.row_mut(row as usize);
            target += &source;
        }
        Ok(())
    }

    fn select_columns(
        &mut self,
        matrix: &Array2<f32>,
        columns: &[u32],
    ) -> Result<Array2<f32>, StageError> {
        Ok(columns::select(matrix, columns))
    }

    fn put_columns(
        &mut self,
        target: &mut Array2<f32>,
        columns: &[u32],
        source: &Array2<f32>,
    ) -> Result<(), StageError> {
        columns::put(target, columns, source);
        Ok(())
    }

    fn column_dots(&mut self, a: &Array2<f32>, b: &Array2<f32>) -> Result<Vec<f64>, StageError> {
        Ok(columns::dots(a, b))
    }

    fn scalars(&mut self, values: &[f64]) -> Result<Vec<f64>, StageError> {
        Ok(values.to_vec())
    }

    fn read(&mut self, scalars: &[&Vec<f64>]) -> Result<Vec<Vec<f64>>, StageError> {
        Ok(scalars.iter().map(|&values| values.clone()).collect())
    }

    fn combine_columns(
        &mut self,
        (y, keep): (&mut Array2<f32>, &Vec<f64>),
        (x, take): (&Array2<f32>, &Vec<f64>),
    ) -> Result<(), StageError> {
        columns::combine((y, keep), (x, take));
        Ok(())
    }

    fn turn(
        &mut self,
        direction: &mut Array2<f32>,
        next: &Array2<f32>,
        new: &Vec<f64>,
        old: Option<&Vec<f64>>,
    ) -> Result<(), StageError> {
        columns::turn(direction, next, new, old.map(Vec::as_slice));
        Ok(())
    }

    fn step(
        &mut self,
        step: Step<'_, Array2<f32>, Vec<f64>>,
    ) -> Result<Stepped<Vec<f64>>, StageError> {
        Ok(columns::step(step))
    }

    fn take_flops(&mut self) -> f64 {
        std::mem::take(&mut self.flops)
    }
}
