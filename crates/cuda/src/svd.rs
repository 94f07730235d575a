//! The arithmetic of truncated SVDs.
//!
//! A sparse A is made dense some rows at a time, all of them where there is room, for a product with A and one with A^T. At the
//! density of gene expression, a tenth, that reads 40 bytes a nonzero; a sparse product with a block of 64 vectors reads 264.

mod orthonormal;

use std::ops::Range;

use cudarc::driver::{CudaSlice, CudaView};
use modality_recipe::{
    Tsvd,
    krylov::{self, Ritz, Span, Tall},
};
use ndarray::{Array1, Array2};

use crate::{
    algebra::Factor,
    columns::Scalars,
    device::Device,
    error::{Error, Result},
    kernels::{THREADS, blocks, launch},
    matrix::Matrix,
};
use orthonormal::Orthonormal;

/// Blocks as wide as products with them are near their best rate.
const SPAN: Span = Span { block: 64, expansion: 2.0, least_blocks: 3, exact_columns: 1024 };
/// Bytes of the rows of a sparse matrix that are dense at a time: an eighth of the device's memory, within these.
const DENSE_BYTES: (u64, u64) = (1 << 28, 1 << 32);
/// Dense rows have a multiple of so many columns, those past the features being zero: rows then begin at multiples of 32 bytes, and
/// can be read 16 bytes at a time.
const ALIGNMENT: usize = 8;
/// Rows that are multiplied in float64 at a time.
const WIDE_ROWS: usize = 1 << 16;

/// Blocks of cells x features, one on top of the other.
pub struct Rows {
    /// Cells of each block.
    pub(crate) blocks: Vec<usize>,
    pub(crate) values: Form,
}

/// As it came.
pub(crate) enum Form {
    Sparse(Sparse),
    Dense(Matrix),
}

/// Rows in CSR.
pub(crate) struct Sparse {
    pub(crate) starts: CudaSlice<u64>,
    pub(crate) indices: CudaSlice<u32>,
    pub(crate) values: CudaSlice<f32>,
    pub(crate) rows: usize,
    pub(crate) features: usize,
    pub(crate) nonzeros: usize,
}

/// What is decomposed.
#[derive(Clone, Copy)]
enum Input<'a> {
    Sparse(&'a Sparse),
    Dense(&'a Matrix),
}

/// What a truncated SVD took.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cost {
    pub(crate) flops: f64,
    /// Whether its basis was made twice, as it was not orthonormal at first.
    pub(crate) was_repeated: bool,
}

/// A truncated SVD under way, and what it costs.
struct Work<'a> {
    device: &'a Device,
    input: Input<'a>,
    /// Rows of a sparse input, dense.
    dense: Matrix,
    /// Whether it has all of them.
    has_all: bool,
    /// Of the next random numbers.
    seed: u64,
    how: Orthonormal,
    cost: Cost,
}

impl Device {
    /// Scores of each block and components, and what they took.
    pub(crate) fn tsvd(
        &self,
        rows: &Rows,
        n_components: usize,
        seed: u64,
    ) -> Result<(Tsvd<Matrix>, Cost)> {
        let input = match &rows.values {
            Form::Sparse(sparse) => Input::Sparse(sparse),
            Form::Dense(dense) => Input::Dense(dense),
        };
        let mut work = Work::new(self, input, seed)?;
        let basis = work.basis(n_components)?;
        let Ritz { scores, vectors, .. } = krylov::ritz(&mut work, &basis)?;
        // Those past the features stand for nothing.
        let features = match input {
            Input::Sparse(sparse) => sparse.features,
            Input::Dense(dense) => dense.columns,
        };
        let components = match vectors.rows == features {
            true => self.transpose(&vectors)?,
            false => self.transpose(&self.part(&vectors, 0..features)?)?,
        };
        Ok((Tsvd { scores: self.cut(scores, &rows.blocks)?, components }, work.cost))
    }

    /// Each block as a dense matrix.
    pub(crate) fn densify(&self, rows: &Rows) -> Result<Vec<Matrix>> {
        match &rows.values {
            Form::Sparse(sparse) => {
                let mut all = self.matrix(sparse.rows, sparse.features)?;
                self.densify_rows(sparse, 0..sparse.rows, &mut all)?;
                self.cut(all, &rows.blocks)
            }
            Form::Dense(dense) => self.cut(self.copy(dense)?, &rows.blocks),
        }
    }

    /// The rows of each block.
    fn cut(&self, matrix: Matrix, blocks: &[usize]) -> Result<Vec<Matrix>> {
        if blocks.len() == 1 {
            return Ok(vec![matrix]);
        }
        let mut start = 0;
        let block = |&rows: &usize| {
            start += rows;
            self.part(&matrix, start - rows..start)
        };
        blocks.iter().map(block).collect()
    }

    fn densify_rows(&self, sparse: &Sparse, rows: Range<usize>, out: &mut Matrix) -> Result<()> {
        assert!(
            rows.end <= sparse.rows && rows.len() <= out.rows && sparse.features <= out.columns
        );
        let (first, columns) = (rows.start as u32, out.columns as u32);
        launch!(
            self,
            densify_rows,
            (rows.len(), 1),
            (THREADS as u32, 1),
            (&sparse.starts, &sparse.indices, &sparse.values, &first, &columns, &mut out.values,)
        );
        Ok(())
    }

    /// Standard normal numbers times `scale`.
    pub(crate) fn normal(
        &self,
        rows: usize,
        columns: usize,
        seed: u64,
        scale: f32,
    ) -> Result<Matrix> {
        let mut matrix = self.matrix(rows, columns)?;
        let length = matrix.len();
        launch!(
            self,
            normal,
            blocks(length),
            (THREADS as u32, 1),
            (&seed, &length, &scale, &mut matrix.values)
        );
        Ok(matrix)
    }

    fn leading_signs(&self, vectors: &Matrix) -> Result<CudaSlice<f64>> {
        let ((rows, width), mut signs) = (vectors.shape(), self.allocate(vectors.columns)?);
        launch!(
            self,
            leading_signs,
            (vectors.columns, 1),
            (THREADS as u32, 1),
            (&vectors.values, &rows, &width, &mut signs)
        );
        Ok(signs)
    }
}

impl<'a> Work<'a> {
    fn new(device: &'a Device, input: Input<'a>, seed: u64) -> Result<Self> {
        let rows = match input {
            Input::Sparse(_) => dense_rows(input.shape(), device.facts().memory),
            Input::Dense(_) => 0,
        };
        Self::by(device, input, rows, seed)
    }

    /// With so many rows of a sparse input at a time.
    fn by(device: &'a Device, input: Input<'a>, rows: usize, seed: u64) -> Result<Self> {
        let dense = device.matrix(rows, input.shape().1)?;
        let (how, cost) = (Orthonormal::Surely, Cost::default());
        Ok(Self { device, input, dense, has_all: false, seed, how, cost })
    }

    /// By Cholesky factorisations if they may be used and do.
    fn basis(&mut self, n_components: usize) -> Result<Matrix> {
        let seed = self.seed;
        if self.device.ways.cholesky_qr {
            self.how = Orthonormal::swiftly();
            match krylov::basis(self, n_components) {
                Ok(basis) if self.how.is_good(self.device)? => return Ok(basis),
                // What is no basis need not hold numbers.
                Ok(_) | Err(Error::Eigen(_)) => self.cost.was_repeated = true,
                Err(error) => return Err(error),
            }
            (self.how, self.seed) = (Orthonormal::Surely, seed);
        }
        krylov::basis(self, n_components)
    }

    /// X^T Y in float32.
    fn inner(&mut self, x: &Matrix, y: &Matrix) -> Result<Matrix> {
        let mut out = self.device.matrix(x.columns, y.columns)?;
        let (left, right) = (x.rows(0..x.rows), y.rows(0..y.rows));
        let factors =
            (Factor::new(&left, x.rows, x.columns).t(), Factor::new(&right, y.rows, y.columns));
        self.device.multiply(1.0, factors, 0.0, &mut out.rows_mut(0..x.columns))?;
        self.count(x.columns, x.rows, y.columns);
        Ok(out)
    }

    /// X^T Y in float64, on the device.
    fn cross_here(&mut self, x: &Matrix, y: &Matrix) -> Result<CudaSlice<f64>> {
        let (rows, m, n) = (x.rows, x.columns, y.columns);
        let mut sum = self.device.allocate::<f64>(m * n)?;
        let mut keep = 0.0;
        for start in (0..rows).step_by(WIDE_ROWS) {
            let range = start..rows.min(start + WIDE_ROWS);
            let wide_x = self.device.widen(&x.rows(range.clone()))?;
            let wide_y = match std::ptr::eq(x, y) {
                true => None,
                false => Some(self.device.widen(&y.rows(range.clone()))?),
            };
            let wide_y = wide_y.as_ref().unwrap_or(&wide_x);
            let (left, right) = (wide_x.slice(..range.len() * m), wide_y.slice(..range.len() * n));
            let factors =
                (Factor::new(&left, range.len(), m).t(), Factor::new(&right, range.len(), n));
            self.device.multiply(1.0, factors, keep, &mut sum.slice_mut(..m * n))?;
            keep = 1.0;
        }
        self.count(m, rows, n);
        Ok(sum)
    }

    /// A^T A X, not rounded.
    fn exact_gram_product(&mut self, x: &Matrix) -> Result<Matrix> {
        let columns = self.input.shape().1;
        let mut out = self.device.zeros(columns, x.columns)?;
        let right = x.rows(0..columns);
        self.by_rows(|device, range, a| {
            let a = Factor::new(a, range.len(), columns);
            let mut image = device.matrix(range.len(), x.columns)?;
            device.multiply(
                1.0,
                (a, Factor::new(&right, columns, x.columns)),
                0.0,
                &mut image.rows_mut(0..range.len()),
            )?;
            let image = image.rows(0..range.len());
            device.multiply(
                1.0,
                (a.t(), Factor::new(&image, range.len(), x.columns)),
                1.0,
                &mut out.rows_mut(0..columns),
            )
        })?;
        (0..2).for_each(|_| self.count_input(x.columns));
        Ok(out)
    }

    /// Runs `work` on some rows of the input at a time, dense.
    fn by_rows(
        &mut self,
        mut work: impl FnMut(&Device, Range<usize>, &CudaView<'_, f32>) -> Result<()>,
    ) -> Result<()> {
        match self.input {
            Input::Dense(matrix) => work(self.device, 0..matrix.rows, &matrix.rows(0..matrix.rows)),
            Input::Sparse(sparse) => {
                let most = self.dense.rows.max(1);
                for start in (0..sparse.rows).step_by(most) {
                    let range = start..sparse.rows.min(start + most);
                    if !self.has_all {
                        self.device.densify_rows(sparse, range.clone(), &mut self.dense)?;
                    }
                    self.has_all = range == (0..sparse.rows);
                    work(self.device, range.clone(), &self.dense.rows(0..range.len()))?;
                }
                Ok(())
            }
        }
    }

    fn count(&mut self, rows: usize, inner: usize, columns: usize) {
        self.cost.flops += 2.0 * rows as f64 * inner as f64 * columns as f64;
    }

    /// A product of the input with so many columns; zeros of a sparse input are not counted.
    fn count_input(&mut self, columns: usize) {
        let entries = match self.input {
            Input::Sparse(sparse) => sparse.nonzeros,
            Input::Dense(matrix) => matrix.len(),
        };
        self.cost.flops += 2.0 * entries as f64 * columns as f64;
    }
}

impl Tall for Work<'_> {
    type Dense = Matrix;
    type Error = Error;

    fn span(&self) -> Span {
        SPAN
    }

    fn shape(&self) -> (usize, usize) {
        self.input.shape()
    }

    fn product(&mut self, x: &Matrix) -> Result<Matrix> {
        let (rows, columns) = self.input.shape();
        let mut out = self.device.matrix(rows, x.columns)?;
        let right = x.rows(0..columns);
        self.by_rows(|device, range, a| {
            let factors =
                (Factor::new(a, range.len(), columns), Factor::new(&right, columns, x.columns));
            device.multiply(1.0, factors, 0.0, &mut out.rows_mut(range))
        })?;
        self.count_input(x.columns);
        Ok(out)
    }

    fn gram_product(&mut self, x: &Matrix) -> Result<Matrix> {
        let device = self.device;
        device.rounded(|| self.exact_gram_product(x))
    }

    fn gram(&mut self) -> Result<Array2<f64>> {
        let columns = self.input.shape().1;
        let mut gram = self.device.zeros(columns, columns)?;
        self.by_rows(|device, range, a| {
            let a = Factor::new(a, range.len(), columns);
            device.multiply(1.0, (a.t(), a), 1.0, &mut gram.rows_mut(0..columns))
        })?;
        self.count_input(columns);
        let gram = self.device.download(&gram)?.mapv(f64::from);
        Ok((&gram + &gram.t()) / 2.0)
    }

    fn gaussian(&mut self, width: usize, divisor: f64) -> Result<Matrix> {
        let seed = self.seed;
        self.seed = seed.wrapping_add(1);
        self.device.normal(self.input.shape().1, width, seed, (divisor as f32).recip())
    }

    fn zeros(&mut self, width: usize) -> Result<Matrix> {
        self.device.zeros(self.input.shape().1, width)
    }

    fn upload(&mut self, matrix: &Array2<f64>) -> Result<Matrix> {
        self.device.upload(matrix.mapv(|value| value as f32).view())
    }

    fn matmul(&mut self, x: &Matrix, y: &Matrix) -> Result<Matrix> {
        self.count(x.rows, x.columns, y.columns);
        self.device.matmul(x, y)
    }

    fn cross(&mut self, x: &Matrix, y: &Matrix) -> Result<Array2<f64>> {
        let sum = self.cross_here(x, y)?;
        fetched(self.device, &sum, (x.columns, y.columns))
    }

    /// With all columns of `basis`: those that are zero change nothing, and products are of one shape.
    fn remove(&mut self, block: &mut Matrix, basis: &Matrix, _width: usize) -> Result<()> {
        let inside = self.inner(basis, block)?;
        let (left, right) = (basis.rows(0..basis.rows), inside.rows(0..inside.rows));
        let factors = (
            Factor::new(&left, basis.rows, basis.columns),
            Factor::new(&right, inside.rows, inside.columns),
        );
        let rows = block.rows;
        self.count(basis.rows, basis.columns, block.columns);
        self.device.multiply(-1.0, factors, 1.0, &mut block.rows_mut(0..rows))
    }

    fn cut(&mut self, x: Matrix, width: usize) -> Result<Matrix> {
        self.device.select_columns(&x, &places(0, width))
    }

    fn put(&mut self, target: &mut Matrix, first: usize, source: &Matrix) -> Result<()> {
        self.device.put_columns(target, &places(first, source.columns), source)
    }

    fn eigen(&mut self, matrix: &Array2<f64>) -> Result<(Array1<f64>, Array2<f64>)> {
        self.device.eigen(matrix)
    }

    fn fix_signs(&mut self, scores: &mut Matrix, vectors: &mut Matrix) -> Result<()> {
        let signs =
            Scalars { values: self.device.leading_signs(vectors)?, columns: vectors.columns };
        let none = self.device.scalars(&vec![0.0; vectors.columns])?;
        for matrix in [scores, vectors] {
            let copy = self.device.copy(matrix)?;
            self.device.combine_columns((matrix, &none), (&copy, &signs))?;
        }
        Ok(())
    }

    fn orthonormalise(
        &mut self,
        block: Matrix,
        earlier: Option<(&Matrix, usize)>,
    ) -> Result<Matrix> {
        match self.how {
            Orthonormal::Surely => krylov::orthonormalise(self, block, earlier),
            Orthonormal::Swiftly { .. } => self.swiftly_orthonormal(block, earlier),
        }
    }
}

/// So many columns from the first on.
fn places(first: usize, columns: usize) -> Vec<u32> {
    (first as u32..(first + columns) as u32).collect()
}

fn fetched(device: &Device, values: &CudaSlice<f64>, shape: (usize, usize)) -> Result<Array2<f64>> {
    let values = device.fetch(&values.slice(..shape.0 * shape.1))?;
    Ok(Array2::from_shape_vec(shape, values).expect("as many values as were asked for"))
}

impl Input<'_> {
    fn shape(&self) -> (usize, usize) {
        match self {
            Self::Sparse(sparse) => (sparse.rows, sparse.features.next_multiple_of(ALIGNMENT)),
            Self::Dense(matrix) => (matrix.rows, matrix.columns),
        }
    }
}

/// Rows of a sparse matrix that are dense at a time, on a device with so much memory in all.
fn dense_rows((rows, columns): (usize, usize), memory: u64) -> usize {
    let bytes = (memory / 8).clamp(DENSE_BYTES.0, DENSE_BYTES.1) as usize;
    (bytes / (columns.max(1) * size_of::<f32>())).clamp(1, rows.max(1))
}

/// Bytes that a truncated SVD of sparse rows takes beside its input and result; one of dense rows takes less.
pub(crate) fn workspace((rows, features): (usize, usize), n_components: usize, memory: u64) -> u64 {
    let columns = features.next_multiple_of(ALIGNMENT);
    let dense = dense_rows((rows, columns), memory) * columns;
    let numbers = match SPAN.width((rows, columns), n_components) {
        None => 8 * columns * columns,
        // Basis and images, in float32 and in float64.
        Some(width) => 6 * columns * width + 4 * columns * n_components + 4 * width * width,
    };
    // Projections, rotated and widened in part.
    let scores = rows * n_components + 2 * rows.min(WIDE_ROWS) * n_components;
    ((dense + numbers + scores) * size_of::<f32>()) as u64
}

#[cfg(test)]
mod tests {
    use modality_data::Csr;

    use super::*;
    use crate::upload;

    #[test]
    fn products_do_not_depend_on_how_many_rows_are_dense_at_a_time() {
        modality_emulator::Emulator::start(None).unwrap();
        let device = Device::open(0).unwrap();
        let dense = Array2::from_shape_fn((50, 24), |(i, j)| ((i * 7 + j * 3) % 5) as f32);
        let (train, test) = dense.view().split_at(ndarray::Axis(0), 33);
        let [train, test] = [train, test].map(|half| Csr::csr_from_dense(half, 0.0));
        let rows = upload::rows(&device, &[(&train).into(), (&test).into()]).unwrap();
        let Form::Sparse(sparse) = &rows.values else { panic!("they were sparse") };
        let x = Array2::from_shape_fn((24, 3), |(i, j)| (i + 2 * j) as f32);
        let uploaded = device.upload(x.view()).unwrap();
        let wanted = dense.t().dot(&dense.dot(&x));
        for rows in [7, 49, 50] {
            let mut work = Work::by(&device, Input::Sparse(sparse), rows, 0).unwrap();
            // Small whole numbers, of which all sums are exact.
            for _ in 0..2 {
                let found = work.exact_gram_product(&uploaded).unwrap();
                assert_eq!(device.download(&found).unwrap(), wanted, "{rows} rows");
                let found = work.product(&uploaded).unwrap();
                assert_eq!(device.download(&found).unwrap(), dense.dot(&x), "{rows} rows");
            }
            assert_eq!(work.has_all, rows == 50);
        }
    }
}
