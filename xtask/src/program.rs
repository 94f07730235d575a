//! `modality-bench`, which does what is no chore.

use std::{
    ffi::OsString,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Command, ExitCode, Stdio},
};

use anyhow::{Context as _, anyhow};

use crate::cargo;

const NAME: &str = "modality-bench";
/// Says what the user typed, for its help.
const CALLED_AS: &str = "MODALITY_BENCH_CALLED_AS";

/// Becomes `modality-bench` with these arguments, built for speed.
///
/// # Errors
/// If it does not build, or cannot be started.
pub(crate) fn hand_over(arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    let program = fast(cargo::cargo(), arguments)?;
    let mut command = Command::new(&program);
    command.args(arguments).env(CALLED_AS, "cargo xtask");
    cargo::forget_package(&mut command);
    run(&mut command).with_context(|| program.display().to_string())
}

/// As quiet as it is to be itself, and as far from the network.
fn fast(mut cargo: Command, arguments: &[OsString]) -> anyhow::Result<PathBuf> {
    let has = |option: &str| arguments.iter().any(|argument| argument == option);
    if has("--offline") {
        cargo.env("CARGO_NET_OFFLINE", "true");
    }
    let quiet = has("--quiet").then_some("--quiet");
    let options: Vec<&str> = ["--release"].into_iter().chain(quiet).collect();
    cargo::build(cargo, NAME, &options)
}

/// In this process's place, so that what is done to one is done to the other.
#[cfg(unix)]
fn run(command: &mut Command) -> anyhow::Result<ExitCode> {
    use std::os::unix::process::CommandExt as _;
    Err(command.exec().into())
}

#[cfg(not(unix))]
fn run(command: &mut Command) -> anyhow::Result<ExitCode> {
    let code = command.status()?.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// `modality-bench`, built as tests are, for what it makes ready.
pub(crate) struct Program(PathBuf);

impl Program {
    /// # Errors
    /// If it does not build.
    pub(crate) fn build() -> anyhow::Result<Self> {
        cargo::build(cargo::cargo(), NAME, &[cargo::AS_TESTS]).map(Self)
    }

    /// Makes an item of `setup` ready, and returns where it is.
    ///
    /// # Errors
    /// In the program's words.
    pub(crate) fn setup(&self, item: &str) -> anyhow::Result<PathBuf> {
        let mut command = Command::new(&self.0);
        command.args(["setup", item]).stdin(Stdio::null()).stdout(Stdio::piped());
        let context = || self.0.display().to_string();
        let mut child = command.stderr(Stdio::piped()).spawn().with_context(context)?;
        let mut error = None;
        let words = child.stderr.take().map(BufReader::new).into_iter().flat_map(BufRead::lines);
        for line in words.map_while(Result::ok) {
            match line.strip_prefix("error: ") {
                Some(sentence) => error = Some(sentence.to_owned()),
                None => crate::warn(&line),
            }
        }
        let output = child.wait_with_output().with_context(context)?;
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).trim().into()),
            false => Err(anyhow!(error.unwrap_or_else(|| output.status.to_string()))),
        }
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use modality_testing::Programs;

    use super::*;

    #[test]
    fn it_is_built_for_speed_and_as_quietly_as_it_is_asked_to_be() {
        let programs = Programs::none();
        let called = programs.path().join("called");
        let script = format!(
            "echo \"$CARGO_NET_OFFLINE $*\" > '{}'\necho '{{\"executable\": null}}'\n\
             echo '{{\"target\": {{\"name\": \"sample\"}}, \"executable\": \"/made/sample\"}}'\n\
             echo '{{\"target\": {{\"name\": \"modality-bench\"}}, \"executable\": \"/made/modality-bench\"}}'\necho '{{\"success\": true}}'",
            called.display()
        );
        let programs = programs.with("cargo", &script);
        for (line, wanted) in [
            (&["list"][..], " build --workspace "),
            (&["--offline", "list"], "true build --workspace "),
        ] {
            let arguments: Vec<OsString> = line.iter().map(OsString::from).collect();
            let cargo = Command::new(programs.path().join("cargo"));
            let program = fast(cargo, &arguments).unwrap();
            assert_eq!(program, PathBuf::from("/made/modality-bench"));
            let called = std::fs::read_to_string(&called).unwrap();
            assert!(called.starts_with(wanted) && called.contains(" --release "), "{called}");
            assert!(!called.contains("--quiet"), "{called}");
        }
        let cargo = Command::new(programs.path().join("cargo"));
        fast(cargo, &["reproduce".into(), "--quiet".into()]).unwrap();
        assert!(std::fs::read_to_string(&called).unwrap().contains(" --quiet "));
        let broken = programs.with("broken", "exit 101");
        let error = fast(Command::new(broken.path().join("broken")), &[]).unwrap_err();
        assert_eq!(error.to_string(), "modality-bench does not build");
    }

    #[test]
    fn what_is_made_ready_is_where_the_program_says_or_not_there_for_its_reason() {
        let script = "[ \"$2\" = nvcc ] && echo fetching >&2 && echo /a/nvcc && exit\n\
                      echo waiting >&2; echo 'error: there is none' >&2; exit 1";
        let programs = Programs::none().with("p", script);
        let program = Program(programs.path().join("p"));
        assert_eq!(program.setup("nvcc").unwrap(), PathBuf::from("/a/nvcc"));
        assert_eq!(program.setup("libtorch").unwrap_err().to_string(), "there is none");
    }
}
