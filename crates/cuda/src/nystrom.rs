//! Nystrom preconditioners that share their landmarks.
//!
//! With F = K(x, z) L^-T and L L^T = K(z, z), F F^T is near K, and (F_f F_f^T + alpha I)^-1 of a fit's rows is, by the
//! identity of Woodbury, (I - F_f (alpha I + F_f^T F_f)^-1 F_f^T) / alpha. The inverses in the middle are formed, in
//! float64: a product with one is faster than two triangular solves, and along the leading directions the identity leaves a
//! share of alpha / ||K|| of what is subtracted.

use cudarc::driver::CudaSlice;
use modality_recipe::{Group, Groups, Side, Wide};

use crate::{
    algebra::Factor,
    device::Device,
    error::{Error, Result},
    matrix::Matrix,
    parts::{Corner, Move},
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
        device.solve_transposed(&mut factor, &triangle)?;
        let grams = grams(device, &factor, groups)?;
        let factors = factorised(device, &grams, alpha)?;
        drop(grams);
        let inverse = |factor| device.inverse_of_factorised(&factor, m);
        let inner = factors.into_iter().map(inverse).collect::<Result<_>>()?;
        Ok(Self { factor, inner, alpha })
    }

    pub(crate) fn landmarks(&self) -> usize {
        self.factor.columns
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
        let mut wide = beside.matrices(device, None)?;
        device.copy_parts(&own, &mut wide, &beside.cells(true))?;
        let solved: Vec<Matrix> = self
            .inside(device, &beside, &own, &wide)?
            .iter()
            .zip(residuals)
            .map(|(inside, (fit, _))| self.solve(device, *fit, inside))
            .collect::<Result<_>>()?;
        self.subtract(device, &beside, &solved, &mut wide)?;
        let out = own.iter().map(|own| device.matrix(own.rows, own.columns));
        let mut out = out.collect::<Result<Vec<Matrix>>>()?;
        device.copy_parts(&wide.iter().collect::<Vec<_>>(), &mut out, &beside.cells(false))?;
        Ok(out)
    }

    /// F_f^T of each residual; `wide` has them side by side.
    fn inside(
        &self,
        device: &Device,
        beside: &Beside,
        own: &[&Matrix],
        wide: &[Matrix],
    ) -> Result<Vec<Matrix>> {
        let m = self.landmarks();
        let mut products = beside.matrices(device, Some(m))?;
        for ((Wide { cells, .. }, wide), product) in
            beside.groups.iter().zip(wide).zip(&mut products)
        {
            let (factor, side) = (self.factor.rows(cells.clone()), wide.rows(0..wide.rows));
            let left = Factor::new(&factor, cells.len(), m).t();
            let right = Factor::new(&side, wide.rows, wide.columns);
            device.multiply(1.0, (left, right), 0.0, &mut product.rows_mut(0..m))?;
        }
        let sums = own.iter().map(|own| device.zeros(m, own.columns));
        let mut sums = sums.collect::<Result<Vec<Matrix>>>()?;
        let products: Vec<&Matrix> = products.iter().collect();
        for moves in beside.sums(m) {
            device.add_parts(&products, &mut sums, &moves)?;
        }
        Ok(sums)
    }

    /// (`wide` - F `solved`) / alpha, in place.
    fn subtract(
        &self,
        device: &Device,
        beside: &Beside,
        solved: &[Matrix],
        wide: &mut [Matrix],
    ) -> Result<()> {
        let (m, share) = (self.landmarks(), (1.0 / self.alpha) as f32);
        let mut inside = beside.matrices(device, Some(m))?;
        let solved: Vec<&Matrix> = solved.iter().collect();
        device.copy_parts(&solved, &mut inside, &beside.landmarks(m))?;
        for ((Wide { cells, .. }, inside), wide) in beside.groups.iter().zip(&inside).zip(wide) {
            let (factor, side) = (self.factor.rows(cells.clone()), inside.rows(0..m));
            let left = Factor::new(&factor, cells.len(), m);
            let right = Factor::new(&side, m, inside.columns);
            let rows = wide.rows;
            device.multiply(-share, (left, right), share, &mut wide.rows_mut(0..rows))?;
        }
        Ok(())
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

/// The groups of cells, and which columns of which fits stand beside one another in each.
struct Beside {
    groups: Vec<Wide>,
}

impl Beside {
    fn new(groups: &Groups, widths: &[(usize, usize)]) -> Self {
        Self { groups: groups.side_by_side(widths) }
    }

    /// One for each group, as wide as all fits that have it; of so many rows, or its cells.
    fn matrices(&self, device: &Device, rows: Option<usize>) -> Result<Vec<Matrix>> {
        let matrix = |group: &Wide| device.matrix(rows.unwrap_or(group.cells.len()), group.width());
        self.groups.iter().map(matrix).collect()
    }

    /// From the fits' own matrices, whose rows are cells, to those of the groups, or back.
    fn cells(&self, to_groups: bool) -> Vec<Move> {
        let moves = self.sides().map(|(group, side)| {
            let own = Corner { matrix: side.index, row: side.rows.start, column: 0 };
            let wide = Corner { matrix: group, row: 0, column: side.columns.start };
            let (from, to) = if to_groups { (own, wide) } else { (wide, own) };
            Move { from, to, rows: side.rows.len(), columns: side.columns.len() }
        });
        moves.collect()
    }

    /// From matrices of the fits, whose `rows` are landmarks, to those of the groups.
    fn landmarks(&self, rows: usize) -> Vec<Move> {
        let moves = self.sides().map(|(group, side)| Move {
            from: Corner { matrix: side.index, row: 0, column: 0 },
            to: Corner { matrix: group, row: 0, column: side.columns.start },
            rows,
            columns: side.columns.len(),
        });
        moves.collect()
    }

    /// The other way, in turns: no fit has two groups in one of them.
    fn sums(&self, rows: usize) -> Vec<Vec<Move>> {
        let mut turns: Vec<Vec<Move>> = Vec::new();
        for Move { from, to, rows, columns } in self.landmarks(rows) {
            let had = |moves: &Vec<Move>| moves.iter().any(|other| other.to.matrix == from.matrix);
            let turn = turns.iter().take_while(|moves| had(moves)).count();
            if turn == turns.len() {
                turns.push(Vec::new());
            }
            turns[turn].push(Move { from: to, to: from, rows, columns });
        }
        turns
    }

    fn sides(&self) -> impl Iterator<Item = (usize, &Side)> {
        self.groups
            .iter()
            .enumerate()
            .flat_map(|(index, group)| group.sides.iter().map(move |side| (index, side)))
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
    for Group { cells, fits, .. } in groups.iter() {
        device.gram(&factor.rows(cells), m, &mut gram)?;
        for &fit in fits {
            device.add(&mut grams[fit], &gram)?;
        }
    }
    Ok(grams)
}
