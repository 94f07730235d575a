//! What the machine was like while a run ran: clocks, temperature, and who else had its processors.

mod gpu;

use std::{
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread::{self, JoinHandle},
    time::Duration,
};

use modality_protocol::DeviceId;
use serde::{Deserialize, Serialize};
use sysinfo::{Components, CpuRefreshKind, RefreshKind, System};

use gpu::Gpu;
pub use gpu::GpuConditions;

/// Often enough for runs of a second, and seldom enough to cost them nothing.
const BETWEEN_LOOKS: Duration = Duration::from_millis(250);

/// The machine during a run. What a system does not tell is absent; in many virtual machines that is most of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Conditions {
    /// Clock of the processors, median over them and over time, MHz.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_mhz: Option<f64>,
    /// Temperature of the hottest part that the system tells of, degrees Celsius.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub celsius: Option<f64>,
    /// Processes that ran or waited to run, mean over the last minute, at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<f64>,
    /// Share of the processors' time that the machine beneath this one gave to others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stolen: Option<f64>,
    /// The accelerator, of a run on one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu: Option<GpuConditions>,
}

/// Looks on until it is asked what it has seen.
pub(crate) struct Watch {
    stop: Sender<()>,
    looking: JoinHandle<Conditions>,
}

impl Watch {
    /// Of the machine, and of the accelerator if that is what computes.
    pub(crate) fn begin(device: DeviceId) -> Self {
        let (stop, stopped) = mpsc::channel();
        let looking = thread::spawn(move || {
            let mut seen = Seen::begin(device);
            // A watch that is dropped ends too.
            while stopped.recv_timeout(BETWEEN_LOOKS) == Err(RecvTimeoutError::Timeout) {
                seen.look();
            }
            seen.conditions()
        });
        Self { stop, looking }
    }

    /// What it has seen; nothing if looking itself went wrong.
    pub(crate) fn end(self) -> Conditions {
        drop(self.stop);
        self.looking.join().unwrap_or_default()
    }
}

struct Seen {
    system: System,
    parts: Components,
    gpu: Option<Gpu>,
    ticks: Option<Ticks>,
    mhz: Vec<f64>,
    celsius: Option<f64>,
}

impl Seen {
    fn begin(device: DeviceId) -> Self {
        let clocks = CpuRefreshKind::nothing().with_frequency();
        let mut seen = Self {
            system: System::new_with_specifics(RefreshKind::nothing().with_cpu(clocks)),
            parts: Components::new_with_refreshed_list(),
            gpu: Gpu::of(device),
            ticks: Ticks::now(),
            mhz: Vec::new(),
            celsius: None,
        };
        seen.look();
        seen
    }

    fn look(&mut self) {
        self.system.refresh_cpu_frequency();
        let clocks = self.system.cpus().iter().map(|cpu| cpu.frequency() as f64);
        self.mhz.extend(clocks.filter(|mhz| *mhz > 0.0));
        self.parts.refresh(false);
        let hottest = self.parts.iter().filter_map(|part| part.temperature()).map(f64::from);
        self.celsius = hottest.chain(self.celsius).max_by(f64::total_cmp);
        if let Some(gpu) = &mut self.gpu {
            gpu.look();
        }
    }

    fn conditions(self) -> Conditions {
        let load = System::load_average().one;
        let stolen = self.ticks.zip(Ticks::now()).and_then(|(then, now)| now.stolen_since(then));
        Conditions {
            cpu_mhz: median(self.mhz),
            celsius: self.celsius,
            load: (load > 0.0).then_some(load),
            stolen,
            gpu: self.gpu.map(Gpu::conditions),
        }
    }
}

/// What the processors have done since the machine was started, in the system's ticks.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Ticks {
    all: f64,
    stolen: f64,
}

impl Ticks {
    fn now() -> Option<Self> {
        Self::of(&std::fs::read_to_string("/proc/stat").ok()?)
    }

    /// Of Linux's table, whose first line sums up all processors: user, nice, system, idle, waiting, two kinds of interrupts, stolen.
    fn of(table: &str) -> Option<Self> {
        let line = table.lines().next()?.strip_prefix("cpu ")?;
        let ticks: Vec<f64> = line.split_whitespace().take(8).flat_map(str::parse).collect();
        let stolen = *ticks.get(7)?;
        Some(Self { all: ticks.iter().sum(), stolen })
    }

    fn stolen_since(self, then: Self) -> Option<f64> {
        let all = self.all - then.all;
        (all > 0.0).then(|| (self.stolen - then.stolen) / all)
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_stolen_is_a_share_of_all_time() {
        let then = Ticks::of("cpu  10 0 10 80 0 0 0 100 0 0\ncpu0 1 2").unwrap();
        let now = Ticks::of("cpu  20 5 15 120 0 0 0 140 7 7\n").unwrap();
        assert_eq!(now.stolen_since(then), Some(0.4));
        assert_eq!(then.stolen_since(then), None);
        assert_eq!(Ticks::of("cpu 1 2 3"), None);
        assert_eq!(Ticks::of("intr 1 2 3 4 5 6 7 8"), None);
    }

    #[test]
    fn a_watch_says_what_it_saw_and_ends() {
        let conditions = Watch::begin(DeviceId::Cpu).end();
        assert_eq!(conditions.gpu, None);
        assert!(conditions.cpu_mhz.is_none_or(|mhz| mhz > 100.0), "{conditions:?}");
        assert!(conditions.stolen.is_none_or(|share| (0.0..=1.0).contains(&share)));
        drop(Watch::begin(DeviceId::Cuda(0)));
    }
}
