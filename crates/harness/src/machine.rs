//! What this process may use of the machine: memory and processors, as far as neither a control group, nor a limit of
//! the process itself, nor its affinity says less.

mod groups;

use std::path::Path;

use nix::sys::resource::{Resource, getrlimit};
use sysinfo::{MemoryRefreshKind, RefreshKind, System};

use groups::Groups;

/// Share of the free memory that is left to others.
const LEFT: f64 = 0.1;

/// Memory that this process may use at all, bytes.
pub fn memory() -> u64 {
    let groups = Groups::of_process(Path::new("/")).memory();
    let within = groups.iter().map(|group| group.limit).min();
    smallest(system().total_memory(), [within, own_limit()])
}

/// What this process and its children may take without driving the machine into its swap, or being killed for it: free
/// memory, less a tenth. In bytes.
pub fn spare() -> u64 {
    let groups = Groups::of_process(Path::new("/")).memory();
    let within = groups.iter().map(|group| group.limit.saturating_sub(group.taken)).min();
    let free = smallest(system().available_memory(), [within, own_limit()]);
    (free as f64 * (1.0 - LEFT)) as u64
}

/// CPU threads that there is time for.
pub fn threads() -> usize {
    let quota = Groups::of_process(Path::new("/")).processors();
    whole_threads(affinity(), quota)
}

/// A share of a processor's time counts as a whole one.
fn whole_threads(affinity: usize, quota: Option<f64>) -> usize {
    // A cast of what is too large is the largest number.
    let quota = quota.map_or(usize::MAX, |processors| processors.ceil() as usize);
    affinity.min(quota).max(1)
}

/// Processors that this process may run on.
#[cfg(target_os = "linux")]
fn affinity() -> usize {
    use nix::{
        sched::{CpuSet, sched_getaffinity},
        unistd::Pid,
    };
    let set = sched_getaffinity(Pid::from_raw(0));
    let count = |set: CpuSet| {
        (0..CpuSet::count()).filter(|&cpu| set.is_set(cpu).is_ok_and(|is_set| is_set)).count()
    };
    // A machine with more processors than such a set holds.
    set.map_or_else(|_| available(), count)
}

#[cfg(not(target_os = "linux"))]
fn affinity() -> usize {
    available()
}

/// The standard library counts a quota too, but cuts off what is left of it below a whole processor.
fn available() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The smaller of what `ulimit -v` and `ulimit -d` leave each process, if they say anything.
fn own_limit() -> Option<u64> {
    let of = |resource| getrlimit(resource).ok().map(|(soft, _)| soft);
    [Resource::RLIMIT_AS, Resource::RLIMIT_DATA].into_iter().filter_map(of).min()
}

fn smallest(machine: u64, limits: [Option<u64>; 2]) -> u64 {
    limits.into_iter().flatten().fold(machine, u64::min)
}

fn system() -> System {
    let kinds = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
    System::new_with_specifics(kinds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn something_can_be_spared() {
        assert!(spare() > 1 << 20 && spare() <= memory());
        assert!(threads() >= 1);
    }

    #[test]
    fn the_smallest_limit_counts() {
        assert_eq!(smallest(8, [Some(4), Some(2)]), 2);
        assert_eq!(smallest(8, [None, Some(9)]), 8);
        assert_eq!(smallest(8, [Some(3), None]), 3);
    }

    #[test]
    fn a_share_of_a_processor_is_a_thread() {
        assert_eq!(whole_threads(8, None), 8);
        assert_eq!(whole_threads(8, Some(1.5)), 2);
        assert_eq!(whole_threads(1, Some(1.5)), 1);
        assert_eq!(whole_threads(8, Some(0.05)), 1);
    }
}
