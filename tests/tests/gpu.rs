//! Rows on accelerators: what is kept of them, and the Python peer of the CUDA backend, here without a GPU.

use std::{path::Path, process::Command};

use end_to_end::{bench, plan, root};
use modality_data::{
    prepared,
    synthetic::{self, Size},
};
use modality_harness::{
    bench::Output,
    host::Runner,
    plan::{Limits, Plan},
    record::{RunRecord, Status},
};
use modality_protocol::{DeviceId, PROTOCOL, Task};
use modality_testing::skip;

const LIMITS: Limits = Limits { threads: 2, memory: 1 << 40 };
const STUDY: &str = "\
title = 'On a GPU'
dataset = { name = 'bmmc-synthetic' }
repeats = 1
seed = 0
rows = ['tsvd-krr/cuml-peer']
";
/// What the check of the peer's arithmetic ends with where Python lacks what it needs.
const LACKING: i32 = 77;

fn planned(dataset: &Path) -> Plan {
    prepared::write(&synthetic::generate(Size::Tiny, 1, Task::default()), dataset).unwrap();
    plan(STUDY, dataset, LIMITS).unwrap()
}

fn run(plan: Plan, command: &[&str], dataset: &Path, out: &Path) -> RunRecord {
    let bench = bench(plan, dataset, out);
    let command = command.iter().map(|&word| word.to_owned()).collect();
    let runner = Runner { command, folder: root().to_owned() };
    bench.run(&bench.plan().rows[0], 0, &runner, |_| ()).unwrap()
}

const PEER: [&str; 2] = ["python3", "bench-configs/peers/cuml_backend.py"];

#[test]
fn the_peer_computes_on_a_gpu_or_says_why_not() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = folder.path().join("prepared");
    let plan = planned(&dataset);
    assert_eq!((plan.rows[0].device, PROTOCOL), (DeviceId::Cuda(0), 4));
    let mut elsewhere = plan.clone();
    elsewhere.rows[0].device = DeviceId::Cpu;

    let record = run(plan, &PEER, &dataset, &folder.path().join("cuda"));
    println!("{}: {}", record.status.name(), record.note);
    if record.status == Status::Ok {
        assert!(!record.device.is_empty() && record.device != "CPU");
        assert!(record.usage.peak_gpu_mb.is_some_and(|mebibytes| mebibytes > 0.0));
        return;
    }
    assert_eq!(record.status, Status::Unavailable, "{}", record.note);
    assert!(record.note.len() > 20 && record.stages.is_empty(), "{}", record.note);

    let record = run(elsewhere, &PEER, &dataset, &folder.path().join("cpu"));
    assert_eq!(record.status, Status::Unavailable, "{}", record.note);
}

/// Runs where `python3` has NumPy, SciPy and, for half of it, PyTorch.
#[test]
fn the_peer_s_arithmetic_is_that_of_the_method() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = folder.path().join("prepared");
    let path = folder.path().join("plan.json");
    planned(&dataset).save(&path).unwrap();
    let script = root().join("tests/reference/check_cuml.py");
    let output = match Command::new("python3").arg(script).arg(&dataset).arg(&path).output() {
        Ok(output) => output,
        Err(error) => return skip(format_args!("python3 cannot be started: {error}")),
    };
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    if output.status.code() == Some(LACKING) {
        let why = said.lines().next_back().and_then(|line| line.strip_prefix("skipped: "));
        return skip(why.unwrap_or("python3 lacks what the peer needs"));
    }
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("Modules, data in float32, solved in float64: "), "{said}");
    said.lines().filter(|line| line.contains(": skipped, ")).for_each(skip);
}

/// A run that says of itself what the script says, and leaves predictions that could be scored.
fn run_of(script: &str) -> RunRecord {
    let folder = tempfile::tempdir().unwrap();
    let dataset = folder.path().join("prepared");
    let plan = planned(&dataset);
    let answers = prepared::read_answers(&dataset).unwrap();
    let predictions = folder.path().join("some.npy");
    ndarray_npy::write_npy(&predictions, &answers.view().to_dense()).unwrap();
    let out = folder.path().join("out");
    let wanted = std::path::absolute(Output::new(&out).predictions()).unwrap();
    let script = format!(
        "read spec; cp {} {}/tsvd-krr-cuml-peer-r0.npy\n{script}\ncat",
        predictions.display(),
        wanted.display()
    );
    run(plan, &["sh", "-c", &script], &dataset, &out)
}

#[test]
fn an_emulated_device_leaves_no_times() {
    let said = |device: &str| {
        let events = [
            format!(r#"{{"event":"hello","device":"{device}","versions":{{}}}}"#),
            r#"{"event":"expect","peak_rss_mb":300,"peak_gpu_mb":20}"#.to_owned(),
            r#"{"event":"end","stage":"solve","seconds":0.001,"flops":1e6}"#.to_owned(),
            r#"{"event":"gpu-energy","joules":40,"seconds":0.25}"#.to_owned(),
            r#"{"event":"product-rate","gflops":9,"seconds":0,"cpu_seconds":0}"#.to_owned(),
            r#"{"event":"done"}"#.to_owned(),
        ];
        run_of(&events.map(|event| format!("echo '{event}'")).join("\n"))
    };
    let real = said("NVIDIA H200");
    assert_eq!((real.status, real.note.as_str()), (Status::Ok, ""));
    assert!(real.metrics.is_some() && real.train_s() > 0.0 && real.usage.total_s > 0.0);
    assert_eq!((real.usage.gpu_energy_j, real.usage.product_gflops), (Some(40.0), Some(9.0)));

    let emulated = said("emulated NVIDIA H200");
    let why = "it ran on an emulated device, whose times mean nothing";
    assert_eq!((emulated.status, emulated.note.as_str()), (Status::Failed, why));
    assert!(emulated.metrics.is_none() && emulated.stages.is_empty());
    let usage = &emulated.usage;
    assert_eq!((usage.total_s, usage.cpu_s), (0.0, 0.0));
    assert_eq!((usage.gpu_energy_j, usage.product_gflops), (None, None));
    assert_eq!(usage.expected_gpu_mb, Some(20.0));
}
