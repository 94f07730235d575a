//! What the machine can spare.

use sysinfo::{MemoryRefreshKind, RefreshKind, System};

/// Share of the free memory that is left to others.
const LEFT: f64 = 0.1;

/// What this process and its children may take without driving the machine into its swap: free memory, container limits
/// included, less a tenth. In bytes.
pub fn spare() -> u64 {
    let kinds = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
    let system = System::new_with_specifics(kinds);
    // Of a container, anonymous memory alone counts as taken: the system gives back cached files.
    let limits = system.cgroup_limits().filter(|limits| limits.total_memory > 0);
    let within = limits.map(|limits| limits.total_memory.saturating_sub(limits.rss));
    let free = within.unwrap_or(u64::MAX).min(system.available_memory());
    (free as f64 * (1.0 - LEFT)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn something_can_be_spared() {
        assert!(spare() > 1 << 20);
    }
}
