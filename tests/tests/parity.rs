//! The same plan fed to scikit-learn and PyTorch gives the same accuracy.
//!
//! `tests/reference/values.json` holds what `tests/reference/measure.py` measured with them; the plans are drawn
//! anew here and must be the ones that they were given.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use end_to_end::{NO_PEAK, bench, exact, has_libtorch, linfa_runner, records, reproduce, root};
use modality_data::prepared;
use modality_harness::{
    bench::Output,
    plan::Plan,
    record::{RunRecord, Status},
};
use modality_methods as methods;
use modality_protocol::{Epoch, StageClock, Task};
use modality_recipe::{Exact, Problem, tsvd_krr};
use modality_testing::{multiome_starter, skip, starter};
use ndarray::Array2;
use serde::Deserialize;

/// Largest difference in RMSE: scikit-learn's randomised TSVD and rounding in the training of a network go that far.
const TOLERANCE: f64 = 5e-4;
/// The same for a network trained on a few hundred cells, in few steps.
const SHORT_TRAINING: f64 = 1e-4;
/// Relative difference of what a network is like after one epoch, before rounding has grown.
const FIRST_EPOCH: f64 = 1e-4;
/// Largest root mean squared difference of predictions by conjugate gradients from exact ones.
const SOLVED: f64 = 1e-3;
/// Largest difference of their RMSE.
const SOLVED_RMSE: f64 = 1e-4;
/// Largest relative difference of expected and measured peak memory.
const EXPECTED_MEMORY: f64 = 0.25;
/// Largest difference of the means over five seeds.
const MEAN_OF_FIVE: f64 = 2e-4;

#[derive(Deserialize)]
struct Reference {
    /// By name.
    studies: BTreeMap<String, Study>,
}

#[derive(Deserialize)]
struct Study {
    /// SHA-256 over the prepared arrays that were read.
    dataset_sha256: String,
    /// RMSE by method, one value a repeat.
    rmse: BTreeMap<String, Vec<f64>>,
    /// What each fold's network was like after one epoch, in the first repeat.
    first_epochs: Vec<FirstEpoch>,
    /// Of the graph neural network.
    gnn: Option<Gnn>,
}

#[derive(Deserialize)]
struct Gnn {
    /// Losses of the first steps of the first fold's model in the first repeat, by what a step sees.
    first_steps: BTreeMap<String, Vec<f64>>,
    /// One value a repeat.
    rmse: Vec<f64>,
    /// That of the kept epoch, by repeat and fold.
    validation_rmse: Vec<Vec<f64>>,
}

#[derive(Deserialize)]
struct FirstEpoch {
    fold: String,
    loss: f64,
    validation_rmse: f64,
}

fn reference(study: &str) -> Study {
    let text = fs::read_to_string(root().join("tests/reference/values.json")).unwrap();
    let mut reference: Reference = serde_json::from_str(&text).unwrap();
    reference.studies.remove(study).unwrap()
}

/// `reproduce` of a study, with as many threads and as much memory on any machine: what is expected of memory hangs on
/// both.
fn alike(cache: &Path, out: &Path, study: &str) -> assert_cmd::Command {
    reproduce(cache, out, &["--study", study, "--threads", "2", "--memory", "4"])
}

/// The records with a score; those without are of backends that this machine has nothing for.
fn scored(out: &Path) -> Vec<RunRecord> {
    let mut records = records(out);
    for record in records.iter().filter(|record| record.status != Status::Ok) {
        let may_miss = match record.run.backend.as_str() {
            "torch" => !has_libtorch(),
            backend => ["cuda", "torch-cuda"].contains(&backend),
        };
        assert!(may_miss && record.status == Status::Unavailable, "{}", record.note);
    }
    records.retain(|record| record.status == Status::Ok);
    records
}

/// Every reference value has its record, and the two agree.
fn check(study: &str, out: &Path, mlp_tolerance: f64) {
    let reference = reference(study);
    let records = scored(out);
    for record in &records {
        let sum = &record.dataset.sha256;
        assert_eq!(*sum, reference.dataset_sha256, "not the data that was measured on");
    }
    for (method, values) in &reference.rmse {
        if method == "mlp" && !has_libtorch() {
            continue;
        }
        let tolerance = if method == "mlp" { mlp_tolerance } else { TOLERANCE };
        for (repeat, theirs) in values.iter().enumerate() {
            let on_cpu = record(&records, method, repeat);
            for record in [on_cpu].into_iter().chain(on_gpu(&records, method, repeat)) {
                let (name, ours) = (record.run.stem(), record.metrics.unwrap().rmse);
                println!("{study}, {name}: {ours:.6}, reference {theirs:.6}");
                let difference = (ours - theirs).abs();
                assert!(difference < tolerance, "{study}, {name}: {ours}, reference {theirs}");
            }
        }
    }
    if has_libtorch() {
        check_first_epochs(&reference, record(&records, "mlp", 0));
    }
}

/// The graph neural network with the same initial parameters, orders and masks: its first steps, what each fold kept, and RMSE.
fn check_gnn(reference: &Gnn, out: &Path) {
    let (plan, records) = (Plan::load(&Output::new(out).plan()).unwrap(), &scored(out));
    let repeats = reference.rmse.iter().zip(&reference.validation_rmse).enumerate();
    for (repeat, (rmse, validation)) in repeats {
        let record = record(records, "gnn", repeat);
        let ours = record.metrics.unwrap().rmse;
        assert!((ours - rmse).abs() < SHORT_TRAINING, "RMSE {ours}, reference {rmse}");
        for (fold, theirs) in validation.iter().enumerate() {
            let curve = curve(record, fold).map(|epoch| epoch.validation_rmse);
            let ours = curve.fold(f64::INFINITY, f64::min);
            let difference = (ours - theirs).abs();
            assert!(difference < SHORT_TRAINING, "fold {fold}: {ours}, reference {theirs}");
        }
    }
    let record = record(records, "gnn", 0);
    let batch_size = record.params["batch_size"].as_u64().unwrap() as usize;
    let steps = (record.dataset.train_cells - plan.folds[0].cells.len()) / batch_size;
    let losses = reference.first_steps["cells"].chunks_exact(steps);
    assert!(losses.len() > 1, "{steps} steps an epoch are more than are known");
    for (epoch, theirs) in curve(record, 0).zip(losses) {
        let theirs = theirs.iter().sum::<f64>() / steps as f64;
        let difference = (epoch.loss - theirs).abs();
        assert!(difference < FIRST_EPOCH * theirs, "{epoch:?}, reference {theirs}");
    }
}

/// The epochs of this fold, of three.
fn curve(record: &RunRecord, fold: usize) -> impl Iterator<Item = &Epoch> {
    let name = record.epochs[fold].fold.clone();
    record.epochs.iter().filter(move |epoch| epoch.fold == name)
}

/// That of the CPU.
fn record<'a>(records: &'a [RunRecord], method: &str, repeat: usize) -> &'a RunRecord {
    let is_it = |record: &&RunRecord| {
        record.run.method == method && record.run.repeat == repeat && record.device == "CPU"
    };
    records.iter().find(is_it).unwrap_or_else(|| panic!("no record of {method}, repeat {repeat}"))
}

/// That of the CUDA backend, where there is a GPU.
fn on_gpu<'a>(records: &'a [RunRecord], method: &str, repeat: usize) -> Option<&'a RunRecord> {
    records.iter().find(|record| {
        let run = &record.run;
        run.method == method && run.repeat == repeat && run.backend == "cuda"
    })
}

fn check_first_epochs(reference: &Study, record: &RunRecord) {
    let ours: Vec<_> = record.epochs.iter().filter(|epoch| epoch.epoch == 1).collect();
    assert_eq!((ours.len(), reference.first_epochs.len()), (3, 3));
    for (ours, theirs) in ours.into_iter().zip(&reference.first_epochs) {
        assert_eq!(ours.fold, theirs.fold);
        let pairs = [(ours.loss, theirs.loss), (ours.validation_rmse, theirs.validation_rmse)];
        for (ours, theirs) in pairs {
            assert!((ours - theirs).abs() < FIRST_EPOCH * theirs, "{ours}, reference {theirs}");
        }
    }
}

#[test]
fn starter_files_agree() {
    let Some(data) = starter() else { return };
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let mut command = alike(&folder.path().join("cache"), &out, "starter");
    command.env("MODALITY_BENCH_DATA", data).assert().success();
    check("starter", &out, SHORT_TRAINING);
}

#[test]
fn generated_cells_agree() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    alike(&folder.path().join("cache"), &out, "smoke").assert().success();
    check("smoke", &out, SHORT_TRAINING);
    if has_libtorch() {
        check_gnn(&reference("smoke").gnn.unwrap(), &out);
    }
}

/// Another direction of a starter sample: every method agrees with scikit-learn, and TSVD + KRR with the exact method in
/// float64, from which scikit-learn's randomised TSVD may be further away than [`TOLERANCE`].
fn direction_agrees(study: &str, task: &str, data: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let (cache, out) = (folder.path().join("cache"), folder.path().join("out"));
    let mut command = alike(&cache, &out, study);
    command.args(["--task", task, "--only", "linfa", "--repeats", "1"]);
    command.env("MODALITY_BENCH_DATA", data).assert().success();
    let records = records(&out);
    let exact = exact_rmse(&cache, &out, record(&records, "tsvd-krr", 0));
    let reference = reference(&format!("{study}, {task}"));
    assert_eq!(records.len(), reference.rmse.len());
    for (method, values) in &reference.rmse {
        let record = record(&records, method, 0);
        assert_eq!(
            record.dataset.sha256, reference.dataset_sha256,
            "not the data that was measured on"
        );
        let (ours, theirs) = (record.metrics.unwrap().rmse, values[0]);
        println!("{study}, {task}, {method}: {ours:.6}, reference {theirs:.6}");
        let is_near = (ours - theirs).abs() < TOLERANCE;
        if method == "tsvd-krr" {
            println!("{study}, {task}, {method}: {ours:.6}, exact {exact:.6}");
            assert!((ours - exact).abs() < SOLVED_RMSE, "RMSE {ours}, exact {exact}");
            assert!(is_near || (theirs - exact).abs() > TOLERANCE, "{ours}, reference {theirs}");
        } else {
            assert!(is_near, "{study}, {task}, {method}: {ours}, reference {theirs}");
        }
    }
}

/// Of the recipe by full decompositions in float64, with the record's hyperparameters on the plan's lists.
fn exact_rmse(cache: &Path, out: &Path, record: &RunRecord) -> f64 {
    let dataset = prepared_in(cache, &record.dataset.name);
    let inputs = prepared::read_inputs(&prepared::inputs(&dataset), None).unwrap();
    let plan = Plan::load(&Output::new(out).plan()).unwrap();
    let fits: Vec<Vec<u32>> = plan.repeats[0].fits.iter().map(|fit| fit.cells.clone()).collect();
    let problem = Problem {
        train_input: inputs.train_input.view(),
        train_target: inputs.train_target.view(),
        test_input: inputs.test_input.view(),
        most: inputs.manifest.task().target.most(),
        fits: &fits[..1],
        seed: 0,
    };
    assert!(fits.iter().all(|fit| *fit == fits[0]), "one batch, and so one fit");
    let params = methods::TsvdKrrParams {
        solver: methods::Solver::Cholesky,
        ..methods::parse("tsvd-krr", &record.params).unwrap()
    };
    let predicted = tsvd_krr(&mut Exact, &problem, &params, &mut StageClock::silent()).unwrap();
    let truth = prepared::read_answers(&dataset).unwrap().view().to_dense().mapv(f64::from);
    exact::rms(&predicted.mapv(f64::from), &truth)
}

/// Without a task, a folder says itself what it is of.
#[test]
fn a_folder_of_the_user_s_names_its_task() {
    let Some(data) = multiome_starter() else { return };
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let arguments = ["--study", "smoke", "--only", "mean", "--data", data.to_str().unwrap()];
    reproduce(&folder.path().join("cache"), &out, &arguments).assert().success();
    let (record, wanted) = (records(&out).remove(0), Task::GEX_TO_ATAC);
    assert_eq!((record.dataset.task, record.run.method.as_str()), (wanted, "mean"));
    let report = fs::read_to_string(out.join("report.md")).unwrap();
    assert!(
        report.contains("# Open chromatin from gene expression: bmmc-multiome-starter"),
        "{report}"
    );
    assert!(report.contains("| Peaks | 600 |"), "{report}");
}

#[test]
fn genes_from_proteins_agree_on_starter_files() {
    let Some(data) = starter() else { return };
    direction_agrees("starter", "adt-to-gex", &data);
}

#[test]
fn peaks_from_genes_and_genes_from_peaks_agree_on_starter_files() {
    let Some(data) = multiome_starter() else { return };
    direction_agrees("starter-multiome", "gex-to-atac", &data);
    direction_agrees("starter-multiome", "atac-to-gex", &data);
}

/// Of the real data that comes from PyPI.
#[test]
fn genes_from_proteins_agree_on_liu_covid_cite() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let mut command = alike(&folder.path().join("cache"), &out, "adt-to-gex");
    command.args(["--repeats", "1", "--only", "linfa"]);
    let output = command.assert().success().get_output().clone();
    if is_without_data(&output) {
        return;
    }
    let (records, reference) = (records(&out), reference("adt-to-gex, adt-to-gex"));
    for (method, values) in &reference.rmse {
        let record = record(&records, method, 0);
        assert_eq!(
            record.dataset.sha256, reference.dataset_sha256,
            "not the data that was measured on"
        );
        let (ours, theirs) = (record.metrics.unwrap().rmse, values[0]);
        println!("adt-to-gex, {method}: {ours:.6}, reference {theirs:.6}");
        assert!((ours - theirs).abs() < TOLERANCE, "{method}: {ours}, reference {theirs}");
    }
}

/// Whether the study went on with other data than its own.
fn is_without_data(output: &std::process::Output) -> bool {
    let without = String::from_utf8_lossy(&output.stderr).contains("going on with generated data");
    if without {
        skip("the data set cannot be fetched here");
    }
    without
}

/// The data comes from PyPI.
#[test]
fn liu_covid_cite_agrees() {
    let folder = tempfile::tempdir().unwrap();
    let (cache, out) = (folder.path().join("cache"), folder.path().join("out"));
    let mut command = alike(&cache, &out, "default");
    // The graph neural network takes minutes, and has no reference here.
    let methods = "zeros,mean,linear,knn,tsvd-krr,mlp";
    let command = command.args(["--repeats", "1", "--only", methods]);
    let output = command.assert().success().get_output().clone();
    if !is_without_data(&output) {
        check("default", &out, TOLERANCE);
        check_memory(&out);
        check_against_cholesky(&cache, &out);
    }
}

/// What conjugate gradients left is what ten Cholesky factorisations in float64 give on the same scores. Of each fit every
/// third cell is taken: a factorisation takes the cube of them.
fn check_against_cholesky(cache: &Path, out: &Path) {
    let mut plan = Plan::load(&Output::new(out).plan()).unwrap();
    plan.rows.retain(|row| row.name() == "tsvd-krr/linfa");
    for fit in &mut plan.repeats[0].fits {
        fit.cells = fit.cells.iter().copied().step_by(3).collect();
    }
    let dataset = prepared_in(cache, &plan.dataset.name);
    let repeat = plan.repeats[0].clone();
    let out = out.with_file_name("fewer");
    let bench = bench(plan, &dataset, &out);
    let record = bench.run(&bench.plan().rows[0], 0, &linfa_runner(), |_| ()).unwrap();
    assert_eq!((&record.params["solver"], record.note.as_str()), (&"pcg".into(), ""));
    let predictions = Output::new(&out).predictions().join(format!("{}.npy", record.run.stem()));
    let ours: Array2<f32> = ndarray_npy::read_npy(predictions).unwrap();
    let ours = ours.mapv(f64::from);

    let params = methods::parse("tsvd-krr", &record.params).unwrap();
    let inputs = prepared::read_inputs(&prepared::inputs(&dataset), None).unwrap();
    let exact = exact::predictions(&inputs, &repeat, &params);

    let truth = prepared::read_answers(&dataset).unwrap().view().to_dense().mapv(f64::from);
    let off = exact::rms(&ours, &exact);
    let (ours, exact) = (exact::rms(&ours, &truth), exact::rms(&exact, &truth));
    println!("off by {off:.2e} RMS; RMSE {ours:.6}, by Cholesky in float64 {exact:.6}");
    assert!(
        (ours - record.metrics.unwrap().rmse).abs() < 1e-6,
        "not the predictions of the record"
    );
    assert!(off < SOLVED, "predictions are off by {off:e} RMS");
    assert!((ours - exact).abs() < SOLVED_RMSE, "RMSE {ours}, exact {exact}");
}

/// What TSVD + KRR takes is what it foretells.
fn check_memory(out: &Path) {
    let records = scored(out);
    let usage = &record(&records, "tsvd-krr", 0).usage;
    let expected = usage.expected_rss_mb.unwrap();
    let Some(peak) = usage.peak_rss_mb else { return skip(NO_PEAK) };
    println!("{expected:.0} MiB expected, {peak:.0} MiB taken");
    assert!((expected / peak - 1.0).abs() < EXPECTED_MEMORY, "{expected} MiB, not {peak}");
}

/// The one data set of this name in a cache.
fn prepared_in(cache: &Path, name: &str) -> PathBuf {
    let folders = fs::read_dir(cache.join("prepared")).unwrap().map(|entry| entry.unwrap());
    let is_it = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with(name);
    folders.into_iter().find(is_it).unwrap().path()
}

/// Five seeds of the MLP beside the same five in Python; the first of them is in the default study too, and checked whenever
/// that is.
#[test]
#[ignore = "takes minutes: five trainings of the MLP; `cargo test -p end-to-end --test parity -- --ignored`"]
fn the_mlp_is_as_good_as_pytorch_s() {
    if !has_libtorch() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let mut command = alike(&folder.path().join("cache"), &out, "pytorch");
    let output = command.args(["--only", "mlp/torch"]).assert().success().get_output().clone();
    if is_without_data(&output) {
        return;
    }
    check("pytorch", &out, TOLERANCE);
    let records = scored(&out);
    let ours: Vec<f64> =
        (0..5).map(|repeat| record(&records, "mlp", repeat).metrics.unwrap().rmse).collect();
    let theirs = &reference("pytorch").rmse["mlp"];
    assert_eq!(theirs.len(), 5);
    let ((ours, our_error), (theirs, their_error)) = (mean(&ours), mean(theirs));
    let error = our_error.hypot(their_error);
    println!(
        "mean RMSE {ours:.6}, PyTorch {theirs:.6}, standard error of the difference {error:.6}"
    );
    let difference = (ours - theirs).abs();
    assert!(difference < MEAN_OF_FIVE && difference < 2.0 * error);
}

/// Mean and its standard error.
fn mean(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (squares / (count - 1.0) / count).sqrt())
}
