//! How much of what a machine can do a stage got out of it.

use std::collections::BTreeMap;

use modality_harness::{
    plan::row_name,
    record::{RunRecord, StageTime},
};
use modality_protocol::{DeviceKind, Stage};

use crate::{Spread, format, records::by_stage};

/// What was counted in a stage, and how fast it went.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Work {
    /// Floating-point operations, a multiplication and an addition counted as two.
    pub flops: Spread,
    /// Seconds of the repeats that counted.
    pub seconds: Spread,
    /// 10^9 operations a second.
    pub gflops: Spread,
    /// The same as a share of the [`ProductRate`] of what computed; none where no run measured one.
    pub share: Option<Spread>,
}

/// The fastest matrix product that any run of a study measured on a device, of float32 or of what its matrix units take.
/// Every row that computes there, and on matrix units or not, is held against it, so that none looks better for a slow library
/// of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct ProductRate {
    /// `CPU` or the accelerator's name.
    pub device: String,
    /// What kind of device that is, if it is known.
    pub device_kind: Option<DeviceKind>,
    /// Processor model of the machine that measured.
    pub cpu: String,
    /// Processors that the runs might use.
    pub cores: usize,
    /// CPU threads.
    pub threads: usize,
    /// Whether it is of float16 matrices with float32 sums.
    pub on_matrix_units: bool,
    /// 10^9 operations a second.
    pub gflops: f64,
    /// Name of the row that measured it.
    pub row: String,
    /// Its repeat, counted from zero.
    pub repeat: usize,
}

impl Work {
    pub(crate) fn by_stage(records: &[&RunRecord], rates: &[ProductRate]) -> BTreeMap<Stage, Self> {
        let seconds = by_stage(records, |_, time| counted(time).map(|_| time.seconds));
        let gflops = by_stage(records, |_, time| speed(time));
        let shares = by_stage(records, |record, time| {
            let on_matrix_units = record.usage.matrix_unit_gflops.is_some();
            let rate = rates.iter().find(|rate| rate.is_of(record, on_matrix_units))?;
            Some(speed(time)? / rate.gflops)
        });
        let work = |(stage, flops): (Stage, Spread)| {
            let (seconds, gflops) = (*seconds.get(&stage)?, *gflops.get(&stage)?);
            Some((stage, Self { flops, seconds, gflops, share: shares.get(&stage).copied() }))
        };
        by_stage(records, |_, time| counted(time)).into_iter().filter_map(work).collect()
    }
}

/// Operations of a stage in which there were any.
fn counted(time: &StageTime) -> Option<f64> {
    time.flops.filter(|&flops| flops > 0.0 && time.seconds > 0.0)
}

fn speed(time: &StageTime) -> Option<f64> {
    Some(counted(time)? / time.seconds / 1e9)
}

impl ProductRate {
    /// One an accelerator, or a processor and number of threads, and one of its matrix units, in order of first appearance.
    /// What a run measured counts even if it failed later.
    pub(crate) fn of_study(records: &[RunRecord]) -> Vec<Self> {
        let mut rates: Vec<Self> = Vec::new();
        for record in records {
            for rate in Self::of_run(record) {
                match rates.iter_mut().find(|known| known.is_of(record, rate.on_matrix_units)) {
                    Some(fastest) if fastest.gflops >= rate.gflops => {}
                    Some(fastest) => *fastest = rate,
                    None => rates.push(rate),
                }
            }
        }
        rates
    }

    fn of_run(record: &RunRecord) -> impl Iterator<Item = Self> {
        let measured =
            [(false, record.usage.product_gflops), (true, record.usage.matrix_unit_gflops)];
        let rate = |(on_matrix_units, gflops): (bool, Option<f64>)| {
            let gflops = gflops.filter(|rate| rate.is_finite() && *rate > 0.0)?;
            Some(Self {
                device: record.device.clone(),
                device_kind: record.device_kind,
                cpu: record.environment.cpu.clone(),
                cores: record.environment.cores,
                threads: record.threads,
                on_matrix_units,
                gflops,
                row: row_name(&record.run.method, &record.run.variant, &record.run.backend),
                repeat: record.run.repeat,
            })
        };
        measured.into_iter().filter_map(rate)
    }

    /// How fast, on what, and whose measurement it is.
    pub(crate) fn said(&self) -> String {
        let Self { device, cpu, threads, row, repeat, .. } = self;
        let threads = format!("{threads} {}", if *threads == 1 { "thread" } else { "threads" });
        let words = [device.as_str(), cpu, &threads];
        let known = if self.is_of_accelerator() { &words[..1] } else { &words };
        let on: Vec<&str> = known.iter().copied().filter(|word| !word.is_empty()).collect();
        let (gflops, on) = (format::number(self.gflops), on.join(", "));
        let on = if self.on_matrix_units { format!("the matrix units of {on}") } else { on };
        format!("{gflops} Gflop/s on {on}, measured by {row} in repeat {repeat}")
    }

    fn is_of_accelerator(&self) -> bool {
        self.device_kind == Some(DeviceKind::Gpu)
    }

    /// What an accelerator can do does not depend on the processor and threads beside it.
    fn is_of(&self, record: &RunRecord, on_matrix_units: bool) -> bool {
        let same_cpu = self.cpu == record.environment.cpu
            && self.cores == record.environment.cores
            && self.threads == record.threads;
        self.on_matrix_units == on_matrix_units
            && self.device == record.device
            && (same_cpu || self.is_of_accelerator())
    }
}
