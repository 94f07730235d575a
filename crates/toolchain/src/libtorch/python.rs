//! The libtorch inside an installed Python package torch, found without importing or changing anything.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use super::{Libtorch, Origin, inspect};
use crate::child;

const PROGRAMS: [&str; 2] = ["python3", "python"];
const PATIENCE: Duration = Duration::from_secs(10);
const ANSWER: &str = "torch: ";
/// The current folder is on the path of a script like this one, but is no place of packages.
const SCRIPT: &str = "\
import importlib.util, sys
sys.path = [place for place in sys.path if place]
spec = importlib.util.find_spec('torch')
if spec is not None and spec.origin:
    print('torch:', list(spec.submodule_search_locations)[0])
";

/// The first Python that has a usable one. `path`: instead of the process's own `PATH`.
pub(super) fn find(path: Option<&OsStr>) -> Option<Libtorch> {
    PROGRAMS.into_iter().find_map(|program| {
        let folder = ask(program, path)?;
        let facts = inspect::inspect(&folder).ok()?;
        Some(Libtorch { folder, facts, origin: Origin::Python(program) })
    })
}

/// Where the package torch is.
fn ask(program: &str, path: Option<&OsStr>) -> Option<PathBuf> {
    let mut command = Command::new(program);
    // -B: no byte code is written either.
    command.args(["-B", "-c", SCRIPT]);
    if let Some(path) = path {
        command.env("PATH", path);
    }
    let ended = child::run(&mut command, PATIENCE, || 0).ok()?;
    let folder = ended.said.lines().find_map(|line| line.strip_prefix(ANSWER))?;
    std::path::absolute(Path::new(folder)).ok()
}
