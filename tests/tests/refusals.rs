//! Mistakes a user can make, each a sentence, exit code 2, and nothing else happens; and what a machine may lack.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use end_to_end::{bare, modality_bench, records, refusal, reproduce};
use modality_harness::record::Status;
use modality_testing::starter;

#[test]
fn unknown_names_are_answered_with_the_known_ones() {
    let folder = tempfile::tempdir().unwrap();
    let (cache, out) = (folder.path().join("cache"), folder.path().join("out"));
    for (arguments, wanted) in [
        (
            vec!["--study", "defualt"],
            "there is no study `defualt`; there are: adt-to-gex, article,",
        ),
        (
            vec!["--study", "smoke", "--only", "cuda"],
            "--only cuda: study `smoke` has no such row; it has: zeros/linfa",
        ),
        (vec!["--study", "defualt"], "; did you mean `default`?"),
        (vec!["--study", "smoke", "--only", "tsvd-kr"], "; did you mean `tsvd-krr`?"),
        (vec!["--study", "smoke", "--only", "knn/lnfa"], "; did you mean `knn/linfa`?"),
        (vec!["--study", "smoke", "--task", "gex-adt"], "; did you mean `gex-to-adt`?"),
        (vec!["--study", "smoke", "--data", "/no/such/folder"], "/no/such/folder"),
        (vec!["--study", "smoke", "--repeats", "0"], "--repeats"),
        (vec!["--study", "smoke", "--gmt", "/no/such/sets.gmt"], "--gmt /no/such/sets.gmt: "),
        (
            vec!["--study", "smoke", "--gmt", "../README.md"],
            "README.md: line 1 has 1 field; in a GMT file it has a name, a description and genes",
        ),
        (
            vec!["--study", "smoke", "--only", "mlp", "--gmt", "../README.md"],
            "--gmt: no row that is to be run of study `smoke` reads gene sets; those of gnn do",
        ),
        (
            vec!["--study", "smoke", "--task", "adt-to-atac"],
            "there is no task `adt-to-atac`; there are: gex-to-adt, adt-to-gex,",
        ),
        (
            vec!["--study", "default", "--task", "gex-to-atac"],
            "data set `liu-covid-cite` does not serve task gex-to-atac; it serves gex-to-adt, adt-to-gex",
        ),
        (vec!["--study", "smoke", "--threads", "none"], "--threads"),
        (vec!["--study", "smoke", "--memory", "0"], "write a number of GiB above 0, `--memory 8`"),
        (vec!["--study", "smoke", "--memory", "x"], "write a number of GiB above 0, `--memory 8`"),
        (vec!["--study", "smoke", "--memory", "NaN"], "--memory <GiB>"),
    ] {
        let message = refusal(reproduce(&cache, &out, &arguments));
        assert!(message.contains(wanted), "{arguments:?}: {message}");
        assert!(!out.exists(), "{arguments:?} left something behind");
    }
    let mut fetch = modality_bench();
    fetch.env("MODALITY_BENCH_CACHE", &cache).args(["fetch", "liu"]);
    let message = refusal(fetch);
    assert!(message.contains("there is no data set `liu`; there are: bmmc-cite"), "{message}");
    assert!(message.contains("; did you mean `liu-covid-cite`?"), "{message}");
    let mut fetch = modality_bench();
    fetch.env("MODALITY_BENCH_CACHE", &cache).args(["fetch", "bmmc-synthetic", "--size", "papre"]);
    let message = refusal(fetch);
    assert!(message.contains("; did you mean `paper`?"), "{message}");
    let mut check = modality_bench();
    check.args(["check-backend", "lnfa"]);
    let message = refusal(check);
    assert!(message.contains("; did you mean `linfa`?"), "{message}");
    let mut report = modality_bench();
    report.arg("report").arg(folder.path());
    assert!(refusal(report).contains("no plan.json here"));
}

#[test]
fn a_place_whose_name_is_not_unicode_is_refused_at_once() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};
    let folder = tempfile::tempdir().unwrap();
    let (good, bad) = (folder.path().join("x"), folder.path().join(OsStr::from_bytes(b"x\xff")));
    for (cache, out, wanted) in
        [(&good, &bad, "--out: the name of "), (&bad, &good, "the cache ($MODALITY_BENCH_CACHE")]
    {
        let message = refusal(reproduce(cache, out, &["--study", "smoke", "--only", "mean"]));
        assert!(message.contains(wanted) && message.contains("is not UTF-8"), "{message}");
        assert!(!bad.exists() && !good.exists(), "something was left behind");
    }
}

#[test]
fn what_cannot_be_printed_is_a_quiet_end_or_a_sentence() {
    let mut list = modality_bench();
    list.arg("list");
    let (reader, closed) = std::io::pipe().unwrap();
    drop(reader);
    let output = bare(&list, &[]).stdout(closed).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let Ok(full) = fs::File::options().write(true).open("/dev/full") else {
        return modality_testing::skip("there is no /dev/full to write to");
    };
    let output = bare(&list, &[]).stdout(full).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.starts_with("error: standard output: ") && said.lines().count() == 1, "{said}");
}

#[test]
fn a_folder_with_a_bad_file_is_refused_with_its_name() {
    let Some(starter) = starter() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (cache, out) = (folder.path().join("cache"), folder.path().join("out"));
    let copy = |name: &str| {
        let data = folder.path().join(name);
        fs::create_dir(&data).unwrap();
        for entry in fs::read_dir(&starter).unwrap() {
            let path = entry.unwrap().path();
            let bytes = fs::read(&path).unwrap();
            fs::write(data.join(path.file_name().unwrap()), bytes).unwrap();
        }
        data
    };
    let file = |part: &str| format!("openproblems_bmmc_cite_starter.{part}.h5ad");

    let missing = copy("missing");
    fs::remove_file(missing.join(file("test_mod2"))).unwrap();
    let truncated = copy("truncated");
    let bytes = fs::read(truncated.join(file("train_mod1"))).unwrap();
    fs::write(truncated.join(file("train_mod1")), &bytes[..bytes.len() / 2]).unwrap();
    let text = copy("text");
    fs::write(text.join(file("train_mod2")), "cells, proteins").unwrap();
    let crossed = copy("crossed");
    fs::copy(crossed.join(file("test_mod2")), crossed.join(file("train_mod2"))).unwrap();

    let turned = copy("turned");
    for (from, to) in [("test_mod1", "test_mod2"), ("test_mod2", "test_mod1")] {
        fs::copy(starter.join(file(from)), turned.join(file(to))).unwrap();
    }

    for (data, wanted) in [
        (turned, "holds ADT where its training file holds GEX"),
        (missing, "test_mod2"),
        (truncated, "train_mod1"),
        (text, "train_mod2"),
        (crossed, "train_mod"),
    ] {
        let message = refusal(reproduce(&cache, &out, &["--data", data.to_str().unwrap()]));
        assert!(message.contains(wanted), "{}: {message}", data.display());
        assert!(!out.exists(), "{} left something behind", data.display());
    }
}

#[test]
fn a_backend_that_is_not_there_is_a_row_that_says_why() {
    let Some(data) = starter() else { return };
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let mut command = reproduce(&folder.path().join("cache"), &out, &["--study", "scikit-learn"]);
    command.args(["--only", "mean,sklearn", "--repeats", "1", "--data"]).arg(data);
    command.env("PATH", path_without_python(folder.path()));
    let output = command.assert().success().get_output().clone();

    let records = records(&out);
    let status = |backend: &str| {
        let record = records.iter().find(|record| record.run.backend == backend);
        record.map(|record| record.status)
    };
    assert_eq!((status("linfa"), status("sklearn")), (Some(Status::Ok), Some(Status::Unavailable)));
    let shown = String::from_utf8_lossy(&output.stdout);
    let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(shown.contains("tsvd-krr/sklearn (unavailable)"), "{shown}");
    assert!(shown.contains("cannot be started"), "{shown}");
    let csv = fs::read_to_string(out.join("results.csv")).unwrap();
    assert!(csv.contains("tsvd-krr,,sklearn,,0,unavailable,"), "{csv}");
}

#[test]
fn without_pip_generated_data_takes_the_place_of_real_data() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let arguments = ["--only", "mean", "--repeats", "1"];
    let mut command = reproduce(&folder.path().join("cache"), &out, &arguments);
    command.env("PATH", path_without_python(folder.path()));
    let output = command.assert().success().get_output().clone();

    let said = String::from_utf8_lossy(&output.stderr);
    let line = said.lines().find(|line| line.contains("going on with generated data"));
    assert!(line.is_some_and(|line| line.contains("pip")), "{said}");
    assert!(records(&out).iter().all(|record| record.dataset.synthetic));
    let page = fs::read_to_string(out.join("report.md")).unwrap();
    assert!(page.contains("Synthetic data") && !page.contains("COVID"), "{page}");
}

#[test]
fn without_libtorch_and_network_every_other_row_runs() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let arguments = ["--study", "smoke", "--repeats", "1", "--offline"];
    let mut command = reproduce(&folder.path().join("cache"), &out, &arguments);
    command.env_remove("LIBTORCH").env("PATH", path_without_python(folder.path()));
    let output = command.assert().success().get_output().clone();

    for record in records(&out) {
        let is_torch = record.run.backend == "torch";
        let wanted = if is_torch { Status::Unavailable } else { Status::Ok };
        assert_eq!(record.status, wanted, "{}: {}", record.run.stem(), record.note);
        assert!(!is_torch || record.note.contains("`cargo xtask setup libtorch`"));
    }
    let shown = String::from_utf8_lossy(&output.stdout);
    assert_eq!(shown.matches("Missing: ").count(), 2, "{shown}");
    for row in ["mlp/torch", "gnn/torch"] {
        let wanted = format!("Missing: {row} (unavailable): libtorch 2.11.0 is not");
        assert!(shown.contains(&wanted), "{shown}");
    }
}

#[test]
fn a_wrong_libtorch_is_named() {
    let mut setup = modality_bench();
    setup.env("LIBTORCH", "/no/such/folder").args(["setup", "libtorch"]);
    let message = refusal(setup);
    assert!(message.contains("$LIBTORCH is /no/such/folder"), "{message}");
}

/// The folders of `PATH` that hold neither Python nor pip, and what building needs of the others.
fn path_without_python(scratch: &Path) -> OsString {
    let everything = std::env::var_os("PATH").unwrap_or_default();
    let folders = || std::env::split_paths(&everything);
    let tools = scratch.join("tools");
    fs::create_dir(&tools).unwrap();
    for tool in ["cc", "gcc", "c++", "g++", "ld", "ar", "git", "rustc", "cargo", "sh"] {
        if let Some(path) = folders().map(|folder| folder.join(tool)).find(|path| path.exists()) {
            std::os::unix::fs::symlink(path, tools.join(tool)).unwrap();
        }
    }
    let has_python = |folder: &PathBuf| {
        ["python3", "python", "pip", "pip3", "uv"].iter().any(|name| folder.join(name).exists())
    };
    let others = folders().filter(|folder| !has_python(folder));
    std::env::join_paths([tools.clone()].into_iter().chain(others)).unwrap()
}
