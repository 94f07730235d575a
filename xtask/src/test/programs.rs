//! Programs of tests: built once, run as often as one likes.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
};

use anyhow::{Context as _, anyhow};
use modality_testing::{FILE, Skipped};
use serde_json::Value;

use super::{
    output::{self, Summary},
    turn::Turn,
};
use crate::cargo;

/// What became of tests in one run.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Whether they failed, or could not check what they are for, too.
    pub(super) run: usize,
    pub(super) failed: BTreeSet<String>,
    pub(super) skipped: BTreeSet<Skipped>,
}

/// An executable, as `cargo test` would run it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Program {
    /// `xtask/xtask`: folder of the package, and target.
    pub(super) name: String,
    executable: PathBuf,
    /// The package's.
    folder: PathBuf,
}

/// Has cargo build programs of tests, by a command that is otherwise complete; `None` where that fails, and cargo says
/// why.
///
/// # Errors
/// If cargo cannot be started.
pub(super) fn build(cargo: &mut Command) -> anyhow::Result<Option<Vec<Program>>> {
    let Some(messages) = cargo::messages(cargo.arg("--no-run"))? else { return Ok(None) };
    let mut programs: Vec<Program> = messages.iter().filter_map(program).collect();
    // They are named as they are finished, which is never twice in the same order.
    programs.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(Some(programs))
}

/// That of a message of cargo's, if it is about one.
fn program(message: &Value) -> Option<Program> {
    if message["profile"]["test"] != true {
        return None;
    }
    let executable = PathBuf::from(message["executable"].as_str()?);
    let folder = Path::new(message["manifest_path"].as_str()?).parent()?.to_owned();
    let package = folder.file_name()?.to_string_lossy();
    let name = format!("{package}/{}", message["target"]["name"].as_str()?);
    Some(Program { name, executable, folder })
}

impl Program {
    /// The package's folder.
    pub(super) fn package(&self) -> &str {
        self.name.split('/').next().unwrap_or_default()
    }

    /// Runs all tests with `options`; `equip` gives each process its environment.
    ///
    /// # Errors
    /// If the program cannot be started.
    pub(super) fn run(
        &self,
        turn: Turn,
        options: &[&str],
        equip: &dyn Fn(&mut Command),
    ) -> anyhow::Result<Outcome> {
        crate::warn(&format!("\n== {}", self.name));
        if turn == Turn(0) {
            return self.run_some(turn, options, equip);
        }
        let mut all = Outcome::default();
        for group in turn.groups(self.list()?) {
            let names = group.iter().map(String::as_str);
            let options: Vec<&str> =
                options.iter().copied().chain(["--exact"]).chain(names).collect();
            all.add(self.run_some(turn, &options, equip)?);
        }
        Ok(all)
    }

    fn run_some(
        &self,
        turn: Turn,
        options: &[&str],
        equip: &dyn Fn(&mut Command),
    ) -> anyhow::Result<Outcome> {
        let mut command = self.command();
        equip(&mut command);
        watched(command.args(options), turn, output::of_program)
    }

    /// The tests that it runs unasked.
    fn list(&self) -> anyhow::Result<Vec<String>> {
        let listed = |more: &[&str]| {
            let mut command = self.command();
            let output = command.args(["--list", "--format", "terse"]).args(more).output();
            let output = output.with_context(|| self.executable.display().to_string())?;
            anyhow::Ok(output::listed(&String::from_utf8_lossy(&output.stdout)))
        };
        Ok(listed(&[])?.difference(&listed(&["--ignored"])?).cloned().collect())
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.executable);
        command.current_dir(&self.folder);
        cargo::forget_package(&mut command);
        command
    }
}

/// Runs tests that `read` finds the summary of, and shows what they print as they go.
///
/// # Errors
/// If the command cannot be started.
pub(super) fn watched(
    command: &mut Command,
    turn: Turn,
    read: impl Fn(&str) -> Option<Summary>,
) -> anyhow::Result<Outcome> {
    let folder =
        tempfile::tempdir().context("cannot make a folder for the names of skipped tests")?;
    let file = folder.path().join("skipped");
    turn.equip(command);
    if let Some(number) = turn.tests_at_a_time() {
        command.env("RUST_TEST_THREADS", number.to_string());
    }
    let (status, said) = shown(command.env(FILE, &file))?;
    let skipped = match fs::read_to_string(&file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        other => other.with_context(|| file.display().to_string())?,
    };
    Ok(Outcome::of(status, read(&said), &skipped))
}

/// How a command ended and what it wrote to standard output, which is passed on line by line.
fn shown(command: &mut Command) -> anyhow::Result<(ExitStatus, String)> {
    let name = command.get_program().to_owned();
    let context = || format!("{} cannot be run", name.display());
    let mut child = command.stdout(Stdio::piped()).spawn().with_context(context)?;
    let stdout = child.stdout.take().ok_or_else(|| anyhow!("no standard output"))?;
    let mut said = Vec::new();
    let mut lines = BufReader::new(stdout);
    loop {
        let before = said.len();
        if lines.read_until(b'\n', &mut said).with_context(context)? == 0 {
            break;
        }
        crate::show(&String::from_utf8_lossy(&said[before..]));
    }
    Ok((child.wait().with_context(context)?, String::from_utf8_lossy(&said).into_owned()))
}

impl Outcome {
    fn of(status: ExitStatus, summary: Option<Summary>, skipped: &str) -> Self {
        let Summary { passed, mut failed } = summary.unwrap_or_default();
        if !status.success() && failed.is_empty() {
            failed.insert(format!("(the program: {status})"));
        }
        // What failed is told as such.
        let skipped = Skipped::parse(skipped).filter(|skipped| !failed.contains(&skipped.test));
        Self { run: passed + failed.len(), skipped: skipped.collect(), failed }
    }

    fn add(&mut self, other: Self) {
        self.run += other.run;
        self.failed.extend(other.failed);
        self.skipped.extend(other.skipped);
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn programs_are_those_that_cargo_tests() {
        let message = |test: bool| {
            json!({
                "reason": "compiler-artifact", "manifest_path": "/a/crates/data/Cargo.toml",
                "target": {"name": "readers"}, "profile": {"test": test}, "executable": "/a/readers-1",
            })
        };
        let found = program(&message(true)).unwrap();
        assert_eq!(
            (found.name.as_str(), &*found.folder),
            ("data/readers", Path::new("/a/crates/data"))
        );
        assert_eq!(program(&message(false)), None);
        assert_eq!(program(&json!({"reason": "build-finished", "success": true})), None);
    }

    /// As a program of tests, which lists its tests and then runs those it is given.
    fn pretended(folder: &Path) -> Program {
        let script = r#"case "$*" in
*--list*--ignored*) echo 'hidden: test';;
*--list*) printf 'good: test\nbad: test\nidle: test\nhidden: test\n';;
*) passed=0 failed=; [ "$1" = --exact ] && shift || set -- good bad idle
for name; do
  echo "$name $MODALITY_BENCH_TEST_SEED $RUST_TEST_THREADS" >> calls
  case $name in
  idle) printf 'idle\tno reason\n' >> "$MODALITY_BENCH_SKIPPED"; passed=$((passed + 1));;
  bad) [ $((MODALITY_BENCH_TEST_SEED % 2)) = 0 ] && passed=$((passed + 1)) || failed=bad;;
  *) passed=$((passed + 1));;
  esac
done
[ -n "$failed" ] && printf 'failures:\n    bad\n\n'
echo "test result: so. $passed passed; $([ -n "$failed" ] && echo 1 || echo 0) failed; 0 ignored"
[ -z "$failed" ];;
esac"#;
        modality_testing::program(&folder.join("tests"), script);
        Program {
            name: "x/tests".to_owned(),
            executable: folder.join("tests"),
            folder: folder.to_owned(),
        }
    }

    #[test]
    fn every_turn_runs_every_test_once_and_skipped_ones_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let program = pretended(folder.path());
        for seed in 0..6 {
            drop(fs::remove_file(folder.path().join("calls")));
            let outcome = program.run(Turn(seed), &[], &|_| ()).unwrap();
            let wanted: BTreeSet<String> =
                (seed % 2 == 1).then(|| "bad".to_owned()).into_iter().collect();
            assert_eq!((outcome.run, &outcome.failed), (3, &wanted), "seed {seed}");
            let idle = Skipped { test: "idle".to_owned(), reason: "no reason".to_owned() };
            assert_eq!(outcome.skipped, [idle].into());
            let calls = fs::read_to_string(folder.path().join("calls")).unwrap();
            let at_a_time = Turn(seed).tests_at_a_time();
            let mut calls: Vec<String> = calls.lines().map(str::to_owned).collect();
            calls.sort_unstable();
            let at_a_time = at_a_time.map_or_else(String::new, |number| number.to_string());
            let wanted = ["bad", "good", "idle"].map(|name| format!("{name} {seed} {at_a_time}"));
            if seed > 0 {
                assert_eq!(calls, wanted);
            }
        }
    }

    #[test]
    fn a_program_that_dies_is_a_failure_though_no_test_is_named() {
        let died = Command::new("/bin/sh").args(["-c", "kill -SEGV $$"]).status().unwrap();
        let outcome = Outcome::of(died, None, "a\tb\n");
        assert_eq!((outcome.run, outcome.failed.len(), outcome.skipped.len()), (1, 1, 1));
        assert!(outcome.failed.first().unwrap().contains("signal: 11"), "{outcome:?}");
        let failed = Summary { passed: 2, failed: ["a".to_owned()].into() };
        let outcome = Outcome::of(died, Some(failed), "a\tb\n");
        assert_eq!((outcome.run, outcome.failed.len(), outcome.skipped.len()), (3, 1, 0));
    }
}
