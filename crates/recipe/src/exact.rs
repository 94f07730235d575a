//! The reference: every stage in float64, by the plainest exact algorithm. For small problems.

use std::convert::Infallible;

use modality_data::ValuesView;
use modality_dense::{inverse_cholesky_factor, solve_symmetric};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, concatenate, s};

use crate::{Group, Groups, Linalg, LowRank, Rbf, Rows, Step, Stepped, Tsvd, Wide, groups, ratio};

/// [`Stages`](crate::Stages) in float64: full singular value decompositions of dense matrices, LDL^T solves.
#[derive(Debug, Clone, Copy, Default)]
pub struct Exact;

impl Linalg for Exact {
    type Matrix = Array2<f64>;
    type Scalars = Vec<f64>;
    type Error = Infallible;

    fn upload(&mut self, matrix: ArrayView2<'_, f32>) -> Result<Array2<f64>, Infallible> {
        Ok(matrix.mapv(f64::from))
    }

    fn download(&mut self, matrix: &Array2<f64>) -> Result<Array2<f32>, Infallible> {
        Ok(matrix.mapv(|value| value as f32))
    }

    fn shape(&self, matrix: &Array2<f64>) -> (usize, usize) {
        matrix.dim()
    }

    fn zeros(&mut self, rows: usize, columns: usize) -> Result<Array2<f64>, Infallible> {
        Ok(Array2::zeros((rows, columns)))
    }

    fn copy(&mut self, matrix: &Array2<f64>) -> Result<Array2<f64>, Infallible> {
        Ok(matrix.clone())
    }

    fn matmul(&mut self, a: &Array2<f64>, b: &Array2<f64>) -> Result<Array2<f64>, Infallible> {
        Ok(a.dot(b))
    }

    fn standardize_rows(&mut self, matrix: &mut Array2<f64>) -> Result<(), Infallible> {
        for mut row in matrix.rows_mut() {
            let n = row.len() as f64;
            let mean = row.sum() / n;
            row -= mean;
            let deviation = (row.dot(&row) / n).sqrt();
            row /= if deviation == 0.0 { 1.0 } else { deviation };
        }
        Ok(())
    }

    fn gather_rows(
        &mut self,
        matrix: &Array2<f64>,
        rows: &[u32],
    ) -> Result<Array2<f64>, Infallible> {
        let rows: Vec<usize> = rows.iter().map(|&row| row as usize).collect();
        Ok(matrix.select(Axis(0), &rows))
    }

    fn scatter_add_rows(
        &mut self,
        target: &mut Array2<f64>,
        rows: &[u32],
        source: &Array2<f64>,
    ) -> Result<(), Infallible> {
        for (&row, source) in rows.iter().zip(source.rows()) {
            let mut target = target.row_mut(row as usize);
            target += &source;
        }
        Ok(())
    }

    fn select_columns(
        &mut self,
        matrix: &Array2<f64>,
        columns: &[u32],
    ) -> Result<Array2<f64>, Infallible> {
        let columns: Vec<usize> = columns.iter().map(|&column| column as usize).collect();
        Ok(matrix.select(Axis(1), &columns))
    }

    fn put_columns(
        &mut self,
        target: &mut Array2<f64>,
        columns: &[u32],
        source: &Array2<f64>,
    ) -> Result<(), Infallible> {
        for (&column, source) in columns.iter().zip(source.columns()) {
            target.column_mut(column as usize).assign(&source);
        }
        Ok(())
    }

    fn column_dots(&mut self, a: &Array2<f64>, b: &Array2<f64>) -> Result<Vec<f64>, Infallible> {
        Ok((a * b).sum_axis(Axis(0)).to_vec())
    }

    fn scalars(&mut self, values: &[f64]) -> Result<Vec<f64>, Infallible> {
        Ok(values.to_vec())
    }

    fn read(&mut self, scalars: &[&Vec<f64>]) -> Result<Vec<Vec<f64>>, Infallible> {
        Ok(scalars.iter().map(|&values| values.clone()).collect())
    }

    fn combine_columns(
        &mut self,
        (y, keep): (&mut Array2<f64>, &Vec<f64>),
        (x, take): (&Array2<f64>, &Vec<f64>),
    ) -> Result<(), Infallible> {
        *y *= &ArrayView1::from(keep);
        *y += &(x * &ArrayView1::from(take));
        Ok(())
    }

    fn turn(
        &mut self,
        direction: &mut Array2<f64>,
        next: &Array2<f64>,
        new: &Vec<f64>,
        old: Option<&Vec<f64>>,
    ) -> Result<(), Infallible> {
        match old {
            Some(old) => *direction = next + &*direction * ratios(new, old),
            None => direction.assign(next),
        }
        Ok(())
    }

    fn step(
        &mut self,
        step: Step<'_, Array2<f64>, Vec<f64>>,
    ) -> Result<Stepped<Vec<f64>>, Infallible> {
        let Step { solution, residual, direction, mut product, alpha, rho } = step;
        product.scaled_add(alpha, direction);
        let curvature = self.column_dots(direction, &product)?;
        let lengths = ratios(rho, &curvature);
        *solution += &(direction * &lengths);
        *residual -= &(product * lengths);
        let squares = self.column_dots(residual, residual)?;
        Ok(Stepped { curvature, squares })
    }
}

impl Rows for Exact {
    type Rows<'a> = Vec<ValuesView<'a>>;

    fn upload_rows<'a>(
        &mut self,
        blocks: &[ValuesView<'a>],
    ) -> Result<Vec<ValuesView<'a>>, Infallible> {
        Ok(blocks.to_vec())
    }

    fn densify(&mut self, rows: &Vec<ValuesView<'_>>) -> Result<Vec<Array2<f64>>, Infallible> {
        Ok(rows.iter().map(|block| block.to_dense().mapv(f64::from)).collect())
    }

    fn tsvd(
        &mut self,
        rows: &Vec<ValuesView<'_>>,
        n_components: usize,
        _seed: u64,
    ) -> Result<Tsvd<Array2<f64>>, Infallible> {
        let blocks = self.densify(rows)?;
        let views: Vec<ArrayView2<'_, f64>> = blocks.iter().map(|block| block.view()).collect();
        let stacked = concatenate(Axis(0), &views).expect("blocks have the same features");
        let components = right_vectors(&stacked, n_components);
        let scores = blocks.iter().map(|block| block.dot(&components.t())).collect();
        Ok(Tsvd { scores, components })
    }
}

impl Rbf for Exact {
    type Kernel = Array2<f64>;
    type Shared = Array2<f64>;

    fn kernel(&mut self, x: &Array2<f64>, gamma: f64) -> Result<Array2<f64>, Infallible> {
        Ok(rbf(x, x, gamma))
    }

    fn solve(
        &mut self,
        mut kernel: Array2<f64>,
        alpha: f64,
        targets: &Array2<f64>,
    ) -> Result<Array2<f64>, Infallible> {
        kernel.diag_mut().mapv_inplace(|value| value + alpha);
        Ok(solve_symmetric(&kernel, targets))
    }

    fn kernel_product(
        &mut self,
        x: &Array2<f64>,
        y: &Array2<f64>,
        gamma: f64,
        coefficients: &Array2<f64>,
    ) -> Result<Array2<f64>, Infallible> {
        Ok(rbf(x, y, gamma).dot(coefficients))
    }

    fn shared_kernel(
        &mut self,
        x: &Array2<f64>,
        gamma: f64,
        _groups: &Groups,
    ) -> Result<Array2<f64>, Infallible> {
        self.kernel(x, gamma)
    }

    fn shared_products(
        &mut self,
        kernel: &Array2<f64>,
        groups: &Groups,
        vectors: &[(usize, &Array2<f64>)],
    ) -> Result<Vec<Array2<f64>>, Infallible> {
        let product =
            |&(fit, vector): &(usize, &Array2<f64>)| of_fit(kernel, groups, fit).dot(vector);
        Ok(vectors.iter().map(product).collect())
    }
}

impl LowRank for Exact {
    /// L^-T.
    type Root = Array2<f64>;
    type Factor = Array2<f64>;
    type Inverse = Array2<f64>;

    fn root(
        &mut self,
        z: &Array2<f64>,
        gamma: f64,
        shifts: &[f64],
    ) -> Result<Array2<f64>, Infallible> {
        let inverse = shifts.iter().find_map(|&shift| {
            let mut among = rbf(z, z, gamma);
            among.diag_mut().mapv_inplace(|value| value + shift);
            inverse_cholesky_factor(&among)
        });
        let inverse = inverse.expect("K(z, z) of finite scores is positive definite");
        Ok(inverse.reversed_axes())
    }

    fn factor(
        &mut self,
        (x, z): (&Array2<f64>, &Array2<f64>),
        gamma: f64,
        root: &Array2<f64>,
        _groups: &Groups,
    ) -> Result<Array2<f64>, Infallible> {
        Ok(rbf(x, z, gamma).dot(root))
    }

    fn gram(
        &mut self,
        factor: &Array2<f64>,
        group: &Group<'_>,
        gram: &mut Array2<f64>,
    ) -> Result<(), Infallible> {
        let own = factor.slice(s![group.cells.clone(), ..]);
        *gram = own.t().dot(&own);
        Ok(())
    }

    fn add_to(
        &mut self,
        sums: &mut [Array2<f64>],
        named: &[usize],
        gram: &Array2<f64>,
    ) -> Result<(), Infallible> {
        named.iter().for_each(|&sum| sums[sum] += gram);
        Ok(())
    }

    fn inverses(
        &mut self,
        matrices: Vec<Array2<f64>>,
        shifts: &[f64],
    ) -> Result<Vec<Array2<f64>>, Infallible> {
        let inverse = |matrix: Array2<f64>| {
            let unit = Array2::eye(matrix.nrows());
            self.solve(matrix, shifts[0], &unit)
        };
        matrices.into_iter().map(inverse).collect()
    }

    fn project(
        &mut self,
        factor: &Array2<f64>,
        wide: &[Wide],
        residuals: &[&Array2<f64>],
    ) -> Result<Vec<Array2<f64>>, Infallible> {
        let zeros = |residual: &&Array2<f64>| Array2::zeros((factor.ncols(), residual.ncols()));
        let mut sums: Vec<Array2<f64>> = residuals.iter().map(zeros).collect();
        for (Wide { cells, .. }, side) in sides(wide) {
            let own = factor.slice(s![cells.clone(), ..]);
            sums[side.index] +=
                &own.t().dot(&residuals[side.index].slice(s![side.rows.clone(), ..]));
        }
        Ok(sums)
    }

    fn invert(
        &mut self,
        pairs: &[(&Array2<f64>, Array2<f64>)],
    ) -> Result<Vec<Array2<f64>>, Infallible> {
        Ok(pairs.iter().map(|(inverse, matrix)| inverse.dot(matrix)).collect())
    }

    fn expand(
        &mut self,
        factor: &Array2<f64>,
        wide: &[Wide],
        (residuals, solved): (&[&Array2<f64>], &[Array2<f64>]),
        alpha: f64,
    ) -> Result<Vec<Array2<f64>>, Infallible> {
        let mut out: Vec<Array2<f64>> =
            residuals.iter().map(|&residual| residual.clone()).collect();
        for (Wide { cells, .. }, side) in sides(wide) {
            let product = factor.slice(s![cells.clone(), ..]).dot(&solved[side.index]);
            let mut out = out[side.index].slice_mut(s![side.rows.clone(), ..]);
            out -= &product;
            out /= alpha;
        }
        Ok(out)
    }
}

fn sides(wide: &[Wide]) -> impl Iterator<Item = (&Wide, &groups::Side)> {
    wide.iter().flat_map(|wide| wide.sides.iter().map(move |side| (wide, side)))
}

fn ratios(above: &[f64], below: &[f64]) -> Array1<f64> {
    above.iter().zip(below).map(|(&above, &below)| ratio(above, below)).collect()
}

/// The rows and columns of `matrix` that are the cells of `fit`.
fn of_fit(matrix: &Array2<f64>, groups: &Groups, fit: usize) -> Array2<f64> {
    let rows: Vec<usize> = groups.parts_of(fit).flatten().collect();
    matrix.select(Axis(0), &rows).select(Axis(1), &rows)
}

fn rbf(x: &Array2<f64>, y: &Array2<f64>, gamma: f64) -> Array2<f64> {
    Array2::from_shape_fn((x.nrows(), y.nrows()), |(i, j)| {
        let square: f64 = x.row(i).iter().zip(y.row(j)).map(|(a, b)| (a - b) * (a - b)).sum();
        (-gamma * square).exp()
    })
}

/// V^T of the leading components, each with its entry of largest magnitude positive.
fn right_vectors(matrix: &Array2<f64>, n_components: usize) -> Array2<f64> {
    let components = modality_dense::right_vectors(matrix, n_components);
    let mut components = components.expect("the SVD of a finite matrix converges");
    for mut row in components.rows_mut() {
        let largest =
            row.iter().copied().fold(0.0, |a: f64, b| if b.abs() > a.abs() { b } else { a });
        row *= largest.signum();
    }
    components
}
