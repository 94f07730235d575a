//! What the end-to-end tests share: the commands as a user types them, and a place to run them in.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use modality_harness::{
    bench::{Bench, Output},
    environment::Environment,
    host::Runner,
    plan::{Limits, Plan},
    record::RunRecord,
    study::{self, Study},
};

pub mod arena;
pub mod exact;
pub mod faults;
pub mod hostile;

/// Why what a run takes may not be known.
pub const NO_PEAK: &str = "this system does not tell the peak memory of a process";

/// The root of the checkout.
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// `modality-bench`, which `cargo xtask` becomes for a user; built as the tests are, so that it and its runners check
/// themselves as they go.
pub fn modality_bench() -> assert_cmd::Command {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    let mut command = assert_cmd::Command::new(BINARY.get_or_init(|| built("modality-bench")));
    command.env_remove("MODALITY_BENCH_DATA");
    // Tests run side by side; threads that wait for others should not keep them from working.
    command.env("OMP_WAIT_POLICY", "passive");
    command
}

/// The runner of the CPU backend, built alike.
pub fn linfa_runner() -> Runner {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    let binary = BINARY.get_or_init(|| built("backend-linfa"));
    Runner { command: vec![binary.display().to_string()], folder: root().to_owned() }
}

/// The binary of this name.
fn built(name: &str) -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let selection = ["build", "--workspace", "--exclude", "backend-torch"];
    // With the features that tests ask for (of examples, too), so that what is built already is not built anew.
    let arguments = ["--examples", "--bin", name, "--message-format", "json-render-diagnostics"];
    let arguments = [&selection[..], &arguments].concat();
    let output = Command::new(cargo).current_dir(root()).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("cargo cannot be started: {error}"));
    assert!(
        output.status.success(),
        "{name} does not build:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let executable = |line: &str| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let is_it = message["target"]["name"] == name;
        message["executable"].as_str().filter(|_| is_it).map(PathBuf::from)
    };
    let lines = String::from_utf8_lossy(&output.stdout);
    let binary = lines.lines().filter_map(executable).next_back();
    binary.unwrap_or_else(|| panic!("cargo named no binary"))
}

/// The libtorch that this machine has or can get: `$LIBTORCH`, or what `cargo xtask setup libtorch` names. A place
/// where there is none if it cannot be had, so that no test tries again.
pub fn libtorch() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        if let Some(folder) = std::env::var_os("LIBTORCH").filter(|folder| !folder.is_empty()) {
            return folder.into();
        }
        let output = modality_bench().args(["--quiet", "setup", "libtorch"]).output();
        match output {
            Ok(output) if output.status.success() => {
                String::from_utf8_lossy(&output.stdout).trim().into()
            }
            _ => "/no/libtorch".into(),
        }
    })
}

/// Whether rows of the libtorch backend can run; where not, they are expected to be unavailable, and the test counts as
/// skipped.
pub fn has_libtorch() -> bool {
    let found = libtorch().is_dir();
    if !found {
        modality_testing::skip("there is no libtorch, so nothing of the MLP is checked");
    }
    found
}

/// `cargo xtask reproduce` into `out`, with a cache in `cache` and the machine's own libtorch.
pub fn reproduce(cache: &Path, out: &Path, arguments: &[&str]) -> assert_cmd::Command {
    let mut command = modality_bench();
    command.env("MODALITY_BENCH_CACHE", cache).env("LIBTORCH", libtorch());
    command.args(["reproduce", "--quiet", "--out"]).arg(out).args(arguments);
    command
}

/// The same program with the same arguments and environment, to be started or wrapped by another.
pub fn bare(command: &assert_cmd::Command, wrapped_by: &[&str]) -> Command {
    let words = wrapped_by.iter().map(AsRef::as_ref).chain([command.get_program()]);
    let words: Vec<&OsStr> = words.chain(command.get_args()).collect();
    let mut bare = Command::new(words[0]);
    bare.args(&words[1..]);
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => bare.env(name, value),
            None => bare.env_remove(name),
        };
    }
    bare
}

/// The records in an output folder.
pub fn records(out: &Path) -> Vec<RunRecord> {
    RunRecord::load_all(&Output::new(out).records()).unwrap_or_else(|error| panic!("{error}"))
}

/// A study from the text of its file, planned on the prepared data set in `dataset`.
///
/// # Errors
/// Those of a study file and of a plan.
pub fn plan(text: &str, dataset: &Path, limits: Limits) -> modality_harness::Result<Plan> {
    let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    let studies = folder.path().join(study::STUDIES);
    let written =
        std::fs::create_dir(&studies).and_then(|()| std::fs::write(studies.join("own.toml"), text));
    written.unwrap_or_else(|error| panic!("{error}"));
    let backends = study::load_backends(&root().join("bench-configs"))?;
    let study = Study::load(folder.path(), "own", None, &backends)?;
    Plan::draw(&study, &study.rows, dataset, limits)
}

/// A plan ready to be carried out, with its results in `out`.
pub fn bench(plan: Plan, dataset: &Path, out: &Path) -> Bench {
    let output = Output::new(out);
    output
        .create()
        .and_then(|()| Bench::open(plan, dataset, output, Environment::default()))
        .unwrap_or_else(|error| panic!("{error}"))
}

/// What a command that must fail with the user's exit code says.
pub fn refusal(mut command: assert_cmd::Command) -> String {
    let output = command.assert().code(2).get_output().clone();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(message.contains("error: ") && !message.contains("panicked"), "{message}");
    message
}
