//! `regress`, in this checkout, with a cargo that builds nothing: what was built for the tests stands in for both sides.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use end_to_end::{linfa_runner, modality_bench, refusal, root};
use modality_testing::Programs;

/// A cargo that names programs which are there already, if it is not to fail.
fn cargo(fails: bool) -> Programs {
    let program = modality_bench().get_program().to_owned();
    let runner = linfa_runner().command[0].clone();
    let line = |name: &str, path: &Path| {
        let message = serde_json::json!({ "target": { "name": name }, "executable": path });
        format!("echo '{message}'\n")
    };
    let script = match fails {
        true => "echo 'it does not compile' >&2; exit 101".to_owned(),
        false => {
            line("modality-bench", Path::new(&program)) + &line("backend-linfa", Path::new(&runner))
        }
    };
    Programs::none().with("cargo", &script)
}

/// Into `folder`, where the checkout is one of git's.
fn regress(folder: &Path, cargo: &Programs, arguments: &[&str]) -> Option<assert_cmd::Command> {
    if worktrees().is_none() {
        modality_testing::skip("this is no checkout of git's, so no commit can be compared with");
        return None;
    }
    let mut command = modality_bench();
    command.env("CARGO", cargo.path().join("cargo"));
    command.env("MODALITY_BENCH_CACHE", folder.join("cache"));
    command.args(["regress", "--quiet", "--dirty", "--out"]).arg(folder.join("out"));
    command.args(arguments);
    Some(command)
}

/// How many there are.
fn worktrees() -> Option<usize> {
    let mut git = Command::new("git");
    let output = git.arg("-C").arg(root()).args(["worktree", "list"]).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).lines().count())
}

/// One at a time in a checkout.
#[test]
fn two_states_of_the_source_are_compared_and_nothing_is_left_behind() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let before = worktrees();
    // Another commit's programs would be taken for those of this test's cargo.
    let kept = root().join("target/regress/built");
    let arguments =
        ["--against", "HEAD", "--study", "smoke", "--rows", "linear,data", "--pairs", "6"];

    let broken = cargo(true);
    let _ = fs::remove_dir_all(&kept);
    let Some(command) = regress(folder.path(), &broken, &arguments) else { return };
    let message = refusal(command);
    assert!(message.contains("failed") && message.contains("it does not compile"), "{message}");
    assert_eq!(worktrees(), before);

    fs::remove_dir_all(&out).unwrap();
    let good = cargo(false);
    let command = regress(folder.path(), &good, &arguments);
    let output = command.unwrap().output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    // Nobody knows what else the machine does: times may be anything, the rest is the same.
    let code = output.status.code();
    assert!(matches!(code, Some(0 | 1 | 3)), "{output:?}");
    assert_eq!(worktrees(), before);
    let _ = fs::remove_dir_all(&kept);
    let line = said.lines().find(|line| line.contains("linear/linfa") && line.contains("RMSE"));
    assert!(line.is_some_and(|line| line.contains("1.0000") && line.ends_with("same")), "{said}");
    assert!(said.contains(" data "), "{said}");
    let names = ["regress.json", "regress.md", "samples.csv", "junit.xml", "ratios.svg"];
    let there: Vec<PathBuf> = names.iter().map(|name| out.join(name)).collect();
    assert!(there.iter().all(|path| path.is_file()), "{there:?}");
    let samples = fs::read_to_string(&there[2]).unwrap();
    assert_eq!(samples.lines().count(), 1 + 2 * 2 * 6, "{samples}");

    // The same once more, held against what was just measured.
    let again = folder.path().join("again");
    fs::create_dir(&again).unwrap();
    let file = there[0].to_str().unwrap();
    let stored = ["--baseline", file, "--study", "smoke", "--rows", "linear"];
    let output = regress(&again, &good, &stored).unwrap().output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(matches!(output.status.code(), Some(0 | 1 | 3)), "{output:?}");
    assert!(said.contains("weaker than two builds"), "{said}");

    let other = fs::read_to_string(&there[0]).unwrap();
    let cpu =
        serde_json::from_str::<serde_json::Value>(&other).unwrap()["environment"]["cpu"].clone();
    let other = other.replace(&cpu.to_string(), "\"Another Processor\"");
    fs::write(&there[0], other).unwrap();
    fs::remove_dir_all(again.join("out")).unwrap();
    let message = refusal(regress(&again, &good, &stored).unwrap());
    assert!(message.contains("the processor was Another Processor then and is"), "{message}");
}

#[test]
fn what_cannot_be_compared_is_refused_before_anything_is_built() {
    let folder = tempfile::tempdir().unwrap();
    let broken = cargo(true);
    for (arguments, wanted) in [
        (&["--against", "no-such-commit"][..], "--against no-such-commit: "),
        (&["--against", "HEAD", "--rows", "tsvd-kr"], "; did you mean `tsvd-krr`?"),
        (&["--against", "HEAD", "--study", "smok"], "; did you mean `smoke`?"),
        (&["--against", "HEAD", "--least", "0"], "`--least 3` for instance"),
        (&["--baseline", "/no/such.json"], "/no/such.json: "),
        (&["--replay", "/no/such"], "/no/such"),
        (&[], "--against <REV>"),
    ] {
        let Some(command) = regress(folder.path(), &broken, arguments) else { return };
        let message = refusal(command);
        assert!(message.contains(wanted), "{arguments:?}: {message}");
        assert!(!message.contains("compile"), "{message}");
    }
}
