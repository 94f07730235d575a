//! The machine and the tools that a record was made with.

use std::{path::Path, process::Command};

use serde::{Deserialize, Serialize};
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

/// What a reader needs to know to compare a time with their own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// Processor model as the system names it.
    pub cpu: String,
    /// Processors that this process may use.
    pub cores: usize,
    /// Memory that this process may use, MiB, container limits included.
    pub memory_mb: u64,
    /// Operating system and kernel.
    pub os: String,
    /// Compiler that is on the path.
    pub rustc: String,
    /// Version of modality-bench.
    pub version: String,
    /// Commit of the checkout, with `-dirty` if it holds changes; empty outside a checkout.
    pub git_commit: String,
    /// When the run was started, seconds since 1970 UTC.
    pub started_unix: u64,
}

impl Environment {
    /// Looks at the machine and at the checkout in `root`.
    pub fn observe(root: &Path) -> Self {
        let kinds = RefreshKind::nothing()
            .with_cpu(CpuRefreshKind::nothing())
            .with_memory(MemoryRefreshKind::nothing().with_ram());
        let system = System::new_with_specifics(kinds);
        Self {
            cpu: system.cpus().first().map(|cpu| cpu.brand().trim().to_owned()).unwrap_or_default(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_mb: usable_memory(&system) >> 20,
            os: operating_system(),
            rustc: first_line(Command::new("rustc").arg("--version")),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            git_commit: commit(root),
            started_unix: unix_time(),
        }
    }

    /// The same machine and tools, now.
    #[must_use]
    pub fn now(&self) -> Self {
        Self { started_unix: unix_time(), ..self.clone() }
    }
}

fn unix_time() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |time| time.as_secs())
}

fn usable_memory(system: &System) -> u64 {
    let limit = system.cgroup_limits().map(|limits| limits.total_memory).filter(|&bytes| bytes > 0);
    limit.unwrap_or(u64::MAX).min(system.total_memory())
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
