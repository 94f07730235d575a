//! Parts of matrices, many moved at a time: small matrices are put side by side for one product with many columns.

use cudarc::driver::{DevicePtr as _, DevicePtrMut as _, DeviceRepr};

use crate::{device::Device, error::Result, kernels::launch, matrix::Matrix};

/// Rows that a block moves.
const ROWS: usize = 64;

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

/// See `kernels/rows.cu`.
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

impl Device {
    /// Copies parts of the matrices `from` to theirs in `to`, where no two may overlap.
    pub(crate) fn copy_parts(
        &self,
        from: &[&Matrix],
        to: &mut [Matrix],
        moves: &[Move],
    ) -> Result<()> {
        self.move_parts(from, to, moves, false)
    }

    /// Adds them to what is there.
    pub(crate) fn add_parts(
        &self,
        from: &[&Matrix],
        to: &mut [Matrix],
        moves: &[Move],
    ) -> Result<()> {
        self.move_parts(from, to, moves, true)
    }

    fn move_parts(
        &self,
        from: &[&Matrix],
        to: &mut [Matrix],
        moves: &[Move],
        adds: bool,
    ) -> Result<()> {
        let addressed: Vec<Addressed> = moves
            .iter()
            .map(|part| {
                let (source, target) = (from[part.from.matrix], &mut to[part.to.matrix]);
                let within = |corner: Corner, matrix: &Matrix| {
                    let (rows, columns) = (corner.row + part.rows, corner.column + part.columns);
                    assert!(
                        rows <= matrix.rows && columns <= matrix.columns,
                        "{part:?} of {matrix:?}"
                    );
                    ((corner.row * matrix.columns + corner.column) * size_of::<f32>()) as u64
                };
                Addressed {
                    from: source.values.device_ptr(&self.stream).0 + within(part.from, source),
                    to: within(part.to, target) + target.values.device_ptr_mut(&self.stream).0,
                    rows: part.rows as u32,
                    columns: part.columns as u32,
                    from_width: source.columns as u32,
                    to_width: target.columns as u32,
                }
            })
            .collect();
        let longest = moves.iter().map(|part| part.rows).max().unwrap_or(0);
        let (list, adds) = (self.send(&addressed)?, u32::from(adds));
        let grid = (moves.len(), longest.div_ceil(ROWS));
        launch!(self, move_parts, grid, (32, 8), (&list, &adds));
        Ok(())
    }
}
