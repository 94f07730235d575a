//! The recipe's arithmetic on the CPU, in float32.

use linfa::ParamGuard as _;
use modality_data::ValuesView;
use modality_methods::KernelEntries;
use modality_protocol::runner::size;
use modality_recipe::{Groups, Stages, Step, Stepped, Tsvd};
use ndarray::{Array2, ArrayView2, Axis, CowArray, Ix2, Zip, concatenate};

use crate::{
    Kernel, KernelRidgeError, Nystrom, SharedKernel, SparseRows, TruncatedSvd, TruncatedSvdError,
    columns, dense, kernel_ridge,
};

/// [`Stages`] on the current rayon pool.
#[derive(Debug)]
pub struct CpuStages {
    /// Memory of the last kernel matrix, kept for the next: the first touch of fresh memory is slow.
    spare: Vec<f32>,
    /// Bytes that a kernel matrix may take.
    room: u64,
    entries: KernelEntries,
    flops: f64,
}

impl Default for CpuStages {
    fn default() -> Self {
        Self::new(u64::MAX, KernelEntries::Kept)
    }
}

impl CpuStages {
    /// Stages with `room` bytes for a kernel matrix, used for a shared one if its entries are to be kept.
    pub fn new(room: u64, entries: KernelEntries) -> Self {
        Self { spare: Vec::new(), room, entries, flops: 0.0 }
    }
}

/// Why a stage failed.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// In a decomposition.
    #[error(transparent)]
    Tsvd(#[from] TruncatedSvdError),
    /// In a preconditioner.
    #[error("the preconditioner cannot be factorised; do the scores hold NaN?")]
    Preconditioner,
    /// A kernel matrix that has to stand whole.
    #[error(
        "the kernel matrix of {cells} cells takes {} and {} are left for it; `--memory` sets what a run may take",
        size(*.needed),
        size(*.allowed)
    )]
    KernelMemory {
        /// Its rows.
        cells: usize,
        /// Bytes.
        needed: u64,
        /// Bytes.
        allowed: u64,
    },
    /// In a kernel ridge regression.
    #[error(transparent)]
    KernelRidge(#[from] KernelRidgeError),
}

impl Stages for CpuStages {
    type Matrix = Array2<f32>;
    type Rows<'a> = Vec<ValuesView<'a>>;
    type Scalars = Vec<f64>;
    type Kernel = Vec<f32>;
    type Shared = SharedKernel;
    type Preconditioner = Nystrom;
    type Error = StageError;

    fn upload(&mut self, matrix: ArrayView2<'_, f32>) -> Result<Array2<f32>, StageError> {
        Ok(matrix.as_standard_layout().into_owned())
    }

    fn download(&mut self, matrix: &Array2<f32>) -> Result<Array2<f32>, StageError> {
        Ok(matrix.clone())
    }

    fn upload_rows<'a>(
        &mut self,
        blocks: &[ValuesView<'a>],
    ) -> Result<Vec<ValuesView<'a>>, StageError> {
        Ok(blocks.to_vec())
    }

    fn densify(&mut self, rows: &Vec<ValuesView<'_>>) -> Result<Vec<Array2<f32>>, StageError> {
        Ok(rows.iter().map(|block| block.to_dense()).collect())
    }

    fn tsvd(
        &mut self,
        rows: &Vec<ValuesView<'_>>,
        n_components: usize,
        seed: u64,
    ) -> Result<Tsvd<Array2<f32>>, StageError> {
        let params = TruncatedSvd::params(n_components).random_state(seed).check()?;
        let (svd, scores, flops) = match stacked(rows) {
            Stacked::Sparse(rows) => params.fit_transform_counted(&rows)?,
            Stacked::Dense(rows) => params.fit_transform_dense_counted(&rows)?,
        };
        self.flops += flops;
        Ok(Tsvd { scores: cut(scores, rows), components: svd.components().clone() })
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

    fn zeros(&mut self, rows: usize, columns: usize) -> Result<Array2<f32>, StageError> {
        Ok(Array2::zeros((rows, columns)))
    }

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

    fn matmul(&mut self, a: &Array2<f32>, b: &Array2<f32>) -> Result<Array2<f32>, StageError> {
        self.flops += 2.0 * a.len() as f64 * b.ncols() as f64;
        Ok(dense::product(a.view(), b.view()))
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

    fn preconditioner(
        &mut self,
        x: &Array2<f32>,
        gamma: f64,
        alpha: f64,
        landmarks: &[u32],
        groups: &Groups,
    ) -> Result<Nystrom, StageError> {
        let preconditioner = Nystrom::new(x.view(), (gamma, alpha), landmarks, groups);
        self.flops += Nystrom::forming_flops(x.dim(), landmarks.len(), groups);
        preconditioner.ok_or(StageError::Preconditioner)
    }

    fn precondition(
        &mut self,
        preconditioner: &Nystrom,
        groups: &Groups,
        residuals: &[(usize, &Array2<f32>)],
    ) -> Result<Vec<Array2<f32>>, StageError> {
        let flops = residuals.iter().map(|(_, residual)| preconditioner.flops(residual.dim()));
        self.flops += flops.sum::<f64>();
        Ok(preconditioner.apply(groups, residuals))
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

    fn take_flops(&mut self) -> f64 {
        std::mem::take(&mut self.flops)
    }

    fn copy(&mut self, matrix: &Array2<f32>) -> Result<Array2<f32>, StageError> {
        Ok(matrix.clone())
    }

    fn column_dots(&mut self, a: &Array2<f32>, b: &Array2<f32>) -> Result<Vec<f64>, StageError> {
        Ok(columns::dots(a, b))
    }

    fn combine_columns(
        &mut self,
        (y, keep): (&mut Array2<f32>, &Vec<f64>),
        (x, take): (&Array2<f32>, &Vec<f64>),
    ) -> Result<(), StageError> {
        columns::combine((y, keep), (x, take));
        Ok(())
    }

    fn scalars(&mut self, values: &[f64]) -> Result<Vec<f64>, StageError> {
        Ok(values.to_vec())
    }

    fn read(&mut self, scalars: &[&Vec<f64>]) -> Result<Vec<Vec<f64>>, StageError> {
        Ok(scalars.iter().map(|&values| values.clone()).collect())
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
}

/// Blocks of cells, one on top of the other.
enum Stacked<'a> {
    Sparse(SparseRows<'a, f32>),
    Dense(CowArray<'a, f32, Ix2>),
}

fn stacked<'a>(rows: &[ValuesView<'a>]) -> Stacked<'a> {
    let sparse: Option<Vec<_>> = rows
        .iter()
        .map(|block| match block {
            ValuesView::Sparse(csr) => Some(csr.view()),
            ValuesView::Dense(_) => None,
        })
        .collect();
    if let Some(sparse) = sparse {
        return Stacked::Sparse(SparseRows::stacked(sparse));
    }
    let dense = |block: &ValuesView<'a>| match block {
        ValuesView::Dense(dense) => *dense,
        ValuesView::Sparse(_) => panic!("blocks are all sparse or all dense"),
    };
    let dense: Vec<ArrayView2<'a, f32>> = rows.iter().map(dense).collect();
    Stacked::Dense(match dense.as_slice() {
        [only] => (*only).into(),
        blocks => concatenate(Axis(0), blocks).expect("blocks have the same features").into(),
    })
}

/// The rows of each block.
fn cut(matrix: Array2<f32>, blocks: &[ValuesView<'_>]) -> Vec<Array2<f32>> {
    if blocks.len() == 1 {
        return vec![matrix];
    }
    let mut below = matrix.view();
    let mut parts = Vec::with_capacity(blocks.len());
    for block in blocks {
        let (here, rest) = below.split_at(Axis(0), block.rows());
        parts.push(here.to_owned());
        below = rest;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conforms_to_the_recipe() {
        modality_recipe::conformance::check(&mut CpuStages::default(), 1e-4);
    }

    #[test]
    fn results_do_not_depend_on_the_run() {
        let x = Array2::from_shape_fn((700, 40), |(i, j)| ((i * 31 + j * 17) % 97) as f32 / 97.0);
        let t = Array2::from_shape_fn((700, 9), |(i, j)| ((i * 13 + j * 7) % 89) as f32 / 89.0);
        let run = || {
            let mut stages = CpuStages::default();
            let rows = stages.upload_rows(&[x.view().into()]).unwrap();
            let scores = stages.tsvd(&rows, 20, 5).unwrap().scores.remove(0);
            let kernel = stages.kernel(&scores, 0.1).unwrap();
            let c = stages.solve(kernel, 0.2, &t).unwrap();
            stages.kernel_product(&scores, &scores, 0.1, &c).unwrap()
        };
        let first = run();
        for _ in 0..3 {
            assert!(run() == first, "another run gave other bits");
        }
    }
}
