//! Resident memory: what a process takes, and what a stage of it takes.

use std::fs;

/// Has the allocator keep what is freed. By default glibc hands blocks of megabytes back to the system at once, and taking
/// them again, page by page, costs more than many a product that fills them.
///
/// To be called before the process has a second thread.
pub(crate) fn keep_freed() {
    #[cfg(target_env = "gnu")]
    // SAFETY: options of mallopt, which refuses a value that it cannot take; the caller sees to it that there is one thread.
    unsafe {
        const PAD: i32 = 64 << 20;
        libc::mallopt(libc::M_ARENA_MAX, 1);
        // 32 MiB is the most that some versions take.
        if libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 30) == 0 {
            libc::mallopt(libc::M_MMAP_THRESHOLD, 32 << 20);
        }
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
        libc::mallopt(libc::M_TOP_PAD, PAD);
    }
}

/// Peak resident memory of a living process in MiB. Unlike what `wait4` tells, it does not count the memory
/// of the parent that the process was forked from.
pub fn peak_of(process: &str) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}

/// Peak resident memory of this process from a moment on.
pub(crate) struct PeakMemory {
    was_reset: bool,
}

impl PeakMemory {
    /// From now on. The peak of the whole process is then the largest of the stages' and what is left.
    pub(crate) fn begin() -> Self {
        // Linux's way to set VmHWM back to what is resident now.
        Self { was_reset: fs::write("/proc/self/clear_refs", "5").is_ok() }
    }

    /// In MiB, where the system tells.
    pub(crate) fn peak_mb(&self) -> Option<f64> {
        if self.was_reset { peak_of("self") } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_is_that_of_its_own_time() {
        const MIB: usize = 64;
        let touch = || {
            std::hint::black_box(vec![1_u8; MIB << 20])
                .iter()
                .map(|&b| usize::from(b))
                .sum::<usize>()
        };
        let memory = PeakMemory::begin();
        touch();
        let Some(with) = memory.peak_mb() else {
            return modality_testing::skip(
                "this system does not let a process set its peak memory back",
            );
        };
        let memory = PeakMemory::begin();
        let without = memory.peak_mb().unwrap();
        assert!(with > without + MIB as f64 / 2.0, "{with} and {without} MiB");
    }
}
