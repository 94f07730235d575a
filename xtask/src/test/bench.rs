//! What steps stand on, each made ready once and only where a step asks for it, or why it cannot be had.

use std::{cell::OnceCell, process::Command};

use modality_nvcc::Nvcc;

use super::steps::{Needs, Selection, Step};
use crate::{
    child, compiler, kernels, libtorch, nvcc,
    runners::{LINKS_LIBTORCH, USUAL},
    world::World,
};

/// Names a CUDA toolkit; tests find NVRTC there.
const TOOLKIT: &str = "CUDA_HOME";

/// What is left out of the usual packages where there is no C++ compiler.
const WITHOUT_COMPILER: [&str; 4] = ["--exclude", "backend-cuda", "--exclude", "modality-emulator"];

pub(super) struct Bench<'a> {
    world: &'a World,
    libtorch: OnceCell<Result<libtorch::Kit, String>>,
    nvcc: OnceCell<Result<Nvcc, String>>,
    /// Its name, where cargo must be told.
    compiler: OnceCell<Result<Option<&'static str>, String>>,
}

impl<'a> Bench<'a> {
    pub(super) fn new(world: &'a World) -> Self {
        let (libtorch, nvcc, compiler) = (OnceCell::new(), OnceCell::new(), OnceCell::new());
        Self { world, libtorch, nvcc, compiler }
    }

    fn libtorch(&self) -> &Result<libtorch::Kit, String> {
        self.libtorch.get_or_init(|| libtorch::kit(self.world))
    }

    fn nvcc(&self) -> &Result<Nvcc, String> {
        self.nvcc.get_or_init(|| nvcc::ready(self.world).map_err(|error| format!("{error:#}")))
    }

    fn compiler(&self) -> &Result<Option<&'static str>, String> {
        self.compiler.get_or_init(|| compiler::find(std::env::var("CXX").ok().as_deref(), None))
    }

    /// Why a step cannot be made, if it cannot; steps that lack the same may have a line together.
    pub(super) fn lacks(&self, step: &Step) -> Option<String> {
        let name = step.name;
        match step.needs {
            Needs::Nothing | Needs::All => None,
            Needs::Tool(tool) => (!self.has_tool(tool))
                .then(|| format!("{name}: not checked, there is no `cargo {tool}` here")),
            Needs::Libtorch => {
                Some(format!("libtorch: not tested, {}", self.libtorch().as_ref().err()?))
            }
            Needs::Nvcc => {
                Some(format!("{name}: not compiled for a device, {}", self.nvcc().as_ref().err()?))
            }
            Needs::Compiler => {
                Some(format!("emulated GPU: not tested, {}", self.compiler().as_ref().err()?))
            }
        }
    }

    fn has_tool(&self, tool: &str) -> bool {
        let mut cargo = child::cargo(self.world);
        cargo.args([tool, "--version"]).output().is_ok_and(|output| output.status.success())
    }

    /// Compiles every kernel; what there is to say where one does not.
    pub(super) fn kernels(&self) -> Result<(), String> {
        let nvcc = self.nvcc().as_ref().map_err(String::clone)?;
        kernels::check(self.world, nvcc).map_err(|error| format!("{error:#}"))
    }

    /// Cargo, to do `what` with a selection of packages.
    pub(super) fn cargo(&self, what: &[&str], selection: Selection) -> Command {
        let mut cargo = child::cargo(self.world);
        cargo.args(what);
        match selection {
            Selection::Usual => {
                cargo.args(USUAL);
                if self.compiler().is_err() {
                    cargo.args(WITHOUT_COMPILER);
                }
                self.equip(&mut cargo, Needs::Compiler);
            }
            Selection::Libtorch => {
                cargo.args(["--release", "--package", LINKS_LIBTORCH]);
                self.equip(&mut cargo, Needs::Libtorch);
            }
        }
        cargo
    }

    /// Lets a program have what it stands on, and nothing of the kind that the user's own environment names.
    pub(super) fn equip(&self, program: &mut Command, needs: Needs) {
        let (with_libtorch, with_cuda) = match needs {
            Needs::Nothing | Needs::Tool(_) => (false, false),
            Needs::Libtorch => (true, false),
            Needs::Nvcc | Needs::Compiler => (false, true),
            Needs::All => (true, true),
        };
        match with_libtorch.then(|| self.libtorch()) {
            Some(Ok(kit)) => kit.offer_to(program),
            _ => libtorch::hide_from(program),
        }
        let nvcc = if with_cuda { self.nvcc().as_ref().ok() } else { None };
        nvcc::offer(nvcc, program);
        if let (Some(nvcc), None) = (nvcc, std::env::var_os(TOOLKIT)) {
            program.env(TOOLKIT, nvcc.toolkit());
        }
        if with_cuda && let Ok(Some(name)) = self.compiler() {
            program.env("CXX", name);
        }
    }
}
