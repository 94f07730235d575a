//! `cargo xtask`: the commands of modality-bench.

mod cache;
mod calibrate;
mod child;
mod cli;
mod compiler;
mod datasets;
mod error;
mod fetch;
mod gpu_check;
mod kept;
mod kernels;
mod libtorch;
mod list;
mod nvcc;
mod output;
mod progress;
mod report;
mod reproduce;
mod runners;
mod test;
mod world;

use std::process::ExitCode;

use clap::Parser as _;

use crate::{
    cli::{Cli, Command, Item},
    world::World,
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
    let world = &World::new(cli)?;
    match &cli.command {
        Command::Reproduce(arguments) => return reproduce::run(world, arguments),
        Command::Fetch(arguments) => datasets::fetch(world, arguments)?,
        Command::Setup { item: Item::Libtorch } => libtorch::setup(world)?,
        Command::Setup { item: Item::Nvcc } => nvcc::setup(world)?,
        Command::Kernels => kernels::run(world)?,
        Command::Report { folder } => report::run(folder)?,
        Command::Calibrate(arguments) => return calibrate::run(world, arguments),
        Command::GpuCheck(arguments) => return gpu_check::run(world, arguments),
        Command::Test(arguments) => return test::run(world, arguments),
        Command::List => list::run(world)?,
    }
    Ok(ExitCode::SUCCESS)
}
