//! The CUDA libraries of this machine. They are loaded at run time, so that the same program runs where there are none.

use std::{
    ffi::{CStr, CString, OsStr},
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use cudarc::{cublas, cusolver, driver, nvrtc};

use crate::error::{Error, Result, describe};

/// What the kernels and libraries are made for.
const CUDA: i32 = 13_000;

/// Looks for the driver, and whether it is new enough.
///
/// # Errors
/// [`Error::Unavailable`] with what is missing.
pub(crate) fn driver() -> Result<()> {
    // SAFETY: loading the driver's library runs nothing but its own initialisation.
    if !unsafe { driver::sys::is_culib_present() } {
        return unavailable("there is no NVIDIA driver here: libcuda.so cannot be loaded");
    }
    let mut version = 0;
    // SAFETY: the pointer is to a live variable; the call needs no context.
    let result = unsafe { driver::sys::cuDriverGetVersion(&mut version) };
    result.result().map_err(no_device)?;
    if version < CUDA {
        let (major, minor) = (version / 1000, version % 1000 / 10);
        return unavailable(format!(
            "the NVIDIA driver is made for CUDA {major}.{minor}; CUDA 13.0 or newer is needed (driver 580 or newer)"
        ));
    }
    driver::result::init().map_err(no_device)
}

fn no_device(error: driver::DriverError) -> Error {
    Error::Unavailable(format!("the NVIDIA driver finds no device: {}", describe(error)))
}

/// Looks for cuBLAS and cuSOLVER.
///
/// # Errors
/// [`Error::Unavailable`] with what is missing.
pub(crate) fn mathematics() -> Result<()> {
    // SAFETY: loading these libraries runs nothing but their own initialisation.
    let blas = || unsafe { cublas::sys::is_culib_present() };
    // SAFETY: as above.
    let solver = || unsafe { cusolver::sys::is_culib_present() };
    find("cuBLAS", &["libcublasLt.so.13", "libcublas.so.13"], &blas)?;
    find(
        "cuSOLVER",
        &["libnvJitLink.so.13", "libcusparse.so.12", "libcusolver.so.12", "libcusolver.so.11"],
        &solver,
    )
}

/// Looks for the compiler of kernels.
///
/// # Errors
/// [`Error::Unavailable`] with what is missing.
pub(crate) fn compiler() -> Result<()> {
    // SAFETY: loading the library runs nothing but its own initialisation.
    let compiler = || unsafe { nvrtc::sys::is_culib_present() };
    find("NVRTC", &["libnvrtc-builtins.so.13.0", "libnvrtc.so.13"], &compiler)
}

/// Unless `is_there` already, loads `files` from one folder after the other, until it is.
fn find(name: &str, files: &[&str], is_there: &dyn Fn() -> bool) -> Result<()> {
    if is_there() {
        return Ok(());
    }
    for folder in folders() {
        for file in files {
            preload(&folder.join(file));
        }
        if is_there() {
            return Ok(());
        }
    }
    unavailable(format!(
        "{name} of CUDA 13 is not found; set $CUDA_HOME to a CUDA toolkit, or have Python's torch with CUDA 13"
    ))
}

/// Where toolkits and Python's packages have libraries.
fn folders() -> Vec<PathBuf> {
    let both = |toolkit: PathBuf| ["lib64", "lib"].map(|name| toolkit.join(name));
    let toolkits = modality_nvcc::toolkits(|name| std::env::var_os(name));
    let mut folders: Vec<PathBuf> = toolkits.into_iter().flat_map(both).collect();
    folders.extend(python_packages().into_iter().map(|package| package.join("nvidia/cu13/lib")));
    folders
}

fn python_packages() -> Vec<PathBuf> {
    let script = "import site, sys; print('\\n'.join(p for p in sys.path + site.getsitepackages() if 'packages' in p))";
    let output = Command::new("python3").args(["-c", script]).output();
    let paths = output.map(|output| output.stdout).unwrap_or_default();
    paths.split(|&byte| byte == b'\n').map(|path| PathBuf::from(OsStr::from_bytes(path))).collect()
}

/// Loads a library for good, so that it is found by its name from then on.
fn preload(path: &Path) {
    if let Ok(path) = CString::new(path.as_os_str().as_bytes()) {
        let path: &CStr = &path;
        // SAFETY: loading a CUDA library runs nothing but its own initialisation; one that is not there is no error here.
        unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL) };
    }
}

fn unavailable<T>(reason: impl Into<String>) -> Result<T> {
    Err(Error::Unavailable(reason.into()))
}
