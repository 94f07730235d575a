//! `cargo xtask test`: everything that can be checked on this machine, as often as is wished.

mod bench;
mod output;
mod programs;
mod steps;
mod tally;
mod turn;

use std::{collections::BTreeMap, path::Path, process::ExitCode, time::Instant};

use anyhow::Context as _;
use bench::Bench;
use programs::{Outcome, Program};
use steps::{Step, Work};
use tally::Tally;
use turn::Turn;

use crate::{cli::Test, world::World};

/// Where there is an NVIDIA driver: Linux, and Linux in Windows.
const DRIVERS: [&str; 2] = ["/proc/driver/nvidia/version", "/usr/lib/wsl/lib/libcuda.so.1"];

/// Makes the steps, and those that test once more for each further turn. Fails if anything failed.
///
/// # Errors
/// [`UserError`](crate::error::UserError) for a step that is not there.
pub(crate) fn run(world: &World, arguments: &Test) -> anyhow::Result<ExitCode> {
    let mut session = Session {
        bench: Bench::new(world),
        steps: steps::chosen(&arguments.only)?,
        programs: BTreeMap::new(),
        tally: Tally::default(),
        lines: Vec::new(),
    };
    for repeat in 0..u64::from(arguments.repeat) {
        session.turn(Turn(arguments.seed + repeat), repeat == 0)?;
    }
    let has_driver = DRIVERS.into_iter().any(|file| Path::new(file).exists());
    session.lines.push(format!("gpu: {}", about_gpu(has_driver)));
    if arguments.repeat > 1 {
        session.lines.extend(turn::about_addresses());
    }
    println!("\n{}\n{}", session.lines.join("\n"), session.tally);
    Ok(if session.tally.has_failures() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn about_gpu(has_driver: bool) -> &'static str {
    match has_driver {
        true => "not tested here; `cargo xtask gpu-check` tests and times it",
        false => "not tested, there is no NVIDIA driver here",
    }
}

struct Session<'a> {
    bench: Bench<'a>,
    steps: Vec<Step>,
    /// What was built, by step.
    programs: BTreeMap<&'static str, Vec<Program>>,
    tally: Tally,
    /// What each step came to.
    lines: Vec<String>,
}

impl Session<'_> {
    /// All steps the first time; later, those that may come out otherwise and can be made.
    fn turn(&mut self, turn: Turn, is_first: bool) -> anyhow::Result<()> {
        self.tally.begin(turn);
        for step in self.steps.clone() {
            if is_first {
                self.step(&step, turn)?;
            } else if step.is_repeated() && self.programs.contains_key(step.key) {
                eprintln!("\n== {}, seed {}", step.name, turn.0);
                let start = Instant::now();
                self.test(&step, turn)?;
                let seconds = start.elapsed().as_secs_f64();
                self.lines.push(format!("{}, seed {}: {seconds:.0} s", step.name, turn.0));
            }
        }
        Ok(())
    }

    fn step(&mut self, step: &Step, turn: Turn) -> anyhow::Result<()> {
        if let Some(line) = self.bench.lacks(step) {
            self.tally.step_skipped();
            if !self.lines.contains(&line) {
                self.lines.push(line);
            }
            return Ok(());
        }
        let start = Instant::now();
        let took = |since: Instant| format!("{:.0} s", since.elapsed().as_secs_f64());
        let (went_well, how) = match step.work {
            Work::Check(arguments) => (self.check(step, arguments)?, took(start)),
            Work::Kernels => {
                eprintln!("== {}: cargo xtask kernels", step.name);
                let outcome = self.bench.kernels();
                let why = outcome.as_ref().err().map(|why| format!(": {why}")).unwrap_or_default();
                (outcome.is_ok(), took(start) + &why)
            }
            Work::Tests(arguments, _) => {
                let built = self.build(step, arguments)?;
                let (building, testing) = (took(start), Instant::now());
                let passed = built && self.test(step, turn)?;
                (passed, format!("{} and {building} of building", took(testing)))
            }
        };
        if !went_well && !(step.is_repeated() && self.programs.contains_key(step.key)) {
            self.tally.step_failed(step);
        }
        let verdict = if went_well { "passed" } else { "FAILED" };
        self.lines.push(format!("{}: {verdict} in {how}", step.name));
        Ok(())
    }

    /// Whether cargo is content.
    fn check(&self, step: &Step, arguments: &str) -> anyhow::Result<bool> {
        eprintln!("== {}: cargo {arguments}", step.name);
        let mut cargo = self.bench.cargo(step);
        let status = cargo.args(arguments.split(' ')).status();
        Ok(status.context("cargo cannot be started")?.success())
    }

    /// Whether the step's tests could be built.
    fn build(&mut self, step: &Step, arguments: &str) -> anyhow::Result<bool> {
        eprintln!("== {}: cargo test {arguments}", step.name);
        let mut cargo = self.bench.cargo(step);
        cargo.arg("test").args(arguments.split(' ')).args(["--lib", "--bins", "--tests"]);
        let built = programs::build(&mut cargo)?;
        Ok(built.is_some_and(|programs| self.programs.insert(step.key, programs).is_none()))
    }

    /// Runs the tests of a step that was built; whether all passed.
    fn test(&mut self, step: &Step, turn: Turn) -> anyhow::Result<bool> {
        let Work::Tests(arguments, options) = step.work else { return Ok(true) };
        let mut passed = true;
        let mut add = |program: &str, outcome: Outcome| {
            passed &= outcome.failed.is_empty();
            self.tally.add(step, program, outcome);
        };
        for program in self.programs.get(step.key).into_iter().flatten() {
            let equip = |command: &mut _| self.bench.equip(command, step.needs);
            add(&program.name, program.run(turn, options, &equip)?);
        }
        let mut cargo = self.bench.cargo(step);
        cargo.args(["test", "--quiet", "--no-fail-fast", "--doc"]).args(arguments.split(' '));
        add("doc tests", programs::watched(&mut cargo, turn, output::of_all)?);
        Ok(passed)
    }
}
