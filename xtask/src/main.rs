//! `cargo xtask`: the developer's chores; every other command is handed to `modality-bench`.

mod cargo;
mod cli;
mod faults;
mod kernels;
mod program;
mod test;

use std::process::ExitCode;

use crate::cli::{Chore, Wanted};

fn main() -> ExitCode {
    let outcome = match cli::wanted(std::env::args_os().skip(1).collect()) {
        Wanted::Chore(Chore::Kernels) => kernels::run(),
        Wanted::Chore(Chore::Faults(arguments)) => faults::run(&arguments),
        Wanted::Chore(Chore::Test(arguments)) => test::run(&arguments),
        Wanted::Other(arguments) => program::hand_over(&arguments),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(if error.is::<cli::UserError>() { 2 } else { 1 })
    })
}
