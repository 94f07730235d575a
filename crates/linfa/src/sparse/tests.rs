use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sprs::CsMatI;

use super::*;

fn random<F: Real>(rows: usize, columns: usize, density: f64, seed: u64) -> CsMatI<F, u32, usize> {
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
    for (rows, columns, width) in
        [(1, 1, 1), (53, 40, 15), (20, 97, 32), (130, 61, 71), (600, 1100, 33)]
    {
        let a = random::<F>(rows, columns, 0.3, rows as u64);
        let empty = CsMatI::<F, u32, usize>::new((0, columns), vec![0], vec![], vec![]);
        let b = Array2::from_shape_simple_fn((columns, width), || F::of(rng.gen_range(-1.0..1.0)));
        let dense = a.to_dense();
        let close = |found: Array2<F>, wanted: Array2<F>| {
            let worst = (&found - &wanted).iter().map(|d| d.wide().abs()).fold(0.0, f64::max);
            assert!(found.dim() == wanted.dim() && worst < tolerance, "off by {worst:e}");
        };
        close(Tiles::new(&[a.view()]).product(b.view()), dense.dot(&b));
        let stacked = Tiles::new(&[a.view(), empty.view(), a.view()]);
        assert_eq!(stacked.dim(), (2 * rows, columns));
        let mut scratch = Scratch::default();
        // Twice: what is left in the scratch memory must not matter.
        for _ in 0..2 {
            let mut found = Array2::from_elem((columns, width), F::one());
            stacked.gram_product_into(b.view(), found.view_mut(), &mut scratch);
            close(found, dense.t().dot(&dense.dot(&b)) * F::of(2.0));
        }
    }
}

#[test]
fn products_agree_with_dense_ones() {
    check::<f32>(1e-3);
    check::<f64>(1e-12);
}
