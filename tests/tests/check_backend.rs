//! `check-backend`: what a program says is held against the protocol, and each fault is named.

use std::process::Command;

use end_to_end::{has_libtorch, libtorch, modality_bench, refusal, root};
use modality_data::{
    prepared,
    synthetic::{self, Size},
};
use modality_protocol::Task;
use ndarray::Array2;
use ndarray_npy::{read_npy, write_npy};

/// The exit code and what was written.
fn check(arguments: &[&str]) -> (i32, String) {
    let output = modality_bench().arg("check-backend").args(arguments).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let code = output.status.code().expect("it ended by itself");
    (code, said + &String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_backend_of_this_workspace_keeps_to_the_protocol() {
    for task in ["gex-to-adt", "atac-to-gex"] {
        let (code, said) = check(&["linfa", "--methods", "mean,tsvd-krr", "--task", task]);
        assert_eq!(code, 0, "{said}");
        for line in ["mean/linfa, rehearsal: good", "tsvd-krr/linfa, run: good, RMSE 0."] {
            assert!(said.lines().any(|said| said.starts_with(line)), "{task}: {said}");
        }
        assert!(!said.contains("WRONG"), "{said}");
    }
}

#[test]
fn the_networks_keep_to_the_protocol() {
    if !has_libtorch() {
        return;
    }
    let mut command = modality_bench();
    let output = command.env("LIBTORCH", libtorch()).args(["check-backend", "torch"]).output();
    let said = String::from_utf8(output.unwrap().stdout).unwrap();
    for method in ["mlp", "gnn"] {
        let line = format!("{method}/torch, run: good, RMSE 0.");
        assert!(said.lines().any(|said| said.starts_with(&line)), "{said}");
    }
    assert!(!said.contains("WRONG"), "{said}");
}

#[cfg(unix)]
#[test]
fn each_fault_of_a_program_is_named() {
    const HELLO: &str = r#"{"event": "hello", "device": "CPU", "versions": {}}"#;
    const LOAD: &str = r#"{"event": "begin", "stage": "load"}"#;
    const DONE: &str = r#"{"event": "done"}"#;
    let says = |lines: &[&str]| {
        let lines: Vec<_> = lines.iter().map(|line| format!("echo '{line}'")).collect();
        format!("read -r run; {}", lines.join("; "))
    };
    for (program, wanted) in [
        (says(&["starting"]), "it wrote `starting` to standard output, which is no event"),
        (says(&[HELLO, LOAD, DONE]), "it says `done` while stage `load` is open"),
        (says(&[HELLO, LOAD, DONE]), "rehearsal: WRONG: in a rehearsal no stage begins"),
        (says(&[HELLO, DONE]), "run: WRONG: "),
        (
            says(&[HELLO, r#"{"event": "begin", "stage": "train"}"#]),
            "it wrote `{\"event\": \"begin\", \"stage\": \"train\"}` to standard output, which is no event",
        ),
        ("exec sleep 600".to_owned(), "run: WRONG: it was stopped after 1.0 s"),
        ("exec /no/such/program".to_owned(), "run: WRONG: "),
    ] {
        let limit = if program.contains("sleep") { "1" } else { "120" };
        let arguments = ["--methods", "mean", "--limit", limit, "--", "sh", "-c", &program];
        let (code, said) = check(&arguments);
        assert_eq!(code, 1, "{program}: {said}");
        assert!(said.contains(wanted), "{program}: {said}");
    }
}

/// Programs that keep to the order of events and leave the wrong predictions.
#[cfg(unix)]
#[test]
fn what_is_wrong_with_predictions_is_named() {
    let dataset = synthetic::generate(Size::Tiny, 1, Task::default());
    let shape = (dataset.test.input.rows(), dataset.train.target.columns());
    let folder = tempfile::tempdir().unwrap();
    let says = |predictions: &Array2<f32>| {
        let path = folder.path().join("predictions.npy");
        write_npy(&path, predictions).unwrap();
        format!(
            r#"read -r run
               echo '{{"event": "hello", "device": "CPU", "versions": {{}}}}'
               case $run in *'"rehearsal":false'*)
                   echo '{{"event": "begin", "stage": "write"}}'
                   cp '{}' "$(echo "$run" | sed 's/.*"predictions":"\([^"]*\)".*/\1/')"
                   echo '{{"event": "end", "stage": "write", "seconds": 0.1}}';;
               esac
               echo '{{"event": "done"}}'"#,
            path.display()
        )
    };
    let mut with_nan = Array2::zeros(shape);
    with_nan[(1, 2)] = f32::NAN;
    let (cells, features) = shape;
    for (predictions, wanted) in [
        (Array2::zeros(shape), "mean/own, run: good, RMSE ".to_owned()),
        (
            Array2::zeros((2, 3)),
            format!(
                "mean-own-r0.npy: predictions are 2 x 3 where {cells} cells x {features} features are expected"
            ),
        ),
        (with_nan, "mean-own-r0.npy: the prediction of cell 1, feature 2 is NaN".to_owned()),
    ] {
        let program = says(&predictions);
        let (code, said) = check(&["--methods", "mean", "--", "sh", "-c", &program]);
        assert_eq!(code, i32::from(!wanted.contains("good")), "{said}");
        assert!(said.contains(&wanted), "{wanted}: {said}");
    }
}

#[test]
fn what_cannot_run_here_is_not_called_good() {
    let (code, said) = check(&["--methods", "mean", "--", "/no/such/program"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("run: not checked: `/no/such/program` cannot be started"), "{said}");
}

#[test]
fn what_cannot_be_checked_is_refused() {
    for (arguments, wanted) in [
        (&[][..], "name a backend of bench-configs/backends.toml, or a command after `--`"),
        (&["linfo"], "there is no backend `linfo`; there are: "),
        (&["linfa", "--", "true"], "name a backend or a command, not both"),
        (&["--", "true"], "--methods says which methods the command runs"),
        (&["linfa", "--methods", "magic"], "backend `linfa` has no method `magic`; it has: zeros,"),
    ] {
        let mut command = modality_bench();
        command.arg("check-backend").args(arguments);
        let said = refusal(command);
        assert!(said.contains(wanted), "{arguments:?}: {said}");
    }
}

/// scikit-learn's ridge regression, for one, predicts a single feature without an axis.
#[test]
fn a_single_feature_is_a_matrix_of_one_column() {
    let folder = tempfile::tempdir().unwrap();
    let (dataset, path) = (folder.path().join("data"), folder.path().join("predictions.npy"));
    let data = synthetic::generate(Size::Tiny, 1, Task::default());
    prepared::write(&data, &dataset).unwrap();
    let script = "\
import sys
sys.path.insert(0, 'bench-configs/peers')
import runner
if runner.MISSING:
    sys.exit(3)
spec = {'dataset': sys.argv[1], 'cells': None, 'predictions': sys.argv[2]}
runner.run(lambda spec, train, target, test: runner.np.ones(test.shape[0]), spec)
";
    let mut python = Command::new("python3");
    python.current_dir(root()).args(["-c", script]).arg(prepared::inputs(&dataset)).arg(&path);
    let output = match python.output() {
        Ok(output) if output.status.code() != Some(3) => output,
        _ => return modality_testing::skip("there is no python3 with NumPy and SciPy"),
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let predictions: Array2<f32> = read_npy(&path).unwrap();
    assert_eq!(predictions.dim(), (data.test.input.rows(), 1));
}
