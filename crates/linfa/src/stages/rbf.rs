//! Kernel matrices.

use modality_methods::KernelEntries;
use modality_recipe::{Groups, Rbf};
use ndarray::Array2;

use super::{CpuStages, StageError};
use crate::{Kernel, SharedKernel, kernel_ridge};

impl Rbf for CpuStages {
    type Kernel = Vec<f32>;
    type Shared = SharedKernel;

    fn kernel(&mut self, x: &Array2<f32>, gamma: f64) -> Result<Vec<f32>, StageError> {
        let (n, d) = x.dim();
        let (cells, needed, allowed) = (n, (n * n * size_of::<f32>()) as u64, self.room);
        if needed > allowed {
            return Err(StageError::KernelMemory { cells, needed, allowed });
        }
        self.flops += (n * n * d) as f64;
        let mut kernel = std::mem::take(&mut self.spare);
        kernel.resize(x.nrows() * x.nrows(), 0.0);
        Kernel::Rbf { gamma: gamma as f32 }.lower(x.view(), &mut kernel);
        Ok(kernel)
    }

    fn solve(
        &mut self,
        mut kernel: Vec<f32>,
        alpha: f64,
        targets: &Array2<f32>,
    ) -> Result<Array2<f32>, StageError> {
        let (n, columns) = (targets.nrows() as f64, targets.ncols() as f64);
        self.flops += n.powi(3) / 3.0 + 2.0 * n * n * columns;
        let coefficients = kernel_ridge::solve(&mut kernel, alpha as f32, targets.view())?;
        self.spare = kernel;
        Ok(coefficients)
    }

    fn kernel_product(
        &mut self,
        x: &Array2<f32>,
        y: &Array2<f32>,
        gamma: f64,
        coefficients: &Array2<f32>,
    ) -> Result<Array2<f32>, StageError> {
        let each = 2 * (x.ncols() + coefficients.ncols());
        self.flops += x.nrows() as f64 * y.nrows() as f64 * each as f64;
        Ok(Kernel::Rbf { gamma: gamma as f32 }.product(x.view(), y.view(), coefficients.view()))
    }

    fn shared_kernel(
        &mut self,
        x: &Array2<f32>,
        gamma: f64,
        groups: &Groups,
    ) -> Result<SharedKernel, StageError> {
        let room = match self.entries {
            KernelEntries::Kept => self.room,
            KernelEntries::Formed => 0,
        };
        let kernel = SharedKernel::new(x.view(), gamma as f32, groups, room);
        self.flops += kernel.forming_flops();
        Ok(kernel)
    }

    fn shared_products(
        &mut self,
        kernel: &SharedKernel,
        groups: &Groups,
        vectors: &[(usize, &Array2<f32>)],
    ) -> Result<Vec<Array2<f32>>, StageError> {
        let (products, flops) = kernel.products(groups, vectors);
        self.flops += flops;
        Ok(products)
    }
}
