//! Whether a folder is a libtorch that the backends can be linked with.

use std::{
    env::consts::{DLL_PREFIX, DLL_SUFFIX},
    fs,
    path::{Path, PathBuf},
};

use super::VERSION;

const HEADER: &str = "include/torch/csrc/api/include/torch/torch.h";
/// Files that say the version as macros, newer place first.
const VERSION_HEADERS: [&str; 2] =
    ["include/torch/headeronly/version.h", "include/torch/csrc/api/include/torch/version.h"];

/// What a folder says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    /// With the local part: `2.11.0+cu130`.
    pub(super) version: String,
    pub(super) has_cuda: bool,
}

/// Looks into `folder`.
///
/// # Errors
/// What is wrong with it, to go after "which".
pub(super) fn inspect(folder: &Path) -> Result<Facts, String> {
    if !folder.is_dir() {
        return Err("is not a folder".to_owned());
    }
    for file in [library("torch_cpu"), PathBuf::from(HEADER)] {
        if !folder.join(&file).is_file() {
            return Err(format!("lacks {}", file.display()));
        }
    }
    let Some(version) = version(folder) else {
        return Err(format!(
            "does not say its version in build-version, version.py or {}",
            VERSION_HEADERS[0]
        ));
    };
    if release(&version) != VERSION {
        return Err(format!("holds libtorch {version}"));
    }
    Ok(Facts { version, has_cuda: folder.join(library("torch_cuda")).is_file() })
}

fn library(name: &str) -> PathBuf {
    PathBuf::from(format!("lib/{DLL_PREFIX}{name}{DLL_SUFFIX}"))
}

fn version(folder: &Path) -> Option<String> {
    let read = |file| fs::read_to_string(folder.join(file)).ok();
    let plain = read("build-version").map(|text| text.trim().to_owned());
    plain
        .or_else(|| from_python(&read("version.py")?))
        .or_else(|| VERSION_HEADERS.iter().find_map(|file| from_header(&read(file)?)))
}

/// `__version__ = '2.11.0+cu130'`
fn from_python(text: &str) -> Option<String> {
    let value = text.lines().find_map(|line| line.strip_prefix("__version__"))?;
    Some(value.split(['\'', '"']).nth(1)?.to_owned())
}

/// `#define TORCH_VERSION_MAJOR 2` and so on.
fn from_header(text: &str) -> Option<String> {
    let part = |name: &str| {
        let rest =
            text.lines().find_map(|line| line.strip_prefix("#define ")?.strip_prefix(name))?;
        rest.trim().parse::<u32>().ok()
    };
    let [major, minor, patch] =
        ["TORCH_VERSION_MAJOR ", "TORCH_VERSION_MINOR ", "TORCH_VERSION_PATCH "].map(part);
    Some(format!("{}.{}.{}", major?, minor?, patch?))
}

/// Without the local part.
fn release(version: &str) -> &str {
    version.split_once('+').map_or(version, |(release, _)| release)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_they_are_written() {
        let python = "from typing import Optional\n\n__version__ = '2.11.0+cu130'\ndebug = False\n";
        assert_eq!(from_python(python).as_deref(), Some("2.11.0+cu130"));
        assert_eq!(from_python("version = 3"), None);
        let header = "#pragma once\n#define TORCH_VERSION_MAJOR 2\n#define TORCH_VERSION_MINOR 11\n\
                      #define TORCH_VERSION_PATCH 0\n#define TORCH_VERSION \\\n  \"2.11.0\"\n";
        assert_eq!(from_header(header).as_deref(), Some("2.11.0"));
        assert_eq!(from_header("#include <torch/headeronly/version.h>"), None);
        assert_eq!((release("2.11.0+cpu"), release("2.11.0")), ("2.11.0", "2.11.0"));
    }
}
