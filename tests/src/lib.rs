//! What the end-to-end tests share: the commands as a user types them, and a place to run them in.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use modality_harness::{bench::Output, record::RunRecord};

/// The root of the checkout.
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// A file of the starter data, where the checkout has it beside itself; says so where not.
pub fn starter() -> Option<PathBuf> {
    let folder = root().join("../shared/data/bmmc-cite-starter");
    if !folder.is_dir() {
        eprintln!("skipped: {} is not there", folder.display());
        return None;
    }
    Some(folder)
}

/// `cargo xtask`, built as its alias builds it.
pub fn xtask() -> assert_cmd::Command {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    let binary = BINARY.get_or_init(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let arguments = [
            "build",
            "--release",
            "--package",
            "xtask",
            "--message-format",
            "json-render-diagnostics",
        ];
        let output = Command::new(cargo).current_dir(root()).args(arguments).output();
        let output = output.unwrap_or_else(|error| panic!("cargo cannot be started: {error}"));
        assert!(
            output.status.success(),
            "xtask does not build:\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let executable = |line: &str| {
            let message: serde_json::Value = serde_json::from_str(line).ok()?;
            message.get("executable")?.as_str().map(PathBuf::from)
        };
        let lines = String::from_utf8_lossy(&output.stdout);
        lines
            .lines()
            .filter_map(executable)
            .next_back()
            .unwrap_or_else(|| panic!("cargo named no binary"))
    });
    assert_cmd::Command::new(binary)
}

/// The libtorch that this machine has or can get: `$LIBTORCH`, or what `cargo xtask setup libtorch` names. A place
/// where there is none if it cannot be had, so that no test tries again.
pub fn libtorch() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        if let Some(folder) = std::env::var_os("LIBTORCH").filter(|folder| !folder.is_empty()) {
            return folder.into();
        }
        let output = xtask().args(["--quiet", "setup", "libtorch"]).output();
        match output {
            Ok(output) if output.status.success() => {
                String::from_utf8_lossy(&output.stdout).trim().into()
            }
            _ => "/no/libtorch".into(),
        }
    })
}

/// Whether rows of the libtorch backend can run; says so where not.
pub fn has_libtorch() -> bool {
    let found = libtorch().is_dir();
    if !found {
        eprintln!("without libtorch: its rows are expected to be unavailable");
    }
    found
}

/// `cargo xtask reproduce` into `out`, with a cache in `cache` and the machine's own libtorch.
pub fn reproduce(cache: &Path, out: &Path, arguments: &[&str]) -> assert_cmd::Command {
    let mut command = xtask();
    command.env("MODALITY_BENCH_CACHE", cache).env_remove("MODALITY_BENCH_DATA");
    command.env("LIBTORCH", libtorch());
    // Tests run side by side; threads that wait for others should not keep them from working.
    command.env("OMP_WAIT_POLICY", "passive");
    command.args(["reproduce", "--quiet", "--out"]).arg(out).args(arguments);
    command
}

/// The records in an output folder.
pub fn records(out: &Path) -> Vec<RunRecord> {
    RunRecord::load_all(&Output::new(out).records()).unwrap_or_else(|error| panic!("{error}"))
}

/// What a command that must fail with the user's exit code says.
pub fn refusal(mut command: assert_cmd::Command) -> String {
    let output = command.assert().code(2).get_output().clone();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(message.contains("error: ") && !message.contains("panicked"), "{message}");
    message
}
