//! The same plan fed to scikit-learn and PyTorch gives the same accuracy.
//!
//! `tests/reference/values.json` holds what `tests/reference/measure.py` measured with them; the plans are drawn
//! anew here and must be the ones that they were given.

use std::{collections::BTreeMap, fs, path::Path};

use end_to_end::{has_libtorch, records, reproduce, root, starter};
use modality_harness::record::{RunRecord, Status};
use serde::Deserialize;

#[derive(Deserialize)]
struct Reference {
    /// Largest difference in RMSE, by method.
    tolerance: BTreeMap<String, f64>,
    /// By study.
    studies: BTreeMap<String, Study>,
}

#[derive(Deserialize)]
struct Study {
    /// SHA-256 over the prepared arrays that were read.
    dataset_sha256: String,
    /// RMSE by method, one value a repeat.
    rmse: BTreeMap<String, Vec<f64>>,
}

impl Reference {
    fn read() -> Self {
        let text = fs::read_to_string(root().join("tests/reference/values.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    fn tolerance(&self, method: &str) -> f64 {
        self.tolerance.get(method).copied().unwrap_or(self.tolerance["others"])
    }
}

/// The records with a score; those without are of backends that this machine has nothing for.
fn scored(out: &Path) -> Vec<RunRecord> {
    let mut records = records(out);
    for record in records.iter().filter(|record| record.status != Status::Ok) {
        let may_miss = match record.run.backend.as_str() {
            "torch" => !has_libtorch(),
            backend => backend == "torch-cuda",
        };
        assert!(may_miss && record.status == Status::Unavailable, "{}", record.note);
    }
    records.retain(|record| record.status == Status::Ok);
    records
}

fn check(study: &str, out: &Path) {
    let reference = Reference::read();
    let wanted = &reference.studies[study];
    let mut compared = 0;
    for record in scored(out) {
        let RunRecord { run, dataset, metrics, .. } = record;
        assert_eq!(dataset.sha256, wanted.dataset_sha256, "not the data that was measured on");
        let Some(values) = wanted.rmse.get(&run.method) else { continue };
        let (ours, theirs) = (metrics.unwrap().rmse, values[run.repeat]);
        let (method, repeat) = (&run.method, run.repeat);
        println!("{study}, {method}, repeat {repeat}: {ours:.5}, reference {theirs:.5}");
        assert!(
            (ours - theirs).abs() < reference.tolerance(method),
            "{method}: {ours} where the reference has {theirs}"
        );
        compared += 1;
    }
    let missing = usize::from(!has_libtorch());
    assert!(compared >= wanted.rmse.len() - missing, "only {compared} values compared");
}

#[test]
fn starter_files_agree() {
    let Some(data) = starter() else { return };
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let mut command = reproduce(&folder.path().join("cache"), &out, &["--study", "starter"]);
    command.env("MODALITY_BENCH_DATA", data).assert().success();
    check("starter", &out);
}

#[test]
fn generated_cells_agree() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    reproduce(&folder.path().join("cache"), &out, &["--study", "smoke"]).assert().success();
    check("smoke", &out);
}

/// Whether the study went on with other data than its own.
fn is_without_data(output: &std::process::Output) -> bool {
    let without = String::from_utf8_lossy(&output.stderr).contains("going on with generated data");
    if without {
        eprintln!("skipped: the data set cannot be fetched here");
    }
    without
}

/// Ten factorisations of 9,000 x 9,000 take about half a minute on two cores; the data comes from PyPI.
#[test]
fn liu_covid_cite_agrees() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let mut command = reproduce(&folder.path().join("cache"), &out, &["--repeats", "1"]);
    let output = command.assert().success().get_output().clone();
    if !is_without_data(&output) {
        check("default", &out);
    }
}

/// Five seeds of the MLP beside the same five in Python.
#[test]
fn the_mlp_is_as_good_as_pytorch_s() {
    if !has_libtorch() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let arguments = ["--study", "pytorch", "--only", "mlp/torch"];
    let mut command = reproduce(&folder.path().join("cache"), &out, &arguments);
    let output = command.assert().success().get_output().clone();
    if is_without_data(&output) {
        return;
    }
    check("pytorch", &out);
    let ours: Vec<f64> = scored(&out).iter().map(|record| record.metrics.unwrap().rmse).collect();
    let reference = Reference::read();
    let theirs = &reference.studies["pytorch"].rmse["mlp"];
    assert_eq!((ours.len(), theirs.len()), (5, 5));
    let ((ours, our_error), (theirs, their_error)) = (mean(&ours), mean(theirs));
    let error = our_error.hypot(their_error);
    println!(
        "mean RMSE {ours:.5}, PyTorch {theirs:.5}, standard error of the difference {error:.5}"
    );
    assert!((ours - theirs).abs() < 2.0 * error);
}

/// Mean and its standard error.
fn mean(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (squares / (count - 1.0) / count).sqrt())
}
