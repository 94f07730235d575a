//! The runner's own way, on the emulated device: the CPU's predictions from the same plan.

#![allow(clippy::unwrap_used)]

mod common;

use std::{collections::BTreeSet, path::Path};

use backend_linfa::CpuStages;
use common::emulator;
use modality_data::{
    CiteLayout, Dataset,
    prepared::{self, Inputs},
    read_four_files,
    synthetic::{self, Size},
};
use modality_emulator::Failure;
use modality_methods::{KernelEntries, TsvdKrrParams, complete};
use modality_protocol::{
    DeviceId, DeviceKind, Event, PROTOCOL, Phase, RunSpec, Stage, StageClock, Task, runner::Stop,
};
use modality_recipe::{Problem, tsvd_krr};
use ndarray::Array2;
use ndarray_npy::read_npy;
use serde_json::json;

/// Two halves of a small generated data set.
fn spec(folder: &Path) -> RunSpec {
    of(&synthetic::generate(Size::Tiny, 3, Task::default()), folder)
}

/// Two halves of a data set.
fn of(dataset: &Dataset, folder: &Path) -> RunSpec {
    prepared::write(dataset, folder).unwrap();
    halves_of(folder, folder)
}

/// Two halves of the data set in `folder`.
fn halves_of(folder: &Path, out: &Path) -> RunSpec {
    let manifest = prepared::read_manifest(folder).unwrap();
    let (task, cells) = (manifest.task(), manifest.train_cells as u32);
    let halves = [0, 1].map(|half| (0..cells).filter(|cell| cell / 50 % 2 == half).collect());
    RunSpec {
        task,
        protocol: PROTOCOL,
        method: "tsvd-krr".to_owned(),
        params: complete("tsvd-krr", task, serde_json::Map::new()).unwrap(),
        dataset: prepared::inputs(folder),
        predictions: out.join("predictions.npy"),
        device: DeviceId::Cuda(0),
        threads: 2,
        memory: 4 << 30,
        rehearsal: false,
        seed: 0,
        cells: None,
        fits: halves.to_vec(),
        folds: Vec::new(),
    }
}

fn problem<'a>(inputs: &'a Inputs, spec: &'a RunSpec) -> Problem<'a> {
    Problem {
        train_input: inputs.train_input.view(),
        train_target: inputs.train_target.view(),
        test_input: inputs.test_input.view(),
        most: spec.task.target.most(),
        fits: &spec.fits,
        seed: spec.seed,
    }
}

fn on_the_cpu(inputs: &Inputs, spec: &RunSpec) -> Array2<f32> {
    let mut stages = CpuStages::default();
    tsvd_krr(
        &mut stages,
        &problem(inputs, spec),
        &modality_methods::parse::<TsvdKrrParams>("tsvd-krr", &spec.params).unwrap(),
        &mut StageClock::silent(),
    )
    .unwrap()
}

fn rmse(predicted: &Array2<f32>, wanted: &Array2<f32>) -> f64 {
    let squares = (predicted - wanted).mapv(|difference| f64::from(difference).powi(2));
    squares.mean().unwrap().sqrt()
}

fn agree(found: &Array2<f32>, folder: &Path, spec: &RunSpec) {
    let wanted = on_the_cpu(&prepared::read_inputs(&spec.dataset, None).unwrap(), spec);
    let answers = dense_answers(folder).unwrap();
    let (difference, apart) =
        (rmse(found, &answers) - rmse(&wanted, &answers), rmse(found, &wanted));
    let task = spec.task;
    assert!(difference.abs() < 1e-4, "{task}: the RMSE differs by {difference}");
    assert!(apart < 2e-3, "{task}: predictions differ by {apart} RMS");
}

/// Dense and sparse inputs and targets, with and without a truncated SVD, clipped above or not.
#[test]
fn every_direction_gives_the_predictions_of_the_cpu() {
    let others = Task::ALL.into_iter().filter(|task| *task != Task::default());
    let mut datasets: Vec<Dataset> =
        others.map(|task| synthetic::generate(Size::Tiny, 3, task)).collect();
    if let Some(starter) = modality_testing::multiome_starter() {
        let read = |task| {
            read_four_files(&starter, "starter", &CiteLayout::default(), Some(task)).unwrap()
        };
        datasets.extend([Task::GEX_TO_ATAC, Task::ATAC_TO_GEX].map(read));
    }
    for dataset in datasets {
        let (_emulator, _guard) = emulator();
        let folder = tempfile::tempdir().unwrap();
        let spec = of(&dataset, folder.path());
        backend_cuda::run(&spec, &mut StageClock::silent()).unwrap();
        let found: Array2<f32> = read_npy(&spec.predictions).unwrap();
        agree(&found, folder.path(), &spec);
    }
}

#[test]
fn predictions_are_those_of_the_cpu() {
    let (_emulator, _guard) = emulator();
    let folder = tempfile::tempdir().unwrap();
    let spec = spec(folder.path());
    let mut events = Vec::new();
    let mut clock = StageClock::new(|event| events.push(event));
    backend_cuda::run(&spec, &mut clock).unwrap();
    drop(clock);

    let found: Array2<f32> = read_npy(&spec.predictions).unwrap();
    agree(&found, folder.path(), &spec);

    let stages: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::End { stage, flops, .. } => Some((*stage, *flops)),
            _ => None,
        })
        .collect();
    let train = stages.iter().filter(|(stage, _)| stage.phase() == Phase::Train);
    assert!(train.clone().count() >= 5, "{stages:?}");
    let counted = stages.iter().filter(|(_, flops)| flops.is_some_and(|flops| flops > 0.0));
    assert!(counted.count() >= 4, "{stages:?}");
    assert!(
        events
            .iter()
            .any(|event| matches!(event, Event::ProductRate { gflops, .. } if *gflops > 0.0))
    );
}

/// The libraries load other kernels for other kinds of calls, when they are first made.
#[test]
fn every_kind_of_call_is_made_before_anything_is_timed() {
    let (emulator, _guard) = emulator();
    let folder = tempfile::tempdir().unwrap();
    let spec = spec(folder.path());
    for params in [json!({}), json!({"solver": "cholesky"})] {
        let params = params.as_object().unwrap().clone();
        let spec = RunSpec { params, ..spec.clone() };
        let (mut ready, mut made) = (None, BTreeSet::new());
        let mut clock = StageClock::new(|event| match event {
            Event::End { stage: Stage::Setup, .. } if ready.is_none() => {
                ready = Some(emulator.calls());
                emulator.reset_counts();
            }
            Event::Begin { stage: Stage::Write } => made = emulator.calls(),
            _ => {}
        });
        backend_cuda::run(&spec, &mut clock).unwrap();
        drop(clock);
        let ready = ready.unwrap();
        assert!(made.len() > 20, "{made:?}");
        let new: Vec<_> = made.difference(&ready).collect();
        assert!(new.is_empty(), "{new:#?}");
    }
}

/// Names the folder of a prepared data set.
const PREPARED: &str = "MODALITY_BENCH_PREPARED";

#[test]
#[ignore = "takes minutes; for a prepared data set of one's own, in $MODALITY_BENCH_PREPARED"]
fn predictions_of_real_cells_are_those_of_the_cpu() {
    let (_emulator, _guard) = emulator();
    let folder = std::path::PathBuf::from(std::env::var_os(PREPARED).unwrap());
    let out = tempfile::tempdir().unwrap();
    let spec = halves_of(&folder, out.path());
    backend_cuda::run(&spec, &mut StageClock::silent()).unwrap();
    let found: Array2<f32> = read_npy(&spec.predictions).unwrap();
    let wanted = on_the_cpu(&prepared::read_inputs(&spec.dataset, None).unwrap(), &spec);
    let answers = dense_answers(&folder).unwrap();
    let (own, cpu) = (rmse(&found, &answers), rmse(&wanted, &answers));
    eprintln!(
        "RMSE {own:.6}, on the CPU {cpu:.6}; predictions differ by {:.1e} RMS",
        rmse(&found, &wanted)
    );
    assert!((own - cpu).abs() < 5e-4);
}

#[test]
fn what_it_will_take_is_foretold() {
    let (emulator, _guard) = emulator();
    let folder = tempfile::tempdir().unwrap();
    let spec = spec(folder.path());
    match backend_cuda::hello(&spec).unwrap() {
        Event::Hello { device, kind, versions } => {
            assert_eq!((device.as_str(), kind), ("emulated device", Some(DeviceKind::Emulated)));
            assert_eq!(versions["cuda-driver"], "13.0");
            assert!(versions.contains_key("cudarc"));
        }
        other => panic!("{other:?}"),
    }
    let expected = backend_cuda::expect(&spec).unwrap().unwrap();
    let inputs = prepared::read_inputs(&spec.dataset, None).unwrap();
    let mut stages = common::stages(KernelEntries::Kept);
    emulator.reset_counts();
    tsvd_krr(
        &mut stages,
        &problem(&inputs, &spec),
        &modality_methods::parse::<TsvdKrrParams>("tsvd-krr", &spec.params).unwrap(),
        &mut StageClock::silent(),
    )
    .unwrap();
    drop(stages);
    let (peak, program) = (emulator.peak_memory(), 768 << 20);
    assert!(peak <= expected.peak, "{peak} bytes where {} were foretold", expected.peak);
    // Not far more than is taken, beside a context's own.
    assert!(
        expected.peak - program < 2 * peak,
        "{peak} bytes where {} were foretold",
        expected.peak
    );

    emulator.memory_limit(64 << 20);
    for result in
        [backend_cuda::expect(&spec).map(drop), backend_cuda::run(&spec, &mut StageClock::silent())]
    {
        match result {
            Err(Stop::Unavailable(reason)) => {
                assert!(
                    reason.starts_with("it needs at least ") && reason.ends_with("64 MiB are free"),
                    "{reason}"
                );
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_machine_without_a_driver_is_a_row() {
    let (emulator, _guard) = emulator();
    let folder = tempfile::tempdir().unwrap();
    let spec = spec(folder.path());
    emulator.fail(Failure::NoDevice);
    let stops = [
        backend_cuda::hello(&spec).map(drop),
        backend_cuda::expect(&spec).map(drop),
        backend_cuda::run(&spec, &mut StageClock::silent()),
    ];
    for stop in stops {
        match stop {
            Err(Stop::Unavailable(reason)) => {
                assert!(reason.contains("finds no device"), "{reason}")
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn other_methods_and_devices_are_refused() {
    let (_emulator, _guard) = emulator();
    let folder = tempfile::tempdir().unwrap();
    let spec = spec(folder.path());
    for (spec, wanted) in [
        (RunSpec { method: "mlp".to_owned(), ..spec.clone() }, "this runner has no method `mlp`"),
        (
            RunSpec { device: DeviceId::Cpu, ..spec },
            "this computes on a CUDA device, `cuda` or `cuda:N`, not on `cpu`",
        ),
    ] {
        match backend_cuda::run(&spec, &mut StageClock::silent()) {
            Err(Stop::Failed(reason)) => assert_eq!(reason, wanted),
            other => panic!("{other:?}"),
        }
    }
}

fn dense_answers(folder: &Path) -> modality_data::Result<Array2<f32>> {
    Ok(prepared::read_answers(folder)?.view().to_dense())
}
