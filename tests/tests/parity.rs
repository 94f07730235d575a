//! The same plan fed to scikit-learn gives the same accuracy.
//!
//! `tests/reference/values.json` holds what `tests/reference/measure.py` measured with scikit-learn; the plans
//! are drawn anew here and must be the ones that scikit-learn was given.

use std::{collections::BTreeMap, fs};

use end_to_end::{records, reproduce, root, starter};
use modality_harness::record::Status;
use serde::Deserialize;

#[derive(Deserialize)]
struct Reference {
    /// Largest difference in RMSE.
    tolerance: f64,
    /// By study.
    studies: BTreeMap<String, Study>,
}

#[derive(Deserialize)]
struct Study {
    /// SHA-256 over the prepared arrays that scikit-learn read.
    dataset_sha256: String,
    /// RMSE by method, one value a repeat.
    rmse: BTreeMap<String, Vec<f64>>,
}

fn check(study: &str, out: &std::path::Path) {
    let text = fs::read_to_string(root().join("tests/reference/values.json")).unwrap();
    let reference: Reference = serde_json::from_str(&text).unwrap();
    let wanted = &reference.studies[study];
    let mut compared = 0;
    for record in records(out) {
        assert_eq!(record.status, Status::Ok, "{}", record.note);
        assert_eq!(
            record.dataset.sha256, wanted.dataset_sha256,
            "not the data that scikit-learn read"
        );
        let Some(values) = wanted.rmse.get(&record.run.method) else { continue };
        let (ours, theirs) = (record.metrics.unwrap().rmse, values[record.run.repeat]);
        let (method, repeat) = (&record.run.method, record.run.repeat);
        println!("{study}, {method}, repeat {repeat}: {ours:.5}, scikit-learn {theirs:.5}");
        assert!(
            (ours - theirs).abs() < reference.tolerance,
            "{method}: {ours} where scikit-learn has {theirs}"
        );
        compared += 1;
    }
    assert!(compared >= wanted.rmse.len(), "only {compared} values compared");
}

#[test]
fn starter_files_agree_with_scikit_learn() {
    let Some(data) = starter() else { return };
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let mut command = reproduce(&folder.path().join("cache"), &out, &["--study", "starter"]);
    command.env("MODALITY_BENCH_DATA", data).assert().success();
    check("starter", &out);
}

#[test]
fn generated_cells_agree_with_scikit_learn() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    reproduce(&folder.path().join("cache"), &out, &["--study", "smoke"]).assert().success();
    check("smoke", &out);
}

/// Ten factorisations of 9,000 x 9,000 take about half a minute on two cores; the data comes from PyPI.
#[test]
fn liu_covid_cite_agrees_with_scikit_learn() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let mut command = reproduce(&folder.path().join("cache"), &out, &["--repeats", "1"]);
    let output = command.assert().success().get_output().clone();
    if String::from_utf8_lossy(&output.stderr).contains("going on with generated data") {
        eprintln!("skipped: the data set cannot be fetched here");
        return;
    }
    check("default", &out);
}
