//! Tells binaries where libtorch lies, and which version it is.

use std::{env, fs, path::Path};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=DEP_TCH_LIBTORCH_LIB");
    let Ok(libraries) = env::var("DEP_TCH_LIBTORCH_LIB") else { return };
    println!("cargo:rustc-link-arg=-Wl,-rpath,{libraries}");
    let version = Path::new(&libraries).parent().and_then(version).unwrap_or_default();
    println!("cargo:rustc-env=LIBTORCH_VERSION={version}");
}

/// As libtorch's own header has it.
fn version(libtorch: &Path) -> Option<String> {
    let header = fs::read_to_string(libtorch.join("include/torch/headeronly/version.h")).ok()?;
    let number = |name: &str| {
        let line =
            header.lines().find_map(|line| line.strip_prefix("#define ")?.strip_prefix(name));
        Some(line?.trim().to_owned())
    };
    let parts = ["TORCH_VERSION_MAJOR ", "TORCH_VERSION_MINOR ", "TORCH_VERSION_PATCH "];
    Some(parts.map(number).into_iter().collect::<Option<Vec<_>>>()?.join("."))
}
