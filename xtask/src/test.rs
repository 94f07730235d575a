//! `cargo xtask test`: everything that can be checked on this machine.

use std::{path::Path, process::Command, time::Instant};

use anyhow::{Context as _, bail};

/// A name, cargo's arguments, and the tool that the machine may lack. The cheap checks come first; the
/// end-to-end tests show what they print, because they say what they had to skip.
const STEPS: [(&str, &str, Option<&str>); 5] = [
    ("format", "fmt --all --check", Some("fmt")),
    ("lints", "clippy --workspace --all-targets --quiet -- --deny warnings", Some("clippy")),
    (
        "unit and integration tests",
        "test --workspace --exclude end-to-end --lib --bins --tests",
        None,
    ),
    ("doc tests", "test --workspace --doc --quiet", None),
    ("end-to-end tests", "test --package end-to-end -- --show-output", None),
];

pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    let mut lines = Vec::new();
    let mut failed = Vec::new();
    for (name, arguments, tool) in STEPS {
        if tool.is_some_and(|tool| !has(root, tool)) {
            lines.push(format!(
                "{name}: not checked, there is no `cargo {}` here",
                tool.unwrap_or_default()
            ));
            continue;
        }
        eprintln!("== {name}: cargo {arguments}");
        let start = Instant::now();
        let status = cargo(root).args(arguments.split(' ')).status();
        let passed = status.context("cargo cannot be started")?.success();
        let verdict = if passed { "passed" } else { "FAILED" };
        lines.push(format!("{name}: {verdict} in {:.0} s", start.elapsed().as_secs_f64()));
        failed.extend((!passed).then_some(name));
    }
    lines.push("accelerators: not tested, no backend uses one yet".to_owned());
    println!("\n{}", lines.join("\n"));
    if failed.is_empty() { Ok(()) } else { bail!("{} failed", failed.join(", ")) }
}

fn cargo(root: &Path) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root);
    cargo
}

fn has(root: &Path, tool: &str) -> bool {
    let output = cargo(root).args([tool, "--version"]).output();
    output.is_ok_and(|output| output.status.success())
}
