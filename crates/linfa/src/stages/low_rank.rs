//! What preconditioners are made of.

use modality_recipe::{Group, Groups, LowRank, Side, Wide};
use ndarray::{Array2, ArrayView2, ArrayViewMut2, Zip, s};
use rayon::prelude::*;

use super::{CpuStages, StageError};
use modality_dense::{self as dense, Cholesky};

use crate::Kernel;

/// Rows of a symmetric product that are computed together, from the diagonal on.
const PANEL: usize = 256;

/// Of symmetric matrices, the upper triangles.
impl LowRank for CpuStages {
    /// L^-1.
    type Root = Array2<f32>;
    type Factor = Array2<f32>;
    type Inverse = Cholesky;

    fn root(
        &mut self,
        z: &Array2<f32>,
        gamma: f64,
        shifts: &[f64],
    ) -> Result<Array2<f32>, StageError> {
        let (m, d) = z.dim();
        self.flops += 2.0 * (m * m * d) as f64 + 2.0 * cube(m) / 3.0;
        let among = Kernel::Rbf { gamma: gamma as f32 }.between(z.view(), z.view());
        let inverse = factorised(&among, shifts)?.inverse_factor(m);
        Ok(inverse.mapv(|value| value as f32))
    }

    fn factor(
        &mut self,
        (x, z): (&Array2<f32>, &Array2<f32>),
        gamma: f64,
        root: &Array2<f32>,
        _groups: &Groups,
    ) -> Result<Array2<f32>, StageError> {
        let ((n, d), m) = (x.dim(), z.nrows());
        self.flops += 2.0 * n as f64 * m as f64 * (d + m) as f64;
        // K(x, z) L^-T = K(x, z) (L^-1)^T
        Ok(Kernel::Rbf { gamma: gamma as f32 }.product(x.view(), z.view(), root.t()))
    }

    fn gram(
        &mut self,
        factor: &Array2<f32>,
        group: &Group<'_>,
        gram: &mut Array2<f32>,
    ) -> Result<(), StageError> {
        let m = factor.ncols();
        self.flops += group.cells.len() as f64 * (m * m) as f64;
        let own = factor.slice(s![group.cells.clone(), ..]);
        for start in (0..m).step_by(PANEL) {
            let end = m.min(start + PANEL);
            let out = gram.slice_mut(s![start..end, start..]);
            dense::product_into(own.slice(s![.., start..end]).t(), own.slice(s![.., start..]), out);
        }
        Ok(())
    }

    fn add_to(
        &mut self,
        sums: &mut [Array2<f32>],
        named: &[usize],
        gram: &Array2<f32>,
    ) -> Result<(), StageError> {
        let sums = sums.par_iter_mut().enumerate().filter(|(index, _)| named.contains(index));
        sums.for_each(|(_, sum)| {
            for (i, (mut sum, row)) in sum.rows_mut().into_iter().zip(gram.rows()).enumerate() {
                let mut sum = sum.slice_mut(s![i..]);
                sum += &row.slice(s![i..]);
            }
        });
        Ok(())
    }

    fn inverses(
        &mut self,
        matrices: Vec<Array2<f32>>,
        shifts: &[f64],
    ) -> Result<Vec<Cholesky>, StageError> {
        self.flops += matrices.iter().map(|matrix| cube(matrix.nrows()) / 3.0).sum::<f64>();
        let factors = matrices.into_par_iter().with_max_len(1);
        factors.map(|matrix| factorised(&matrix, shifts)).collect()
    }

    fn project(
        &mut self,
        factor: &Array2<f32>,
        wide: &[Wide],
        residuals: &[&Array2<f32>],
    ) -> Result<Vec<Array2<f32>>, StageError> {
        let zeros = |residual: &&Array2<f32>| Array2::zeros((factor.ncols(), residual.ncols()));
        let mut sums: Vec<Array2<f32>> = residuals.iter().map(zeros).collect();
        for group @ Wide { cells, sides, .. } in wide {
            let of_group = beside(cells.len(), group, |side| own(residuals[side.index], side));
            let factor = factor.slice(s![cells.clone(), ..]);
            self.flops += 2.0 * factor.len() as f64 * group.width() as f64;
            let product = dense::product(factor.t(), of_group.view());
            for side in sides {
                sums[side.index] += &product.slice(s![.., side.columns.clone()]);
            }
        }
        Ok(sums)
    }

    fn invert(
        &mut self,
        pairs: &[(&Cholesky, Array2<f32>)],
    ) -> Result<Vec<Array2<f32>>, StageError> {
        let flops = |(_, matrix): &(&Cholesky, Array2<f32>)| (matrix.nrows() * matrix.len()) as f64;
        self.flops += 2.0 * pairs.iter().map(flops).sum::<f64>();
        let solved = pairs.par_iter().with_max_len(1);
        Ok(solved.map(|(inverse, matrix)| inverse.solve(matrix.view())).collect())
    }

    fn expand(
        &mut self,
        factor: &Array2<f32>,
        wide: &[Wide],
        (residuals, solved): (&[&Array2<f32>], &[Array2<f32>]),
        alpha: f64,
    ) -> Result<Vec<Array2<f32>>, StageError> {
        let zeros = |residual: &&Array2<f32>| Array2::zeros(residual.dim());
        let mut out: Vec<Array2<f32>> = residuals.iter().map(zeros).collect();
        for group @ Wide { cells, sides, .. } in wide {
            let of_group = beside(factor.ncols(), group, |side| solved[side.index].view());
            let factor = factor.slice(s![cells.clone(), ..]);
            self.flops += 2.0 * factor.len() as f64 * group.width() as f64;
            let product = dense::product(factor, of_group.view());
            for side in sides {
                Zip::from(own_mut(&mut out[side.index], side))
                    .and(own(residuals[side.index], side))
                    .and(product.slice(s![.., side.columns.clone()]))
                    .par_for_each(|out, &residual, &product| {
                        *out = (residual - product) / alpha as f32;
                    });
            }
        }
        Ok(out)
    }
}

fn cube(n: usize) -> f64 {
    (n as f64).powi(3)
}

/// Of the symmetric matrix whose upper triangle is in `a`, with the first of `shifts` on its diagonal that makes it positive
/// definite.
fn factorised(a: &Array2<f32>, shifts: &[f64]) -> Result<Cholesky, StageError> {
    let factor = shifts.iter().find_map(|&shift| Cholesky::new(a.view(), shift));
    factor.ok_or(StageError::Preconditioner)
}

/// The parts of a group's fits side by side.
fn beside<'a>(
    rows: usize,
    group: &Wide,
    part: impl Fn(&Side) -> ArrayView2<'a, f32>,
) -> Array2<f32> {
    let mut wide = Array2::zeros((rows, group.width()));
    for side in &group.sides {
        wide.slice_mut(s![.., side.columns.clone()]).assign(&part(side));
    }
    wide
}

/// The rows of a fit's own matrix that are a group's.
fn own<'a>(matrix: &'a Array2<f32>, side: &Side) -> ArrayView2<'a, f32> {
    matrix.slice(s![side.rows.clone(), ..])
}

fn own_mut<'a>(matrix: &'a mut Array2<f32>, side: &Side) -> ArrayViewMut2<'a, f32> {
    matrix.slice_mut(s![side.rows.clone(), ..])
}
