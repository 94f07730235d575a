//! The events of a run, taken together, and how far they are believed.

use std::{
    collections::BTreeMap, os::unix::process::ExitStatusExt as _, path::Path, process::ExitStatus,
};

use modality_protocol::{DeviceKind, Epoch, Event};

use super::{
    Outcome,
    bounds::{MOST_EPOCHS, MOST_NOTES},
    larger, log,
};
use crate::{
    conduct::impossible,
    record::{StageTime, Status, Usage},
};

/// By how much clocks of two processes may differ, seconds.
const CLOCKS: f64 = 0.1;
/// The same of CPU time, which some systems count in hundredths of a second a thread.
const CPU_CLOCKS: f64 = 0.5;

/// The events of a run, taken together.
#[derive(Debug, Default)]
pub(super) struct Said {
    device: String,
    device_kind: Option<DeviceKind>,
    versions: BTreeMap<String, String>,
    stages: Vec<StageTime>,
    epochs: Vec<Epoch>,
    notes: Vec<String>,
    notes_left_out: usize,
    peak_gpu_mb: Option<f64>,
    expected_rss_mb: Option<f64>,
    expected_gpu_mb: Option<f64>,
    /// J and seconds.
    gpu_energy: Option<(f64, f64)>,
    product_gflops: Option<f64>,
    matrix_unit_gflops: Option<f64>,
    /// Wall and CPU time of what is not the run's.
    aside_s: f64,
    aside_cpu_s: f64,
    captured: Option<f64>,
    done: bool,
    unavailable: Option<String>,
    failed: Option<String>,
    broken: Option<String>,
}

/// What the system tells of a run.
pub(super) struct Took {
    pub(super) wall_s: f64,
    pub(super) cpu_s: f64,
    pub(super) peak_rss_mb: Option<f64>,
}

impl Said {
    pub(super) fn take(&mut self, event: Event) {
        if let Some(fault) = impossible(&event) {
            self.break_off(fault);
            return;
        }
        match event {
            Event::Hello { device, kind, versions } => {
                self.device_kind = kind.or_else(|| DeviceKind::named(&device));
                (self.device, self.versions) = (device, versions);
            }
            Event::Begin { .. } | Event::Progress { .. } => {}
            Event::End { stage, seconds, peak_rss_mb, flops } => {
                // Nothing is a little less than zero.
                self.add(StageTime { stage, seconds: seconds + 0.0, peak_rss_mb, flops });
            }
            Event::Expect { peak_rss_mb, peak_gpu_mb } => {
                self.expected_rss_mb = Some(peak_rss_mb);
                self.expected_gpu_mb = peak_gpu_mb;
            }
            Event::Captured { share } => self.captured = Some(share),
            Event::ProductRate { gflops, seconds, cpu_seconds, matrix_unit_gflops } => {
                self.product_gflops = Some(gflops);
                self.matrix_unit_gflops = matrix_unit_gflops;
                self.aside_s += seconds;
                self.aside_cpu_s += cpu_seconds;
            }
            Event::Epoch(_) if self.epochs.len() == MOST_EPOCHS => {
                self.break_off(format!("it told of more than {MOST_EPOCHS} epochs"));
            }
            Event::Epoch(epoch) => self.epochs.push(epoch),
            Event::Note { .. } if self.notes.len() == MOST_NOTES => self.notes_left_out += 1,
            Event::Note { text } => self.notes.push(text),
            Event::GpuMemory { peak_mb } => {
                self.peak_gpu_mb = larger(self.peak_gpu_mb, Some(peak_mb));
            }
            Event::GpuEnergy { joules, seconds } => {
                let (sum_j, sum_s) = self.gpu_energy.unwrap_or_default();
                self.gpu_energy = Some((sum_j + joules, sum_s + seconds));
            }
            Event::Unavailable { reason } => self.unavailable = Some(reason),
            Event::Failed { reason } => self.failed = Some(reason),
            Event::Done => self.done = true,
        }
    }

    /// Whether the measurement of the product rate is behind it, whose buffers would count as the run's memory.
    pub(super) fn has_measured(&self) -> bool {
        self.product_gflops.is_some()
    }

    /// Whether nothing more is wanted of the runner.
    pub(super) fn is_over(&self) -> bool {
        self.done || self.unavailable.is_some() || self.failed.is_some() || self.is_broken()
    }

    /// Whether it has to be stopped.
    pub(super) fn is_broken(&self) -> bool {
        self.broken.is_some()
    }

    /// The run has failed, for this reason unless there was one before.
    pub(super) fn break_off(&mut self, reason: String) {
        self.broken.get_or_insert(reason);
    }

    /// One more sentence of the harness.
    pub(super) fn remark(&mut self, note: String) {
        self.notes.push(note);
    }

    /// A visit of a stage.
    fn add(&mut self, visit: StageTime) {
        match self.stages.iter_mut().find(|stage| stage.stage == visit.stage) {
            Some(stage) => {
                stage.seconds += visit.seconds;
                stage.peak_rss_mb = larger(stage.peak_rss_mb, visit.peak_rss_mb);
                if let Some(flops) = visit.flops {
                    stage.flops = Some(stage.flops.unwrap_or(0.0) + flops);
                }
            }
            None => self.stages.push(visit),
        }
    }

    /// What the run cost; times that cannot be, because they are longer than the process lived, make it a failure.
    pub(super) fn usage(&mut self, took: &Took) -> Usage {
        self.check_times(took);
        // A runner that sets its peak back at the start of each stage has told the stages' peaks.
        let stages = self.stages.iter().map(|stage| stage.peak_rss_mb).fold(None, larger);
        Usage {
            total_s: (took.wall_s - self.aside_s).max(0.0),
            cpu_s: (took.cpu_s - self.aside_cpu_s).max(0.0),
            peak_rss_mb: larger(took.peak_rss_mb, stages),
            peak_gpu_mb: self.peak_gpu_mb,
            expected_gpu_mb: self.expected_gpu_mb,
            gpu_energy_j: self.gpu_energy.map(|(joules, _)| joules),
            gpu_energy_s: self.gpu_energy.map(|(_, seconds)| seconds),
            expected_rss_mb: self.expected_rss_mb,
            product_gflops: self.product_gflops,
            matrix_unit_gflops: self.matrix_unit_gflops,
        }
    }

    fn check_times(&mut self, took: &Took) {
        if !self.done {
            return;
        }
        let Took { wall_s, cpu_s, .. } = took;
        let (aside_s, aside_cpu_s) = (self.aside_s, self.aside_cpu_s);
        let sum: f64 = self.stages.iter().map(|time| time.seconds).sum();
        if aside_s > wall_s + CLOCKS {
            self.break_off(format!(
                "its product rate took {aside_s:.3} s; the process lived {wall_s:.3} s"
            ));
        } else if sum > wall_s - aside_s + CLOCKS {
            let lived = wall_s - aside_s;
            self.break_off(format!(
                "its stages add up to {sum:.3} s; the process lived {lived:.3} s"
            ));
        } else if aside_cpu_s > cpu_s + CPU_CLOCKS {
            self.break_off(format!(
                "its product rate took {aside_cpu_s:.3} s of CPU time; the process had {cpu_s:.3} s"
            ));
        }
    }

    /// How it ended, and why it did not end well.
    pub(super) fn verdict(&mut self, exit: ExitStatus, log: &Path) -> (Status, String) {
        if let Some(reason) = self.broken.take() {
            return (Status::Failed, reason);
        }
        if let Some(reason) = self.unavailable.take() {
            return (Status::Unavailable, reason);
        }
        if let Some(reason) = self.failed.take() {
            return (Status::Failed, reason);
        }
        if self.done && exit.success() {
            return (Status::Ok, String::new());
        }
        let how = describe(exit);
        let last = log::last_line(log)
            .map_or(String::new(), |line| format!("; its last words were `{line}`"));
        (Status::Failed, format!("the runner {how}{last}"))
    }

    pub(super) fn outcome(self, status: Status, reason: String, usage: Usage) -> Outcome {
        let mut note = self.notes;
        if self.notes_left_out > 0 {
            note.push(format!("and {} notes more", self.notes_left_out));
        }
        note.extend((!reason.is_empty()).then_some(reason));
        Outcome {
            status,
            note: note.join("; "),
            device: self.device,
            device_kind: self.device_kind,
            versions: self.versions,
            stages: self.stages,
            captured: self.captured,
            epochs: self.epochs,
            usage,
        }
    }
}

fn describe(exit: ExitStatus) -> String {
    match (exit.signal(), exit.code()) {
        (Some(9), _) => "was killed, as the system does when memory runs out".to_owned(),
        (Some(signal), _) => format!("crashed with signal {signal}"),
        (None, Some(0)) => "ended without saying that it was done".to_owned(),
        (None, code) => format!("ended with exit code {}", code.unwrap_or(-1)),
    }
}
