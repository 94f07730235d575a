//! The recipe's arithmetic on a GPU.

use modality_data::ValuesView;
use modality_methods::KernelEntries;
use modality_protocol::runner::size;
use modality_recipe::{Groups, Stages, Step, Stepped, Tsvd};
use ndarray::{Array2, ArrayView2};

use crate::{
    columns::Scalars,
    device::Device,
    error::{Error, Result},
    matrix::Matrix,
    nystrom::Nystrom,
    rbf::row_bytes,
    shared::{self, SharedKernel},
    svd::Rows,
    upload,
};

/// [`Stages`] on a device, in float32; inverses of small matrices and sums down long columns in float64.
///
/// Work is queued on one stream, but for factorisations of several fits, which go side by side. While fits are solved, the host
/// waits where a result comes back ([`Stages::read`], [`Stages::download`]), where a factorisation must be known to have
/// succeeded, and where the driver takes over a list that is long; a truncated SVD also takes its small matrices to the
/// host, and an upload ends with a wait.
#[derive(Debug)]
pub struct CudaStages {
    device: Device,
    entries: KernelEntries,
    /// Bytes of the device that the entries of a shared kernel may take, if so many are free.
    room: u64,
    notes: Vec<String>,
    flops: f64,
}

impl CudaStages {
    /// Stages on `device`, of whose memory a shared kernel may take `room` bytes; its entries are kept if they are to be and
    /// fit.
    pub fn new(device: Device, room: u64, entries: KernelEntries) -> Self {
        Self { device, entries, room, notes: Vec::new(), flops: 0.0 }
    }

    /// The device.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// What a reader of the report should know, since the last call.
    pub fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    /// Forgets what was counted and noted so far.
    pub(crate) fn forget(&mut self) {
        (self.flops, self.notes) = (0.0, Vec::new());
    }

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

impl Stages for CudaStages {
    type Matrix = Matrix;
    type Kernel = Matrix;
    type Shared = SharedKernel;
    type Preconditioner = Nystrom;
    type Rows<'a> = Rows;
    type Scalars = Scalars;
    type Error = Error;

    fn upload_rows(&mut self, blocks: &[ValuesView<'_>]) -> Result<Rows> {
        upload::rows(&self.device, blocks)
    }

    fn upload(&mut self, matrix: ArrayView2<'_, f32>) -> Result<Matrix> {
        self.device.upload(matrix)
    }

    fn download(&mut self, matrix: &Matrix) -> Result<Array2<f32>> {
        self.device.download(matrix)
    }

    fn densify(&mut self, rows: &Rows) -> Result<Vec<Matrix>> {
        self.device.densify(rows)
    }

    fn tsvd(&mut self, rows: &Rows, n_components: usize, seed: u64) -> Result<Tsvd<Matrix>> {
        let (tsvd, cost) = self.device.tsvd(rows, n_components, seed)?;
        self.flops += cost.flops;
        if cost.was_repeated {
            let again = "the basis of a truncated SVD was not orthonormal by Cholesky factorisations and was made anew by eigenvectors";
            self.notes.push(again.to_owned());
        }
        Ok(tsvd)
    }

    fn standardize_rows(&mut self, matrix: &mut Matrix) -> Result<()> {
        self.device.standardize_rows(matrix)
    }

    fn gather_rows(&mut self, matrix: &Matrix, rows: &[u32]) -> Result<Matrix> {
        self.device.gather_rows(matrix, rows)
    }

    fn scatter_add_rows(
        &mut self,
        target: &mut Matrix,
        rows: &[u32],
        source: &Matrix,
    ) -> Result<()> {
        self.device.scatter_add_rows(target, rows, source)
    }

    fn zeros(&mut self, rows: usize, columns: usize) -> Result<Matrix> {
        self.device.zeros(rows, columns)
    }

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

    fn matmul(&mut self, a: &Matrix, b: &Matrix) -> Result<Matrix> {
        self.flops += 2.0 * a.len() as f64 * b.columns as f64;
        self.device.matmul(a, b)
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

    fn preconditioner(
        &mut self,
        x: &Matrix,
        gamma: f64,
        alpha: f64,
        landmarks: &[u32],
        groups: &Groups,
    ) -> Result<Nystrom> {
        let (n, d, m) = (x.rows as f64, x.columns as f64, landmarks.len() as f64);
        // The kernels, the triangular solve, the Gram matrices; and for each fit a factorisation and an inverse.
        self.flops +=
            2.0 * (n + m) * m * d + 2.0 * n * m * m + groups.fits().len() as f64 * m.powi(3);
        Nystrom::new(&self.device, x, (gamma, alpha), landmarks, groups)
    }

    fn precondition(
        &mut self,
        preconditioner: &Nystrom,
        groups: &Groups,
        residuals: &[(usize, &Matrix)],
    ) -> Result<Vec<Matrix>> {
        let m = preconditioner.landmarks() as f64;
        for (_, residual) in residuals {
            self.flops += (4.0 * residual.rows as f64 * m + 2.0 * m * m) * residual.columns as f64;
        }
        preconditioner.apply(&self.device, groups, residuals)
    }

    fn copy(&mut self, matrix: &Matrix) -> Result<Matrix> {
        self.device.copy(matrix)
    }

    fn column_dots(&mut self, a: &Matrix, b: &Matrix) -> Result<Scalars> {
        self.device.column_dots(a, b)
    }

    fn scalars(&mut self, values: &[f64]) -> Result<Scalars> {
        self.device.scalars(values)
    }

    fn read(&mut self, scalars: &[&Scalars]) -> Result<Vec<Vec<f64>>> {
        self.device.read(scalars)
    }

    fn combine_columns(
        &mut self,
        y_keep: (&mut Matrix, &Scalars),
        x_take: (&Matrix, &Scalars),
    ) -> Result<()> {
        self.device.combine_columns(y_keep, x_take)
    }

    fn turn(
        &mut self,
        direction: &mut Matrix,
        next: &Matrix,
        new: &Scalars,
        old: Option<&Scalars>,
    ) -> Result<()> {
        match old {
            Some(old) => self.device.turn(direction, next, new, old),
            None => {
                *direction = self.device.copy(next)?;
                Ok(())
            }
        }
    }

    fn step(&mut self, step: Step<'_, Matrix, Scalars>) -> Result<Stepped<Scalars>> {
        self.device.step(step)
    }

    fn select_columns(&mut self, matrix: &Matrix, columns: &[u32]) -> Result<Matrix> {
        self.device.select_columns(matrix, columns)
    }

    fn put_columns(&mut self, target: &mut Matrix, columns: &[u32], source: &Matrix) -> Result<()> {
        self.device.put_columns(target, columns, source)
    }

    fn take_flops(&mut self) -> f64 {
        std::mem::take(&mut self.flops)
    }

    fn synchronize(&mut self) -> Result<()> {
        self.device.synchronize()
    }
}
