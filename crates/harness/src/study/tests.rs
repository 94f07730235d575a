use super::*;

const BACKENDS_TOML: &str =
    "[linfa]\npackage = 'backend-linfa'\nmethods = ['mean', 'tsvd-krr', 'own']\n";
const STUDY: &str = "title = 't'\nrepeats = 1\nseed = 0\nrows = ['mean/linfa', 'tsvd-krr/linfa']\n\
                     dataset = { name = 'd' }\n";

fn load(study: &str) -> Result<Study> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("backends.toml"), BACKENDS_TOML).unwrap();
    std::fs::create_dir_all(folder.path().join(STUDIES)).unwrap();
    std::fs::write(folder.path().join("studies/s.toml"), study).unwrap();
    Study::load(folder.path(), "s", None, &load_backends(folder.path())?)
}

#[test]
fn hyperparameters_are_completed() {
    let study = load(&format!("{STUDY}[params.tsvd-krr]\nalpha = 0.5\n")).unwrap();
    let [krr] = study.variants("tsvd-krr") else { panic!("one variant without a sweep") };
    assert_eq!((&krr.params["alpha"], &krr.params["gamma"]), (&0.5.into(), &0.005.into()));
    assert!(krr.label.is_empty());
    assert!(study.variants("mean")[0].params.is_empty());
    assert_eq!(study.device("linfa"), DeviceId::Cpu);
}

#[test]
fn a_sweep_is_every_combination_of_its_values() {
    let sweep = "[sweep.tsvd-krr]\ngamma = [0.1, 0.2]\nalpha = [1.0]\n";
    let study = load(&format!("{STUDY}{sweep}")).unwrap();
    let variants = study.variants("tsvd-krr");
    let labels: Vec<&str> = variants.iter().map(|variant| variant.label.as_str()).collect();
    assert_eq!(labels, ["alpha=1.0 gamma=0.1", "alpha=1.0 gamma=0.2"]);
    assert_eq!(variants[1].params["gamma"], 0.2);
    let solvers = load(&format!("{STUDY}[sweep.tsvd-krr]\nsolver = ['pcg']\n")).unwrap();
    assert_eq!(solvers.variants("tsvd-krr")[0].label, "solver=pcg");
    assert_eq!(variants[1].params["input_components"], 300);
}

#[test]
fn a_sweep_may_have_several_tables() {
    let sweep = "[[sweep.tsvd-krr]]\ngamma = [0.1, 0.2]\n[[sweep.tsvd-krr]]\nsolver = ['cholesky']\nalpha = [1.0]\n";
    let study = load(&format!("{STUDY}{sweep}")).unwrap();
    let variants = study.variants("tsvd-krr");
    let labels: Vec<&str> = variants.iter().map(|variant| variant.label.as_str()).collect();
    assert_eq!(labels, ["gamma=0.1", "gamma=0.2", "alpha=1.0 solver=cholesky"]);
    assert_eq!(
        (&variants[2].params["gamma"], &variants[1].params["alpha"]),
        (&0.005.into(), &0.2.into())
    );
    assert!(study.chooses("tsvd-krr", "solver") && !study.chooses("tsvd-krr", "tolerance"));
}

#[test]
fn a_value_of_the_user_s_takes_the_place_of_the_study_s() {
    let mut study = load(&format!("{STUDY}[params.tsvd-krr]\nalpha = 0.5\n")).unwrap();
    study.set("tsvd-krr", "alpha", 0.75.into()).unwrap();
    assert_eq!(study.variants("tsvd-krr")[0].params["alpha"], 0.75);
    let wrong = study.set("tsvd-krr", "alpha", 0.into()).unwrap_err().to_string();
    assert!(wrong.contains("study `s`: ") && wrong.contains("`alpha` is 0"), "{wrong}");
    let mut study = load(&format!("{STUDY}[sweep.tsvd-krr]\nalpha = [0.5]\n")).unwrap();
    let wrong = study.set("tsvd-krr", "alpha", 1.into()).unwrap_err().to_string();
    assert!(wrong.contains("`alpha` is in both"), "{wrong}");
}

#[test]
fn mistakes_are_named() {
    for (text, wanted) in [
        (STUDY.replace("repeats = 1", "repeats = 0"), "`repeats` is 0"),
        (STUDY.replace("seed", "timeout = 0\nseed"), "`timeout` is 0"),
        (STUDY.replace("seed", "timeout = -1\nseed"), "invalid value: integer `-1`"),
        (STUDY.replace("seed", "cells = [9, 9]\nseed"), "`cells` must be numbers of training"),
        (STUDY.replace("mean/linfa", "mean"), "`mean` is not a row"),
        (STUDY.replace("mean/linfa", "mean/cuda"), "there is no backend `cuda`; there are: linfa"),
        (STUDY.replace("mean/linfa", "knn/linfa"), "backend `linfa` runs: mean, tsvd-krr, own"),
        (STUDY.replace("mean/linfa", "tsvd-krr/linfa"), "is there twice"),
        (STUDY.replace("seed", "sed"), "unknown field `sed`"),
        (format!("{STUDY}[params.knn]\n"), "`params.knn` belongs to no row"),
        (format!("{STUDY}[params.tsvd-krr]\nalpha = -1\n"), "`alpha` is -1"),
        (format!("{STUDY}[sweep.tsvd-krr]\nalpha = [1, -1]\n"), "`alpha` is -1"),
        (format!("{STUDY}[sweep.tsvd-krr]\nalpha = []\n"), "must be a list of different values"),
        (format!("{STUDY}[sweep.tsvd-krr]\nalpha = [1, 1]\n"), "a list of different values"),
        (
            format!("{STUDY}[params.tsvd-krr]\nalpha = 1\n[sweep.tsvd-krr]\nalpha = [2]\n"),
            "`alpha` is in both",
        ),
        (format!("{STUDY}[sweep.knn]\nneighbours = [1]\n"), "`sweep.knn` belongs to no row"),
        (format!("{STUDY}[sweep]\ntsvd-krr = 3\n"), "a sweep is a table of lists of values"),
        (
            format!("{STUDY}[[sweep.tsvd-krr]]\nalpha = [1, 2]\n[[sweep.tsvd-krr]]\nalpha = [2]\n"),
            "`sweep.tsvd-krr` has `alpha=2` twice",
        ),
        (format!("{STUDY}[[folds.gnn]]\nname = 'a'\nshare = 0.1\n"), "`folds.gnn` belongs to no"),
        (
            format!("{STUDY}[[folds.mean]]\nname = 'a'\nshare = 0.1\n"),
            "`folds.mean`: the method has no folds",
        ),
        (
            STUDY.replace("mean/linfa", "own/linfa") + "[[folds.own]]\nname = 'a'\nshare = 2\n",
            "`folds.own`: fold `a` has a `share` of 2",
        ),
        (format!("{STUDY}[params.tsvd-krr]\nalfa = 1\n"), "unknown field `alfa`"),
    ] {
        let message = load(&text).unwrap_err().to_string();
        assert!(message.contains(wanted) && message.contains("s.toml"), "{message}");
    }
}

#[test]
fn unknown_studies_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join(STUDIES)).unwrap();
    std::fs::write(folder.path().join("studies/s.toml"), STUDY).unwrap();
    let message =
        Study::load(folder.path(), "../s", None, &Backends::new()).unwrap_err().to_string();
    assert_eq!(message, "there is no study `../s`; there are: s");
}
