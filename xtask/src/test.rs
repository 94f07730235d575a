//! `cargo xtask test`: everything that can be checked on this machine.

use std::{process::ExitStatus, time::Instant};

use anyhow::{Context as _, bail};

use crate::{
    child,
    libtorch::{self, Kit},
    world::World,
};

/// Something that a step stands on and a machine may lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    Nothing,
    /// This command of cargo's.
    Tool(&'static str),
    Libtorch,
}

/// A name, cargo's arguments, and what the step needs. The cheap checks come first; the end-to-end tests show
/// what they print, because they say what they had to skip. What links libtorch is checked as it is run, so
/// that the bindings are compiled once.
const STEPS: [(&str, &str, Needs); 7] = [
    ("format", "fmt --all --check", Needs::Tool("fmt")),
    (
        "lints",
        "clippy --workspace --exclude backend-torch --all-targets --quiet -- --deny warnings",
        Needs::Tool("clippy"),
    ),
    (
        "unit and integration tests",
        "test --workspace --exclude backend-torch --exclude end-to-end --lib --bins --tests",
        Needs::Nothing,
    ),
    ("doc tests", "test --workspace --exclude backend-torch --doc --quiet", Needs::Nothing),
    (
        "libtorch lints",
        "clippy --release --package backend-torch --all-targets --quiet -- --deny warnings",
        Needs::Libtorch,
    ),
    ("libtorch tests", "test --release --package backend-torch", Needs::Libtorch),
    ("end-to-end tests", "test --package end-to-end -- --show-output", Needs::Nothing),
];

pub(crate) fn run(world: &World) -> anyhow::Result<()> {
    let kit = libtorch::kit(world);
    let mut lines = Vec::new();
    let mut failed = Vec::new();
    for (name, arguments, needs) in STEPS {
        match needs {
            Needs::Tool(tool) if !has(world, tool) => {
                lines.push(format!("{name}: not checked, there is no `cargo {tool}` here"));
                continue;
            }
            Needs::Libtorch if kit.is_err() => continue,
            _ => {}
        }
        eprintln!("== {name}: cargo {arguments}");
        let start = Instant::now();
        let passed = call(world, arguments, kit.as_ref().ok())?.success();
        let verdict = if passed { "passed" } else { "FAILED" };
        lines.push(format!("{name}: {verdict} in {:.0} s", start.elapsed().as_secs_f64()));
        failed.extend((!passed).then_some(name));
    }
    if let Err(reason) = &kit {
        lines.push(format!("libtorch: not tested, {reason}"));
    }
    lines.push("accelerators: not tested, no backend uses one yet".to_owned());
    println!("\n{}", lines.join("\n"));
    if failed.is_empty() { Ok(()) } else { bail!("{} failed", failed.join(", ")) }
}

fn call(world: &World, arguments: &str, kit: Option<&Kit>) -> anyhow::Result<ExitStatus> {
    let mut cargo = child::cargo(world);
    match kit {
        Some(kit) => kit.offer_to(&mut cargo),
        None => libtorch::hide_from(&mut cargo),
    }
    cargo.args(arguments.split(' ')).status().context("cargo cannot be started")
}

fn has(world: &World, tool: &str) -> bool {
    let mut cargo = child::cargo(world);
    cargo.args([tool, "--version"]).output().is_ok_and(|output| output.status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_steps_that_need_libtorch_build_what_links_it() {
        for (name, arguments, needs) in STEPS {
            let whole = arguments.contains("--workspace");
            let without = arguments.contains("--exclude backend-torch");
            assert!(!whole || without, "{name}");
            let with = arguments.contains("--package backend-torch");
            assert_eq!(with, needs == Needs::Libtorch, "{name}");
            assert!(!with || arguments.contains("--release"), "{name}: compiled twice");
        }
    }
}
