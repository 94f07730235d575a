//! Tests in processes of their own: an emulated device, its settings and the libraries that are loaded belong to all of a process.

use std::process::Command;

/// Runs an ignored test of this crate, which must pass; gives what it said.
pub(crate) fn apart(test: &str) -> String {
    let mut child = Command::new(std::env::current_exe().unwrap());
    let output = child.args(["--ignored", "--exact", test, "--nocapture"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    eprint!("{said}");
    let ran = String::from_utf8_lossy(&output.stdout).contains("1 passed");
    assert!(output.status.success() && ran, "{test}: {}: {said}", output.status);
    said
}
