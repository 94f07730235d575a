//! What a run may take of the machine's memory: said before anything is run, and without effect on results.

use std::path::Path;

use backend_linfa::memory::Needs;
use end_to_end::{bench, libtorch, linfa_runner, modality_bench, plan, records};
use modality_data::{
    prepared::{self, Shape},
    synthetic::{self, Size},
};
use modality_harness::{
    plan::{Limits, Plan},
    record::{RunRecord, Status},
};
use modality_methods::{self as methods, TsvdKrrParams};
use modality_protocol::Task;

/// Enough for the program and its inputs; not for ten fits at once.
const LITTLE: &str = "0.014";

#[test]
fn a_row_that_needs_more_memory_is_told_before_anything_is_run() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let mut command = modality_bench();
    command.env("MODALITY_BENCH_CACHE", folder.path().join("cache")).env("LIBTORCH", libtorch());
    command.args(["reproduce", "--study", "smoke", "--repeats", "1", "--threads", "2", "--only"]);
    command.args(["zeros,mean,linear,tsvd-krr", "--memory", LITTLE, "--out"]).arg(&out);
    let output = command.assert().success().get_output().clone();

    let records = records(&out);
    assert_eq!(records.len(), 4);
    for record in &records {
        let is_krr = record.run.method == "tsvd-krr";
        let wanted = if is_krr { Status::Unavailable } else { Status::Ok };
        assert_eq!(record.status, wanted, "{}: {}", record.run.stem(), record.note);
        assert_eq!(record.memory_mb, Some(14));
        if is_krr {
            assert!(record.note.starts_with("it needs at least "), "{}", record.note);
            let end = "MiB of memory, and may take 14 MiB; `--memory` sets what it may take";
            assert!(record.note.ends_with(end), "{}", record.note);
            assert!(record.stages.is_empty() && record.usage.total_s == 0.0);
        }
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = |text: &str| said.lines().position(|line| line.contains(text));
    let told = line("tsvd-krr/linfa: unavailable: it needs at least");
    assert!(told.is_some() && told < line("zeros/linfa, run 1 of 1"), "{said}");
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(shown.contains("Missing: tsvd-krr/linfa (unavailable): it needs"), "{shown}");
}

const KEPT_AND_FORMED: &str = "\
title = 'Kernels'
dataset = { name = 'bmmc-synthetic' }
repeats = 1
seed = 0
rows = ['tsvd-krr/linfa']
[sweep.tsvd-krr]
kernel = ['kept', 'formed']
";

#[test]
fn predictions_do_not_depend_on_what_becomes_of_the_kernel() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = folder.path().join("prepared");
    prepared::write(&synthetic::generate(Size::Tiny, 1, Task::default()), &dataset).unwrap();
    let all = plan(KEPT_AND_FORMED, &dataset, Limits { threads: 2, memory: 1 << 40 }).unwrap();
    let needs = needs(&all, &dataset);
    let (all_of_it, least) = (needs.kernel(all.memory), needs.expected(0).least);
    // Three tenths of the kernel's tiles, and none of them.
    let part = Plan { memory: least + all_of_it * 3 / 10, ..all.clone() };
    let none = Plan { memory: least, ..all.clone() };
    assert!((1..all_of_it).contains(&needs.kernel(part.memory)), "all of it, or nothing");
    assert_eq!(needs.kernel(none.memory), 0);

    let mut records: Vec<RunRecord> = Vec::new();
    for (name, plan) in [("all", all), ("part", part), ("none", none)] {
        let bench = bench(plan, &dataset, &folder.path().join(name));
        for row in &bench.plan().rows {
            let record = bench.run(row, 0, &linfa_runner(), |_| ()).unwrap();
            assert_eq!(record.status, Status::Ok, "{name}, {}: {}", row.name(), record.note);
            records.push(record);
        }
    }
    assert_eq!(records.len(), 6);
    for record in &records {
        assert_eq!(record.predictions_sha256, records[0].predictions_sha256, "{}", record.note);
    }
    // Formed or kept, the entries are the same, and so is the number of iterations.
    let kernel = |record: &RunRecord| {
        let stage = record.stages.iter().find(|stage| stage.stage.name() == "kernel").unwrap();
        stage.flops.unwrap_or(0.0)
    };
    assert_eq!(kernel(&records[1]), 0.0, "`formed` keeps nothing");
    assert_eq!(kernel(&records[4]), 0.0, "nothing can be kept");
    assert!(0.0 < kernel(&records[2]) && kernel(&records[2]) < kernel(&records[0]));
}

fn needs(plan: &Plan, dataset: &Path) -> Needs {
    let shape = Shape::of(&prepared::inputs(dataset), None).unwrap();
    let params: TsvdKrrParams = methods::parse("tsvd-krr", &plan.rows[0].params).unwrap();
    let fits: Vec<Vec<u32>> = plan.repeats[0].fits.iter().map(|fit| fit.cells.clone()).collect();
    Needs::of_tsvd_krr(&shape, &params, &fits, plan.threads)
}
