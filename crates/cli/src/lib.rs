//! The commands of modality-bench.

// `modality_protocol::words` bears a reader that goes away.
#![warn(clippy::print_stdout, clippy::print_stderr)]

mod calibrate;
mod check_backend;
mod cli;
mod compare;
mod datasets;
mod exit;
mod gene_sets;
mod gpu_check;
mod interrupt;
mod list;
mod output;
mod pace;
mod portable;
mod regress;
mod report;
mod reproduce;
mod root;
mod rows;
mod runners;

use std::process::ExitCode;

use modality_protocol::words::warn;
use modality_toolchain::{World, compiler, libtorch, nvcc, sentence};

use crate::cli::{Cli, Command, Item};

/// Does what the command line says, and tells of what goes wrong in a sentence.
pub fn main() -> ExitCode {
    let cli = Cli::of_process();
    match run(&cli) {
        Ok(code) => code,
        Err(error) => {
            warn(format_args!("error: {}", sentence(&error)));
            exit::code(&error)
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<ExitCode> {
    let world = &World::new(root::find()?, cli.quiet, cli.offline);
    match &cli.command {
        Command::Reproduce(arguments) => return reproduce::run(world, arguments),
        Command::Fetch(arguments) => datasets::fetch(world, arguments)?,
        Command::Setup { item: Item::Libtorch } => libtorch::setup(world)?,
        Command::Setup { item: Item::Nvcc } => nvcc::setup(world)?,
        Command::Setup { item: Item::Compiler } => compiler::setup()?,
        Command::Report { folder } => report::run(folder)?,
        Command::Compare(arguments) => compare::run(arguments)?,
        Command::Calibrate(arguments) => return calibrate::run(world, arguments),
        Command::Regress(arguments) => return Ok(regress::run(world, arguments)),
        Command::GpuCheck(arguments) => return gpu_check::run(world, arguments),
        Command::CheckBackend(arguments) => return check_backend::run(world, arguments),
        Command::List => list::run(world)?,
    }
    Ok(ExitCode::SUCCESS)
}
