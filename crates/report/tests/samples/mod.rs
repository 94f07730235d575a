//! Records as a study would leave them.

pub(crate) mod trained;

use std::collections::BTreeMap;

use modality_harness::{
    environment::Environment,
    metrics::{Metrics, WithZeros},
    record::{DatasetId, FORMAT, RunId, RunRecord, StageTime, Status, Usage},
};
use modality_protocol::{DeviceKind, Stage, Task};

/// A scored run whose training took `train_s` seconds.
pub(crate) fn scored(
    method: &str,
    backend: &str,
    repeat: usize,
    rmse: f64,
    train_s: f64,
) -> RunRecord {
    let correlated = (method != "zeros").then_some(1.0 - rmse / 2.0);
    let by_cell = correlated.filter(|_| method != "mean");
    RunRecord {
        metrics: Some(Metrics {
            rmse,
            mae: rmse * 0.7,
            pearson_cell: correlated,
            pearson_feature: by_cell.map(|r| r * 0.75),
            spearman_cell: correlated.map(|r| r * 0.95),
            spearman_feature: by_cell.map(|r| r * 0.6),
            pearson_all: by_cell.map(|r| r * 0.9),
            spearman_all: by_cell.map(|r| r * 0.85),
            with_zeros: by_cell.map(|r| WithZeros {
                pearson_cell: r,
                pearson_feature: r * 0.75,
                spearman_cell: r * 0.95,
                spearman_feature: r * 0.6,
            }),
        }),
        predictions_sha256: Some("ab".repeat(32)),
        stages: stages(method, train_s),
        usage: Usage {
            total_s: 1.5 + train_s * 1.05,
            cpu_s: 1.0 + train_s * 1.9,
            peak_rss_mb: Some(400.0 + train_s * 9.0),
            peak_gpu_mb: None,
            ..Usage::default()
        },
        ..bare(method, backend, repeat)
    }
}

/// A run without a score.
pub(crate) fn missing(
    method: &str,
    backend: &str,
    repeat: usize,
    status: Status,
    note: &str,
) -> RunRecord {
    RunRecord {
        status,
        note: note.to_owned(),
        device: String::new(),
        device_kind: None,
        ..bare(method, backend, repeat)
    }
}

/// Has a run computed on a device of this name.
pub(crate) fn move_to(record: &mut RunRecord, device: &str) {
    (record.device, record.device_kind) = (device.to_owned(), DeviceKind::named(device));
}

/// Three repeats of everything, and what this machine cannot run.
pub(crate) fn study() -> Vec<RunRecord> {
    let rows = [
        ("zeros", "linfa", 1.186_98, 0.0, 0.0),
        ("mean", "linfa", 0.437_47, 0.002, 0.0),
        ("linear", "linfa", 0.367_63, 3.4, 0.0),
        ("knn", "linfa", 0.385_89, 4.6, 0.0),
        ("tsvd-krr", "linfa", 0.359_50, 74.0, 0.0),
        ("tsvd-krr", "sklearn", 0.359_51, 412.0, 0.000_01),
        ("mlp", "torch", 0.374_90, 196.0, 0.0012),
        ("gnn", "torch", 0.365_20, 640.0, 0.0016),
    ];
    let mut records = Vec::new();
    for (method, backend, rmse, train_s, noise) in rows {
        for (repeat, factor) in [1.0, 0.93, 1.12].into_iter().enumerate() {
            records.push(scored(
                method,
                backend,
                repeat,
                rmse + noise * (factor - 1.0) * 10.0,
                train_s * factor,
            ));
        }
    }
    let note =
        "no CUDA driver was found (libcuda.so); install one or run this row on another machine";
    for repeat in 0..3 {
        records.push(missing("tsvd-krr", "cuda", repeat, Status::Unavailable, note));
    }
    records
}

/// Many rows that are hard to tell apart, and a few far away.
pub(crate) fn crowd() -> Vec<RunRecord> {
    let backends = ["linfa", "sklearn", "cuda", "torch", "other"];
    let methods = [("tsvd-krr", 0.3595), ("mlp", 0.3607), ("gnn", 0.3582)];
    let mut records = vec![
        scored("knn", "linfa", 0, 0.42, 4000.0),
        scored("mean", "linfa", 0, 0.437, 0.0),
        scored("mean", "sklearn", 0, 0.437, 0.0),
    ];
    for (i, (method, rmse)) in methods.into_iter().enumerate() {
        for (j, backend) in backends.into_iter().enumerate() {
            let shift = (i + 3 * j) as f64;
            records.push(scored(method, backend, 0, rmse + 0.0003 * shift, 10.0 + 1.5 * shift));
        }
    }
    records
}

/// A run of what a sweep changes.
pub(crate) fn with_variant(mut record: RunRecord, variant: &str) -> RunRecord {
    record.run.variant = variant.to_owned();
    if let Some((key, value)) = variant.split_once('=') {
        record.params.insert(key.to_owned(), value.into());
    }
    record
}

/// Two ways of one method at five numbers of training cells each, of which the larger ones are too much for one way;
/// stages, memory and operations follow power laws but for some noise.
pub(crate) fn scaling() -> Vec<RunRecord> {
    let mean = |repeat| scored("mean", "linfa", repeat, 0.437_47, 0.002);
    let mut records: Vec<RunRecord> = (0..3).map(mean).collect();
    for (kernel, most) in [("kept", 33_088), ("formed", 66_175)] {
        for (i, cells) in [4136, 8272, 16_544, 33_088, 66_175].into_iter().enumerate() {
            for (repeat, noise) in [1.0, 0.96, 1.07].into_iter().enumerate() {
                let variant = format!("cells={cells} kernel={kernel}");
                let record = if cells > most {
                    let note = "it would take 18.2 GiB of memory; the run was allowed 13.0 GiB";
                    missing("tsvd-krr", "linfa", repeat, Status::Failed, note)
                } else {
                    let rmse = 0.42 - 0.01 * i as f64 + 0.001 * noise;
                    at_scale(scored("tsvd-krr", "linfa", repeat, rmse, 1.0), kernel, cells, noise)
                };
                let mut record = with_variant(record, &variant);
                record.cells = Some(cells);
                record.params.remove("cells");
                record.params.insert("kernel".to_owned(), kernel.into());
                records.push(record);
            }
        }
    }
    records
}

/// Stages as they would be with so many training cells.
fn at_scale(mut record: RunRecord, kernel: &str, cells: usize, noise: f64) -> RunRecord {
    let n = cells as f64;
    let is_kept = kernel == "kept";
    let left = 500.0 + 0.02 * n;
    let kernel_mb = if is_kept { 4.0 * n * n / 1_048_576.0 } else { 0.03 * n };
    let forming = 2.0 * n * n * 300.0;
    let solving = 20.0 * n * n * 140.0;
    let (kernel_flops, solve_flops) =
        if is_kept { (forming, solving) } else { (1e-3 * forming, 11.0 * forming + solving) };
    let stage = |stage, flops: f64, gflops: f64, peak: f64| StageTime {
        stage,
        seconds: flops / gflops / 1e9 * noise,
        peak_rss_mb: Some(peak),
        flops: Some(flops),
    };
    let plain = |stage, seconds| StageTime { stage, seconds, peak_rss_mb: Some(left), flops: None };
    record.stages = vec![
        plain(Stage::Load, 2e-5 * n),
        stage(Stage::TsvdInput, 4.0e6 * n + 3e10, 110.0, left + 0.01 * n),
        plain(Stage::TsvdTarget, 1e-5 * n),
        plain(Stage::Standardize, 3e-6 * n),
        stage(Stage::Kernel, kernel_flops, 300.0, left + kernel_mb),
        stage(Stage::Solve, solve_flops, 270.0, left + 1.06 * kernel_mb),
        stage(Stage::Predict, 2.0 * 12_582.0 * n * 370.0 * 5.0, 310.0, left + 0.05 * n),
        plain(Stage::Write, 0.04),
    ];
    record.memory_mb = Some(13_312);
    record.captured = Some(0.931_742 + 0.000_09 * (noise - 1.0));
    let peak = (left + 1.06 * kernel_mb).max(left + 0.05 * n);
    record.usage.peak_rss_mb = Some(peak);
    record.usage.expected_rss_mb = Some(1.04 * peak);
    record.usage.product_gflops = Some(352.0 * noise);
    record.usage.total_s = record.train_s() + record.predict_s() + 1.0;
    record
}

/// The study with rows of a method on an accelerator, one of which cannot foretell and one cannot run.
pub(crate) fn accelerated() -> Vec<RunRecord> {
    let mut records: Vec<RunRecord> =
        study().into_iter().filter(|record| record.run.backend != "cuda").collect();
    for (repeat, factor) in [1.0, 0.94, 1.1].into_iter().enumerate() {
        let own = on_accelerator(scored("tsvd-krr", "cuda", repeat, 0.359_52, 0.4 * factor), 1.6);
        let mut peer =
            on_accelerator(scored("tsvd-krr", "cuml-peer", repeat, 0.3595, 6.2 * factor), 3.1);
        peer.usage.expected_gpu_mb = None;
        peer.note = "TSVD in float32, dual coefficients by Cholesky in float64".to_owned();
        records.extend([own, peer]);
        let note = "this libtorch cannot use CUDA; set $LIBTORCH to one that can";
        records.push(missing("mlp", "torch-cuda", repeat, Status::Unavailable, note));
    }
    for record in records.iter_mut().filter(|record| record.device == "CPU") {
        record.usage.expected_rss_mb = record.usage.peak_rss_mb.map(|mebibytes| mebibytes * 1.03);
        record.usage.product_gflops = Some(410.0);
        count_operations(record, 290.0);
    }
    records
}

fn on_accelerator(mut record: RunRecord, setup_s: f64) -> RunRecord {
    move_to(&mut record, "NVIDIA H200");
    count_operations(&mut record, 38_000.0);
    let setup = StageTime { stage: Stage::Setup, seconds: setup_s, peak_rss_mb: None, flops: None };
    record.stages.insert(1, setup);
    let computing = record.train_s() + record.predict_s();
    record.usage = Usage {
        total_s: setup_s + computing + 1.2,
        peak_gpu_mb: Some(5210.0 + computing),
        expected_gpu_mb: Some(5400.0),
        gpu_energy_j: Some(420.0 * computing),
        gpu_energy_s: Some(computing),
        product_gflops: Some(51_000.0),
        ..record.usage
    };
    record
}

fn count_operations(record: &mut RunRecord, gflops: f64) {
    let counted = [Stage::Kernel, Stage::Solve];
    for time in record.stages.iter_mut().filter(|time| counted.contains(&time.stage)) {
        time.flops = Some(gflops * 1e9 * time.seconds);
    }
}

/// The same on generated data.
pub(crate) fn synthetic(mut records: Vec<RunRecord>) -> Vec<RunRecord> {
    for record in &mut records {
        record.dataset.name = "bmmc-synthetic".to_owned();
        record.dataset.synthetic = true;
    }
    records
}

fn bare(method: &str, backend: &str, repeat: usize) -> RunRecord {
    RunRecord {
        format: FORMAT,
        run: RunId {
            study: "liu".to_owned(),
            method: method.to_owned(),
            variant: String::new(),
            backend: backend.to_owned(),
            repeat,
        },
        dataset: DatasetId {
            name: "liu-covid-cite".to_owned(),
            synthetic: false,
            sha256: "998bac96dfa205e7d4e06faced7de5945bc87ef83028d170fff77ef2d6a4cc77".to_owned(),
            train_cells: 17_952,
            test_cells: 12_582,
            task: Task::default(),
            inputs: 1_000,
            targets: 188,
            remarks: Vec::new(),
        },
        params: params(method),
        threads: 2,
        seed: 0,
        status: Status::Ok,
        note: String::new(),
        device: "CPU".to_owned(),
        device_kind: Some(DeviceKind::Cpu),
        metrics: None,
        predictions_sha256: None,
        memory_mb: None,
        cells: None,
        captured: None,
        stages: Vec::new(),
        epochs: Vec::new(),
        usage: Usage::default(),
        environment: Environment {
            cpu: "AMD EPYC 9R45".to_owned(),
            cores: 2,
            memory_mb: 15_872,
            os: "Linux (Debian 12), 6.1.0".to_owned(),
            rustc: "rustc 1.95.0".to_owned(),
            version: "0.1.0".to_owned(),
            git_commit: "0123456789ab".to_owned(),
            variables: BTreeMap::from([("OPENBLAS_CORETYPE".to_owned(), "Haswell".to_owned())]),
            started_unix: 1_790_000_000 + repeat as u64,
        },
        conditions: None,
        versions: BTreeMap::from([(backend.to_owned(), "0.8.1".to_owned())]),
    }
}

fn params(method: &str) -> serde_json::Map<String, serde_json::Value> {
    let values = match method {
        "tsvd-krr" => serde_json::json!({"alpha": 0.2, "gamma": 0.005, "input_components": 300}),
        "knn" => serde_json::json!({"n_neighbors": 50}),
        _ => serde_json::json!({}),
    };
    values.as_object().cloned().unwrap_or_default()
}

fn stages(method: &str, train_s: f64) -> Vec<StageTime> {
    let shares: &[(Stage, f64)] = match method {
        "tsvd-krr" => &[
            (Stage::TsvdInput, 0.05),
            (Stage::TsvdTarget, 0.02),
            (Stage::Standardize, 0.01),
            (Stage::Kernel, 0.12),
            (Stage::Solve, 0.8),
        ],
        _ => &[(Stage::Fit, 1.0)],
    };
    let time = |stage, seconds| StageTime { stage, seconds, peak_rss_mb: None, flops: None };
    [time(Stage::Load, 0.31)]
        .into_iter()
        .chain(shares.iter().map(|&(stage, share)| time(stage, share * train_s)))
        .chain([time(Stage::Predict, 0.02 + 0.06 * train_s), time(Stage::Write, 0.04)])
        .collect()
}
