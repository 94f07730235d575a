//! Products of a sparse matrix in compressed rows with a dense one.
//!
//! Both products walk the rows of A once for each slab of [`WIDTH`] columns of B, packed so that a row of the
//! slab is a few whole cache lines and the slab stays in the second-level cache. Slabs go to threads; every sum
//! has one fixed order, so results do not depend on the number of threads. Each product costs
//! 2 nnz(A) columns(B) operations, A^T A B twice that.

use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use sprs::CsMatViewI;

use crate::Real;

/// Compressed rows, cells x genes, borrowed.
pub type CsrView<'a, F> = CsMatViewI<'a, F, u32, usize>;

/// Columns of a slab.
const WIDTH: usize = 32;

/// Sums of one row kept side by side, to hide the latency of an addition.
const UNROLL: usize = 2;

/// A row of a slab.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Lane<F>([F; WIDTH]);

/// `out` = A B: rows of A x columns of B.
pub(crate) fn product_into<F: Real>(
    a: CsrView<'_, F>,
    b: ArrayView2<'_, F>,
    out: ArrayViewMut2<'_, F>,
) {
    for_each_slab(b, out, |b, out| Arch::new().dispatch(Product { a, b: &pack(b), out }));
}

/// A^T A B, where A is the blocks on top of one another: columns of A x columns of B. A is read once a slab,
/// and neither A B nor A^T is formed.
pub(crate) fn gram_product<F: Real>(blocks: &[CsrView<'_, F>], b: ArrayView2<'_, F>) -> Array2<F> {
    let mut out = Array2::zeros(b.dim());
    for_each_slab(b, out.view_mut(), |b, mut out| {
        let b = pack(b);
        let mut sum = vec![Lane([F::zero(); WIDTH]); b.len()];
        for &a in blocks {
            Arch::new().dispatch(GramProduct { a, b: &b, sum: &mut sum });
        }
        for (mut out, sum) in out.rows_mut().into_iter().zip(&sum) {
            out.iter_mut().zip(sum.0).for_each(|(out, sum)| *out = sum);
        }
    });
    out
}

fn for_each_slab<F: Real>(
    b: ArrayView2<'_, F>,
    mut out: ArrayViewMut2<'_, F>,
    work: impl Fn(ArrayView2<'_, F>, ArrayViewMut2<'_, F>) + Sync,
) {
    let slabs: Vec<_> =
        b.axis_chunks_iter(Axis(1), WIDTH).zip(out.axis_chunks_iter_mut(Axis(1), WIDTH)).collect();
    slabs.into_par_iter().with_max_len(1).for_each(|(b, out)| work(b, out));
}

fn pack<F: Real>(b: ArrayView2<'_, F>) -> Vec<Lane<F>> {
    let lane = |row: ndarray::ArrayView1<'_, F>| {
        let mut lane = [F::zero(); WIDTH];
        lane.iter_mut().zip(row).for_each(|(lane, &value)| *lane = value);
        Lane(lane)
    };
    b.rows().into_iter().map(lane).collect()
}

struct Product<'a, 'out, F: Real> {
    a: CsrView<'a, F>,
    b: &'a [Lane<F>],
    out: ArrayViewMut2<'out, F>,
}

impl<F: Real> WithSimd for Product<'_, '_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, _: S) {
        for (row, mut out) in rows(&self.a).zip(self.out.rows_mut()) {
            let sum = gather::<S, F>(row, self.b);
            out.iter_mut().zip(sum).for_each(|(out, sum)| *out = sum);
        }
    }
}

struct GramProduct<'a, F: Real> {
    a: CsrView<'a, F>,
    b: &'a [Lane<F>],
    sum: &'a mut [Lane<F>],
}

impl<F: Real> WithSimd for GramProduct<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (columns, values) in rows(&self.a) {
            let y = gather::<S, F>((columns, values), self.b);
            for (&column, &value) in columns.iter().zip(values) {
                let sum = &mut self.sum[column as usize].0;
                for lane in 0..WIDTH {
                    sum[lane] = multiply_add::<S, F>(value, y[lane], sum[lane]);
                }
            }
        }
    }
}

/// Column indices and values of each row.
#[inline(always)]
fn rows<'a, F: Real>(a: &'a CsrView<'_, F>) -> impl Iterator<Item = (&'a [u32], &'a [F])> {
    let offsets = a.indptr().into_raw_storage();
    // Offsets of a slice of rows count from the start of the whole matrix.
    let first = offsets.first().copied().unwrap_or(0);
    offsets.windows(2).map(move |pair| {
        let row = pair[0] - first..pair[1] - first;
        (&a.indices()[row.clone()], &a.data()[row])
    })
}

#[inline(always)]
fn gather<S: Simd, F: Real>((columns, values): (&[u32], &[F]), b: &[Lane<F>]) -> [F; WIDTH] {
    let mut sums = [[F::zero(); WIDTH]; UNROLL];
    let (column_chunks, columns) = columns.as_chunks::<UNROLL>();
    let (value_chunks, values) = values.as_chunks::<UNROLL>();
    for (columns, values) in column_chunks.iter().zip(value_chunks) {
        for (sum, (&column, &value)) in sums.iter_mut().zip(columns.iter().zip(values)) {
            add_multiple::<S, F>(sum, value, &b[column as usize].0);
        }
    }
    for (&column, &value) in columns.iter().zip(values) {
        add_multiple::<S, F>(&mut sums[0], value, &b[column as usize].0);
    }
    let [mut total, rest @ ..] = sums;
    for sum in rest {
        total.iter_mut().zip(sum).for_each(|(total, sum)| *total += sum);
    }
    total
}

#[inline(always)]
fn add_multiple<S: Simd, F: Real>(sum: &mut [F; WIDTH], factor: F, row: &[F; WIDTH]) {
    for lane in 0..WIDTH {
        sum[lane] = multiply_add::<S, F>(factor, row[lane], sum[lane]);
    }
}

/// a b + c, fused where the processor has it: without, a fused operation is a slow function call.
#[inline(always)]
fn multiply_add<S: Simd, F: Real>(a: F, b: F, c: F) -> F {
    if S::IS_SCALAR { a * b + c } else { num_traits::MulAdd::mul_add(a, b, c) }
}

#[cfg(test)]
mod tests {
    use rand::{Rng as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;
    use sprs::CsMatI;

    use super::*;

    fn random<F: Real>(
        rows: usize,
        columns: usize,
        density: f64,
        seed: u64,
    ) -> CsMatI<F, u32, usize> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (mut indptr, mut indices, mut data) = (vec![0], Vec::new(), Vec::new());
        for _ in 0..rows {
            for column in 0..columns as u32 {
                if rng.gen_bool(density) {
                    indices.push(column);
                    data.push(F::of(rng.gen_range(-1.0..1.0)));
                }
            }
            indptr.push(indices.len());
        }
        CsMatI::new((rows, columns), indptr, indices, data)
    }

    fn check<F: Real>(tolerance: f64) {
        let mut rng = ChaCha8Rng::seed_from_u64(9);
        for (rows, columns, width) in [(1, 1, 1), (53, 40, 15), (20, 97, 32), (130, 61, 71)] {
            let a = random::<F>(rows, columns, 0.3, rows as u64);
            let empty = CsMatI::<F, u32, usize>::new((0, columns), vec![0], vec![], vec![]);
            let b =
                Array2::from_shape_simple_fn((columns, width), || F::of(rng.gen_range(-1.0..1.0)));
            let dense = a.to_dense();
            let close = |found: Array2<F>, wanted: Array2<F>| {
                let worst = (&found - &wanted).iter().map(|d| d.wide().abs()).fold(0.0, f64::max);
                assert!(found.dim() == wanted.dim() && worst < tolerance, "off by {worst:e}");
            };
            let mut found = Array2::zeros((rows, width));
            product_into(a.view(), b.view(), found.view_mut());
            close(found, dense.dot(&b));
            close(
                gram_product(&[a.view(), empty.view(), a.view()], b.view()),
                dense.t().dot(&dense.dot(&b)) * F::of(2.0),
            );
        }
    }

    #[test]
    fn products_agree_with_dense_ones() {
        check::<f32>(1e-4);
        check::<f64>(1e-12);
    }
}
