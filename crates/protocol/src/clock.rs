//! The stage clock: the only place where a backend reads the time.

use std::time::Instant;

use nix::sys::resource::{UsageWho, getrusage};

use crate::{Event, Stage, memory::PeakMemory};

/// Times stages and passes on what happens as [`Event`]s.
pub struct StageClock<'a> {
    sink: Box<dyn FnMut(Event) + 'a>,
    flops: Option<f64>,
}

impl<'a> StageClock<'a> {
    /// A clock that hands every event to `sink`.
    pub fn new(sink: impl FnMut(Event) + 'a) -> Self {
        Self { sink: Box::new(sink), flops: None }
    }

    /// A clock that adds notes to `notes` and drops all else.
    pub fn noting(notes: &'a mut Vec<String>) -> Self {
        Self::new(|event| {
            if let Event::Note { text } = event {
                notes.push(text);
            }
        })
    }

    /// A clock that nobody listens to, for tests and for use as a library.
    pub fn silent() -> Self {
        Self::new(|_| ())
    }

    /// Runs `work` as one visit of `stage`. Device work must be finished when `work` returns.
    pub fn time<R>(&mut self, stage: Stage, work: impl FnOnce() -> R) -> R {
        self.during(stage, |_| work())
    }

    /// [`StageClock::time`] for work that tells how far it has come or what it counted.
    pub fn during<R>(&mut self, stage: Stage, work: impl FnOnce(&mut Self) -> R) -> R {
        self.say(Event::Begin { stage });
        let memory = PeakMemory::begin();
        let start = Instant::now();
        let result = work(self);
        #[cfg(feature = "burn")]
        crate::burn::after(stage, start);
        let seconds = start.elapsed().as_secs_f64();
        let flops = self.flops.take();
        self.say(Event::End { stage, seconds, peak_rss_mb: memory.peak_mb(), flops });
        result
    }

    /// Counts floating-point operations of the stage that is under way.
    pub fn count(&mut self, flops: f64) {
        self.flops = Some(self.flops.unwrap_or(0.0) + flops);
    }

    /// Runs `measure`, which gives float32 matrix products in 10^9 operations a second, outside the run's time.
    pub fn product_rate(&mut self, measure: impl FnOnce() -> f64) {
        self.product_rates(|| (measure(), None));
    }

    /// [`StageClock::product_rate`] where `measure` also gives the products of the matrix units that the stages compute on.
    pub fn product_rates(&mut self, measure: impl FnOnce() -> (f64, Option<f64>)) {
        let (start, cpu_start) = (Instant::now(), cpu_seconds(UsageWho::RUSAGE_SELF));
        let (gflops, matrix_unit_gflops) = measure();
        let seconds = start.elapsed().as_secs_f64();
        let cpu_seconds = cpu_seconds(UsageWho::RUSAGE_SELF) - cpu_start;
        self.say(Event::ProductRate { gflops, seconds, cpu_seconds, matrix_unit_gflops });
    }

    /// Tells how far the work has come.
    pub fn progress(&mut self, stage: Stage, done: u64, total: u64) {
        self.say(Event::Progress { stage, done, total });
    }

    /// Tells the reader of the report something in one sentence.
    pub fn note(&mut self, text: impl Into<String>) {
        self.say(Event::Note { text: text.into() });
    }

    /// Passes on an event.
    pub fn say(&mut self, event: Event) {
        (self.sink)(event);
    }
}

/// CPU time, user and system.
pub fn cpu_seconds(who: UsageWho) -> f64 {
    let seconds =
        |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 * 1e-6;
    getrusage(who).map_or(0.0, |used| seconds(used.user_time()) + seconds(used.system_time()))
}

impl std::fmt::Debug for StageClock<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StageClock").finish_non_exhaustive()
    }
}
