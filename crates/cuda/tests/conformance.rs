//! The recipe's suite on the emulated device, in any order of threads.

#![allow(clippy::unwrap_used)]

mod common;

use backend_cuda::{CudaStages, Device, Ways};
use common::{emulator, low_rank, stages};
use modality_data::Csr;
use modality_methods::{Components, KernelEntries, TsvdKrrParams};
use modality_protocol::StageClock;
use modality_recipe::{Problem, Stages, conformance, tsvd_krr};
use ndarray::Array2;

const TOLERANCE: f64 = 1e-4;

#[test]
fn kept_entries_conform() {
    let (_emulator, _guard) = emulator();
    conformance::check(&mut stages(KernelEntries::Kept), TOLERANCE);
}

#[test]
fn formed_entries_conform() {
    let (emulator, _guard) = emulator();
    emulator.seed(1);
    let mut stages = stages(KernelEntries::Formed);
    for (name, part) in conformance::parts() {
        if ["shared kernels", "recipe"].iter().any(|named| name.contains(named)) {
            part(&mut stages, TOLERANCE);
        }
    }
}

/// A problem that takes the way of the large ones: more genes than are decomposed whole.
struct Cells {
    train: Csr,
    test: Csr,
    adt: Array2<f32>,
    fits: Vec<Vec<u32>>,
}

fn cells() -> Cells {
    let sparse = |rows, seed| {
        let dense = low_rank(rows, 1100, seed).mapv(|value| if value > 0.3 { value } else { 0.0 });
        Csr::csr_from_dense(dense.view(), 0.0)
    };
    let fits = (0..4_u32).map(|fit| (0..250).filter(|cell| cell % 5 != fit).collect()).collect();
    Cells {
        train: sparse(250, 1),
        test: sparse(37, 2),
        adt: low_rank(250, 24, 3).mapv_into(f32::abs),
        fits,
    }
}

impl Cells {
    fn problem(&self) -> Problem<'_> {
        Problem {
            train_input: (&self.train).into(),
            train_target: self.adt.view().into(),
            test_input: (&self.test).into(),
            most: None,
            fits: &self.fits,
            seed: 5,
        }
    }
}

fn params() -> TsvdKrrParams {
    TsvdKrrParams {
        input_components: Components::Some(6),
        target_components: 9,
        ..TsvdKrrParams::default()
    }
}

/// Predictions, and what was noted.
fn predict(
    stages: &mut impl Stages,
    cells: &Cells,
    params: &TsvdKrrParams,
) -> (Array2<f32>, Vec<String>) {
    let mut notes = Vec::new();
    let mut clock = StageClock::noting(&mut notes);
    let predicted = tsvd_krr(stages, &cells.problem(), params, &mut clock).unwrap();
    drop(clock);
    (predicted, notes)
}

#[test]
fn neither_the_order_of_threads_nor_the_form_of_the_kernel_changes_a_bit() {
    let (emulator, _guard) = emulator();
    let cells = cells();
    let (first, notes) = predict(&mut stages(KernelEntries::Kept), &cells, &params());
    assert!(notes.is_empty(), "{notes:?}");
    let device = Device::open(0).unwrap();
    let in_part = CudaStages::new(device, 100_000, KernelEntries::Kept);
    let others = [
        (7, "kept", stages(KernelEntries::Kept), ""),
        (8, "formed", stages(KernelEntries::Formed), ""),
        (9, "kept in part", in_part, " % of its entries are formed again in each product"),
    ];
    for (seed, name, mut stages, note) in others {
        emulator.seed(seed);
        let (again, _) = predict(&mut stages, &cells, &params());
        assert!(again == first, "other bits with seed {seed}, {name}");
        let notes = stages.take_notes();
        assert!(notes.iter().all(|said| !note.is_empty() && said.ends_with(note)), "{notes:?}");
        assert_eq!(notes.is_empty(), note.is_empty());
    }
}

#[test]
fn other_ways_conform() {
    let (_emulator, _guard) = emulator();
    let ways = Ways::of("no-cholesky-qr,halves,no-part,no-streams").unwrap();
    let device = Device::open_with(0, ways).unwrap();
    let mut stages = CudaStages::new(device, 0, KernelEntries::Kept);
    for (name, part) in conformance::parts() {
        if ["shared kernel", "TSVD"].iter().any(|named| name.contains(named)) {
            part(&mut stages, TOLERANCE);
        }
    }
}

#[test]
fn a_basis_that_cholesky_cannot_make_is_made_by_eigenvectors() {
    let (_emulator, _guard) = emulator();
    // Two directions in all, of which blocks of many columns have no basis.
    let flat = |rows: usize| {
        Array2::from_shape_fn((rows, 1100), |(i, j)| {
            (if j % 2 == 0 { i % 7 + 1 } else { i % 5 + 2 }) as f32
        })
    };
    let cells = Cells {
        train: Csr::csr_from_dense(flat(250).view(), 0.0),
        test: Csr::csr_from_dense(flat(37).view(), 0.0),
        ..cells()
    };
    let params = TsvdKrrParams { input_components: Components::Some(2), ..params() };
    let mut stages = stages(KernelEntries::Kept);
    let (found, _) = predict(&mut stages, &cells, &params);
    let notes = stages.take_notes();
    assert!(notes.len() == 1 && notes[0].ends_with("made anew by eigenvectors"), "{notes:?}");
    let (wanted, _) = predict(&mut modality_recipe::Exact, &cells, &params);
    let worst = (&found - &wanted).iter().fold(0.0_f32, |worst, d| worst.max(d.abs()));
    assert!(worst < 5e-3, "off by {worst}");
}

#[test]
fn a_decomposition_of_many_genes_is_that_of_the_reference() {
    let (_emulator, _guard) = emulator();
    let cells = cells();
    let (found, _) = predict(&mut stages(KernelEntries::Kept), &cells, &params());
    let (wanted, _) = predict(&mut modality_recipe::Exact, &cells, &params());
    let worst = (&found - &wanted).iter().fold(0.0_f32, |worst, d| worst.max(d.abs()));
    // The tolerance of the solver is 1e-3.
    assert!(worst < 2e-3, "off by {worst}");
}

#[test]
fn the_host_waits_once_an_iteration() {
    let (emulator, _guard) = emulator();
    let cells = cells();
    let waits_with = |tolerance| {
        let params = TsvdKrrParams { landmarks: Some(3), tolerance, ..params() };
        let mut stages = stages(KernelEntries::Kept);
        emulator.reset_counts();
        let (_, notes) = predict(&mut stages, &cells, &params);
        assert!(notes.is_empty(), "{notes:?}");
        let launches = emulator.launches();
        let products = launches.iter().find(|(name, _)| name == "multiply_kept").unwrap().1;
        (emulator.synchronizations(), products)
    };
    let (few_waits, few) = waits_with(1e-1);
    let (many_waits, many) = waits_with(1e-4);
    assert!(many > few + 1, "{few} and {many} products");
    // What a wait consists of: the copy, and the stream before its errors are looked at.
    assert_eq!(many_waits - few_waits, 2 * (many - few));
}
