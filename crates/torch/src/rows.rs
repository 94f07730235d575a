//! Cells, a batch at a time and dense, where they are computed on.

use std::ops::Range;

use modality_data::ValuesView;
use rayon::prelude::*;
use tch::{Device, Kind, Tensor};

use crate::{Error, Result, frozen::Frozen, host};

/// A buffer for the cells of one batch; a sparse matrix never stands dense as a whole.
pub(crate) struct Rows<'a> {
    values: ValuesView<'a>,
    /// Cells x features.
    buffer: Tensor,
    /// The numbers, if the buffer is not on the host.
    uploaded: Option<Uploaded>,
}

/// A matrix on a device.
enum Uploaded {
    Sparse(Entries),
    Dense(Tensor),
}

/// The entries of a sparse matrix on a device, in its order.
pub(crate) struct Entries {
    /// 32-bit columns.
    features: Frozen,
    values: Frozen,
}

impl<'a> Rows<'a> {
    /// Room for `capacity` cells of `values`, cells x features, and no more than it has.
    pub(crate) fn new(values: ValuesView<'a>, capacity: usize, device: Device) -> Result<Self> {
        let size = [capacity.min(values.rows()) as i64, values.columns() as i64];
        let buffer = Tensor::f_zeros(size, (Kind::Float, device))?;
        let uploaded = match device {
            Device::Cpu => None,
            device => Some(Uploaded::new(values, device)?),
        };
        Ok(Self { values, buffer, uploaded })
    }

    /// `cells` x features: a view of the buffer, so the next call overwrites it. At most as many cells as there is room
    /// for.
    pub(crate) fn dense(&mut self, cells: &[u32]) -> Result<Tensor> {
        let rows = self.values.rows();
        if let Some(cell) = cells.iter().find(|&&cell| cell as usize >= rows) {
            return Err(Error::Invalid(format!("cell {cell} is not there; there are {rows}")));
        }
        let mut batch = self.buffer.f_narrow(0, 0, cells.len() as i64)?;
        match (&self.uploaded, self.values) {
            (None, values) => fill(&mut self.buffer, values, cells)?,
            (Some(Uploaded::Sparse(entries)), ValuesView::Sparse(csr)) => {
                let starts = csr.indptr();
                let rows = cells.iter().map(|&cell| starts.outer_inds_sz(cell as usize));
                entries.scatter(rows, |_| Ok(None), &mut batch)?;
            }
            (Some(Uploaded::Dense(matrix)), _) => {
                let rows: Vec<i64> = cells.iter().copied().map(i64::from).collect();
                let rows = Tensor::f_from_slice(&rows)?.f_to_device(matrix.device())?;
                batch.f_copy_(&matrix.f_index_select(0, &rows)?)?;
            }
            (Some(Uploaded::Sparse(_)), ValuesView::Dense(_)) => {
                unreachable!("what is dense is uploaded as such")
            }
        }
        Ok(batch)
    }
}

fn fill(buffer: &mut Tensor, values: ValuesView<'_>, cells: &[u32]) -> Result<()> {
    host::values_mut(buffer)?.par_chunks_exact_mut(values.columns()).zip(cells).for_each(
        |(out, &cell)| match values {
            ValuesView::Sparse(csr) => {
                let sparse = csr.outer_view(cell as usize).expect("the cell is there");
                out.fill(0.0);
                sparse.iter().for_each(|(feature, &value)| out[feature] = value);
            }
            ValuesView::Dense(dense) => {
                let row = dense.row(cell as usize);
                out.iter_mut().zip(row).for_each(|(out, &value)| *out = value);
            }
        },
    );
    Ok(())
}

impl Uploaded {
    fn new(values: ValuesView<'_>, device: Device) -> Result<Self> {
        Ok(match values {
            ValuesView::Sparse(csr) => {
                Self::Sparse(Entries::upload(csr.indices(), csr.data(), device)?)
            }
            ValuesView::Dense(dense) => {
                let size = [dense.nrows() as i64, dense.ncols() as i64];
                let values: Vec<f32> = dense.iter().copied().collect();
                Self::Dense(Tensor::f_from_slice(&values)?.f_view(size)?.f_to_device(device)?)
            }
        })
    }
}

impl Entries {
    pub(crate) fn upload(features: &[u32], values: &[f32], device: Device) -> Result<Self> {
        let features: Vec<i32> = features.iter().map(|&feature| feature as i32).collect();
        Ok(Self {
            features: Frozen::new(Tensor::f_from_slice(&features)?.f_to_device(device)?),
            values: Frozen::new(Tensor::f_from_slice(values)?.f_to_device(device)?),
        })
    }

    /// Writes rows x features into `batch`: the entries of each of `rows`, a range of all there are. With `factors`, which is
    /// given their indices, each is multiplied by what that says.
    pub(crate) fn scatter(
        &self,
        rows: impl Iterator<Item = Range<usize>>,
        factors: impl FnOnce(&Tensor) -> Result<Option<Tensor>>,
        batch: &mut Tensor,
    ) -> Result<()> {
        let (mut counts, mut shifts, mut places) = (Vec::new(), Vec::new(), Vec::new());
        let (mut total, columns) = (0, batch.size()[1]);
        for (row, entries) in (0_i64..).zip(rows) {
            counts.push(entries.len() as i64);
            // From the batch's own count of entries to the matrix's.
            shifts.push(entries.start as i64 - total);
            places.push(row * columns);
            total += entries.len() as i64;
        }
        let device = batch.device();
        let on_device = |values: &[i64]| Tensor::f_from_slice(values)?.f_to_device(device);
        let counts = on_device(&counts)?;
        let each =
            |of_row: &[i64]| on_device(of_row)?.f_repeat_interleave_self_tensor(&counts, 0, total);
        let entries = Tensor::f_arange(total, (Kind::Int64, device))?.f_add_(&each(&shifts)?)?;
        let features = self.features.f_index_select(0, &entries)?.f_to_kind(Kind::Int64)?;
        let places = each(&places)?.f_add_(&features)?;
        let mut values = self.values.f_index_select(0, &entries)?;
        if let Some(factors) = factors(&entries)? {
            values = values.f_mul_(&factors)?;
        }
        // A row may have several entries in one place.
        let _ = batch.f_zero_()?.f_view([-1])?.f_scatter_add_(0, &places, &values)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use modality_data::Csr;

    use super::*;

    fn values(tensor: &Tensor) -> Vec<Vec<f32>> {
        Vec::<Vec<f32>>::try_from(tensor).unwrap()
    }

    #[test]
    fn a_batch_holds_its_cells_and_nothing_of_the_last() {
        let csr = Csr::new((3, 4), vec![0, 2, 2, 3], vec![0, 3, 1], vec![1.0, 2.0, 3.0]);
        let mut on_host = Rows::new((&csr).into(), 2, Device::Cpu).unwrap();
        let dense = csr.to_dense();
        let mut dense_on_host = Rows::new(dense.view().into(), 2, Device::Cpu).unwrap();
        let uploaded = |values| Some(Uploaded::new(values, Device::Cpu).unwrap());
        let on_device = |values| Rows {
            uploaded: uploaded(values),
            ..Rows::new(values, 2, Device::Cpu).unwrap()
        };
        let mut sparse_on_device = on_device((&csr).into());
        let mut dense_on_device = on_device(dense.view().into());
        for rows in [&mut on_host, &mut dense_on_host, &mut sparse_on_device, &mut dense_on_device]
        {
            assert_eq!(values(&rows.dense(&[2, 0]).unwrap()), [[0., 3., 0., 0.], [1., 0., 0., 2.]]);
            assert_eq!(values(&rows.dense(&[1]).unwrap()), [[0.; 4]]);
            assert_eq!(values(&rows.dense(&[0, 0]).unwrap()), [[1., 0., 0., 2.]; 2]);
            assert!(rows.dense(&[0, 1, 2]).is_err());
            let message = rows.dense(&[3]).unwrap_err().to_string();
            assert_eq!(message, "cell 3 is not there; there are 3");
        }
    }

    #[test]
    fn there_is_no_more_room_than_cells() {
        let csr = Csr::new((3, 4), vec![0, 2, 2, 3], vec![0, 3, 1], vec![1.0, 2.0, 3.0]);
        let rows = Rows::new((&csr).into(), usize::MAX, Device::Cpu).unwrap();
        assert_eq!(rows.buffer.size(), [3, 4]);
    }
}
