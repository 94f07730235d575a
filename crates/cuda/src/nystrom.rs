//! Nystrom preconditioners that share their landmarks.
//!
//! With F = K(x, z) L^-T and L L^T = K(z, z), F F^T is near K, and (F_f F_f^T + alpha I)^-1 of a fit's rows is, by the
//! identity of Woodbury, (I - F_f (alpha I + F_f^T F_f)^-1 F_f^T) / alpha. The inverses in the middle are formed, in
//! float64: a product with one is faster than two triangular solves, and along the leading directions the identity leaves a
//! share of alpha / ||K|| of what is subtracted, 4e-5 for 33,000 cells. So products have float32's bits, or 22.

use cudarc::driver::CudaSlice;
use modality_recipe::{Group, Groups, Wide};

use crate::{
    algebra::Factor,
    beside::Beside,
    device::Device,
    error::{Error, Result},
    halves::{ALIGNMENT, Numbers, Scales},
    matrix::Matrix,
    solver::Info,
};

/// Added to K(z, z), whose float32 entries may not be those of a positive definite matrix; tenfold until it is.
const FIRST_JITTER: f64 = 1e-6;
const TRIES: i32 = 8;

/// The preconditioners of all fits.
pub struct Nystrom {
    /// F of each group: its cells x landmarks. Beyond the landmarks there are zeros.
    factors: Vec<Numbers>,
    /// Where each group begins.
    starts: Vec<usize>,
    /// (alpha I + F_f^T F_f)^-1 of each fit.
    inner: Vec<CudaSlice<f64>>,
    /// Columns of F.
    landmarks: usize,
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
        let m = padded(landmarks.len());
        let among = device.padded_kernel(&z, &z, gamma, (m, m))?;
        let triangle = factorised(device, &among)?;
        let grams = groups.fits().iter().map(|_| device.zeros(m, m));
        let mut grams = grams.collect::<Result<Vec<Matrix>>>()?;
        let (mut factors, mut starts) = (Vec::new(), Vec::new());
        let mut gram = device.zeros(m, m)?;
        for Group { cells, fits, .. } in groups.iter() {
            let own = device.part(x, cells.clone())?;
            let mut factor = device.padded_kernel(&own, &z, gamma, (own.rows, m))?;
            device.solve_transposed(&mut factor, &triangle)?;
            device.gram(&factor.rows(0..factor.rows), m, &mut gram)?;
            for &fit in fits {
                device.add(&mut grams[fit], &gram)?;
            }
            factors.push(match device.ways.halves {
                true => device.halved(&factor)?,
                false => Numbers::Single(factor),
            });
            starts.push(cells.start);
        }
        drop((z, among, triangle, gram));
        let inner = inverses(device, &grams, alpha)?;
        Ok(Self { factors, starts, inner, landmarks: m, alpha })
    }

    pub(crate) fn landmarks(&self) -> usize {
        self.landmarks
    }

    /// The preconditioner of each fit times its residual.
    pub(crate) fn apply(
        &self,
        device: &Device,
        groups: &Groups,
        residuals: &[(usize, &Matrix)],
    ) -> Result<Vec<Matrix>> {
        let own: Vec<&Matrix> = residuals.iter().map(|(_, residual)| *residual).collect();
        let widths = residuals.iter().map(|(fit, residual)| (*fit, residual.columns));
        let beside = Beside::new(groups, &widths.collect::<Vec<_>>());
        let (m, halves) = (self.landmarks, device.ways.halves);
        let (sides, scales) =
            device.beside(&own, &beside.shapes(None), &beside.cells(true), halves)?;
        let inside = self.inside(device, &beside, &own, (&sides, &scales))?;
        drop(sides);
        let solved = inside.iter().zip(residuals);
        let solved = solved.map(|(inside, (fit, _))| self.solve(device, *fit, inside));
        let solved = solved.collect::<Result<Vec<Matrix>>>()?;
        let solved: Vec<&Matrix> = solved.iter().collect();
        let (sides, scales) =
            device.beside(&solved, &beside.shapes(Some(m)), &beside.landmarks(m), halves)?;
        let products = self.products(device, &beside, false, &sides)?;
        let out = own.iter().map(|own| device.matrix(own.rows, own.columns));
        let mut out = out.collect::<Result<Vec<Matrix>>>()?;
        // (R - F S) / alpha
        let (keep, take) = ((1.0 / self.alpha) as f32, (-1.0 / self.alpha) as f32 / self.unit());
        device.add_unscaled(
            (&products, &scales),
            (Some(&own), &mut out),
            &beside.cells(false),
            (keep, take),
        )?;
        Ok(out)
    }

    /// F_f^T of each residual; `sides` are these side by side.
    fn inside(
        &self,
        device: &Device,
        beside: &Beside,
        own: &[&Matrix],
        (sides, scales): (&[Numbers], &Scales),
    ) -> Result<Vec<Matrix>> {
        let products = self.products(device, beside, true, sides)?;
        let sums = own.iter().map(|own| device.zeros(self.landmarks, padded(own.columns)));
        let mut sums = sums.collect::<Result<Vec<Matrix>>>()?;
        for moves in beside.sums(self.landmarks) {
            let (to, take) = ((None, sums.as_mut_slice()), 1.0 / self.unit());
            device.add_unscaled((&products, scales), to, &moves, (1.0, take))?;
        }
        Ok(sums)
    }

    /// F of each group, or its transpose, times its side.
    fn products(
        &self,
        device: &Device,
        beside: &Beside,
        transposed: bool,
        sides: &[Numbers],
    ) -> Result<Vec<Matrix>> {
        let product = |(Wide { cells, .. }, side): (&Wide, &Numbers)| {
            let group = self.starts.partition_point(|&start| start < cells.start);
            let factor = &self.factors[group];
            assert_eq!((self.starts[group], factor.shape().0), (cells.start, cells.len()));
            factor.times(device, transposed, side)
        };
        beside.groups.iter().zip(sides).map(product).collect()
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

    fn unit(&self) -> f32 {
        self.factors.first().map_or(1.0, Numbers::unit)
    }
}

/// Columns that so many take, for the libraries' sake.
pub(crate) fn padded(columns: usize) -> usize {
    columns.next_multiple_of(ALIGNMENT)
}

/// The Cholesky factor of the symmetric matrix whose lower triangle is given, in float32.
fn factorised(device: &Device, matrix: &Matrix) -> Result<Matrix> {
    let n = matrix.rows;
    let mut factor = device.allocate::<f64>(n * n)?;
    until_definite(device, 1, FIRST_JITTER, |_, jitter| {
        device.widen_symmetric(matrix, jitter, &mut factor)?;
        Ok(vec![device.factorise(&mut factor, n)?])
    })?;
    device.narrow(&factor, n, n)
}

/// The inverses of the symmetric matrices whose lower triangles are given, with `alpha` added to their diagonals; side by side.
fn inverses(device: &Device, matrices: &[Matrix], alpha: f64) -> Result<Vec<CudaSlice<f64>>> {
    let inverses = matrices.iter().map(|matrix| device.allocate::<f64>(matrix.len()));
    let mut inverses = inverses.collect::<Result<Vec<_>>>()?;
    until_definite(device, matrices.len(), alpha, |left, value| {
        let of_left = matrices.iter().zip(&mut inverses).enumerate();
        let of_left = of_left.filter(|(index, _)| left.contains(index)).map(|(_, both)| both);
        // An inverse of what turns out to have none is made again.
        device.side_by_side(of_left, |lane, (matrix, inverse)| {
            let n = matrix.rows;
            let mut factor = lane.allocate::<f64>(n * n)?;
            lane.widen_symmetric(matrix, value, &mut factor)?;
            let info = lane.factorise(&mut factor, n)?;
            lane.invert_factorised(&factor, n, inverse)?;
            Ok(info)
        })
    })?;
    Ok(inverses)
}

/// Lets `attempt` factorise `count` matrices, those that are left by index, with `first` added to their diagonals, or ten times as much, and so
/// on until each is positive definite.
fn until_definite(
    device: &Device,
    count: usize,
    first: f64,
    mut attempt: impl FnMut(&[usize], f64) -> Result<Vec<Info>>,
) -> Result<()> {
    let mut left: Vec<usize> = (0..count).collect();
    for power in 0..TRIES {
        let infos = attempt(&left, first * 10_f64.powi(power))?;
        let succeeded = device.succeeded(&infos)?;
        left = left.into_iter().zip(succeeded).filter(|(_, good)| !good).map(|(i, _)| i).collect();
        if left.is_empty() {
            return Ok(());
        }
    }
    Err(Error::Preconditioner)
}
