//! What an interrupt finds: runs under way end with this process, what is finished is kept, and the last word says how to go on.

use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use anyhow::{Context as _, Result};
use modality_protocol::words::warn;
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

/// What is done and said before this process ends, while there is something to do or say.
static FAREWELL: Mutex<Option<Farewell>> = Mutex::new(None);

/// How a process takes its leave.
struct Farewell {
    last_word: String,
    tidy: Box<dyn FnOnce() + Send>,
    /// Otherwise as a shell tells it of a program that a signal ended.
    code: Option<u8>,
}

/// As long as it lives, an interrupt is answered in so many words; then, as it was before.
pub(crate) struct Answered {
    before: Option<Farewell>,
}

impl Answered {
    /// Has Ctrl-C, and a request of the system's to stop, end this process with `last_word`; runners end with it, as
    /// [`modality_protocol::group`] has it.
    ///
    /// # Errors
    /// If the system does not let signals be handled.
    pub(crate) fn by(last_word: String) -> Result<Self> {
        Self::with(Farewell { last_word, tidy: Box::new(|| ()), code: None })
    }

    /// [`Answered::by`], once `tidy` has removed what must not stay, and with this exit code.
    ///
    /// # Errors
    /// As [`Answered::by`].
    pub(crate) fn after(
        tidy: impl FnOnce() + Send + 'static,
        last_word: String,
        code: u8,
    ) -> Result<Self> {
        Self::with(Farewell { last_word, tidy: Box::new(tidy), code: Some(code) })
    }

    fn with(farewell: Farewell) -> Result<Self> {
        static LISTENING: Once = Once::new();
        let before = of_process().replace(farewell);
        let mut outcome = Ok(());
        LISTENING.call_once(|| outcome = listen());
        outcome.map(|()| Self { before })
    }
}

impl Drop for Answered {
    fn drop(&mut self) {
        *of_process() = self.before.take();
    }
}

fn of_process() -> MutexGuard<'static, Option<Farewell>> {
    FAREWELL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// In a thread of its own, where everything may be done that a handler of signals may not.
fn listen() -> Result<()> {
    let mut signals =
        Signals::new([SIGHUP, SIGINT, SIGTERM]).context("interrupts cannot be handled")?;
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            // Held to the end, so that nothing is said after it.
            let mut farewell = of_process();
            // As a shell tells it.
            let mut code = 128 + signal;
            if let Some(Farewell { last_word, tidy, code: own }) = farewell.take() {
                tidy();
                // Off the line that a bar may be on.
                warn(format_args!("\n{last_word}"));
                code = own.map_or(code, i32::from);
            }
            std::process::exit(code);
        }
    });
    Ok(())
}
