//! `cargo xtask test`: everything that can be checked on this machine.

use std::{path::Path, process::Command, time::Instant};

use anyhow::{Context as _, bail};

/// What is run, in this order: the cheap checks first. The end-to-end tests show what they print, because
/// they say what they had to skip.
const STEPS: [(&str, &str); 5] = [
    ("format", "fmt --all --check"),
    ("lints", "clippy --workspace --all-targets --quiet -- --deny warnings"),
    ("unit and integration tests", "test --workspace --exclude end-to-end --lib --bins --tests"),
    ("doc tests", "test --workspace --doc --quiet"),
    ("end-to-end tests", "test --package end-to-end -- --show-output"),
];

pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut lines = Vec::new();
    for (name, arguments) in STEPS {
        eprintln!("== {name}: cargo {arguments}");
        let start = Instant::now();
        let status = Command::new(&cargo).current_dir(root).args(arguments.split(' ')).status();
        if !status.context("cargo cannot be started")?.success() {
            bail!("{name} failed: cargo {arguments}");
        }
        lines.push(format!("{name}: passed in {:.0} s", start.elapsed().as_secs_f64()));
    }
    lines.push("accelerators: not tested, no backend uses one yet".to_owned());
    println!("\n{}", lines.join("\n"));
    Ok(())
}
