//! Compiles the kernels where nvcc 13 is, and lists them all: the program compiles those itself that were not.
//!
//! `$MODALITY_NVCC` names the nvcc; without it, one that is installed is taken if it works. A change of `PATH` alone does
//! not compile anything anew.

use std::{
    env,
    error::Error,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use modality_nvcc::Nvcc;

/// What else decides which nvcc is found, and what it does.
const LISTENED_TO: [&str; 5] =
    ["CUDA_HOME", "CUDA_PATH", "NVCC_CCBIN", "NVCC_PREPEND_FLAGS", "NVCC_APPEND_FLAGS"];

/// What files of kernels include.
const HEADERS: [&str; 2] = ["device.cuh", "fragments.cuh"];

fn main() -> ExitCode {
    for variable in [modality_nvcc::VARIABLE].iter().chain(&LISTENED_TO) {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let folder =
        env::var("CARGO_MANIFEST_DIR").map(|here| PathBuf::from(here).join("../../kernels"))?;
    println!("cargo::rerun-if-changed={}", folder.display());
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let files = modality_nvcc::kernels(&folder)?;
    let nvcc = nvcc(&out)?;
    let list = list(&folder, &files, nvcc.as_ref(), &out)?;
    Ok(fs::write(out.join("images.rs"), list)?)
}

/// The one that is named, which must work; or one that is installed and works.
fn nvcc(scratch: &Path) -> Result<Option<Nvcc>, Box<dyn Error>> {
    let named = env::var_os(modality_nvcc::VARIABLE).filter(|program| !program.is_empty());
    let nvcc = match &named {
        Some(program) => Some(
            Nvcc::at(program).map_err(|error| format!("${}: {error}", modality_nvcc::VARIABLE))?,
        ),
        None => Nvcc::first(modality_nvcc::places(|name| env::var_os(name))),
    };
    let Some(nvcc) = nvcc else { return Ok(None) };
    println!("cargo::rerun-if-changed={}", nvcc.program().display());
    match nvcc.check(scratch) {
        Ok(()) => Ok(Some(nvcc)),
        Err(error) if named.is_some() => Err(error.into()),
        Err(error) => {
            let error = error.to_string().replace('\n', " / ");
            println!("cargo::warning=kernels are compiled when the program starts: {error}");
            Ok(None)
        }
    }
}

/// What `src/images.rs` includes.
fn list(
    folder: &Path,
    files: &[PathBuf],
    nvcc: Option<&Nvcc>,
    out: &Path,
) -> Result<String, Box<dyn Error>> {
    let mut list = "pub(crate) static HEADERS: &[(&str, &str)] = &[\n".to_owned();
    for name in HEADERS {
        writeln!(list, "    ({name:?}, {}),", include_text(&folder.join(name))?)?;
    }
    list.push_str("];\n\npub(crate) static IMAGES: &[Image] = &[\n");
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let fatbin = match nvcc {
            Some(nvcc) => {
                let fatbin = out.join(&*name).with_extension("fatbin");
                nvcc.fatbin(file, &fatbin)?;
                format!("Some(include_bytes!({:?}))", text(&fatbin)?)
            }
            None => "None".to_owned(),
        };
        let source = include_text(file)?;
        writeln!(list, "    Image {{ name: {name:?}, source: {source}, fatbin: {fatbin} }},")?;
    }
    list.push_str("];\n");
    Ok(list)
}

fn include_text(file: &Path) -> Result<String, Box<dyn Error>> {
    let whole = file.canonicalize().map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(format!("include_str!({:?})", text(&whole)?))
}

fn text(path: &Path) -> Result<&str, Box<dyn Error>> {
    path.to_str().ok_or_else(|| format!("{} is not UTF-8", path.display()).into())
}
