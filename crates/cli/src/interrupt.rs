//! What an interrupt finds: runs under way end with this process, what is finished is kept, and the last word says how to go on.

use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use anyhow::{Context as _, Result};
use modality_protocol::words::warn;
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
};

/// The last word, while there is something to go on with.
static LAST_WORD: Mutex<Option<String>> = Mutex::new(None);

/// As long as it lives, an interrupt says how to go on.
pub(crate) struct Resumable(());

impl Resumable {
    /// Has Ctrl-C, and a request of the system's to stop, end this process with `last_word`; runners end with it, as
    /// [`modality_protocol::group`] has it.
    ///
    /// # Errors
    /// If the system does not let signals be handled.
    pub(crate) fn by(last_word: String) -> Result<Self> {
        static LISTENING: Once = Once::new();
        *of_process() = Some(last_word);
        let mut outcome = Ok(());
        LISTENING.call_once(|| outcome = listen());
        outcome.map(|()| Self(()))
    }
}

impl Drop for Resumable {
    fn drop(&mut self) {
        *of_process() = None;
    }
}

fn of_process() -> MutexGuard<'static, Option<String>> {
    LAST_WORD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// In a thread of its own, where everything may be done that a handler of signals may not.
fn listen() -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM]).context("interrupts cannot be handled")?;
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            // Held to the end, so that nothing is said after it.
            let last_word = of_process();
            if let Some(last_word) = last_word.as_deref() {
                // Off the line that a bar may be on.
                warn(format_args!("\n{last_word}"));
            }
            // As a shell tells it of a program that a signal ended.
            std::process::exit(128 + signal);
        }
    });
    Ok(())
}
