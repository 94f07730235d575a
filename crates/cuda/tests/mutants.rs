//! Kernels with a mistake each, which the suite must notice.

#![allow(clippy::unwrap_used)]

mod common;

use std::process::{Command, Output};

use modality_emulator::{EXIT_CODE, Emulator};
use modality_methods::KernelEntries;
use modality_recipe::conformance;

/// Which kernels the suite is run on, in a process of its own.
const VARIANT: &str = "MODALITY_EMULATOR_VARIANT";

/// Not a test by itself: the others run it.
#[test]
#[ignore = "run by the others"]
fn suite() {
    let variant = std::env::var(VARIANT).ok();
    let emulator = Emulator::start(variant.as_deref()).unwrap();
    for seed in 0..2 {
        emulator.seed(seed);
        let mut stages = common::stages(KernelEntries::Kept);
        for (name, part) in conformance::parts() {
            if !name.contains("recipe") {
                eprintln!("part: {name}");
                part(&mut stages, 1e-4);
            }
        }
    }
}

fn run(variant: Option<&str>) -> (Output, String) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "suite", "--nocapture"]);
    command.env_remove(VARIANT);
    if let Some(variant) = variant {
        command.env(VARIANT, variant);
    }
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, said)
}

#[test]
fn kernels_as_they_are_pass() {
    let (output, said) = run(None);
    assert!(output.status.success() && said.matches("part: ").count() > 2, "{said}");
}

#[test]
fn a_write_out_of_bounds_is_caught() {
    let (output, said) = run(Some("out-of-bounds"));
    assert_eq!(output.status.code(), Some(EXIT_CODE), "{said}");
    assert!(said.contains("multiply_") && said.contains("past the end"), "{said}");
}

#[test]
fn a_missing_barrier_is_caught() {
    let (output, said) = run(Some("missing-barrier"));
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("off by"), "{said}");
}

#[test]
fn a_wrong_index_is_caught() {
    let (output, said) = run(Some("wrong-index"));
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("off by"), "{said}");
}
