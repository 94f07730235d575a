//! `cargo xtask test`: everything that can be checked on this machine.

use std::{path::Path, time::Instant};

use anyhow::{Context as _, bail};
use modality_nvcc::Nvcc;

use crate::{child, compiler, kernels, libtorch, nvcc, world::World};

/// Something that a step stands on and a machine may lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    Nothing,
    /// This command of cargo's.
    Tool(&'static str),
    Libtorch,
    Nvcc,
    /// A C++ compiler, for the emulated GPU.
    Compiler,
}

/// What a step does.
#[derive(Debug, Clone, Copy)]
enum Work {
    /// Cargo with these arguments.
    Cargo(&'static str),
    Kernels,
}

/// A name, the work, and what it needs. The cheap checks come first; the end-to-end tests show
/// what they print, because they say what they had to skip. What links libtorch is checked as it is run, so
/// that the bindings are compiled once.
const STEPS: [(&str, Work, Needs); 10] = [
    ("format", Work::Cargo("fmt --all --check"), Needs::Tool("fmt")),
    ("kernels", Work::Kernels, Needs::Nvcc),
    (
        "lints",
        Work::Cargo(
            "clippy --workspace --exclude backend-torch --exclude backend-cuda --exclude modality-emulator \
             --all-targets --quiet -- --deny warnings",
        ),
        Needs::Tool("clippy"),
    ),
    (
        "unit and integration tests",
        Work::Cargo(
            "test --workspace --exclude backend-torch --exclude backend-cuda --exclude modality-emulator \
             --exclude end-to-end --lib --bins --tests",
        ),
        Needs::Nothing,
    ),
    (
        "doc tests",
        Work::Cargo(
            "test --workspace --exclude backend-torch --exclude backend-cuda --exclude modality-emulator \
             --doc --quiet",
        ),
        Needs::Nothing,
    ),
    (
        "emulated GPU lints",
        Work::Cargo(
            "clippy --package backend-cuda --package modality-emulator --all-targets --quiet -- --deny warnings",
        ),
        Needs::Compiler,
    ),
    (
        "emulated GPU tests",
        Work::Cargo("test --package modality-emulator --package backend-cuda"),
        Needs::Compiler,
    ),
    (
        "libtorch lints",
        Work::Cargo(
            "clippy --release --package backend-torch --all-targets --quiet -- --deny warnings",
        ),
        Needs::Libtorch,
    ),
    ("libtorch tests", Work::Cargo("test --release --package backend-torch"), Needs::Libtorch),
    ("end-to-end tests", Work::Cargo("test --package end-to-end -- --show-output"), Needs::Nothing),
];

/// Names a CUDA toolkit.
const TOOLKIT: &str = "CUDA_HOME";

/// Where there is an NVIDIA driver: Linux, and Linux in Windows.
const DRIVERS: [&str; 2] = ["/proc/driver/nvidia/version", "/usr/lib/wsl/lib/libcuda.so.1"];

/// What steps stand on, each made ready once, or why it cannot be had.
struct Bench<'a> {
    world: &'a World,
    libtorch: Result<libtorch::Kit, String>,
    nvcc: Result<Nvcc, String>,
    /// Its name, where cargo must be told.
    compiler: Result<Option<&'static str>, String>,
}

pub(crate) fn run(world: &World) -> anyhow::Result<()> {
    let nvcc = nvcc::ready(world).map_err(|error| format!("{error:#}"));
    let compiler = compiler::find(std::env::var("CXX").ok().as_deref(), None);
    let bench = Bench { world, libtorch: libtorch::kit(world), nvcc, compiler };
    let mut lines = Vec::new();
    let mut failed = Vec::new();
    for (name, work, needs) in STEPS {
        if let Some(line) = bench.lacks(name, needs) {
            if !lines.contains(&line) {
                lines.push(line);
            }
            continue;
        }
        let start = Instant::now();
        let verdict = match bench.call(name, work)? {
            Ok(()) => format!("passed in {:.0} s", start.elapsed().as_secs_f64()),
            Err(reason) => {
                failed.push(name);
                format!("FAILED in {:.0} s{reason}", start.elapsed().as_secs_f64())
            }
        };
        lines.push(format!("{name}: {verdict}"));
    }
    let has_driver = DRIVERS.into_iter().any(|file| Path::new(file).exists());
    lines.push(format!("gpu: {}", about_gpu(has_driver)));
    println!("\n{}", lines.join("\n"));
    if failed.is_empty() { Ok(()) } else { bail!("{} failed", failed.join(", ")) }
}

fn about_gpu(has_driver: bool) -> &'static str {
    match has_driver {
        true => "not tested here; `cargo xtask gpu-check` tests and times it",
        false => "not tested, there is no NVIDIA driver here",
    }
}

impl Bench<'_> {
    /// Why a step cannot be made, if it cannot; steps that lack the same may have a line together.
    fn lacks(&self, name: &str, needs: Needs) -> Option<String> {
        match needs {
            Needs::Nothing => None,
            Needs::Tool(tool) => (!self.has_tool(tool))
                .then(|| format!("{name}: not checked, there is no `cargo {tool}` here")),
            Needs::Libtorch => {
                Some(format!("libtorch: not tested, {}", self.libtorch.as_ref().err()?))
            }
            Needs::Nvcc => {
                Some(format!("{name}: not compiled for a device, {}", self.nvcc.as_ref().err()?))
            }
            Needs::Compiler => {
                Some(format!("emulated GPU: not tested, {}", self.compiler.as_ref().err()?))
            }
        }
    }

    fn has_tool(&self, tool: &str) -> bool {
        let mut cargo = child::cargo(self.world);
        cargo.args([tool, "--version"]).output().is_ok_and(|output| output.status.success())
    }

    /// Carries out a step; where it fails, what there is to add to its output.
    fn call(&self, name: &str, work: Work) -> anyhow::Result<Result<(), String>> {
        let arguments = match work {
            Work::Cargo(arguments) => arguments,
            Work::Kernels => {
                eprintln!("== {name}: cargo xtask kernels");
                return Ok(self.kernels().map_err(|reason| format!(": {reason}")));
            }
        };
        eprintln!("== {name}: cargo {arguments}");
        self.cargo(arguments)
    }

    fn kernels(&self) -> Result<(), String> {
        let nvcc = self.nvcc.as_ref().map_err(String::clone)?;
        kernels::check(self.world, nvcc).map_err(|error| format!("{error:#}"))
    }

    fn cargo(&self, arguments: &str) -> anyhow::Result<Result<(), String>> {
        let mut cargo = child::cargo(self.world);
        match &self.libtorch {
            Ok(kit) => kit.offer_to(&mut cargo),
            Err(_) => libtorch::hide_from(&mut cargo),
        }
        if let Ok(Some(name)) = self.compiler {
            cargo.env("CXX", name);
        }
        nvcc::offer(self.nvcc.as_ref().ok(), &mut cargo);
        if let (Ok(nvcc), None) = (&self.nvcc, std::env::var_os(TOOLKIT)) {
            // The tests find NVRTC there.
            cargo.env(TOOLKIT, nvcc.toolkit());
        }
        let status =
            cargo.args(arguments.split(' ')).status().context("cargo cannot be started")?;
        Ok(if status.success() { Ok(()) } else { Err(String::new()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_steps_that_need_something_build_what_stands_on_it() {
        for (name, work, needs) in STEPS {
            let Work::Cargo(arguments) = work else { continue };
            let whole = arguments.contains("--workspace");
            for (package, needed) in [
                ("backend-torch", Needs::Libtorch),
                ("backend-cuda", Needs::Compiler),
                ("modality-emulator", Needs::Compiler),
            ] {
                assert!(!whole || arguments.contains(&format!("--exclude {package}")), "{name}");
                let with = arguments.contains(&format!("--package {package}"));
                assert_eq!(with, needs == needed, "{name}");
            }
            let is_release = arguments.contains("--release");
            assert!(needs != Needs::Libtorch || is_release, "{name}: compiled twice");
        }
    }
}
