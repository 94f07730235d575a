//! Orthonormal bases of blocks of vectors.

use cudarc::driver::CudaSlice;
use modality_recipe::eigen::{near_identity, normalising};

use super::{Work, fetched};
use crate::{
    algebra::Factor,
    device::Device,
    error::{Error, Result},
    matrix::Matrix,
    solver::Info,
};

/// Times that a block is made orthogonal to the blocks before it, at most.
const PASSES: usize = 5;

/// How the columns of a block become an orthonormal basis.
pub(super) enum Orthonormal {
    /// By eigenvectors of its Gram matrix, as often as it takes, filled up with random vectors where it has fewer directions than
    /// columns. The host waits for each Gram matrix.
    Surely {
        /// Random vectors drawn so far, on top of the seed.
        draws: u64,
    },
    /// By two Cholesky factorisations (Yamamoto, Nakatsukasa, Yanagisawa and Fukaya 2015), for which the host does not wait: it looks
    /// afterwards whether each came to a result, and whether the second one had nearly nothing to do.
    Swiftly { infos: Vec<Info>, second: Vec<(CudaSlice<f64>, usize)> },
}

impl Orthonormal {
    pub(super) fn swiftly() -> Self {
        Self::Swiftly { infos: Vec::new(), second: Vec::new() }
    }

    /// Whether all that it left is orthonormal; waits for it.
    pub(super) fn is_good(&self, device: &Device) -> Result<bool> {
        let Self::Swiftly { infos, second } = self else { return Ok(true) };
        if !device.succeeded(infos)?.into_iter().all(|good| good) {
            return Ok(false);
        }
        for (gram, width) in second {
            if !near_identity(&fetched(device, gram, (*width, *width))?) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Work<'_> {
    /// An orthonormal basis of what the columns of `block` have outside the orthonormal `earlier`: block Gram-Schmidt, repeated.
    pub(super) fn orthonormalise(
        &mut self,
        block: Matrix,
        earlier: Option<&Matrix>,
        how: &mut Orthonormal,
    ) -> Result<Matrix> {
        match how {
            Orthonormal::Surely { draws } => self.surely_orthonormal(block, earlier, draws),
            Orthonormal::Swiftly { infos, second } => {
                self.swiftly_orthonormal(block, earlier, infos, second)
            }
        }
    }

    fn surely_orthonormal(
        &mut self,
        mut block: Matrix,
        earlier: Option<&Matrix>,
        draws: &mut u64,
    ) -> Result<Matrix> {
        let (rows, width) = (block.rows, block.columns);
        for pass in 1..=PASSES {
            if let Some(earlier) = earlier {
                self.subtract_inside(&mut block, earlier)?;
            }
            let gram = self.cross(&block, &block)?;
            let (rotation, rank) = normalising(&gram).ok_or(Error::Eigen(width))?;
            self.count(rows, width, width);
            block = self.device.matmul(&block, &self.device.of_host(&rotation)?)?;
            if pass > 1 && near_identity(&gram) {
                break;
            }
            if rank < width {
                *draws = draws.wrapping_add(1);
                let random =
                    self.device.normal(rows, width - rank, *draws, (rows as f32).sqrt().recip())?;
                let places: Vec<u32> = (rank as u32..width as u32).collect();
                self.device.put_columns(&mut block, &places, &random)?;
            }
        }
        Ok(block)
    }

    fn swiftly_orthonormal(
        &mut self,
        mut block: Matrix,
        earlier: Option<&Matrix>,
        infos: &mut Vec<Info>,
        second: &mut Vec<(CudaSlice<f64>, usize)>,
    ) -> Result<Matrix> {
        let (rows, width) = (block.rows, block.columns);
        for is_second in [false, true] {
            if let Some(earlier) = earlier {
                self.subtract_inside(&mut block, earlier)?;
            }
            let mut gram = self.cross_here(&block, &block)?;
            if is_second {
                second.push((self.device.stream.clone_dtod(&gram)?, width));
            }
            infos.push(self.device.factorise(&mut gram, width)?);
            let factor = self.device.narrow(&gram, width, width)?;
            self.device.solve_transposed(&mut block, &factor)?;
            self.count(rows, width, width / 2);
        }
        Ok(block)
    }

    /// `block` -= Q Q^T `block` for an orthonormal Q.
    fn subtract_inside(&mut self, block: &mut Matrix, q: &Matrix) -> Result<()> {
        let inside = self.inner(q, block)?;
        let (left, right) = (q.rows(0..q.rows), inside.rows(0..inside.rows));
        let factors = (
            Factor::new(&left, q.rows, q.columns),
            Factor::new(&right, inside.rows, inside.columns),
        );
        let rows = block.rows;
        self.count(q.rows, q.columns, block.columns);
        self.device.multiply(-1.0, factors, 1.0, &mut block.rows_mut(0..rows))
    }
}
