//! A whole study on generated cells: what is written, what it says, and that it is the same every time.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use end_to_end::{NO_PEAK, bare, has_libtorch, records, refusal, reproduce};
use modality_harness::{
    plan::Plan,
    record::{RunRecord, Status},
};
use modality_protocol::Stage;

const STAGES_HEADER: &str = "study,dataset,synthetic,method,variant,backend,device,repeat,stage,seconds,\
    peak_rss_mb,flops";
const RESULTS_HEADER: &str = "study,dataset,synthetic,method,variant,backend,device,repeat,status,rmse,mae,pearson_cell,\
    pearson_feature,spearman_cell,spearman_feature,train_s,predict_s,total_s,cpu_s,peak_rss_mb,peak_gpu_mb,note,expected_rss_mb,\
    memory_mb,product_gflops,captured,cells,expected_gpu_mb,gpu_energy_j,gpu_energy_s,\
    pearson_all,spearman_all,pearson_cell_with_zeros,pearson_feature_with_zeros,spearman_cell_with_zeros,\
    spearman_feature_with_zeros,task,validation_rmse";

fn smoke(folder: &Path, out: &str, more: &[&str]) -> assert_cmd::Command {
    let arguments = [&["--study", "smoke", "--threads", "2"], more].concat();
    reproduce(&folder.join("cache"), &folder.join(out), &arguments)
}

fn rmse(records: &[RunRecord], method: &str) -> f64 {
    let record =
        records.iter().find(|record| record.run.method == method && record.run.repeat == 0);
    record.unwrap().metrics.unwrap().rmse
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[test]
fn a_study_leaves_everything_that_the_readme_promises() {
    let folder = tempfile::tempdir().unwrap();
    let output = smoke(folder.path(), "out", &[]).assert().success().get_output().clone();
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.contains("tsvd-krr") && table.contains("synthetic"), "{table}");

    let out = folder.path().join("out");
    let csv = fs::read_to_string(out.join("results.csv")).unwrap();
    assert_eq!(csv.lines().next(), Some(RESULTS_HEADER));
    assert_eq!(csv.lines().count(), 1 + 14, "seven rows, two repeats");
    let stages = fs::read_to_string(out.join("stages.csv")).unwrap();
    assert_eq!(stages.lines().next(), Some(STAGES_HEADER));
    for stage in ["load", "tsvd-input", "standardize", "kernel", "solve", "fit", "predict", "write"]
    {
        assert!(stages.contains(&format!(",{stage},")), "no stage {stage}");
    }
    for file in ["report.md", "report.html", "figure.svg", "figure.png"] {
        assert!(fs::metadata(out.join(file)).unwrap().len() > 500, "{file}");
    }
    let plan = Plan::load(&out.join("plan.json")).unwrap();
    assert!(plan.repeats.iter().all(|repeat| repeat.fits.len() == 10));
    assert_ne!(plan.repeats[0].fits, plan.repeats[1].fits);

    let records = records(&out);
    assert!(records.iter().all(|record| record.dataset.synthetic));
    for record in &records {
        let is_there = record.run.backend != "torch" || has_libtorch();
        let wanted = if is_there { Status::Ok } else { Status::Unavailable };
        assert_eq!(record.status, wanted, "{}: {}", record.run.stem(), record.note);
    }
    let order = ["zeros", "mean", "linear", "knn", "tsvd-krr"].map(|method| rmse(&records, method));
    assert!(
        order[0] > order[1] && order[1] > order[2] && order[1] > order[3] && order[2] > order[4],
        "{order:?}"
    );
    let krr = records.iter().find(|record| record.run.method == "tsvd-krr").unwrap();
    assert!(krr.train_s() > 0.0 && krr.usage.total_s >= krr.train_s() && krr.usage.cpu_s > 0.0);
    assert!(krr.usage.peak_rss_mb.is_none_or(|mb| mb > 1.0));
    check_what_is_counted(krr);
    if has_libtorch() {
        check_networks(&out, &plan, &records, order[1]);
    }
}

/// What the efficiency table stands on.
fn check_what_is_counted(krr: &RunRecord) {
    let usage = &krr.usage;
    let stage = |stage: Stage| krr.stages.iter().find(|time| time.stage == stage).unwrap();
    for counted in [Stage::TsvdInput, Stage::Kernel, Stage::Solve, Stage::Predict] {
        let flops = stage(counted).flops;
        assert!(flops.is_some_and(|flops| flops > 1e6), "{}: {flops:?}", counted.name());
    }
    for idle in [Stage::Load, Stage::Write] {
        assert_eq!(stage(idle).flops, None, "{}", idle.name());
    }
    assert!(krr.captured.is_some_and(|share| 0.5 < share && share <= 1.0), "{:?}", krr.captured);
    assert!(usage.product_gflops.is_some_and(|rate| rate > 0.1), "{:?}", usage.product_gflops);
    assert!(krr.memory_mb.is_some_and(|allowed| allowed > 1) && krr.cells.is_none());
    let expected = usage.expected_rss_mb.unwrap();
    // Systems other than Linux do not tell; some containers do not let a process set its peak back.
    let Some(peak) = usage.peak_rss_mb else {
        return modality_testing::skip(NO_PEAK);
    };
    assert!((0.5..2.0).contains(&(expected / peak)), "{expected} MiB expected, {peak} taken");
    let tells_stages = fs::write("/proc/self/clear_refs", "5").is_ok();
    for time in &krr.stages {
        let is_within = |mb: f64| 1.0 < mb && mb <= peak;
        let is_right = time.peak_rss_mb.map_or(!tells_stages, is_within);
        assert!(is_right, "{}: {:?} of {peak} MiB", time.stage.name(), time.peak_rss_mb);
    }
}

/// MLP and GNN learn, and what is told of their folds is what was planned.
fn check_networks(out: &Path, plan: &Plan, records: &[RunRecord], of_the_mean: f64) {
    let folds: Vec<&str> = plan.folds.iter().map(|fold| fold.name.as_str()).collect();
    assert_eq!(folds, ["site1", "site2", "site3"]);
    // One model after the other, and side by side.
    let one_by_one = folds.iter().flat_map(|fold| (1..=10).map(move |epoch| (*fold, epoch)));
    let together = (1..=30).flat_map(|epoch| folds.iter().map(move |fold| (*fold, epoch)));
    let planned: [Vec<(&str, usize)>; 2] = [one_by_one.collect(), together.collect()];
    for (method, planned) in ["mlp", "gnn"].into_iter().zip(planned) {
        assert!(rmse(records, method) < of_the_mean, "{method}");
        let record = records.iter().find(|record| record.run.method == method).unwrap();
        let told = record.epochs.iter().map(|epoch| (epoch.fold.as_str(), epoch.epoch));
        assert_eq!(told.collect::<Vec<_>>(), planned, "{method}");
    }
    let csv = fs::read_to_string(out.join("epochs.csv")).unwrap();
    let lines = 1 + 2 * 3 * (10 + 30);
    assert_eq!(csv.lines().count(), lines, "two repeats, three folds, ten epochs and thirty");
    for file in ["curves.svg", "curves.png"] {
        assert!(fs::metadata(out.join(file)).unwrap().len() > 500, "{file}");
    }
}

#[test]
fn the_same_plan_gives_the_same_predictions() {
    let folder = tempfile::tempdir().unwrap();
    for out in ["a", "b"] {
        let options = ["--only", "knn,linear,tsvd-krr,mlp,gnn", "--memory", "4"];
        smoke(folder.path(), out, &options).assert().success();
    }
    let predictions = ["a", "b"].map(|out| files(&folder.path().join(out).join("predictions")));
    assert_eq!(predictions[0].len(), if has_libtorch() { 10 } else { 6 });
    assert!(predictions[0] == predictions[1], "predictions differ");
    assert_eq!(
        fs::read(folder.path().join("a/plan.json")).unwrap(),
        fs::read(folder.path().join("b/plan.json")).unwrap()
    );
}

#[test]
fn earlier_results_are_never_touched_unless_resumed() {
    let folder = tempfile::tempdir().unwrap();
    smoke(folder.path(), "out", &["--only", "mean,tsvd-krr", "--repeats", "1"]).assert().success();
    let out = folder.path().join("out");
    let before = files(&out.join("records"));

    let message = refusal(smoke(folder.path(), "out", &["--only", "mean"]));
    assert!(message.contains("already holds results; --resume goes on with them"), "{message}");
    assert!(files(&out.join("records")) == before);

    // One record lost, one repeat more: what is there stays to the byte, the rest is run.
    fs::remove_file(out.join("records/mean-linfa-r0.json")).unwrap();
    smoke(folder.path(), "out", &["--resume", "--only", "mean,tsvd-krr", "--repeats", "2"])
        .assert()
        .success();
    let after = files(&out.join("records"));
    let names: Vec<&str> = after.iter().map(|(name, _)| name.as_str()).collect();
    let wanted = [
        "mean-linfa-r0.json",
        "mean-linfa-r1.json",
        "tsvd-krr-linfa-r0.json",
        "tsvd-krr-linfa-r1.json",
    ];
    assert_eq!(names, wanted);
    assert!(before.iter().any(|record| *record == after[2]), "a finished run was run again");

    let message = refusal(reproduce(
        &folder.path().join("cache"),
        &out,
        &["--study", "smoke", "--resume", "--threads", "1"],
    ));
    assert!(message.contains("made with another number of threads"), "{message}");
    let message = refusal(smoke(folder.path(), "new", &["--resume"]));
    assert!(message.contains("holds no plan.json to resume"), "{message}");
}

#[test]
fn a_killed_study_leaves_whole_records_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    smoke(folder.path(), "warm-up", &["--only", "mean", "--repeats", "1"]).assert().success();

    let mut study = bare(&smoke(folder.path(), "out", &[]), &[]);
    let mut study = study.stdout(Stdio::null()).spawn().unwrap();
    let records_in = |out: &Path| fs::read_dir(out.join("records")).map_or(0, Iterator::count);
    while records_in(&out) < 2 && study.try_wait().unwrap().is_none() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    study.kill().unwrap();
    study.wait().unwrap();
    assert!(!records(&out).is_empty(), "every record that is there can be read");

    smoke(folder.path(), "out", &["--resume"]).assert().success();
    assert_eq!(records(&out).len(), 14);
}

#[test]
fn an_interrupt_keeps_what_is_finished_and_says_how_to_go_on() {
    let folder = tempfile::tempdir().unwrap();
    smoke(folder.path(), "warm-up", &["--only", "mean", "--repeats", "1"]).assert().success();
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let out = folder.path().join(signal);
        let command = smoke(folder.path(), signal, &["--only", "zeros,mean", "--repeats", "200"]);
        let mut study = bare(&command, &[]);
        let mut study = study.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let records_in = |out: &Path| fs::read_dir(out.join("records")).map_or(0, Iterator::count);
        while records_in(&out) < 2 && study.try_wait().unwrap().is_none() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let killed = Command::new("kill").args([signal, &study.id().to_string()]).status();
        assert!(killed.unwrap().success());
        let output = study.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{said}");
        let last = format!("--threads 2 --out {} --resume", out.display());
        assert!(said.trim_end().ends_with(&last), "{said}");
        assert!(said.contains("what is finished is kept in"), "{said}");
        let kept = records(&out);
        assert!(!kept.is_empty() && kept.iter().all(|record| record.status == Status::Ok));
    }
}

#[test]
fn a_full_disk_is_a_sentence_and_leaves_no_torn_record() {
    let folder = tempfile::tempdir().unwrap();
    smoke(folder.path(), "out", &["--only", "mean", "--repeats", "1"]).assert().success();
    let before = files(&folder.path().join("out/records"));

    // No file may grow beyond one block: what a full disk looks like to a program.
    let command = smoke(folder.path(), "out", &["--resume", "--only", "mean,tsvd-krr"]);
    let within = ["sh", "-c", "trap '' XFSZ; ulimit -f 1; exec \"$0\" \"$@\""];
    let output = bare(&command, &within).output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && message.contains("error: "), "{message}");
    assert!(!message.contains("panicked"), "{message}");
    let after = files(&folder.path().join("out/records"));
    assert!(before.iter().all(|record| after.contains(record)), "an earlier record changed");
    records(&folder.path().join("out"));
}
