//! Nystrom preconditioners that share their landmarks; the algebra is that of `Stages::preconditioner`'s source.
//!
//! (F_f F_f^T + alpha I)^-1 = (I - F_f (alpha I + F_f^T F_f)^-1 F_f^T) / alpha. The inverses in the middle are formed, in
//! float64: two products with them are faster than two triangular solves, and along the leading directions the identity
//! leaves a share of alpha / ||K|| of what is subtracted.

use cudarc::driver::CudaSlice;
use modality_recipe::{Block, Groups};

use crate::{
    algebra::Factor,
    device::Device,
    error::{Error, Result},
    matrix::Matrix,
};

/// Added to K(z, z), whose float32 entries may not be those of a positive definite matrix; tenfold until it is.
const FIRST_JITTER: f64 = 1e-6;
const TRIES: i32 = 8;

/// The preconditioners of all fits.
pub struct Nystrom {
    /// F: cells in the order of the groups x landmarks.
    factor: Matrix,
    /// (alpha I + F_f^T F_f)^-1 of each fit.
    inner: Vec<CudaSlice<f64>>,
    alpha: f64,
}

impl Nystrom {
    pub(crate) fn new(
        device: &Device,
        x: &Matrix,
        (gamma, alpha): (f64, f64),
        landmarks: &[u32],
        groups: &Groups,
    ) -> Result<Self> {
        let z = device.gather_rows(x, landmarks)?;
        let m = landmarks.len();
        let among = [device.kernel(&z, &z, gamma)?];
        let triangle = factorised(device, &among, FIRST_JITTER)?.swap_remove(0);
        let triangle = device.narrow(&triangle, m, m)?;
        let mut factor = device.kernel(x, &z, gamma)?;
        device.divide_by_transposed(&mut factor, &triangle)?;
        let grams = grams(device, &factor, groups)?;
        let factors = factorised(device, &grams, alpha)?;
        let inverse = |factor| device.inverse_of_factorised(&factor, m);
        let inner = factors.into_iter().map(inverse).collect::<Result<_>>()?;
        Ok(Self { factor, inner, alpha })
    }

    pub(crate) fn landmarks(&self) -> usize {
        self.factor.columns
    }

    /// The preconditioner of a fit times its residual.
    pub(crate) fn apply(
        &self,
        device: &Device,
        groups: &Groups,
        fit: usize,
        residual: &Matrix,
    ) -> Result<Matrix> {
        let (m, columns) = (self.factor.columns, residual.columns);
        let mut within = device.matrix(m, columns)?;
        let mut keep = 0.0;
        for (cells, rows) in groups.runs_of(fit) {
            let (factor, side) = (self.factor.rows(cells.clone()), residual.rows(rows.clone()));
            let factors =
                (Factor::new(&factor, cells.len(), m).t(), Factor::new(&side, rows.len(), columns));
            device.multiply(1.0, factors, keep, &mut within.rows_mut(0..m))?;
            keep = 1.0;
        }
        let within = self.solve(device, fit, &within)?;
        let mut out = device.copy(residual)?;
        let share = (1.0 / self.alpha) as f32;
        for (cells, rows) in groups.runs_of(fit) {
            let (factor, side) = (self.factor.rows(cells.clone()), within.rows(0..m));
            let factors = (Factor::new(&factor, cells.len(), m), Factor::new(&side, m, columns));
            device.multiply(-share, factors, share, &mut out.rows_mut(rows))?;
        }
        Ok(out)
    }

    /// (alpha I + F_f^T F_f)^-1 `right`.
    fn solve(&self, device: &Device, fit: usize, right: &Matrix) -> Result<Matrix> {
        let (m, columns) = (right.rows, right.columns);
        let wide = device.widen(&right.rows(0..m))?;
        let mut solved = device.allocate::<f64>(m * columns)?;
        let (inverse, right) = (self.inner[fit].slice(..m * m), wide.slice(..m * columns));
        let factors = (Factor::new(&inverse, m, m), Factor::new(&right, m, columns));
        device.multiply(1.0, factors, 0.0, &mut solved.slice_mut(..m * columns))?;
        device.narrow(&solved, m, columns)
    }
}

/// The Cholesky factors of the symmetric matrices whose lower triangles are given, with `first` added to the diagonal, or
/// ten times as much, and so on until each is positive definite.
fn factorised(device: &Device, matrices: &[Matrix], first: f64) -> Result<Vec<CudaSlice<f64>>> {
    let mut factors: Vec<Option<CudaSlice<f64>>> = matrices.iter().map(|_| None).collect();
    for power in 0..TRIES {
        let left: Vec<usize> = (0..matrices.len()).filter(|&i| factors[i].is_none()).collect();
        let mut infos = Vec::new();
        for &i in &left {
            let mut wide = device.widen_symmetric(&matrices[i], first * 10_f64.powi(power))?;
            infos.push(device.factorise(&mut wide, matrices[i].rows)?);
            factors[i] = Some(wide);
        }
        for (&i, succeeded) in left.iter().zip(device.succeeded(&infos)?) {
            factors[i] = factors[i].take().filter(|_| succeeded);
        }
        if factors.iter().all(Option::is_some) {
            break;
        }
    }
    factors.into_iter().map(|factor| factor.ok_or(Error::Preconditioner)).collect()
}

/// F_f^T F_f of each fit: sums of those of groups of cells that are in the same fits.
fn grams(device: &Device, factor: &Matrix, groups: &Groups) -> Result<Vec<Matrix>> {
    let m = factor.columns;
    let mut grams = Vec::new();
    for _ in groups.fits() {
        grams.push(device.zeros(m, m)?);
    }
    let mut gram = device.zeros(m, m)?;
    let same = |one: &Block, other: &Block| one.fits == other.fits;
    for blocks in groups.blocks().chunk_by(same) {
        let cells = blocks[0].rows.start..blocks[blocks.len() - 1].rows.end;
        device.gram(&factor.rows(cells), m, &mut gram)?;
        for &fit in &blocks[0].fits {
            device.add(&mut grams[fit], &gram)?;
        }
    }
    Ok(grams)
}
