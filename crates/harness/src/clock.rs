//! The stage clock: the only place where a backend reads the time.

use std::time::Instant;

use crate::protocol::{Event, Stage};

/// Times stages and passes on what happens as [`Event`]s.
pub struct StageClock<'a> {
    sink: Box<dyn FnMut(Event) + 'a>,
}

impl<'a> StageClock<'a> {
    /// A clock that hands every event to `sink`.
    pub fn new(sink: impl FnMut(Event) + 'a) -> Self {
        Self { sink: Box::new(sink) }
    }

    /// A clock that nobody listens to, for tests and for use as a library.
    pub fn silent() -> Self {
        Self::new(|_| ())
    }

    /// Runs `work` as one visit of `stage`. Device work must be finished when `work` returns.
    pub fn time<R>(&mut self, stage: Stage, work: impl FnOnce() -> R) -> R {
        self.say(Event::Begin { stage });
        let start = Instant::now();
        let result = work();
        self.say(Event::End { stage, seconds: start.elapsed().as_secs_f64() });
        result
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

impl std::fmt::Debug for StageClock<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StageClock").finish_non_exhaustive()
    }
}
