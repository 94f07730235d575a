//! Dense matrices on the device, and work on their rows.

use cudarc::driver::{CudaSlice, CudaView, CudaViewMut};
use ndarray::{Array2, ArrayView2};

use crate::{
    device::Device,
    error::{Error, Result},
    kernels::{THREADS, blocks, launch},
};

/// Float32, rows x columns, one row behind the other.
pub struct Matrix {
    pub(crate) values: CudaSlice<f32>,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
}

impl Matrix {
    /// Rows `range` of the matrix.
    pub(crate) fn rows(&self, range: std::ops::Range<usize>) -> CudaView<'_, f32> {
        self.values.slice(range.start * self.columns..range.end * self.columns)
    }

    /// Rows `range` of the matrix, to be written.
    pub(crate) fn rows_mut(&mut self, range: std::ops::Range<usize>) -> CudaViewMut<'_, f32> {
        self.values.slice_mut(range.start * self.columns..range.end * self.columns)
    }

    pub(crate) fn len(&self) -> usize {
        self.rows * self.columns
    }

    /// The shape as kernels take it.
    pub(crate) fn shape(&self) -> (u32, u32) {
        (self.rows as u32, self.columns as u32)
    }
}

/// What kernels look up is not looked at by them.
///
/// # Panics
/// Where one of `places` is not below `end`.
pub(crate) fn assert_below(places: &[u32], end: usize) {
    let largest = places.iter().max().copied();
    assert!(largest.is_none_or(|largest| (largest as usize) < end), "{largest:?} of {end}");
}

impl std::fmt::Debug for Matrix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Matrix({} x {})", self.rows, self.columns)
    }
}

impl Device {
    /// A matrix whose values mean nothing yet.
    pub(crate) fn matrix(&self, rows: usize, columns: usize) -> Result<Matrix> {
        if rows.max(columns) > i32::MAX as usize {
            return Err(Error::TooLarge(rows.max(columns)));
        }
        Ok(Matrix { values: self.allocate(rows * columns)?, rows, columns })
    }

    pub(crate) fn zeros(&self, rows: usize, columns: usize) -> Result<Matrix> {
        let mut matrix = self.matrix(rows, columns)?;
        self.stream.memset_zeros(&mut matrix.values)?;
        Ok(matrix)
    }

    pub(crate) fn upload(&self, matrix: ArrayView2<'_, f32>) -> Result<Matrix> {
        let standard = matrix.as_standard_layout();
        let values = standard.as_slice().expect("it was given standard layout");
        if !values.iter().all(|value| value.is_finite()) {
            return Err(Error::NotFinite("the numbers of a matrix for the device"));
        }
        Ok(Matrix { values: self.send(values)?, rows: matrix.nrows(), columns: matrix.ncols() })
    }

    pub(crate) fn download(&self, matrix: &Matrix) -> Result<Array2<f32>> {
        let values = self.fetch(&matrix.values.slice(..matrix.len()))?;
        self.check_finite()?;
        let shape = (matrix.rows, matrix.columns);
        Ok(Array2::from_shape_vec(shape, values).expect("as many values as the matrix has"))
    }

    pub(crate) fn copy(&self, matrix: &Matrix) -> Result<Matrix> {
        let mut copy = self.matrix(matrix.rows, matrix.columns)?;
        self.stream.memcpy_dtod(&matrix.values, &mut copy.values)?;
        Ok(copy)
    }

    /// A copy of some rows.
    pub(crate) fn part(&self, matrix: &Matrix, rows: std::ops::Range<usize>) -> Result<Matrix> {
        let mut part = self.matrix(rows.len(), matrix.columns)?;
        if part.len() > 0 {
            self.stream
                .memcpy_dtod(&matrix.rows(rows.clone()), &mut part.rows_mut(0..rows.len()))?;
        }
        Ok(part)
    }

    pub(crate) fn standardize_rows(&self, matrix: &mut Matrix) -> Result<()> {
        const ROWS: usize = THREADS / 32;
        let (rows, columns) = matrix.shape();
        launch!(
            self,
            standardize_rows,
            (matrix.rows.div_ceil(ROWS), 1),
            (THREADS as u32, 1),
            (&mut matrix.values, &rows, &columns)
        );
        Ok(())
    }

    pub(crate) fn gather_rows(&self, matrix: &Matrix, rows: &[u32]) -> Result<Matrix> {
        assert_below(rows, matrix.rows);
        let mut gathered = self.matrix(rows.len(), matrix.columns)?;
        let (places, columns) = (self.send(rows)?, matrix.columns as u32);
        launch!(
            self,
            gather_rows,
            (rows.len(), 1),
            (128, 1),
            (&matrix.values, &places, &columns, &mut gathered.values)
        );
        Ok(gathered)
    }

    pub(crate) fn scatter_add_rows(
        &self,
        target: &mut Matrix,
        rows: &[u32],
        source: &Matrix,
    ) -> Result<()> {
        assert_below(rows, target.rows);
        assert_eq!((source.rows, source.columns), (rows.len(), target.columns));
        let (places, columns) = (self.send(rows)?, target.columns as u32);
        launch!(
            self,
            scatter_add_rows,
            (rows.len(), 1),
            (128, 1),
            (&source.values, &places, &columns, &mut target.values)
        );
        Ok(())
    }

    /// `sum` += `x`, entry by entry.
    pub(crate) fn add(&self, sum: &mut Matrix, x: &Matrix) -> Result<()> {
        assert_eq!(sum.shape(), x.shape());
        let length = x.len();
        launch!(
            self,
            add,
            blocks(length),
            (THREADS as u32, 1),
            (&mut sum.values, &x.values, &length)
        );
        Ok(())
    }

    pub(crate) fn transpose(&self, matrix: &Matrix) -> Result<Matrix> {
        let mut out = self.matrix(matrix.columns, matrix.rows)?;
        let ((rows, width), grid) =
            (matrix.shape(), (matrix.columns.div_ceil(32), matrix.rows.div_ceil(32)));
        launch!(self, transpose, grid, (32, 8), (&matrix.values, &rows, &width, &mut out.values));
        Ok(out)
    }
}
