//! `cargo xtask test`: everything that can be checked on this machine, as often as is wished.

mod bench;
mod output;
mod programs;
mod steps;
mod tally;
mod turn;

use std::{
    path::Path,
    process::{Command, ExitCode},
    time::Instant,
};

use anyhow::Context as _;
use bench::Bench;
use programs::Program;
use steps::{Part, Step, Work};
use tally::Tally;
use turn::Turn;

use crate::{cargo, cli::Test};

/// Where there is an NVIDIA driver: Linux, and Linux in Windows.
const DRIVERS: [&str; 2] = ["/proc/driver/nvidia/version", "/usr/lib/wsl/lib/libcuda.so.1"];

/// Makes the steps, and those that test once more for each further turn. Fails if anything failed.
///
/// # Errors
/// [`UserError`](crate::cli::UserError) for a step that is not there.
pub(crate) fn run(arguments: &Test) -> anyhow::Result<ExitCode> {
    let mut session = Session {
        bench: Bench::default(),
        steps: steps::chosen(&arguments.only)?,
        built: Built::NotYet,
        tally: Tally::default(),
        lines: Vec::new(),
    };
    for repeat in 0..u64::from(arguments.repeat) {
        session.turn(Turn(arguments.seed.wrapping_add(repeat)), repeat == 0)?;
    }
    let has_driver = DRIVERS.into_iter().any(|file| Path::new(file).exists());
    session.lines.push(format!("gpu: {}", about_gpu(has_driver)));
    if arguments.repeat > 1 {
        session.lines.extend(turn::about_addresses());
    }
    crate::show(&format!("\n{}\n{}\n", session.lines.join("\n"), session.tally));
    Ok(if session.tally.has_failures() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn about_gpu(has_driver: bool) -> &'static str {
    match has_driver {
        true => "not tested here; `cargo xtask gpu-check` tests and times it",
        false => "not tested, there is no NVIDIA driver here",
    }
}

/// The programs of all tests.
enum Built {
    NotYet,
    Programs(Vec<Program>),
    /// Cargo said why.
    Failed,
}

struct Session {
    bench: Bench,
    steps: Vec<Step>,
    built: Built,
    tally: Tally,
    /// What each step came to.
    lines: Vec<String>,
}

impl Session {
    /// All steps the first time; later, those that may come out otherwise.
    fn turn(&mut self, turn: Turn, is_first: bool) -> anyhow::Result<()> {
        self.tally.begin(turn);
        for step in self.steps.clone() {
            match self.bench.lacks(&step) {
                None if is_first || step.is_repeated() => self.step(&step, turn)?,
                Some(line) if is_first => {
                    self.tally.step_skipped();
                    if !self.lines.contains(&line) {
                        self.lines.push(line);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn step(&mut self, step: &Step, turn: Turn) -> anyhow::Result<()> {
        let seed = if turn == Turn(0) { String::new() } else { format!(", seed {}", turn.0) };
        let name = format!("{}{seed}", step.name);
        crate::warn(&format!("\n== {name}"));
        if let Work::Tests(..) = step.work {
            self.build()?;
        }
        let start = Instant::now();
        let went_well = match step.work {
            Work::Format => self.check(step, cargo::cargo().args(["fmt", "--all", "--check"]))?,
            Work::Lints => {
                let mut clippy = self.bench.cargo(&["clippy", "--all-targets", "--quiet"]);
                self.check(step, clippy.args(["--", "--deny", "warnings"]))?
            }
            Work::Kernels => {
                let outcome = self.bench.kernels().map_err(|why| crate::warn(&why));
                self.judge(step, outcome.is_ok())
            }
            Work::Tests(part, options) => self.test(step, turn, part, options)?,
            Work::Docs => self.document(step, turn)?,
        };
        let verdict = if went_well { "passed" } else { "FAILED" };
        self.lines.push(format!("{name}: {verdict} in {}", seconds(start)));
        Ok(())
    }

    /// Whether cargo is content.
    fn check(&mut self, step: &Step, cargo: &mut Command) -> anyhow::Result<bool> {
        let status = cargo.status().context("cargo cannot be started")?;
        Ok(self.judge(step, status.success()))
    }

    fn judge(&mut self, step: &Step, went_well: bool) -> bool {
        if !went_well {
            self.tally.step_failed(step);
        }
        went_well
    }

    /// Builds the programs of all tests, once.
    fn build(&mut self) -> anyhow::Result<()> {
        if !matches!(self.built, Built::NotYet) {
            return Ok(());
        }
        let start = Instant::now();
        let what = ["test", "--lib", "--bins", "--tests"];
        let programs = programs::build(&mut self.bench.cargo(&what))?;
        self.built = programs.map_or(Built::Failed, Built::Programs);
        let verdict = if matches!(self.built, Built::Failed) { "FAILED" } else { "built" };
        self.lines.push(format!("building tests: {verdict} in {}", seconds(start)));
        Ok(())
    }

    /// Runs a part of the programs that were built; whether all tests passed.
    fn test(
        &mut self,
        step: &Step,
        turn: Turn,
        part: Part,
        options: &[&str],
    ) -> anyhow::Result<bool> {
        let Built::Programs(programs) = &self.built else {
            return Ok(self.judge(step, false));
        };
        let mut passed = true;
        for program in programs.iter().filter(|program| part.has(program.package())) {
            let equip = |command: &mut _| self.bench.equip(command, step.needs);
            let outcome = program.run(turn, options, &equip)?;
            passed &= outcome.failed.is_empty();
            self.tally.add(step, &program.name, outcome);
        }
        Ok(passed)
    }

    fn document(&mut self, step: &Step, turn: Turn) -> anyhow::Result<bool> {
        let what = ["test", "--doc", "--quiet", "--no-fail-fast"];
        let mut cargo = self.bench.cargo(&what);
        let outcome = programs::watched(&mut cargo, turn, output::of_all)?;
        let passed = outcome.failed.is_empty();
        self.tally.add(step, "doc tests", outcome);
        Ok(passed)
    }
}

fn seconds(since: Instant) -> String {
    format!("{:.0} s", since.elapsed().as_secs_f64())
}
