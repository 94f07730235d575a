//! Where the recipe spends its time, by way of the public estimators; throughput is in operations a second.

use std::hint::black_box;

use backend_linfa::{Kernel, KernelRidge, Solver, SparseRows, TruncatedSvd};
use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use linfa::{
    Dataset, DatasetBase,
    traits::{Fit, Predict, Transformer},
};
use ndarray::Array2;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sprs::CsMatI;

const CELLS: usize = 4_000;
const GENES: usize = 6_000;
const PER_CELL: usize = 400;
const COMPONENTS: usize = 64;
const STEPS: usize = 8;
/// Vectors that each step multiplies.
const BLOCK: usize = 32;

const TRAIN: usize = 2_000;
const TEST: usize = 1_000;
const FEATURES: usize = 300;
const PROTEINS: usize = 70;

fn sparse() -> CsMatI<f32, u32, usize> {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let stride = GENES / PER_CELL;
    let cells = (0..CELLS).flat_map(|_| 0..PER_CELL);
    let indices = cells.map(|i| (i * stride + rng.gen_range(0..stride)) as u32).collect();
    let data = (0..CELLS * PER_CELL).map(|i| (i % 7) as f32 + 1.0).collect();
    let indptr = (0..=CELLS).map(|cell| cell * PER_CELL).collect();
    CsMatI::new((CELLS, GENES), indptr, indices, data)
}

fn uniform(rows: usize, columns: usize, seed: u64) -> Array2<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    Array2::from_shape_simple_fn((rows, columns), || rng.gen_range(-1.0..1.0))
}

fn operations(count: usize) -> Throughput {
    Throughput::Elements(count as u64)
}

fn truncated_svd(criterion: &mut Criterion) {
    let matrix = sparse();
    let rows = SparseRows::stacked(vec![matrix.view()]);
    let dataset = DatasetBase::new(rows.clone(), ());
    let solver = Solver::Randomized { expansion: 1.0, n_steps: STEPS };
    let params = TruncatedSvd::<f32>::params(COMPONENTS).solver(solver);
    let Ok(svd) = params.fit(&dataset) else { return };
    let mut group = criterion.benchmark_group("truncated-svd");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.throughput(operations(2 * matrix.nnz() * COMPONENTS));
    group.bench_function("transform", |b| b.iter(|| svd.transform(black_box(rows.clone()))));
    // The sparse products alone.
    group.throughput(operations(2 * matrix.nnz() * (2 * STEPS * BLOCK + COMPONENTS)));
    group.bench_function("fit", |b| b.iter(|| params.fit(black_box(&dataset))));
    group.finish();
}

fn kernel_ridge(criterion: &mut Criterion) {
    let (x, x_test) = (uniform(TRAIN, FEATURES, 1), uniform(TEST, FEATURES, 2));
    let wide = Dataset::new(x, uniform(TRAIN, PROTEINS, 3));
    let narrow = Dataset::new(uniform(TRAIN, 1, 4), uniform(TRAIN, 1, 5));
    let params = KernelRidge::params(Kernel::Rbf { gamma: 0.01 }).alpha(0.2);
    let Ok(model) = params.fit(&wide) else { return };
    let kernel = |rows: usize, features: usize| 2 * rows * TRAIN * features;
    let cholesky = TRAIN.pow(3) / 3;
    let mut group = criterion.benchmark_group("kernel-ridge");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.throughput(operations(
        kernel(TRAIN, FEATURES) / 2 + cholesky + 2 * TRAIN.pow(2) * PROTEINS,
    ));
    group.bench_function("fit", |b| b.iter(|| params.fit(black_box(&wide))));
    // One feature and one target leave little but the factorisation.
    group.throughput(operations(cholesky));
    group.bench_function("cholesky", |b| b.iter(|| params.fit(black_box(&narrow))));
    group.throughput(operations(kernel(TEST, FEATURES) + kernel(TEST, PROTEINS)));
    group.bench_function("predict", |b| b.iter(|| model.predict(black_box(&x_test))));
    group.finish();
}

criterion_group!(benches, truncated_svd, kernel_ridge);
criterion_main!(benches);
