//! The kernels of `kernels/*.cu`: loaded in one place, launched by [`launch!`].

use std::sync::Arc;

use cudarc::{
    driver::{CudaContext, CudaFunction, CudaModule},
    nvrtc::{CompileError, CompileOptions, Ptx, compile_ptx_with_opts},
};

use crate::{
    error::{Error, Result, describe},
    images::{self, Image},
    libraries,
};

/// Threads of most blocks.
pub(crate) const THREADS: usize = 256;

/// Queues a kernel with `grid` blocks in two dimensions of `block` threads in two, and nothing where the grid is empty.
///
/// Arguments are references to numbers and to memory of the device. That they are those of the kernel's signature is what
/// `gpu-check` and the emulated device look at; that shapes fit, and whatever is looked up is there, each caller asserts.
macro_rules! launch {
    ($device:expr, $kernel:ident, $grid:expr, $block:expr, ($($argument:expr),+ $(,)?)) => {{
        let (device, grid, block): (&$crate::device::Device, (usize, usize), (u32, u32)) = ($device, $grid, $block);
        if grid.0 > 0 && grid.1 > 0 {
            use cudarc::driver::PushKernelArg as _;
            let mut call = device.stream.launch_builder(&device.kernels.$kernel);
            $(call.arg($argument);)+
            // SAFETY: see the macro.
            unsafe { call.launch($crate::device::launch(grid, block)) }?;
        }
    }};
}
pub(crate) use launch;

macro_rules! kernels {
    ($($file:literal: $($name:ident)+;)+) => {
        /// Names of all kernels.
        pub(crate) const NAMES: &[&str] = &[$($(stringify!($name),)+)+];

        /// All kernels, ready to be launched.
        pub(crate) struct Kernels {
            $($(pub(crate) $name: CudaFunction,)+)+
        }

        impl Kernels {
            /// From the images that were built with the program, or compiled here where there are none.
            ///
            /// # Errors
            /// [`Error::Kernels`] with the compiler's or driver's words.
            pub(crate) fn load(context: &Arc<CudaContext>, capability: (i32, i32)) -> Result<Self> {
                $(
                    let loaded = &load(context, $file, capability)?;
                    $(let $name = function(loaded, $file, stringify!($name))?;)+
                )+
                Ok(Self { $($($name,)+)+ })
            }
        }
    };
}

kernels! {
    "columns.cu": dot_columns finish_sums combine_columns turn_directions add_ridge step_along select_columns
        put_columns;
    "dense.cu": widen narrow add add_to_diagonal widen_symmetric identity normal leading_signs transpose;
    "parts.cu": move_parts part_maxima split_parts add_unscaled;
    "pack.cu": pack_rows column_maxima pack_columns;
    "rbf.cu": multiply_kept multiply_formed multiply_fine keep_tiles dense_kernel sum_parts;
    "rows.cu": standardize_rows gather_rows scatter_add_rows densify_rows;
}

/// Blocks of [`THREADS`] threads for a thread an entry.
pub(crate) fn blocks(entries: usize) -> (usize, usize) {
    (entries.div_ceil(THREADS), 1)
}

fn load(
    context: &Arc<CudaContext>,
    file: &'static str,
    capability: (i32, i32),
) -> Result<Arc<CudaModule>> {
    let image = images::of(file);
    let code = match image.fatbin {
        Some(fatbin) => Ptx::from_binary(fatbin.to_vec()),
        None => compile(image, capability)?,
    };
    context.load_module(code).map_err(|error| failed(file, "loaded", describe(error)))
}

fn function(module: &Arc<CudaModule>, file: &'static str, name: &str) -> Result<CudaFunction> {
    module
        .load_function(name)
        .map_err(|error| failed(file, "loaded", format!("{name}: {}", describe(error))))
}

/// By NVRTC, for the device at hand.
fn compile(image: &'static Image, (major, minor): (i32, i32)) -> Result<Ptx> {
    libraries::compiler().map_err(|reason| {
        Error::Unavailable(format!(
            "the kernels were not compiled when this program was built, for want of nvcc (`cargo xtask setup nvcc` brings it), and \
             cannot be now: {reason}"
        ))
    })?;
    let options = CompileOptions {
        options: vec![
            format!("--gpu-architecture=compute_{major}{minor}"),
            "--std=c++17".to_owned(),
        ],
        name: Some(image.name.to_owned()),
        ..CompileOptions::default()
    };
    compile_ptx_with_opts(images::whole_source(image), options).map_err(|error| {
        let reason = match error {
            CompileError::CompileError { log, .. } => log.to_string_lossy().into_owned(),
            other => format!("{other:?}"),
        };
        failed(image.name, "compiled", reason)
    })
}

fn failed(file: &'static str, what: &'static str, reason: String) -> Error {
    Error::Kernels { file, what, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPILED: &str = "compiled by NVRTC";
    const NO_COMPILER: &str = "the kernels are not compiled by NVRTC";

    /// In a process of its own, as other tests bring an NVRTC that only pretends.
    #[test]
    fn every_file_compiles_without_nvcc() {
        let said = crate::apart::apart("kernels::tests::compile_all");
        match said.lines().find(|line| line.starts_with(NO_COMPILER)) {
            Some(why) => modality_testing::skip(why),
            None => assert!(said.contains(COMPILED), "{said}"),
        }
    }

    #[test]
    #[ignore = "run by the other"]
    fn compile_all() {
        if let Err(reason) = libraries::compiler() {
            eprintln!("{NO_COMPILER}: {reason}");
            return;
        }
        for image in images::IMAGES {
            for capability in [(7, 5), (8, 0), (8, 9), (9, 0), (10, 0), (12, 0)] {
                let compiled = compile(image, capability);
                assert!(compiled.is_ok(), "{capability:?}: {}", compiled.unwrap_err());
            }
        }
        eprintln!("{COMPILED}");
    }
}
