use std::collections::HashSet;

use modality_protocol::Task;
use sha2::{Digest, Sha256};

use super::draws::{Draws, exp, negative_binomial};
use super::{Size, generate};
use crate::{Dataset, Split, Values};

/// Sum of `tiny` with seed 0. A change of it is a change of the generator: raise `VERSION`.
const TINY_SHA256: &str = "c7eff71a25734df8cb2626aa9a8d57e8bffc166d340fba2d4b25d3e1595c231d";

fn digest(dataset: &Dataset) -> String {
    let mut sum = Sha256::new();
    for split in [&dataset.train, &dataset.test] {
        let (Values::Sparse(gex), adt) = (&split.input, split.target.stored()) else {
            panic!("gene expression is sparse")
        };
        let starts = gex.indptr();
        starts.raw_storage().iter().for_each(|&start| sum.update((start as u64).to_le_bytes()));
        gex.indices().iter().for_each(|gene| sum.update(gene.to_le_bytes()));
        gex.data().iter().chain(adt).for_each(|value| sum.update(value.to_le_bytes()));
    }
    sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn digest_on(threads: usize) -> String {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| digest(&generate(Size::Tiny, 7, Task::default())))
}

fn batches(split: &Split) -> Vec<&str> {
    split.cells.batch.names.iter().map(String::as_str).collect()
}

#[test]
fn tiny_is_a_valid_data_set_that_says_what_it_is() {
    let tiny = generate(Size::Tiny, 3, Task::default());
    tiny.validate().unwrap();
    assert_eq!(tiny.name, "bmmc-synthetic-tiny");
    assert_eq!((tiny.train.input.rows(), tiny.test.input.rows()), (600, 200));
    assert_eq!((tiny.input.names.len(), tiny.target.names.len()), (400, 40));
    assert!(tiny.provenance.synthetic);
    assert!(
        tiny.provenance.source.contains("version 1, size tiny, seed 3"),
        "{}",
        tiny.provenance.source
    );
}

#[test]
fn the_generator_is_the_committed_one() {
    assert_eq!(digest(&generate(Size::Tiny, 0, Task::default())), TINY_SHA256);
}

#[test]
fn the_other_direction_is_of_the_same_cells() {
    let (one, other) =
        (generate(Size::Tiny, 1, Task::GEX_TO_ADT), generate(Size::Tiny, 1, Task::ADT_TO_GEX));
    other.validate().unwrap();
    assert_eq!((one.task(), other.task()), (Task::GEX_TO_ADT, Task::ADT_TO_GEX));
    assert_eq!((&one.train.input, &one.test.target), (&other.train.target, &other.test.input));
    assert_eq!((&one.input, &one.train.cells), (&other.target, &other.train.cells));
}

#[test]
fn bytes_do_not_depend_on_the_number_of_threads() {
    assert_eq!(digest_on(1), digest_on(2));
    assert_eq!(digest_on(1), digest_on(5));
}

#[test]
fn another_seed_gives_other_cells_of_the_same_tissue() {
    let (one, other) =
        (generate(Size::Tiny, 1, Task::default()), generate(Size::Tiny, 2, Task::default()));
    assert_ne!(digest(&one), digest(&other));
    let means = |dataset: &Dataset| {
        dataset.train.target.view().to_dense().mean_axis(ndarray::Axis(0)).unwrap()
    };
    let apart = (means(&one) - means(&other)).mapv(f32::abs);
    assert!(apart.iter().all(|&difference| difference < 0.3), "{apart}");
}

#[test]
fn batches_donors_and_sites_are_the_competitions() {
    let tiny = generate(Size::Tiny, 0, Task::default());
    let train = ["s1d1", "s1d2", "s1d3", "s2d1", "s2d4", "s2d5", "s3d1", "s3d6", "s3d7"];
    assert_eq!(batches(&tiny.train), train);
    assert_eq!(batches(&tiny.test), ["s4d1", "s4d8", "s4d9"]);
    assert_eq!(tiny.train.cells.site.names, ["site1", "site2", "site3"]);
    assert_eq!(tiny.test.cells.site.names, ["site4"]);
    assert_eq!(tiny.train.cells.donor.names.len(), 7);
    assert_eq!(tiny.test.cells.donor.names, ["donor1", "donor8", "donor9"]);
    let names: HashSet<_> = tiny.train.cells.names.iter().chain(&tiny.test.cells.names).collect();
    assert_eq!(names.len(), 800);
}

#[test]
fn small_looks_like_the_real_data() {
    let small = generate(Size::Small, 0, Task::default());
    small.validate().unwrap();
    for split in [&small.train, &small.test] {
        let (density, mean, rms) = (split.input_density(), split.target_mean(), split.target_rms());
        assert!((0.15..0.40).contains(&density), "density {density}");
        assert!((0.78..0.96).contains(&mean), "ADT mean {mean}");
        assert!((1.05..1.32).contains(&rms), "ADT RMS {rms}");
        assert!(split.input.stored().iter().all(|&value| value > 0.0));
        assert!(split.target.stored().iter().all(|&value| value >= 0.0));
    }
}

#[test]
fn peaks_are_seen_or_not_and_differ_from_batch_to_batch() {
    let tiny = generate(Size::Tiny, 0, Task::GEX_TO_ATAC);
    tiny.validate().unwrap();
    assert_eq!((tiny.input.names.len(), tiny.target.names.len()), (400, 300));
    assert!(tiny.provenance.normalisation.contains("ATAC: 1 where a peak is seen"));
    let other = generate(Size::Tiny, 0, Task::ATAC_TO_GEX);
    assert_eq!((&tiny.train.input, &tiny.test.target), (&other.train.target, &other.test.input));
    let small = generate(Size::Small, 0, Task::ATAC_TO_GEX);
    for split in [&small.train, &small.test] {
        assert!((0.02..0.05).contains(&split.input_density()), "{}", split.input_density());
        assert!(split.input.stored().iter().all(|&value| value == 1.0));
    }
    // Most of what differs between peaks is the same in all batches; some of it is not.
    let shares = |rows: std::ops::Range<usize>| {
        small.train.input.view().dense_rows(rows).mean_axis(ndarray::Axis(0)).unwrap()
    };
    let (one, later) = (shares(0..200), shares(2_700..2_900));
    let apart = (&one - &later).mapv(f32::abs).mean().unwrap();
    assert!(apart > 0.002 && apart < 0.05, "{apart}");
}

#[test]
fn sizes_are_read_from_their_names() {
    for size in Size::ALL {
        assert_eq!(size.to_string().parse::<Size>().unwrap(), size);
    }
    let error = "huge".parse::<Size>().unwrap_err().to_string();
    assert_eq!(error, "`huge` is not a size of generated data; the sizes are tiny, small, paper");
}

#[test]
fn exp_agrees_with_libm() {
    for step in -80_000..=80_000 {
        let x = step as f32 * 1e-3;
        let expected = libm::exp(f64::from(x));
        assert!((f64::from(exp(x)) / expected - 1.0).abs() < 3e-7, "exp({x})");
    }
    assert_eq!(exp(f32::INFINITY), exp(80.0));
    assert_eq!(exp(f32::NEG_INFINITY), exp(-80.0));
}

/// Mean and variance of many draws.
fn moments(mut draw: impl FnMut() -> f32) -> (f64, f64) {
    let values: Vec<f64> = (0..200_000).map(|_| f64::from(draw())).collect();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    (mean, values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64)
}

#[test]
fn counts_have_the_mean_and_variance_of_their_distributions() {
    let mut draws = Draws::new(11, 0);
    for mean in [0.05_f32, 0.7, 6.0, 90.0] {
        for shape in [1, 2, 4] {
            let success = shape as f32 / (shape as f32 + mean);
            let counts = moments(|| negative_binomial(draws.uniform(), success, shape) as f32);
            assert_moments(counts, mean, mean + mean * mean / shape as f32);
        }
        assert_moments(moments(|| draws.poisson(mean)), mean, mean);
    }
}

#[test]
fn normals_are_standard() {
    let mut draws = Draws::new(12, 0);
    let (mean, variance) = moments(|| draws.normal());
    assert!(mean.abs() < 0.01 && (variance - 1.0).abs() < 0.02, "{mean} {variance}");
}

fn assert_moments((mean, variance): (f64, f64), wanted_mean: f32, wanted_variance: f32) {
    let close = |found: f64, wanted: f32| (found / f64::from(wanted) - 1.0).abs() < 0.05;
    assert!(close(mean, wanted_mean), "mean {mean}, not {wanted_mean}");
    assert!(close(variance, wanted_variance), "variance {variance}, not {wanted_variance}");
}

#[test]
fn the_largest_uniform_still_gives_a_finite_count() {
    for success in [1e-6_f32, 0.5, 1.0 - f32::EPSILON, 1.0] {
        let count = negative_binomial(1.0 - f32::EPSILON / 2.0, success, 2);
        assert!(count < 40_000_000, "{count} at {success}");
    }
}
