//! The machine and the tools that a record was made with.

use std::{collections::BTreeMap, ffi::OsString, path::Path, process::Command};

use serde::{Deserialize, Serialize};
use sysinfo::{CpuRefreshKind, RefreshKind, System};

use crate::machine;

/// Variables that a runner finds set to its number of threads.
pub(crate) const THREADS: [&str; 4] =
    ["RAYON_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"];

/// What a reader needs to know to compare a time with their own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// Processor model as the system names it.
    pub cpu: String,
    /// Processors that this process may use, a container's share included.
    pub cores: usize,
    /// Memory that this process may use, MiB, container limits included.
    pub memory_mb: u64,
    /// Operating system and kernel.
    pub os: String,
    /// Compiler that is on the path, and whether programs check themselves as they run, which takes time.
    pub rustc: String,
    /// Version of modality-bench.
    pub version: String,
    /// Commit of the checkout, with `-dirty` if it holds changes; empty outside a checkout.
    pub git_commit: String,
    /// Variables that choose kernels or threads inside numerical libraries, or devices; a run inherits them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, String>,
    /// When the run was started, seconds since 1970 UTC.
    pub started_unix: u64,
}

impl Environment {
    /// Looks at the machine and at the checkout in `root`.
    pub fn observe(root: &Path) -> Self {
        let kinds = RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing());
        let system = System::new_with_specifics(kinds);
        Self {
            cpu: system.cpus().first().map(|cpu| cpu.brand().trim().to_owned()).unwrap_or_default(),
            cores: machine::threads(),
            memory_mb: machine::memory() >> 20,
            os: operating_system(),
            rustc: compiler(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            git_commit: commit(root),
            variables: variables(std::env::vars_os()),
            started_unix: unix_time(),
        }
    }

    /// The same machine and tools, now.
    #[must_use]
    pub fn now(&self) -> Self {
        Self { started_unix: unix_time(), ..self.clone() }
    }
}

fn compiler() -> String {
    let name = first_line(Command::new("rustc").arg("--version"));
    if cfg!(debug_assertions) { format!("{name}, checking itself as it runs") } else { name }
}

/// Beginnings of the names of such variables.
const STEERING: [&str; 14] = [
    "ATEN_",
    "BLIS_",
    "CUBLAS_",
    "CUDA_",
    "DNNL_",
    "GLIBC_TUNABLES",
    "GOMP_",
    "KMP_",
    "MALLOC_",
    "MKL_",
    "NPY_",
    "OMP_",
    "ONEDNN_",
    "OPENBLAS_",
];

fn variables(all: impl Iterator<Item = (OsString, OsString)>) -> BTreeMap<String, String> {
    let text = |value: OsString| value.to_string_lossy().into_owned();
    let is_steering = |name: &str| {
        STEERING.iter().any(|start| name.starts_with(start)) && !THREADS.contains(&name)
    };
    all.map(|(name, value)| (text(name), text(value)))
        .filter(|(name, _)| is_steering(name))
        .collect()
}

fn unix_time() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |time| time.as_secs())
}

fn operating_system() -> String {
    [System::long_os_version(), System::kernel_version()]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(", ")
}

fn commit(root: &Path) -> String {
    let git =
        |arguments: &[&str]| first_line(Command::new("git").arg("-C").arg(root).args(arguments));
    let commit = git(&["rev-parse", "--short=12", "HEAD"]);
    let dirty = !commit.is_empty() && !git(&["status", "--porcelain"]).is_empty();
    if dirty { format!("{commit}-dirty") } else { commit }
}

fn first_line(command: &mut Command) -> String {
    let output = command.output().ok().filter(|output| output.status.success());
    let text = output
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default();
    text.lines().next().unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_library_is_kept_and_what_the_harness_sets_is_not() {
        let all = [
            ("OPENBLAS_CORETYPE", "Haswell"),
            ("OMP_NUM_THREADS", "64"),
            ("HOME", "/home/u"),
            ("MKL_CBWR", "AVX2"),
        ];
        let all = all.map(|(name, value)| (name.into(), value.into()));
        let kept: Vec<(String, String)> = variables(all.into_iter()).into_iter().collect();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(kept, [pair("MKL_CBWR", "AVX2"), pair("OPENBLAS_CORETYPE", "Haswell")]);
    }
}
