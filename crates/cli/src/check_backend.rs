//! `cargo xtask check-backend`: a program held to the protocol, on generated cells.

use std::{
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use modality_data::{
    prepared,
    synthetic::{self, Size},
};
use modality_harness::{
    bench::{Bench, Output, Patience},
    conduct::Conduct,
    environment::Environment,
    host::Runner,
    machine,
    plan::{Limits, Plan, PlannedRow},
    record::Status,
    study::{self, Backend, Backends, Study},
};
use modality_protocol::{Task, did_you_mean, words::print};
use modality_report::decimals;
use modality_toolchain::{UserError, World};

use crate::{cli::CheckBackend, root::CONFIGS, runners};

/// The name of a program that has none.
const OWN: &str = "own";
/// After so long without a word, a program starts slowly.
const SLOW_START: Duration = Duration::from_secs(10);
const MEMORY: u64 = 4 << 30;
/// What methods are run with, as there are few cells and a check should take seconds.
const FEW_CELLS: [(&str, &str); 2] =
    [("mlp", "batch_size = 64"), ("gnn", "batch_size = 64\nepochs = 3")];

/// What is checked: a program, the methods that it is to run, and where it computes.
struct Checked {
    name: String,
    runner: Runner,
    backend: Backend,
}

/// What came of one run.
struct Found {
    faults: Vec<String>,
    /// A sentence where there are none.
    said: String,
    is_checked: bool,
}

pub(crate) fn run(world: &World, arguments: &CheckBackend) -> Result<ExitCode> {
    let checked = match checked(world, arguments)? {
        Ok(checked) => checked,
        Err(reason) => {
            print(format_args!("it cannot be run here: {reason}"))?;
            return Ok(ExitCode::FAILURE);
        }
    };
    let folder = tempfile::tempdir().context("cannot make a folder to work in")?;
    let limit = Duration::from_secs(arguments.limit.into());
    let bench = bench(&checked, arguments.task.unwrap_or_default(), folder.path(), limit)?;
    let mut is_good = true;
    for row in &bench.plan().rows {
        for is_rehearsal in [true, false] {
            let found = check(&bench, row, &checked.runner, is_rehearsal)?;
            let what = if is_rehearsal { "rehearsal" } else { "run" };
            let name = row.name();
            if found.faults.is_empty() {
                print(format_args!("{name}, {what}: {}", found.said))?;
            }
            for fault in &found.faults {
                print(format_args!("{name}, {what}: WRONG: {fault}"))?;
            }
            is_good &= found.is_checked && found.faults.is_empty();
        }
    }
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The program, or why it cannot be had here.
fn checked(world: &World, arguments: &CheckBackend) -> Result<Result<Checked, String>> {
    let wrong = |what: &str| Err(UserError(what.to_owned()).into());
    match (&arguments.name, arguments.command.as_slice()) {
        (Some(name), []) => named(world, name, &arguments.methods),
        (None, []) => {
            wrong("name a backend of bench-configs/backends.toml, or a command after `--`")
        }
        (Some(_), _) => wrong("name a backend or a command, not both"),
        (None, _) if arguments.methods.is_empty() => wrong(
            "--methods says which methods the command runs, `--methods tsvd-krr` for instance",
        ),
        (None, command) => {
            let folder = std::env::current_dir().context("there is no current folder")?;
            let backend = Backend {
                methods: arguments.methods.clone(),
                package: None,
                command: Some(command.to_vec()),
                device: arguments.device,
                needs: None,
            };
            let runner = Runner { command: command.to_vec(), folder };
            Ok(Ok(Checked { name: OWN.to_owned(), runner, backend }))
        }
    }
}

fn named(world: &World, name: &str, methods: &[String]) -> Result<Result<Checked, String>> {
    let backends = study::load_backends(&world.root.join(CONFIGS))?;
    let Some(backend) = backends.get(name) else {
        let known = backends.keys().cloned().collect::<Vec<_>>().join(", ");
        let near = did_you_mean(name, backends.keys());
        let what = format!("there is no backend `{name}`; there are: {known}{near}");
        return Err(UserError(what).into());
    };
    if let Some(unknown) = methods.iter().find(|method| !backend.methods.contains(method)) {
        let known = backend.methods.join(", ");
        let near = did_you_mean(unknown, &backend.methods);
        let what = format!("backend `{name}` has no method `{unknown}`; it has: {known}{near}");
        return Err(UserError(what).into());
    }
    let mut backend = backend.clone();
    if !methods.is_empty() {
        backend.methods = methods.to_vec();
    }
    let ready = runners::ready(world, &backends, [name])?.remove(name);
    let ready = ready.context("a runner for the backend that was asked for")?;
    Ok(ready
        .map(|runner| Checked { name: name.to_owned(), runner, backend })
        .map_err(|missing| missing.reason))
}

/// A study of generated cells with a row a method.
fn bench(checked: &Checked, task: Task, folder: &Path, limit: Duration) -> Result<Bench> {
    let dataset = folder.join("prepared");
    prepared::write(&synthetic::generate(Size::Tiny, 1, task), &dataset)?;
    let Checked { name, backend, .. } = checked;
    let rows = backend.methods.iter().map(|method| format!("\"{method}/{name}\", "));
    let mut text = format!(
        "title = \"Check\"\ntask = \"{task}\"\nrepeats = 1\nseed = 1\nrows = [{}]\n\
         dataset = {{ name = \"bmmc-synthetic\" }}\n",
        rows.collect::<String>()
    );
    for (method, params) in FEW_CELLS {
        if backend.methods.iter().any(|known| known == method) {
            text += &format!("[params.{method}]\n{params}\n");
        }
    }
    let studies = folder.join(study::STUDIES);
    std::fs::create_dir(&studies)
        .and_then(|()| std::fs::write(studies.join("check.toml"), text))
        .context("cannot write a study")?;
    let backends = Backends::from([(name.clone(), backend.clone())]);
    let study = Study::load(folder, "check", None, &backends)?;
    let threads = machine::threads().min(2);
    let plan = Plan::draw(&study, &study.rows, &dataset, Limits { threads, memory: MEMORY })?;
    let output = Output::new(folder.join("out"));
    output.create()?;
    let bench = Bench::open(plan, &dataset, output, Environment::default())?;
    Ok(bench.with_patience(Patience { each: Some(limit), until: None }))
}

fn check(bench: &Bench, row: &PlannedRow, runner: &Runner, is_rehearsal: bool) -> Result<Found> {
    let mut conduct = Conduct::new(is_rehearsal);
    let (start, mut first) = (Instant::now(), None);
    let watch = |event: &_| {
        first.get_or_insert_with(|| start.elapsed());
        conduct.take(event);
    };
    let (status, note, said) = if is_rehearsal {
        let outcome = bench.rehearse(row, runner, watch)?;
        (outcome.status, outcome.note, "good".to_owned())
    } else {
        let record = bench.run(row, 0, runner, watch)?;
        let rmse = record.metrics.map_or(f64::NAN, |metrics| metrics.rmse);
        (record.status, record.note, format!("good, RMSE {}", decimals(rmse, 4)))
    };
    let mut faults = conduct.faults().to_vec();
    if let Some(first) = first.filter(|first| *first > SLOW_START) {
        let seconds = first.as_secs_f64();
        faults.push(format!(
            "its first word came after {seconds:.0} s; a rehearsal asks for it alone"
        ));
    }
    let said = match status {
        Status::Ok => said,
        Status::Unavailable => format!("not checked: {note}"),
        Status::Failed => {
            faults.push(note);
            String::new()
        }
    };
    Ok(Found { faults, said, is_checked: status != Status::Unavailable })
}
