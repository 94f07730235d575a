//! What a folder needs to stand in for a checkout: this program, runners, and the files that they read.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use modality_harness::host::Runner;

use crate::runners::{BESIDE, PREBUILT};

/// This program's name there.
pub(crate) const PROGRAM: &str = "modality-bench";
/// Files of the checkout: folders and the ending of what is taken from them.
const FILES: [(&str, &str); 6] = [
    ("bench-configs", "toml"),
    ("bench-configs/studies", "toml"),
    ("bench-configs/peers", "py"),
    ("kernels", "cu"),
    ("kernels", "cuh"),
    ("", "LICENSE"),
];

/// A file, and its place in the folder.
pub(crate) type Taken = (PathBuf, PathBuf);

/// The program of a runner that was built here, and what lies beside it.
pub(crate) fn runner(runner: &Runner) -> Vec<Taken> {
    let path = PathBuf::from(runner.command.first().expect("a runner has a program"));
    let is_it = |package: &str| path.file_stem().is_some_and(|name| name == package);
    let beside = BESIDE.into_iter().filter(|(package, _)| is_it(package));
    let others: Vec<PathBuf> = beside.map(|(_, other)| path.with_file_name(other)).collect();
    let place = |program: &Path| Path::new(PREBUILT).join(program.file_name().unwrap_or_default());
    let programs = others.into_iter().chain([path]);
    programs.map(|program| (program.clone(), place(&program))).collect()
}

/// The configurations, peers, kernels and licences of the checkout in `root`.
pub(crate) fn files(root: &Path) -> Result<Vec<Taken>> {
    let mut taken = Vec::new();
    for (folder, ending) in FILES {
        let source = root.join(folder);
        let context = || source.display().to_string();
        for entry in fs::read_dir(&source).with_context(context)? {
            let path = entry.with_context(context)?.path();
            let name = path.file_name().unwrap_or_default().to_owned();
            let is_wanted = path.extension().is_some_and(|extension| extension == ending)
                || name.to_string_lossy().starts_with(ending);
            if is_wanted && path.is_file() {
                taken.push((path, Path::new(folder).join(name)));
            }
        }
    }
    Ok(taken)
}

/// A copy with the same permissions, and the folders that it lies in.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    let folder = to.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let done = fs::copy(from, to);
    done.with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    Ok(())
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_along_is_there() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let taken = files(&root).unwrap();
        for wanted in [
            "bench-configs/datasets.toml",
            "bench-configs/studies/gpu.toml",
            "kernels/rbf.cu",
            "kernels/device.cuh",
            "bench-configs/peers/cuml_backend.py",
            "bench-configs/peers/runner.py",
            "LICENSE-MIT",
        ] {
            assert!(taken.iter().any(|(_, place)| place == Path::new(wanted)), "{wanted}");
        }
        assert!(taken.iter().all(|(path, place)| path.is_file() && place.is_relative()));
    }
}
