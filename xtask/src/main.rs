//! `cargo xtask`: the commands of modality-bench.

mod calibrate;
mod cli;
mod datasets;
mod error;
mod list;
mod output;
mod progress;
mod report;
mod reproduce;
mod runners;
mod test;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Parser as _;

use crate::{
    cli::{Cli, Command},
    progress::Progress,
};

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            error::exit_code(&error)
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<ExitCode> {
    let root = &checkout()?;
    let progress = &Progress::stderr(cli.quiet);
    match &cli.command {
        Command::Reproduce(arguments) => return reproduce::run(root, arguments, progress),
        Command::Fetch(arguments) => datasets::fetch(root, arguments, progress)?,
        Command::Report { folder } => report::run(folder)?,
        Command::Calibrate(arguments) => return calibrate::run(root, arguments, progress),
        Command::List => list::run(root)?,
        Command::Test => test::run(root)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The root of the checkout that this program was built in.
fn checkout() -> anyhow::Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().filter(|root| root.join("bench-configs").is_dir()).map(Path::to_owned).ok_or_else(
        || anyhow::anyhow!("{} is no longer a checkout of modality-bench", here.display()),
    )
}
