//! Sparse cells, made dense a batch at a time, where they are computed on.

use modality_data::Csr;
use rayon::prelude::*;
use tch::{Device, Kind, Tensor};

use crate::{Error, Result, host};

/// A buffer for the cells of one batch; the whole matrix never stands dense.
pub(crate) struct Rows<'a> {
    gex: &'a Csr,
    /// Cells x genes.
    buffer: Tensor,
    /// The sparse entries, if the buffer is not on the host.
    uploaded: Option<Entries>,
}

/// The entries of a sparse matrix on a device, in its order.
struct Entries {
    /// 32-bit columns.
    genes: Tensor,
    values: Tensor,
}

impl<'a> Rows<'a> {
    /// Room for `capacity` cells of `gex`, cells x genes, and no more than it has.
    pub(crate) fn new(gex: &'a Csr, capacity: usize, device: Device) -> Result<Self> {
        let size = [capacity.min(gex.rows()) as i64, gex.cols() as i64];
        let buffer = Tensor::f_zeros(size, (Kind::Float, device))?;
        let uploaded = match device {
            Device::Cpu => None,
            device => Some(Entries::upload(gex, device)?),
        };
        Ok(Self { gex, buffer, uploaded })
    }

    /// `cells` x genes: a view of the buffer, so the next call overwrites it. At most as many cells as there is room
    /// for.
    pub(crate) fn dense(&mut self, cells: &[u32]) -> Result<Tensor> {
        let mut batch = self.buffer.f_narrow(0, 0, cells.len() as i64)?;
        match &self.uploaded {
            None => self.fill(cells)?,
            Some(entries) => entries.scatter(self.gex, cells, &mut batch)?,
        }
        Ok(batch)
    }

    fn fill(&mut self, cells: &[u32]) -> Result<()> {
        let gex = self.gex;
        host::values_mut(&mut self.buffer)?
            .par_chunks_exact_mut(gex.cols())
            .zip(cells)
            .try_for_each(|(dense, &cell)| {
                let sparse = gex.outer_view(cell as usize).ok_or_else(|| no_such(cell, gex))?;
                dense.fill(0.0);
                for (gene, &value) in sparse.iter() {
                    dense[gene] = value;
                }
                Ok(())
            })
    }
}

impl Entries {
    fn upload(gex: &Csr, device: Device) -> Result<Self> {
        let genes: Vec<i32> = gex.indices().iter().map(|&gene| gene as i32).collect();
        Ok(Self {
            genes: Tensor::f_from_slice(&genes)?.f_to_device(device)?,
            values: Tensor::f_from_slice(gex.data())?.f_to_device(device)?,
        })
    }

    /// Writes `cells` x genes into `batch`.
    fn scatter(&self, gex: &Csr, cells: &[u32], batch: &mut Tensor) -> Result<()> {
        let (mut counts, mut shifts, mut places) = (Vec::new(), Vec::new(), Vec::new());
        let mut total = 0;
        for (row, &cell) in (0_i64..).zip(cells) {
            let sparse = gex.outer_view(cell as usize).ok_or_else(|| no_such(cell, gex))?;
            let entries = gex.indptr().outer_inds_sz(cell as usize);
            counts.push(sparse.nnz() as i64);
            // From the batch's own count of entries to the matrix's.
            shifts.push(entries.start as i64 - total);
            places.push(row * gex.cols() as i64);
            total += sparse.nnz() as i64;
        }
        let device = batch.device();
        let on_device = |values: &[i64]| Tensor::f_from_slice(values)?.f_to_device(device);
        let counts = on_device(&counts)?;
        let each = |of_cell: &[i64]| {
            on_device(of_cell)?.f_repeat_interleave_self_tensor(&counts, 0, total)
        };
        let entries = Tensor::f_arange(total, (Kind::Int64, device))?.f_add_(&each(&shifts)?)?;
        let genes = self.genes.f_index_select(0, &entries)?.f_to_kind(Kind::Int64)?;
        let places = each(&places)?.f_add_(&genes)?;
        let values = self.values.f_index_select(0, &entries)?;
        let _ = batch.f_zero_()?.f_view([-1])?.f_scatter_(0, &places, &values)?;
        Ok(())
    }
}

fn no_such(cell: u32, gex: &Csr) -> Error {
    Error::Invalid(format!("cell {cell} is not there; there are {}", gex.rows()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(tensor: &Tensor) -> Vec<Vec<f32>> {
        Vec::<Vec<f32>>::try_from(tensor).unwrap()
    }

    #[test]
    fn a_batch_holds_its_cells_and_nothing_of_the_last() {
        let gex = Csr::new((3, 4), vec![0, 2, 2, 3], vec![0, 3, 1], vec![1.0, 2.0, 3.0]);
        let mut on_host = Rows::new(&gex, 2, Device::Cpu).unwrap();
        let uploaded = Some(Entries::upload(&gex, Device::Cpu).unwrap());
        let mut on_device = Rows { uploaded, ..Rows::new(&gex, 2, Device::Cpu).unwrap() };
        for rows in [&mut on_host, &mut on_device] {
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
        let gex = Csr::new((3, 4), vec![0, 2, 2, 3], vec![0, 3, 1], vec![1.0, 2.0, 3.0]);
        let rows = Rows::new(&gex, usize::MAX, Device::Cpu).unwrap();
        assert_eq!(rows.buffer.size(), [3, 4]);
    }
}
