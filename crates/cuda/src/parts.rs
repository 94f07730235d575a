//! Parts of matrices, many moved at a time: small matrices are put side by side for one product with many columns.

use cudarc::driver::{DevicePtr as _, DevicePtrMut as _, DeviceRepr};

use crate::{device::Device, error::Result, kernels::launch, matrix::Matrix};

/// Rows that a block moves.
const ROWS: usize = 64;
pub(crate) const BLOCK: (u32, u32) = (32, 8);

/// Where a part begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Corner {
    /// Index of its matrix.
    pub(crate) matrix: usize,
    pub(crate) row: usize,
    pub(crate) column: usize,
}

/// A part of one matrix, and its place in another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Move {
    pub(crate) from: Corner,
    pub(crate) to: Corner,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
}

/// See `kernels/parts.cu`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
struct Addressed {
    from: u64,
    to: u64,
    rows: u32,
    columns: u32,
    from_width: u32,
    to_width: u32,
}

// SAFETY: plain numbers, laid out as the kernel's struct is.
unsafe impl DeviceRepr for Addressed {}

/// The grid for parts with so many rows at most.
pub(crate) fn grid_of(parts: usize, longest: usize) -> (usize, usize) {
    (parts, longest.div_ceil(ROWS))
}

pub(crate) fn grid(moves: &[Move]) -> (usize, usize) {
    grid_of(moves.len(), moves.iter().map(|part| part.rows).max().unwrap_or(0))
}

impl Corner {
    /// Numbers before it in a matrix of this shape.
    ///
    /// # Panics
    /// Where the part is not within the matrix.
    pub(crate) fn within(&self, part: &Move, (rows, columns): (usize, usize)) -> u64 {
        let (last_row, last_column) = (self.row + part.rows, self.column + part.columns);
        assert!(last_row <= rows && last_column <= columns, "{part:?} of {rows} x {columns}");
        (self.row * columns + self.column) as u64
    }
}

impl Move {
    pub(crate) fn address_from(&self, device: &Device, matrix: &Matrix) -> u64 {
        let before = self.from.within(self, (matrix.rows, matrix.columns));
        matrix.values.device_ptr(&device.stream).0 + before * size_of::<f32>() as u64
    }

    pub(crate) fn address_to(&self, device: &Device, matrix: &mut Matrix) -> u64 {
        let before = self.to.within(self, (matrix.rows, matrix.columns));
        matrix.values.device_ptr_mut(&device.stream).0 + before * size_of::<f32>() as u64
    }
}

impl Device {
    /// Copies parts of the matrices `from` to theirs in `to`, where no two may overlap.
    pub(crate) fn copy_parts(
        &self,
        from: &[&Matrix],
        to: &mut [Matrix],
        moves: &[Move],
    ) -> Result<()> {
        let addressed = |part: &Move| {
            let (source, target) = (from[part.from.matrix], &mut to[part.to.matrix]);
            Addressed {
                from: part.address_from(self, source),
                to: part.address_to(self, target),
                rows: part.rows as u32,
                columns: part.columns as u32,
                from_width: source.columns as u32,
                to_width: target.columns as u32,
            }
        };
        let list = self.send(&moves.iter().map(addressed).collect::<Vec<_>>())?;
        launch!(self, move_parts, grid(moves), BLOCK, (&list,));
        Ok(())
    }
}
