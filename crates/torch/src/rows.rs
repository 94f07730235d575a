//! Sparse cells, made dense a batch at a time.

use modality_data::Csr;
use rayon::prelude::*;
use tch::{Device, Kind, Tensor};

use crate::{Error, Result, host};

/// A buffer for the cells of one batch; the whole matrix never stands dense.
pub(crate) struct Rows<'a> {
    gex: &'a Csr,
    /// Cells x genes, on the host.
    buffer: Tensor,
    device: Device,
}

impl<'a> Rows<'a> {
    /// Room for `capacity` cells of `gex`, cells x genes.
    pub(crate) fn new(gex: &'a Csr, capacity: usize, device: Device) -> Result<Self> {
        let size = [capacity as i64, gex.cols() as i64];
        let mut buffer = Tensor::f_zeros(size, (Kind::Float, Device::Cpu))?;
        if device.is_cuda() {
            // Copies to the device are faster from memory that cannot be paged out.
            buffer = buffer.f_pin_memory(device)?;
        }
        Ok(Self { gex, buffer, device })
    }

    /// `cells` x genes on the device; overwritten by the next call. At most as many as there is room for.
    pub(crate) fn dense(&mut self, cells: &[u32]) -> Result<Tensor> {
        let genes = self.gex.cols();
        if cells.len() * genes > self.buffer.numel() {
            return Err(Error::Invalid(format!("{} cells are more than a batch", cells.len())));
        }
        host::values_mut(&mut self.buffer)?.par_chunks_exact_mut(genes).zip(cells).for_each(
            |(dense, &cell)| {
                dense.fill(0.0);
                if let Some(sparse) = self.gex.outer_view(cell as usize) {
                    for (gene, &value) in sparse.iter() {
                        dense[gene] = value;
                    }
                }
            },
        );
        let batch = self.buffer.f_narrow(0, 0, cells.len() as i64)?;
        Ok(if self.device == Device::Cpu { batch } else { batch.f_to_device(self.device)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_holds_its_cells_and_nothing_of_the_last() {
        let gex = Csr::new((3, 4), vec![0, 2, 2, 3], vec![0, 3, 1], vec![1.0, 2.0, 3.0]);
        let mut rows = Rows::new(&gex, 2, Device::Cpu).unwrap();
        let dense = |rows: &mut Rows<'_>, cells: &[u32]| {
            Vec::<Vec<f32>>::try_from(rows.dense(cells).unwrap()).unwrap()
        };
        assert_eq!(dense(&mut rows, &[2, 0]), [[0., 3., 0., 0.], [1., 0., 0., 2.]]);
        assert_eq!(dense(&mut rows, &[1]), [[0.; 4]]);
        assert_eq!(dense(&mut rows, &[0, 0]), [[1., 0., 0., 2.]; 2]);
        assert!(rows.dense(&[0, 1, 2]).is_err());
    }
}
