//! What a run left behind outside its group. Each run's environment bears a mark of its own, which whatever it starts inherits.

use std::{
    fs, io,
    sync::atomic::{AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// The variable with the mark.
const VARIABLE: &str = "MODALITY_BENCH_RUN";
/// One that starts another as it is ended needs a second look.
const LOOKS: usize = 8;

/// A mark that no other run has.
pub(super) struct Mark(String);

impl Mark {
    pub(super) fn new() -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        Self(format!("{}-{number}-{time:x}", std::process::id()))
    }

    /// The variable and its value.
    pub(super) fn variable(&self) -> (&'static str, &str) {
        (VARIABLE, &self.0)
    }

    /// Ends every process that bears the mark.
    pub(super) fn end_all(&self) {
        for _ in 0..LOOKS {
            let bearers = self.bearers();
            if bearers.is_empty() {
                return;
            }
            for bearer in bearers {
                // One that has just ended by itself is no concern of ours.
                let _ = kill(bearer, Signal::SIGKILL);
            }
        }
    }

    fn bearers(&self) -> Vec<Pid> {
        let wanted = format!("{VARIABLE}={}", self.0);
        let bears = |environment: io::Result<Vec<u8>>| {
            let variables = environment.unwrap_or_default();
            variables.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes())
        };
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        ids.filter(|id| bears(fs::read(format!("/proc/{id}/environ")))).map(Pid::from_raw).collect()
    }
}
