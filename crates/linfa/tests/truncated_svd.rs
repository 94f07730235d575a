//! `TruncatedSvd` against matrices whose decomposition is known.

#![allow(clippy::unwrap_used)]

use backend_linfa::{Real, Solver, SparseRows, TruncatedSvd, TruncatedSvdError};
use linfa::{
    Dataset, DatasetBase, ParamGuard,
    traits::{Fit, Transformer},
};
use linfa_linalg::qr::QR;
use linfa_reduction::Pca;
use ndarray::{Array1, Array2, Axis, array, concatenate, s};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use rayon::ThreadPoolBuilder;
use sprs::CsMatI;

type Csr<F> = CsMatI<F, u32, usize>;

const ROWS: usize = 1200;
// More than the columns up to which the randomized solver forms all of A^T A.
const COLUMNS: usize = 1100;
const RANK: usize = 140;
const K: usize = 12;

const LOBPCG: Solver = Solver::Lobpcg { tolerance: 1e-9, max_iterations: 500 };

/// A = U diag(s) V^T.
struct Known {
    a: Array2<f64>,
    /// Columns x components.
    v: Array2<f64>,
    s: Array1<f64>,
}

fn gaussian(rows: usize, columns: usize, seed: u64) -> Array2<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    Array2::from_shape_simple_fn((rows, columns), || rng.sample(StandardNormal))
}

fn orthonormal(rows: usize, columns: usize, seed: u64) -> Array2<f64> {
    gaussian(rows, columns, seed).qr().unwrap().into_decomp().0
}

fn known(spectrum: impl Fn(usize) -> f64) -> Known {
    let (u, v) = (orthonormal(ROWS, RANK, 1), orthonormal(COLUMNS, RANK, 2));
    let s = Array1::from_shape_fn(RANK, spectrum);
    Known { a: (&u * &s).dot(&v.t()), v, s }
}

fn fast() -> Known {
    known(|i| 3.0 * 0.6_f64.powi(i as i32))
}

fn slow() -> Known {
    known(|i| 1.0 / (i as f64 + 1.0).sqrt())
}

/// Three, four and five equal values, then a plateau of small ones.
fn clustered() -> Known {
    known(|i| match i {
        0..3 => 9.0,
        3..7 => 4.0,
        7..12 => 1.0,
        _ => 0.25,
    })
}

fn fit<F: Real>(a: &Array2<f64>, k: usize, solver: Solver) -> (TruncatedSvd<F>, Array2<F>) {
    let params = TruncatedSvd::<F>::params(k).solver(solver).random_state(7).check().unwrap();
    params.fit_transform_dense(&a.mapv(F::of)).unwrap()
}

fn worst(difference: Array2<f64>) -> f64 {
    difference.iter().map(|d| d.abs()).fold(0.0, f64::max)
}

fn wide<F: Real>(a: &Array2<F>) -> Array2<f64> {
    a.mapv(Real::wide)
}

/// Largest relative error of a singular value.
fn value_error<F: Real>(svd: &TruncatedSvd<F>, s: &Array1<f64>) -> f64 {
    let values = svd.singular_values().iter().zip(s);
    values.map(|(found, s)| (found.wide() / s - 1.0).abs()).fold(0.0, f64::max)
}

/// Sine of an angle not smaller than any between the components found and the true ones.
fn angle<F: Real>(svd: &TruncatedSvd<F>, v: &Array2<f64>) -> f64 {
    let (found, v) = (wide(svd.components()), v.slice(s![.., ..svd.singular_values().len()]));
    let outside = &v - &found.t().dot(&found.dot(&v));
    outside.iter().map(|d| d * d).sum::<f64>().sqrt()
}

fn orthonormality<F: Real>(svd: &TruncatedSvd<F>) -> f64 {
    let v = wide(svd.components());
    worst(v.dot(&v.t()) - Array2::<f64>::eye(v.nrows()))
}

#[track_caller]
fn check<F: Real>(known: &Known, solver: Solver, largest_angle: f64) {
    let (svd, scores) = fit::<F>(&known.a, K, solver);
    let rounding = F::epsilon().wide();
    assert!(value_error(&svd, &known.s) < 1e-4, "values off by {:e}", value_error(&svd, &known.s));
    assert!(angle(&svd, &known.v) < largest_angle, "angle {:e}", angle(&svd, &known.v));
    assert!(orthonormality(&svd) < 100.0 * rounding, "V^T V - I: {:e}", orthonormality(&svd));
    let product = known.a.dot(&wide(svd.components()).t());
    let off = worst(product - wide(&scores)) / known.s[0];
    assert!(off < 100.0 * rounding, "scores off by {off:e}");
}

fn many_iterations() -> Solver {
    Solver::Randomized { expansion: 3.0, n_steps: 12 }
}

#[test]
fn a_fast_decay_is_found() {
    check::<f64>(&fast(), Solver::default(), 1e-6);
    // epsilon (s_1 / s_K)^2: what A^T A keeps of the last component in float32.
    check::<f32>(&fast(), Solver::default(), 1e-2);
    check::<f64>(&fast(), LOBPCG, 1e-5);
}

#[test]
fn repeated_values_are_found() {
    check::<f64>(&clustered(), Solver::default(), 1e-4);
    check::<f32>(&clustered(), Solver::default(), 1e-4);
    check::<f64>(&clustered(), LOBPCG, 1e-5);
    // Residual over gap, for twelve vectors: 1e-3 / (1 - 0.25^2) * sqrt(12).
    check::<f32>(&clustered(), Solver::Lobpcg { tolerance: 1e-3, max_iterations: 200 }, 3.7e-3);
}

#[test]
fn a_slow_decay_is_found() {
    check::<f64>(&slow(), many_iterations(), 1e-2);
    check::<f32>(&slow(), many_iterations(), 1e-2);
    check::<f64>(&slow(), LOBPCG, 1e-5);
}

#[test]
fn steps_are_what_finds_a_slow_decay() {
    let slow = slow();
    let errors = [1, 2, 3, 4].map(|n_steps| {
        let solver = Solver::Randomized { expansion: 1.0, n_steps };
        value_error(&fit::<f64>(&slow.a, K, solver).0, &slow.s)
    });
    assert!(errors.windows(2).all(|pair| pair[1] < pair[0] / 2.0), "{errors:?}");
    assert!(errors[0] > 0.01, "{errors:?}");
    let default = value_error(&fit::<f64>(&slow.a, K, Solver::default()).0, &slow.s);
    assert!(default < 1e-6, "{default:e}");
}

#[test]
fn a_narrow_matrix_is_decomposed_exactly() {
    let (u, v) = (orthonormal(300, 60, 1), orthonormal(60, 60, 2));
    let s = Array1::from_shape_fn(60, |i| 1.0 / (i as f64 + 1.0).sqrt());
    let (svd, _) = fit::<f64>(&(&u * &s).dot(&v.t()), K, Solver::default());
    assert!(value_error(&svd, &s) < 1e-12, "{:e}", value_error(&svd, &s));
    assert!(angle(&svd, &v) < 1e-10, "{:e}", angle(&svd, &v));
}

#[test]
fn a_larger_expansion_helps() {
    let slow = slow();
    let [few, many] = [1.0, 3.0].map(|expansion| {
        let solver = Solver::Randomized { expansion, n_steps: 1 };
        angle(&fit::<f64>(&slow.a, 40, solver).0, &slow.v)
    });
    assert!(many < few / 4.0, "{many:e}, {few:e}");
}

#[test]
fn an_expansion_below_one_counts_as_one() {
    let slow = slow();
    let fit = |expansion| fit::<f64>(&slow.a, 40, Solver::Randomized { expansion, n_steps: 0 });
    for expansion in [0.0, -3.0, f64::NAN] {
        assert!(fit(expansion) == fit(1.0), "{expansion}");
    }
}

/// An identity has nothing but equal singular values: its blocks span no more than the first one.
#[test]
fn spaces_that_no_longer_grow_are_filled_up() {
    for (rank, k) in [(0, 5), (1, 40), (33, 200), (500, 200), (COLUMNS, 200), (500, COLUMNS)] {
        let a =
            Array2::from_diag(&Array1::from_shape_fn(
                COLUMNS,
                |i| {
                    if i < rank { 2.0 } else { 0.0 }
                },
            ));
        let (svd, scores) = fit::<f32>(&a, k, Solver::Randomized { expansion: 2.0, n_steps: 3 });
        let context = format!("rank {rank}, {k} components");
        assert!(orthonormality(&svd) < 1e-4, "{context}: {:e}", orthonormality(&svd));
        let energy = wide(&scores).iter().map(|score| score * score).sum::<f64>();
        let wanted = 4.0 * rank.min(k) as f64;
        assert!((energy - wanted).abs() <= 1e-4 * wanted, "{context}: {energy} of {wanted}");
    }
}

#[test]
fn wide_matrices_of_any_rank_are_decomposed() {
    for (rows, rank, k) in [(40, 40, 40), (40, 3, 20), (300, 300, 250), (300, 120, 300)] {
        let a = gaussian(rows, rank, 5).dot(&gaussian(rank, 1500, 6));
        let (svd, scores) = fit::<f64>(&a, k, Solver::default());
        let context = format!("{rows} rows, rank {rank}, {k} components");
        assert!(orthonormality(&svd) < 1e-10, "{context}: {:e}", orthonormality(&svd));
        if k >= rank {
            let off = worst(scores.dot(svd.components()) - &a);
            assert!(off < 1e-6, "{context}: {off:e}");
        }
    }
}

#[test]
fn signs_and_order_do_not_depend_on_the_seed() {
    let fast = fast();
    let fit = |seed| {
        let params = TruncatedSvd::params(K).random_state(seed);
        params.fit(&DatasetBase::from(fast.a.clone())).unwrap()
    };
    let (svd, other) = (fit(1), fit(2));
    assert!(svd != other, "the seed changes nothing");
    assert!(worst(svd.components() - other.components()) < 1e-4);
    for row in svd.components().rows() {
        let largest =
            row.iter().copied().fold(0.0, |a: f64, b| if b.abs() > a.abs() { b } else { a });
        assert!(largest > 0.0, "{row}");
    }
    assert!(svd.singular_values().windows(2).into_iter().all(|pair| pair[0] >= pair[1]));
}

fn sparse<F: Real>(rows: usize, columns: usize, density: f64, seed: u64) -> Csr<F> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (mut indptr, mut indices, mut data) = (vec![0], Vec::new(), Vec::new());
    for _ in 0..rows {
        for column in 0..columns as u32 {
            if rng.gen_bool(density) {
                indices.push(column);
                data.push(F::of(rng.gen_range(0.5..4.0)));
            }
        }
        indptr.push(indices.len());
    }
    CsMatI::new((rows, columns), indptr, indices, data)
}

fn sparse_and_dense_agree<F: Real>(columns: usize, tolerance: f64) {
    let (train, test) = (sparse(300, columns, 0.15, 1), sparse(41, columns, 0.15, 2));
    let dense = concatenate![Axis(0), train.to_dense(), test.to_dense()];
    let rows = SparseRows::stacked(vec![train.view(), test.view()]);
    let params = TruncatedSvd::<F>::params(20).solver(many_iterations()).check().unwrap();
    let (svd, scores) = params.fit_transform(&rows).unwrap();
    let (dense_svd, dense_scores) = params.fit_transform_dense(&dense).unwrap();
    let close = |what, found: &Array2<F>, wanted: &Array2<F>| {
        let off = worst(wide(found) - wide(wanted));
        assert!(off < tolerance, "{what} differ by {off:e}");
    };
    let values = |svd: &TruncatedSvd<F>| svd.singular_values().clone().insert_axis(Axis(0));
    close("values", &values(&svd), &values(&dense_svd));
    close("components", svd.components(), dense_svd.components());
    close("scores", &scores, &dense_scores);
    close("scores of transform", &svd.transform(rows), &scores);
    close("dense scores of transform", &svd.transform(dense), &scores);
}

#[test]
fn sparse_and_dense_input_agree() {
    for columns in [97, 600] {
        sparse_and_dense_agree::<f64>(columns, 1e-8);
        sparse_and_dense_agree::<f32>(columns, 2e-2);
    }
}

#[test]
fn slices_of_a_sparse_matrix_are_rows_like_others() {
    let whole = sparse::<f64>(120, 50, 0.2, 3);
    let params = TruncatedSvd::params(5).check().unwrap();
    let blocks = vec![whole.slice_outer(0..70), whole.slice_outer(70..120)];
    let (svd, scores) = params.fit_transform(&SparseRows::stacked(blocks)).unwrap();
    let expected = whole.to_dense().dot(&svd.components().t());
    assert!(worst(expected - scores) < 1e-12);
    let (one, _) = params.fit_transform(&SparseRows::stacked(vec![whole.view()])).unwrap();
    assert!(worst(one.components() - svd.components()) < 1e-12);
}

#[test]
#[should_panic(expected = "sparse rows are stored by rows")]
fn columns_are_not_taken_for_rows() {
    SparseRows::stacked(vec![sparse::<f32>(5, 5, 0.5, 1).transpose_view()]);
}

#[test]
#[should_panic(expected = "blocks of sparse rows need one number of columns")]
fn blocks_of_other_widths_are_refused() {
    SparseRows::stacked(vec![sparse::<f32>(5, 5, 0.5, 1).view(), sparse(5, 6, 0.5, 1).view()]);
}

#[test]
#[should_panic(expected = "the matrix has another number of columns than was fitted on")]
fn rows_of_another_width_are_refused() {
    fit::<f64>(&fast().a, 2, Solver::default()).0.transform(Array2::zeros((3, COLUMNS + 1)));
}

#[test]
fn results_are_the_same_bits_for_any_number_of_threads() {
    // Wide enough for several slabs, tall enough that dense steps go to threads as well.
    for columns in [300, 1300] {
        let a = sparse::<f32>(1500, columns, 0.1, 4);
        let rows = SparseRows::stacked(vec![a.view()]);
        let run = |threads| {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let solver = Solver::Randomized { expansion: 2.0, n_steps: 3 };
            let params = TruncatedSvd::<f32>::params(100).solver(solver).check().unwrap();
            pool.install(|| params.fit_transform(&rows).unwrap())
        };
        let first = run(1);
        for threads in [1, 2, 3, 8] {
            assert!(run(threads) == first, "{columns} columns: {threads} threads give other bits");
        }
    }
}

#[test]
fn dense_results_are_the_same_bits_again() {
    let a = fast().a.mapv(|value| value as f32);
    let params = TruncatedSvd::<f32>::params(K).check().unwrap();
    let first = params.fit_transform_dense(&a).unwrap();
    assert!(params.fit_transform_dense(&a).unwrap() == first);
}

#[test]
fn any_shape_and_rank_has_a_decomposition() {
    for (rows, columns) in [(1, 1), (1, 9), (9, 1), (7, 40), (40, 7), (33, 33)] {
        let most: usize = rows.min(columns);
        for (k, rank) in [(1, most), (most, most), (most.div_ceil(2), most), (most, 1), (most, 0)] {
            let a = gaussian(rows, rank, 5).dot(&gaussian(rank, columns, 6));
            let (svd, scores) = fit::<f64>(&a, k, Solver::default());
            let context = format!("{rows} x {columns}, rank {rank}, {k} components");
            assert_eq!(svd.components().dim(), (k, columns), "{context}");
            assert_eq!(scores.dim(), (rows, k), "{context}");
            assert!(orthonormality(&svd) < 1e-12, "{context}: {:e}", orthonormality(&svd));
            assert!(worst(a.dot(&svd.components().t()) - &scores) < 1e-11, "{context}");
            if k >= rank {
                assert!(worst(scores.dot(svd.components()) - &a) < 1e-6, "{context}");
            }
        }
    }
}

#[test]
fn centred_data_have_the_principal_components() {
    let fast = fast();
    let mean = fast.a.mean_axis(Axis(0)).unwrap();
    let (svd, _) = fit::<f64>(&(&fast.a - &mean), 6, Solver::default());
    let pca = Pca::params(6).fit(&Dataset::from(fast.a)).unwrap();
    for (row, pca_row) in svd.components().rows().into_iter().zip(pca.components().rows()) {
        assert!((row.dot(&pca_row).abs() - 1.0).abs() < 1e-6, "{row} {pca_row}");
    }
    assert!(value_error(&svd, pca.singular_values()) < 1e-6);
}

#[track_caller]
fn refused(svd: Result<TruncatedSvd<f64>, TruncatedSvdError>, text: &str) {
    assert_eq!(svd.unwrap_err().to_string(), text);
}

#[test]
fn wrong_settings_are_named() {
    let fit = |k, a: Array2<f64>| TruncatedSvd::params(k).fit(&DatasetBase::from(a));
    refused(fit(0, Array2::ones((4, 3))), "n_components is 0; it must be at least 1");
    refused(fit(4, Array2::ones((5, 3))), "n_components is 4; a matrix of 5 x 3 has at most 3");
    refused(fit(1, Array2::ones((0, 3))), "n_components is 1; a matrix of 0 x 3 has at most 0");
}

#[test]
fn values_that_are_not_finite_are_refused() {
    const TEXT: &str = "the matrix holds NaN or infinite values";
    for bad in [f64::NAN, f64::INFINITY] {
        let dense = array![[1.0, 2.0], [bad, 3.0]];
        refused(TruncatedSvd::params(1).fit(&DatasetBase::from(dense)), TEXT);
        let sparse = Csr::new((2, 2), vec![0, 1, 2], vec![0, 1], vec![1.0, bad]);
        let rows = SparseRows::stacked(vec![sparse.view()]);
        refused(TruncatedSvd::params(1).fit(&DatasetBase::new(rows, ())), TEXT);
    }
}
