//! `regress`, in a clone of this checkout, with a cargo that builds nothing: what was built for the tests stands in for both sides.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use end_to_end::{bare, linfa_runner, modality_bench, refusal, root};
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

/// A clone of this checkout with the program in it, which takes it for its own.
struct Clone {
    folder: tempfile::TempDir,
    cargo: Programs,
}

impl Clone {
    /// Nothing where this is no checkout of git's.
    fn new() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("clone");
        let cloned = git(root(), &["clone", "--quiet", "--shared", ".", place.to_str().unwrap()]);
        if cloned.is_none() {
            modality_testing::skip(
                "this is no checkout of git's, so no commit can be compared with",
            );
            return None;
        }
        let program = place.join("modality-bench");
        // By a child: a file that this process holds open for writing cannot be run by another thread.
        let copied = Command::new("cp").arg(modality_bench().get_program()).arg(&program).status();
        assert!(copied.unwrap().success());
        Some(Self { folder, cargo: cargo(false) })
    }

    fn place(&self) -> PathBuf {
        self.folder.path().join("clone")
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    fn regress(&self, cargo: &Programs, arguments: &[&str]) -> assert_cmd::Command {
        let mut command = assert_cmd::Command::new(self.place().join("modality-bench"));
        command.env("CARGO", cargo.path().join("cargo")).env_remove("MODALITY_BENCH_DATA");
        command.env("MODALITY_BENCH_CACHE", self.folder.path().join("cache"));
        command.args(["regress", "--quiet", "--dirty", "--out"]).arg(self.out()).args(arguments);
        command
    }

    fn has_worktree(&self) -> bool {
        let listed = git(&self.place(), &["worktree", "list"]).unwrap();
        listed.lines().count() > 1 || self.place().join("target/regress/base").exists()
    }
}

/// What git says, if it can do that.
fn git(folder: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(folder).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Nobody knows what else the machine does: times may be anything.
fn decided(mut command: assert_cmd::Command) -> String {
    let output = command.output().unwrap();
    assert!(matches!(output.status.code(), Some(0 | 1 | 3)), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn two_states_of_the_source_are_compared_and_nothing_is_left_behind() {
    let Some(clone) = Clone::new() else { return };
    let out = clone.out();
    let study = ["--study", "smoke", "--pairs", "14", "--rows"];
    let arguments = [&["--against", "HEAD"], &study[..], &["mean,data"]].concat();
    let message = refusal(clone.regress(&cargo(true), &arguments));
    assert!(message.contains("failed") && message.contains("it does not compile"), "{message}");
    assert!(!clone.has_worktree());

    fs::remove_dir_all(&out).unwrap();
    let said = decided(clone.regress(&clone.cargo, &arguments));
    assert!(!clone.has_worktree());
    let line = said.lines().find(|line| line.contains("mean/linfa") && line.contains("RMSE"));
    assert!(line.is_some_and(|line| line.contains("1.0000") && line.ends_with("same")), "{said}");
    assert!(said.contains("data "), "{said}");
    let names = ["regress.json", "regress.md", "samples.csv", "junit.xml", "ratios.svg"];
    let there: Vec<PathBuf> = names.iter().map(|name| out.join(name)).collect();
    assert!(there.iter().all(|path| path.is_file()), "{there:?}");
    let samples = fs::read_to_string(&there[2]).unwrap();
    assert_eq!(samples.lines().count(), 1 + 2 * 2 * 14, "{samples}");

    // The same once more, held against what was just measured.
    let stored = clone.folder.path().join("regress.json");
    for name in ["regress.json", "samples.csv"] {
        fs::copy(out.join(name), stored.with_file_name(name)).unwrap();
    }
    fs::remove_dir_all(&out).unwrap();
    let arguments = [&["--baseline", stored.to_str().unwrap()], &study[..], &["mean"]].concat();
    let said = decided(clone.regress(&clone.cargo, &arguments));
    assert!(said.contains("weaker than two builds"), "{said}");

    let text = fs::read_to_string(&stored).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let cpu = json["environment"]["cpu"].to_string();
    fs::write(&stored, text.replace(&cpu, "\"Another Processor\"")).unwrap();
    fs::remove_dir_all(&out).unwrap();
    let message = refusal(clone.regress(&clone.cargo, &arguments));
    assert!(message.contains("the processor was Another Processor then and is"), "{message}");
}

#[test]
fn an_interrupt_leaves_no_worktree_behind() {
    let Some(clone) = Clone::new() else { return };
    // Building takes for ever.
    let sleeping = Programs::none().with("cargo", "[ \"$1\" = metadata ] && exit 1; sleep 600");
    let building = clone.place().join("target/regress/base");
    let head = cargo_for_head(&clone, &sleeping);
    let mut child = bare(
        &clone.regress(&head, &["--against", "HEAD", "--study", "smoke", "--rows", "mean"]),
        &[],
    )
    .stderr(std::process::Stdio::piped())
    .spawn()
    .unwrap();
    let deadline = Instant::now() + Duration::from_secs(120);
    while !building.join("Cargo.toml").exists() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(20));
    }
    assert!(clone.has_worktree());
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(2));
    assert!(!clone.has_worktree());
}

/// A cargo that builds in the clone itself at once, and elsewhere as another one does.
fn cargo_for_head(clone: &Clone, elsewhere: &Programs) -> Programs {
    let (here, at_once) = (clone.place(), clone.cargo.path().join("cargo"));
    let script = format!(
        "[ \"$PWD\" = '{}' ] && exec '{}' \"$@\"; exec '{}' \"$@\"",
        here.canonicalize().unwrap().display(),
        at_once.display(),
        elsewhere.path().join("cargo").display()
    );
    Programs::none().with("cargo", &script)
}

#[test]
fn what_cannot_be_compared_is_refused_before_anything_is_built() {
    let Some(clone) = Clone::new() else { return };
    let broken = cargo(true);
    for (arguments, wanted) in [
        (&["--against", "no-such-commit"][..], "--against no-such-commit: "),
        (&["--against", "HEAD", "--rows", "tsvd-kr"], "; did you mean `tsvd-krr`?"),
        (&["--against", "HEAD", "--study", "smok"], "; did you mean `smoke`?"),
        (&["--against", "HEAD", "--least", "few"], "`--least 3` for instance"),
        (&["--against", "HEAD", "--plant", "sovle:0.1"], "`--plant solve:0.1` for instance"),
        (&["--against", "HEAD", "--rows", "data"], "name a method, a backend or a row as well"),
        (&["--against", "HEAD", "--catch", "1"], "--catch is less than --least"),
        (&["--baseline", "/no/such.json"], "/no/such.json: "),
        (&["--replay", "/no/such"], "/no/such"),
        (&[], "--against <REV>"),
    ] {
        let message = refusal(clone.regress(&broken, arguments));
        assert!(message.contains(wanted), "{arguments:?}: {message}");
        assert!(!message.contains("compile") && !clone.out().exists(), "{message}");
    }
}
