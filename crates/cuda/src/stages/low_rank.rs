//! What preconditioners are made of.
//!
//! The inverses in the middle are formed: a product with one is faster than two triangular solves. Products with F have the bits of
//! float32, or 22.

use cudarc::driver::CudaSlice;
use modality_recipe::{Group, Groups, LowRank, Wide};

use super::CudaStages;
use crate::{
    beside::Beside,
    device::Device,
    error::{Error, Result},
    halves::{ALIGNMENT, Numbers},
    matrix::Matrix,
    solver::Info,
};

/// F of each group: its cells x landmarks.
pub struct Factor(Vec<Numbers>);

impl Factor {
    /// Columns, those that are zero among them.
    fn rank(&self) -> usize {
        self.first().shape().1
    }

    /// What its numbers are multiplied by.
    fn unit(&self) -> f32 {
        self.first().unit()
    }

    fn first(&self) -> &Numbers {
        self.0.first().expect("fits have cells, and cells make groups")
    }

    /// F of each group, or its transpose, times its side.
    fn products(
        &self,
        device: &Device,
        wide: &[Wide],
        transposed: bool,
        sides: &[Numbers],
    ) -> Result<Vec<Matrix>> {
        let product = |(Wide { group, cells, .. }, side): (&Wide, &Numbers)| {
            let factor = &self.0[*group];
            assert_eq!(factor.shape().0, cells.len());
            factor.times(device, transposed, side)
        };
        wide.iter().zip(sides).map(product).collect()
    }
}

/// Of symmetric matrices, the lower triangles.
impl LowRank for CudaStages {
    /// L.
    type Root = Matrix;
    type Factor = Factor;
    type Inverse = CudaSlice<f64>;

    const PADDING: usize = ALIGNMENT;

    fn root(&mut self, z: &Matrix, gamma: f64, shifts: &[f64]) -> Result<Matrix> {
        let (device, m) = (&self.device, z.rows.next_multiple_of(Self::PADDING));
        self.flops += 2.0 * (m * m * z.columns) as f64;
        let among = device.padded_kernel(z, z, gamma, (m, m))?;
        let mut factor = device.allocate::<f64>(m * m)?;
        until_definite(device, 1, shifts, |_, shift| {
            device.widen_symmetric(&among, shift, &mut factor)?;
            Ok(vec![device.factorise(&mut factor, m)?])
        })?;
        device.narrow(&factor, m, m)
    }

    fn factor(
        &mut self,
        (x, z): (&Matrix, &Matrix),
        gamma: f64,
        root: &Matrix,
        groups: &Groups,
    ) -> Result<Factor> {
        let (device, m) = (&self.device, root.rows);
        self.flops += x.rows as f64 * m as f64 * (2 * x.columns + m) as f64;
        let factor = |Group { cells, .. }: Group<'_>| {
            let own = device.part(x, cells)?;
            let mut factor = device.padded_kernel(&own, z, gamma, (own.rows, m))?;
            device.solve_transposed(&mut factor, root)?;
            Ok(Numbers::Single(factor))
        };
        groups.iter().map(factor).collect::<Result<_>>().map(Factor)
    }

    fn gram(&mut self, factor: &Factor, group: &Group<'_>, gram: &mut Matrix) -> Result<()> {
        let Numbers::Single(own) = &factor.0[group.index] else {
            unreachable!("F is settled when its products with itself are known")
        };
        self.flops += own.len() as f64 * own.columns as f64;
        self.device.gram(&own.rows(0..own.rows), own.columns, gram)
    }

    fn add_to(&mut self, sums: &mut [Matrix], named: &[usize], gram: &Matrix) -> Result<()> {
        named.iter().try_for_each(|&sum| self.device.add(&mut sums[sum], gram))
    }

    fn settle(&mut self, factor: Factor) -> Result<Factor> {
        let settled = factor.0.into_iter().map(|numbers| match numbers {
            Numbers::Single(matrix) if self.device.ways.halves => self.device.halved(&matrix),
            numbers => Ok(numbers),
        });
        settled.collect::<Result<_>>().map(Factor)
    }

    fn inverses(&mut self, matrices: Vec<Matrix>, shifts: &[f64]) -> Result<Vec<CudaSlice<f64>>> {
        let device = &self.device;
        // A factorisation and an inverse.
        self.flops += matrices.iter().map(|matrix| (matrix.rows as f64).powi(3)).sum::<f64>();
        let inverses = matrices.iter().map(|matrix| device.allocate::<f64>(matrix.len()));
        let mut inverses = inverses.collect::<Result<Vec<_>>>()?;
        until_definite(device, matrices.len(), shifts, |left, shift| {
            let of_left = matrices.iter().zip(&mut inverses).enumerate();
            let of_left = of_left.filter(|(index, _)| left.contains(index)).map(|(_, both)| both);
            // An inverse of what turns out to have none is made again.
            device.side_by_side(of_left, |lane, (matrix, inverse)| {
                let n = matrix.rows;
                let mut factor = lane.allocate::<f64>(n * n)?;
                lane.widen_symmetric(matrix, shift, &mut factor)?;
                let info = lane.factorise(&mut factor, n)?;
                lane.invert_factorised(&factor, n, inverse)?;
                Ok(info)
            })
        })?;
        Ok(inverses)
    }

    fn project(
        &mut self,
        factor: &Factor,
        wide: &[Wide],
        residuals: &[&Matrix],
    ) -> Result<Vec<Matrix>> {
        let (device, rank, beside) = (&self.device, factor.rank(), Beside(wide));
        self.flops += flops(residuals, rank);
        let (shapes, cells) = (beside.shapes(None), beside.cells(true));
        let (sides, scales) = device.beside(residuals, &shapes, &cells, device.ways.halves)?;
        let products = factor.products(device, wide, true, &sides)?;
        let padded = |columns: usize| columns.next_multiple_of(ALIGNMENT);
        let sums = residuals.iter().map(|residual| device.zeros(rank, padded(residual.columns)));
        let mut sums = sums.collect::<Result<Vec<Matrix>>>()?;
        for moves in beside.sums(rank) {
            let (to, take) = ((None, sums.as_mut_slice()), 1.0 / factor.unit());
            device.add_unscaled((&products, &scales), to, &moves, (1.0, take))?;
        }
        Ok(sums)
    }

    fn invert(&mut self, pairs: &[(&CudaSlice<f64>, Matrix)]) -> Result<Vec<Matrix>> {
        let solved = pairs.iter().map(|(inverse, right)| {
            self.flops += 2.0 * (right.len() * right.rows) as f64;
            self.device.matmul_wide(inverse, right)
        });
        solved.collect()
    }

    fn expand(
        &mut self,
        factor: &Factor,
        wide: &[Wide],
        (residuals, solved): (&[&Matrix], &[Matrix]),
        alpha: f64,
    ) -> Result<Vec<Matrix>> {
        let (device, rank, beside) = (&self.device, factor.rank(), Beside(wide));
        self.flops += flops(residuals, rank);
        let solved: Vec<&Matrix> = solved.iter().collect();
        let (shapes, landmarks) = (beside.shapes(Some(rank)), beside.landmarks(rank));
        let (sides, scales) = device.beside(&solved, &shapes, &landmarks, device.ways.halves)?;
        let products = factor.products(device, wide, false, &sides)?;
        let out = residuals.iter().map(|residual| device.matrix(residual.rows, residual.columns));
        let mut out = out.collect::<Result<Vec<Matrix>>>()?;
        let (keep, take) = ((1.0 / alpha) as f32, (-1.0 / alpha) as f32 / factor.unit());
        device.add_unscaled(
            (&products, &scales),
            (Some(residuals), &mut out),
            &beside.cells(false),
            (keep, take),
        )?;
        Ok(out)
    }
}

/// Of a product of F, or its transpose, with each of `residuals`.
fn flops(residuals: &[&Matrix], rank: usize) -> f64 {
    residuals.iter().map(|residual| 2.0 * (residual.len() * rank) as f64).sum()
}

/// Lets `attempt` factorise `count` matrices, those that are left by index, with each of `shifts` added to their diagonals until each
/// is positive definite.
fn until_definite(
    device: &Device,
    count: usize,
    shifts: &[f64],
    mut attempt: impl FnMut(&[usize], f64) -> Result<Vec<Info>>,
) -> Result<()> {
    let mut left: Vec<usize> = (0..count).collect();
    for &shift in shifts {
        let infos = attempt(&left, shift)?;
        let succeeded = device.succeeded(&infos)?;
        left = left.into_iter().zip(succeeded).filter(|(_, good)| !good).map(|(i, _)| i).collect();
        if left.is_empty() {
            return Ok(());
        }
    }
    Err(Error::Preconditioner)
}
