//! `cargo xtask`: the developer's chores; every other command is handed to `modality-bench`.

mod cargo;
mod cli;
mod faults;
mod kernels;
mod program;
mod test;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use crate::cli::{Chore, Wanted};

fn main() -> ExitCode {
    let outcome = match cli::wanted(std::env::args_os().skip(1).collect()) {
        Wanted::Chore(Chore::Kernels) => kernels::run(),
        Wanted::Chore(Chore::Faults(arguments)) => faults::run(&arguments),
        Wanted::Chore(Chore::Test(arguments)) => test::run(&arguments),
        Wanted::Other(arguments) => program::hand_over(&arguments),
    };
    outcome.unwrap_or_else(|error| {
        warn(&format!("error: {error:#}"));
        ExitCode::from(if error.is::<cli::UserError>() { 2 } else { 1 })
    })
}

/// Shows text as it is. Whoever reads it may be gone; what the exit code tells is the same.
pub(crate) fn show(text: &str) {
    let mut out = io::stdout().lock();
    drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

/// A line to standard error, likewise.
pub(crate) fn warn(line: &str) {
    drop(writeln!(io::stderr(), "{line}"));
}
