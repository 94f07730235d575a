//! Kernel matrices.

use modality_methods::KernelEntries;
use modality_protocol::runner::size;
use modality_recipe::{Groups, Rbf};

use super::CudaStages;
use crate::{
    error::{Error, Result},
    matrix::Matrix,
    rbf::row_bytes,
    shared::{self, SharedKernel},
};

impl Rbf for CudaStages {
    type Kernel = Matrix;
    type Shared = SharedKernel;

    fn kernel(&mut self, x: &Matrix, gamma: f64) -> Result<Matrix> {
        self.flops += 2.0 * (x.rows * x.rows) as f64 * x.columns as f64;
        self.device.kernel(x, x, gamma)
    }

    fn solve(&mut self, mut kernel: Matrix, alpha: f64, targets: &Matrix) -> Result<Matrix> {
        let (n, columns) = (targets.rows as f64, targets.columns as f64);
        self.flops += n.powi(3) / 3.0 + 2.0 * n * n * columns;
        self.device.solve(&mut kernel, alpha, targets)
    }

    fn kernel_product(
        &mut self,
        x: &Matrix,
        y: &Matrix,
        gamma: f64,
        coefficients: &Matrix,
    ) -> Result<Matrix> {
        self.flops += 2.0 * (x.rows * y.rows) as f64 * (x.columns + coefficients.columns) as f64;
        self.device.kernel_product(x, y, gamma, coefficients)
    }

    fn shared_kernel(&mut self, x: &Matrix, gamma: f64, groups: &Groups) -> Result<SharedKernel> {
        let tiles = shared::layout(groups).0.len();
        let mut kept = self.kept(tiles)?;
        let kernel = loop {
            match SharedKernel::new(&self.device, x, gamma, groups, kept) {
                // Memory that is free need not be in one piece.
                Err(Error::Memory { .. }) if kept > 0 => {
                    kept = if self.device.ways.part { kept * 7 / 8 } else { 0 };
                }
                made => break made?,
            }
        };
        if kept < tiles && self.entries == KernelEntries::Kept {
            self.note_formed(kept, tiles);
        }
        // One triangle of the entries that are kept.
        let share = kept as f64 / tiles.max(1) as f64;
        let entries = (x.rows * x.rows) as f64 * share * (1.0 - share / 2.0);
        self.flops += 2.0 * entries * x.columns as f64;
        Ok(kernel)
    }

    fn shared_products(
        &mut self,
        kernel: &SharedKernel,
        groups: &Groups,
        vectors: &[(usize, &Matrix)],
    ) -> Result<Vec<Matrix>> {
        let forming = kernel.formed_share() * kernel.components() as f64;
        for (fit, v) in vectors {
            let entries = (groups.len_of(*fit) as f64).powi(2);
            self.flops += 2.0 * entries * (v.columns as f64 + forming);
        }
        kernel.products(&self.device, vectors)
    }
}

impl CudaStages {
    /// How many rows of a kernel's tiles there is room for, of which there are so many.
    fn kept(&self, tiles: usize) -> Result<usize> {
        if self.entries == KernelEntries::Formed {
            return Ok(0);
        }
        let left = self.device.free_memory()?.min(self.room);
        Ok(match (left / row_bytes(tiles).max(1)) as usize {
            rows if rows >= tiles => tiles,
            rows if self.device.ways.part => rows,
            _ => 0,
        })
    }

    fn note_formed(&mut self, kept: usize, tiles: usize) {
        let [needed, has] = [tiles, kept].map(|rows| size(row_bytes(tiles) * rows as u64));
        let formed = match kept {
            0 => "its entries are formed".to_owned(),
            _ => format!(
                "{:.0} % of its entries are formed",
                100.0 * (1.0 - kept as f64 / tiles as f64)
            ),
        };
        self.notes.push(format!(
            "the kernel matrix takes {needed} of GPU memory and there is room for {has}, so {formed} again in each product"
        ));
    }
}
