//! What steps stand on, each made ready once and only where a step asks for it, or why it cannot be had.

use std::{
    cell::OnceCell,
    path::{Path, PathBuf},
    process::Command,
};

use modality_nvcc::Nvcc;

use super::steps::{Needs, Step};
use crate::{
    cargo::{self, LINKS_LIBTORCH},
    kernels,
    program::Program,
};

/// Names a CUDA toolkit; tests find NVRTC there.
const TOOLKIT: &str = "CUDA_HOME";
const COMPILER: &str = "CXX";
const LIBTORCH: &str = "LIBTORCH";
/// What else the build of libtorch's bindings listens to.
const OTHERS_OF_LIBTORCH: [&str; 5] = [
    "LIBTORCH_INCLUDE",
    "LIBTORCH_LIB",
    "LIBTORCH_USE_PYTORCH",
    "LIBTORCH_STATIC",
    "LIBTORCH_CXX11_ABI",
];

/// What is not built where there is no C++ compiler.
const NEED_COMPILER: [&str; 2] = ["backend-cuda", "modality-emulator"];

#[derive(Default)]
pub(super) struct Bench {
    program: OnceCell<Result<Program, String>>,
    libtorch: OnceCell<Result<PathBuf, String>>,
    nvcc: OnceCell<Result<Nvcc, String>>,
    compiler: OnceCell<Result<PathBuf, String>>,
}

impl Bench {
    /// Where `setup` has an item.
    fn setup(&self, item: &str) -> Result<PathBuf, String> {
        let build = || {
            crate::warn("\n== modality-bench, for what it makes ready");
            Program::build().map_err(|error| format!("{error:#}"))
        };
        let program = self.program.get_or_init(build).as_ref().map_err(String::clone)?;
        program.setup(item).map_err(|error| format!("{error:#}"))
    }

    fn libtorch(&self) -> &Result<PathBuf, String> {
        let find = || self.compiler().clone().and_then(|_| self.setup("libtorch"));
        self.libtorch.get_or_init(find)
    }

    fn nvcc(&self) -> &Result<Nvcc, String> {
        let find = || Nvcc::at(self.setup("nvcc")?).map_err(|error| error.to_string());
        self.nvcc.get_or_init(find)
    }

    fn compiler(&self) -> &Result<PathBuf, String> {
        self.compiler.get_or_init(|| self.setup("compiler"))
    }

    /// Why a step cannot be made, if it cannot; steps that lack the same may have a line together.
    pub(super) fn lacks(&self, step: &Step) -> Option<String> {
        let name = step.name;
        match step.needs {
            Needs::Nothing | Needs::All => None,
            Needs::Tool(tool) => (!has_tool(tool))
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

    /// Compiles every kernel; what there is to say where one does not.
    pub(super) fn kernels(&self) -> Result<(), String> {
        let nvcc = self.nvcc().as_ref().map_err(String::clone)?;
        kernels::check(nvcc).map_err(|error| format!("{error:#}"))
    }

    /// Cargo, to do `what` with all packages that this machine can build. All in one selection, as cargo compiles what
    /// packages share with the features that all of a selection ask for, and would compile it anew for another.
    pub(super) fn cargo(&self, what: &[&str]) -> Command {
        let mut cargo = cargo::cargo();
        cargo.args(what).arg("--workspace");
        let without_libtorch = self.libtorch().is_err().then_some(LINKS_LIBTORCH);
        let without_compiler = NEED_COMPILER.into_iter().filter(|_| self.compiler().is_err());
        for package in without_libtorch.into_iter().chain(without_compiler) {
            cargo.args(["--exclude", package]);
        }
        self.equip(&mut cargo, Needs::All);
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
        for variable in [LIBTORCH, modality_nvcc::VARIABLE].iter().chain(&OTHERS_OF_LIBTORCH) {
            program.env_remove(variable);
        }
        if with_libtorch && let Ok(folder) = self.libtorch() {
            program.env(LIBTORCH, folder);
        }
        if with_cuda && let Ok(nvcc) = self.nvcc() {
            program.env(modality_nvcc::VARIABLE, nvcc.program());
            if std::env::var_os(TOOLKIT).is_none() {
                program.env(TOOLKIT, nvcc.toolkit());
            }
        }
        // Cargo finds the usual one by itself.
        if (with_libtorch || with_cuda)
            && let Ok(compiler) = self.compiler()
            && compiler != Path::new("c++")
        {
            program.env(COMPILER, compiler);
        }
    }
}

fn has_tool(tool: &str) -> bool {
    let mut cargo = cargo::cargo();
    cargo.args([tool, "--version"]).output().is_ok_and(|output| output.status.success())
}
