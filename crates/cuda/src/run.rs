//! The runner: what it says of itself, what it will take, and a run.

use std::collections::BTreeMap;

use cudarc::driver::sys::CUevent_flags::CU_EVENT_DEFAULT;
use modality_data::prepared::{self, Shape};
use modality_methods::{self as methods, TsvdKrrParams};
use modality_protocol::{
    DeviceId, Event, Phase, RunSpec, Stage, StageClock,
    runner::{self, Expected, OnAccelerator, Stop},
};
use modality_recipe::{Problem, distinct, tsvd_krr};

use crate::{
    CudaStages, Device, Error, Facts, Result, Ways, algebra::Factor, check, device, memory::Needs,
    meter::Meter, warm::warm_up,
};

const MIB: f64 = 1_048_576.0;
/// The libraries and what the driver keeps for a context, in the process's own memory.
const HOST_PROGRAM: u64 = 1 << 30;

/// What this machine lacks makes a row unavailable; what breaks, failed.
fn stop(error: Error) -> Stop {
    match error {
        Error::Unavailable(reason) => Stop::Unavailable(reason),
        other => other.into(),
    }
}

/// The first event: the device's name, and versions.
///
/// # Errors
/// [`Stop::Unavailable`] with what is missing on this machine.
pub fn hello(spec: &RunSpec) -> std::result::Result<Event, Stop> {
    let facts = facts(spec)?;
    let mut versions: BTreeMap<String, String> =
        runner::locked_versions(include_str!("../../../Cargo.lock"), &["cudarc"]);
    let (major, minor) = (facts.driver / 1000, facts.driver % 1000 / 10);
    versions.insert("cuda-driver".to_owned(), format!("{major}.{minor}"));
    Ok(runner::hello(&facts.name, versions))
}

/// Memory of the process and of the device.
///
/// # Errors
/// [`Stop::Unavailable`] where the device is too small.
pub fn expect(spec: &RunSpec) -> std::result::Result<Option<OnAccelerator>, Stop> {
    if spec.method != "tsvd-krr" {
        return Ok(None);
    }
    let shape = Shape::of(&spec.dataset, spec.cells.as_deref())?;
    let facts = facts(spec)?;
    let target = shape.target.bytes(shape.train_cells) + shape.target.dense_bytes(shape.test_cells);
    let host = HOST_PROGRAM + (shape.input.bytes(shape.cells()) + target) as u64;
    let ways = Ways::from_env().map_err(stop)?;
    let peak = Needs::of(&shape, &params(spec)?, &distinct(&spec.fits), (facts.memory, ways))
        .expected(facts.memory)
        .map_err(stop)?;
    Ok(Some(OnAccelerator { host: Expected { peak: host, least: host }, peak }))
}

fn facts(spec: &RunSpec) -> std::result::Result<Facts, Stop> {
    device::index(spec.device).and_then(Facts::of).map_err(stop)
}

fn params(spec: &RunSpec) -> std::result::Result<TsvdKrrParams, Stop> {
    Ok(methods::parse(&spec.method, &spec.params)?)
}

/// Runs `spec`, and writes the predictions where it says.
///
/// # Errors
/// [`Stop`] with the reason.
pub fn run(spec: &RunSpec, clock: &mut StageClock<'_>) -> std::result::Result<(), Stop> {
    if spec.method != "tsvd-krr" {
        return Err(Stop::Failed(format!("this runner has no method `{}`", spec.method)));
    }
    let inputs =
        clock.time(Stage::Load, || prepared::read_inputs(&spec.dataset, spec.cells.as_deref()))?;
    let params = params(spec)?;
    let shape = Shape::of_inputs(&inputs);
    let mut stages = clock
        .time(Stage::Setup, || set_up(spec.device, &shape, &params, &distinct(&spec.fits)))
        .map_err(stop)?;
    let meter = Meter::new(&stages.device().facts().bus, stages.device().pool.clone());
    let problem = Problem {
        train_input: inputs.train_input.view(),
        train_target: inputs.train_target.view(),
        test_input: inputs.test_input.view(),
        most: inputs.manifest.target.features.modality.most(),
        fits: &spec.fits,
        seed: spec.seed,
    };
    let (predictions, peak) =
        metered(&meter, clock, |clock| tsvd_krr(&mut stages, &problem, &params, clock));
    let predictions = predictions?;
    if let Some(bytes) = peak {
        clock.say(Event::GpuMemory { peak_mb: bytes as f64 / MIB });
    }
    if meter.outside_of_pool().is_none() {
        clock.note("the driver does not tell what context and libraries take of the GPU's memory: its peak is without them");
    }
    for note in stages.take_notes() {
        clock.note(note);
    }
    let unusual = stages.device().ways.unusual();
    if !unusual.is_empty() {
        clock.note(format!("computed with {} = {unusual}", crate::WAYS));
    }
    runner::write_predictions(spec, clock, predictions.view())?;
    drop(inputs);
    let mut measured = Ok(());
    clock.product_rates(|| {
        product_rates(stages.device()).unwrap_or_else(|error| {
            measured = Err(error);
            (0.0, None)
        })
    });
    Ok(measured?)
}

/// Of float32, and of the matrix units that kernels and TSVD are computed on.
fn product_rates(device: &Device) -> Result<(f64, Option<f64>)> {
    let has_rate = !device.facts().is_emulated();
    let matrix_units = has_rate.then(|| check::matrix_unit_rate(device)).transpose()?;
    Ok((device.product_rate()?, matrix_units))
}

/// Stages on a device that has room for the run, ready to be timed.
fn set_up(
    device: DeviceId,
    shape: &Shape,
    params: &TsvdKrrParams,
    fits: &[Vec<u32>],
) -> Result<CudaStages> {
    let device = Device::open(device::index(device)?)?;
    let free = device.free_memory()?;
    let needs = Needs::of(shape, params, fits, (device.facts().memory, device.ways));
    let own = needs.own(free)?;
    let mut stages = CudaStages::new(device, needs.room(free), params.kernel);
    warm_up(&mut stages, shape, params, fits, own)?;
    stages.device().pool.forget_peak()?;
    Ok(stages)
}

/// Runs `work` with a clock that also reads what its stages take of the device: energy, which it tells, and memory, whose
/// peak in bytes it gives.
fn metered<R>(
    meter: &Meter,
    clock: &mut StageClock<'_>,
    work: impl FnOnce(&mut StageClock<'_>) -> R,
) -> (R, Option<u64>) {
    let (mut started, mut joules, mut seconds, mut outside) = (None, 0.0, 0.0, None);
    let result = work(&mut StageClock::new(|event| {
        match &event {
            Event::Begin { .. } => started = meter.energy(),
            Event::End { stage, seconds: visit, .. } => {
                outside = outside.max(meter.outside_of_pool());
                let counts = stage.phase() != Phase::Overhead;
                if let (Some(before), Some(now)) = (started.filter(|_| counts), meter.energy()) {
                    (joules, seconds) = (joules + now - before, seconds + visit);
                }
            }
            _ => {}
        }
        clock.say(event);
    }));
    if seconds > 0.0 {
        clock.say(Event::GpuEnergy { joules, seconds });
    }
    let peak = meter.peak_of_pool();
    (result, peak.map(|peak| peak + outside.unwrap_or(0)).or(outside))
}

impl Device {
    /// Float32 products of square matrices of normal numbers (zeros take less power) that are there already, in 10^9
    /// operations a second: the best of five, of as many rows as take the device a few milliseconds.
    pub(crate) fn product_rate(&self) -> Result<f64> {
        const LONG_ENOUGH_MS: f32 = 5.0;
        const MOST: usize = 8192;
        let mut n = 512;
        loop {
            let milliseconds = self.time_product(n)?;
            if milliseconds >= LONG_ENOUGH_MS || n == MOST {
                return Ok(2.0 * (n as f64).powi(3) / (f64::from(milliseconds) * 1e6));
            }
            n *= 2;
        }
    }

    /// The best of five, in milliseconds.
    fn time_product(&self, n: usize) -> Result<f32> {
        let (a, mut c) = (self.normal(n, n, 0, 1.0)?, self.matrix(n, n)?);
        let view = a.rows(0..n);
        let factor = Factor::new(&view, n, n);
        let mut best = f32::INFINITY;
        for _ in 0..5 {
            let start = self.stream.record_event(Some(CU_EVENT_DEFAULT))?;
            self.multiply(1.0, (factor, factor), 0.0, &mut c.rows_mut(0..n))?;
            let end = self.stream.record_event(Some(CU_EVENT_DEFAULT))?;
            end.synchronize()?;
            best = best.min(start.elapsed_ms(&end)?);
        }
        Ok(best.max(f32::MIN_POSITIVE))
    }
}
