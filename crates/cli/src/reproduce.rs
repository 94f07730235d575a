//! `cargo xtask reproduce`: a study from its configuration to its report.

use std::{
    collections::BTreeMap,
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

use modality_data::prepared::Manifest;
use modality_harness::{
    bench::{Bench, Output, Patience},
    environment::Environment,
    memory,
    plan::{Limits, Plan, PlannedRow, row_name},
    presence::Presence,
    record::{RunRecord, Status},
    study::{self, Backend, Backends, Row, Study},
};
use modality_protocol::{DeviceId, Epoch, Event, Task};
use modality_report::decimals;

use crate::{
    cli::Reproduce,
    datasets::{self, Catalogue, Ready, Request},
    output, report,
    root::CONFIGS,
    runners::{self, Missing},
};
use modality_toolchain::{
    NotReachable, UserError, World,
    cache::Cache,
    progress::{Progress, Unit},
};

const MIB: f64 = 1_048_576.0;
/// Expected memory that a user is told of before a run.
const WORTH_TELLING_MB: f64 = 1024.0;

/// What is run where nothing can be fetched.
const FALLBACK: (&str, &str) = ("bmmc-synthetic", "small");

/// What a run needs at least, before it is known what an earlier one of the same row took.
const SHORTEST_RUN_S: f64 = 5.0;

pub(crate) fn run(world: &World, arguments: &Reproduce) -> anyhow::Result<ExitCode> {
    run_until(world, arguments, None)
}

/// The study, of whose runs none goes on after `until`, and none begins that would.
pub(crate) fn run_until(
    world: &World,
    arguments: &Reproduce,
    until: Option<Instant>,
) -> anyhow::Result<ExitCode> {
    let configs = world.root.join(CONFIGS);
    let backends = study::load_backends(&configs)?;
    let load = |task| -> anyhow::Result<Study> {
        let mut study = Study::load(&configs, &arguments.study, task, &backends)?;
        study.repeats = arguments.repeats.map_or(study.repeats, usize::from);
        Ok(study)
    };
    let mut study = load(None)?;
    let own_task = study.task;
    if let Some(task) = arguments.task.filter(|task| *task != own_task) {
        study = load(Some(task))?;
    }
    let rows = select(&study, &arguments.only)?;
    let place =
        output::choose(&world.root, &study.name, arguments.out.as_deref(), arguments.resume)?;

    let request = Request {
        name: &study.dataset.name,
        size: study.dataset.size.as_deref(),
        own: arguments.own.given(),
        // Files of the user's say themselves what they are of, unless the user does.
        task: (arguments.own.given().is_none() || arguments.task.is_some()).then_some(study.task),
        usual: study.task,
    };
    let data = data(world, &request)?;
    if request.own.is_some() {
        data.manifest.provenance.remarks.iter().for_each(|remark| world.progress.say(remark));
    }
    if data.manifest.task() != study.task {
        study = load(Some(data.manifest.task()))?;
    }
    speak_for(&mut study, &data.manifest, own_task);
    let plan = Plan::draw(&study, &rows, &data.folder, limits(arguments))?;
    let rows = plan.rows.into_iter().map(|row| on_gpu(row, arguments.gpu)).collect();
    let plan = Plan { command: command(arguments), rows, ..plan };
    let (output, _claim) = place.claim()?;
    // What a run may take decides how some backends work.
    let plan = match (arguments.resume, arguments.memory) {
        (true, None) => Plan { memory: Plan::load(&output.plan())?.memory, ..plan },
        _ => plan,
    };
    settle(&plan, &output, arguments.resume)?;
    let seconds = arguments.timeout.unwrap_or(study.timeout);
    let patience = Patience { each: Some(Duration::from_secs(seconds.into())), until };
    let records = measure(world, plan, &data.folder, &output, &backends, patience)?;
    world.progress.say(&format!("results: {}", output::shown(output.root()).display()));

    let any = |status| records.iter().any(|record| record.status == status);
    let good = any(Status::Ok) && !any(Status::Failed);
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Title and description are of the study's own data and task; others speak for themselves.
fn speak_for(study: &mut Study, data: &Manifest, own: Task) {
    if data.name != study.dataset.name || data.task() != own {
        let Task { input, target } = data.task();
        let title = format!("{} from {}: {}", target.words(), input.words(), data.name);
        study.title = title[..1].to_uppercase() + &title[1..];
        study.description = format!("Data: {}.", data.provenance.source.trim_end_matches('.'));
    }
}

/// The row on this GPU, if it is one on a GPU.
fn on_gpu(row: PlannedRow, gpu: Option<u16>) -> PlannedRow {
    match (gpu, row.device) {
        (Some(index), DeviceId::Cuda(_)) => PlannedRow { device: DeviceId::Cuda(index), ..row },
        _ => row,
    }
}

/// What to type to have the study run again.
fn command(arguments: &Reproduce) -> String {
    let task = ("task", arguments.task.map(|task| task.to_string()));
    let others = [
        ("only", (!arguments.only.is_empty()).then(|| arguments.only.join(","))),
        ("repeats", arguments.repeats.map(|repeats| repeats.to_string())),
        ("threads", arguments.threads.map(|threads| threads.to_string())),
        ("memory", arguments.memory.map(|gib| gib.to_string())),
        ("gpu", arguments.gpu.map(|index| index.to_string())),
        ("timeout", arguments.timeout.map(|seconds| seconds.to_string())),
    ];
    let mut command = format!("cargo xtask reproduce --study {}", arguments.study);
    for (option, value) in [task].into_iter().chain(arguments.own.typed()).chain(others) {
        match value.as_deref() {
            None => {}
            Some("") => command.push_str(&format!(" --{option}")),
            Some(value) => command.push_str(&format!(" --{option} {}", quoted(value))),
        }
    }
    command
}

/// As one word of a shell's.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./,=".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// Carries out the plan and reports it.
pub(crate) fn measure(
    world: &World,
    plan: Plan,
    dataset: &Path,
    output: &Output,
    backends: &Backends,
    patience: Patience,
) -> anyhow::Result<Vec<RunRecord>> {
    // Without a cache that can be written, nobody is told.
    let presence =
        Presence::enter(&Cache::from_env()?.measuring(), &format!("study `{}`", plan.study));
    let bench = Bench::open(plan, dataset, output.clone(), Environment::observe(&world.root))?
        .with_patience(patience)
        .beside(presence.ok());
    let records = run_all(world, &bench, backends)?;
    report::write(output, bench.plan())?;
    Ok(records)
}

fn select(study: &Study, only: &[String]) -> anyhow::Result<Vec<Row>> {
    let known = || study.rows.iter().map(Row::to_string).collect::<Vec<_>>().join(", ");
    if let Some(filter) =
        only.iter().find(|filter| !study.rows.iter().any(|row| row.matches(filter)))
    {
        let study = &study.name;
        return Err(UserError(format!(
            "--only {filter}: study `{study}` has no such row; it has: {}",
            known()
        ))
        .into());
    }
    let wanted = |row: &&Row| only.is_empty() || only.iter().any(|filter| row.matches(filter));
    Ok(study.rows.iter().filter(wanted).cloned().collect())
}

/// What is asked for, or what this process may use.
fn limits(arguments: &Reproduce) -> Limits {
    let all = all_of_the_machine();
    Limits {
        threads: arguments.threads.map_or(all.threads, usize::from),
        memory: arguments.memory.map_or(all.memory, |gib| (gib * 1024.0 * MIB) as u64),
    }
}

pub(crate) fn all_of_the_machine() -> Limits {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    Limits { threads, memory: memory::spare() }
}

/// The data set, made ready; generated data where the real one is out of reach.
fn data(world: &World, request: &Request<'_>) -> anyhow::Result<Ready> {
    let catalogue = Catalogue::load(&world.root)?;
    let cache = Cache::from_env()?;
    match datasets::ready(world, &catalogue, request, &cache) {
        Err(error) if error.is::<NotReachable>() => {
            let (name, size) = FALLBACK;
            eprintln!("{error:#}; going on with generated data ({name}, {size}) in its place");
            let request = Request { name, size: Some(size), own: None, ..*request };
            datasets::ready(world, &catalogue, &request, &cache)
        }
        ready => ready,
    }
}

/// Keeps the plan, or holds it against the one that is to be resumed.
pub(crate) fn settle(plan: &Plan, output: &Output, resume: bool) -> anyhow::Result<()> {
    if resume {
        let before = Plan::load(&output.plan())?;
        if let Some(what) = plan.contradicts(&before) {
            let file = output.plan();
            let what =
                format!("{}: made with another {what}; choose another --out", file.display());
            return Err(UserError(what).into());
        }
        output::refuse_strangers(plan, output)?;
    }
    output.create()?;
    Ok(plan.save(&output.plan())?)
}

/// Every row once, then again for each further repeat, so that a machine that slows down slows all rows.
fn run_all(world: &World, bench: &Bench, backends: &Backends) -> anyhow::Result<Vec<RunRecord>> {
    let plan = bench.plan();
    let names = plan.rows.iter().map(|row| row.backend.as_str());
    let runners = runners::ready(world, backends, names)?;
    let mut rows = Vec::with_capacity(plan.rows.len());
    let mut finished = Vec::with_capacity(plan.rows.len());
    for row in &plan.rows {
        let repeats = (0..plan.repeats.len()).map(|repeat| bench.finished(row, repeat));
        let records = repeats.collect::<Result<Vec<_>, _>>()?;
        let mut runner = runners[&row.backend].clone();
        if records.contains(&None) {
            runner = rehearse(world, bench, row, &backends[&row.backend], runner)?;
        }
        rows.push((row, runner));
        finished.push(records);
    }
    what_is_missing(&rows).iter().for_each(|line| world.progress.say(line));
    let mut records = Vec::new();
    for repeat in 0..plan.repeats.len() {
        for ((row, runner), finished) in rows.iter().zip(&mut finished) {
            let record =
                match finished[repeat].take() {
                    Some(record) => record,
                    None if runner.is_ok() && is_too_late(bench, row, &records) => bench
                        .cannot_run(row, repeat, Status::Unavailable, "too little time was left")?,
                    None => run_row(bench, row, repeat, runner, &world.progress)?,
                };
            records.push(record);
        }
    }
    Ok(records)
}

/// Asks a runner of this workspace whether it can run the row in the memory that it may take.
fn rehearse(
    world: &World,
    bench: &Bench,
    row: &PlannedRow,
    backend: &Backend,
    runner: runners::Ready,
) -> anyhow::Result<runners::Ready> {
    let runner = match runner {
        Ok(runner) if backend.package.is_some() => runner,
        other => return Ok(other),
    };
    let outcome = bench.rehearse(row, &runner, |_| ())?;
    let worth_telling = |mib: Option<f64>| mib.filter(|&mib| mib > WORTH_TELLING_MB);
    if let Some(mib) = worth_telling(outcome.usage.expected_rss_mb) {
        let allowed = bench.plan().memory as f64 / (MIB * 1024.0);
        let (name, gib) = (row.name(), mib / 1024.0);
        let told =
            format!("{name}: will take about {gib:.1} GiB of memory; it may take {allowed:.1}");
        world.progress.say(&told);
    }
    if let Some(mib) = worth_telling(outcome.usage.expected_gpu_mb) {
        let (name, gib) = (row.name(), mib / 1024.0);
        world.progress.say(&format!("{name}: will take about {gib:.1} GiB of GPU memory"));
    }
    Ok(match outcome.status {
        Status::Ok => Ok(runner),
        status => Err(Missing { status, reason: outcome.note }),
    })
}

/// One line for each reason, however many rows and runs it concerns.
fn what_is_missing(rows: &[(&PlannedRow, runners::Ready)]) -> Vec<String> {
    let mut concerned = BTreeMap::<(&str, &str), Vec<String>>::new();
    for (row, runner) in rows {
        if let Err(Missing { status, reason }) = runner {
            concerned.entry((status.name(), reason)).or_default().push(row.name());
        }
    }
    let line = |((status, reason), rows): ((&str, &str), Vec<String>)| {
        format!("{}: {status}: {reason}", rows.join(", "))
    };
    concerned.into_iter().map(line).collect()
}

/// Whether too little time is left for what a run of the row takes.
fn is_too_late(bench: &Bench, row: &PlannedRow, before: &[RunRecord]) -> bool {
    let is_same = |record: &&RunRecord| {
        let run = &record.run;
        let name = row_name(&run.method, &run.variant, &run.backend);
        name == row.name() && record.cells == row.cells
    };
    let same = before.iter().filter(is_same);
    let needed = same.fold(SHORTEST_RUN_S, |most, record| most.max(record.usage.total_s));
    let left = bench.patience().until.map(|end| end.saturating_duration_since(Instant::now()));
    left.is_some_and(|left| left.as_secs_f64() < needed)
}

fn run_row(
    bench: &Bench,
    row: &PlannedRow,
    repeat: usize,
    runner: &runners::Ready,
    progress: &Progress,
) -> anyhow::Result<RunRecord> {
    let repeats = bench.plan().repeats.len();
    let label = format!("{}, run {} of {repeats}", row.name(), repeat + 1);
    let record = match runner {
        Err(Missing { status, reason }) => {
            return Ok(bench.cannot_run(row, repeat, *status, reason)?);
        }
        Ok(runner) => {
            let task = progress.begin(&label, Unit::Items);
            let record = bench.run(row, repeat, runner, |event| match event {
                Event::Begin { stage } => task.stage(stage.name()),
                Event::Progress { done, total, .. } => task.set(*done, Some(*total)),
                Event::Epoch(Epoch { fold, epoch, loss, validation_rmse }) => {
                    task.detail(&format!(
                        "{fold}, epoch {epoch}: loss {}, validation RMSE {}",
                        decimals(*loss, 4),
                        decimals(*validation_rmse, 4)
                    ))
                }
                _ => {}
            })?;
            drop(task);
            record
        }
    };
    progress.say(&format!("{label}: {}", outcome(&record)));
    Ok(record)
}

fn outcome(record: &RunRecord) -> String {
    match record.metrics {
        Some(metrics) => {
            let rmse = decimals(metrics.rmse, 4);
            format!("RMSE {rmse}, trained in {:.2} s", record.train_s())
        }
        None => format!("{}: {}", record.status.name(), record.note),
    }
}

#[cfg(test)]
mod tests {
    use modality_data::{
        prepared,
        synthetic::{self, Size},
    };
    use modality_harness::host::Runner;

    use super::*;
    use crate::cli::OwnData;

    #[test]
    fn a_reason_is_given_once_for_all_rows_that_it_concerns() {
        let row = |method: &str, backend: &str| PlannedRow {
            method: method.to_owned(),
            variant: String::new(),
            backend: backend.to_owned(),
            device: DeviceId::Cpu,
            params: Default::default(),
            cells: None,
        };
        let missing = |status, reason: &str| Err(Missing { status, reason: reason.to_owned() });
        let runner = Runner { command: vec!["a".to_owned()], folder: ".".into() };
        let no_network = || missing(Status::Unavailable, "no network");
        let rows = [
            (&row("m", "one"), no_network()),
            (&row("m", "linfa"), Ok(runner)),
            (&row("n", "one"), no_network()),
            (&row("m", "two"), no_network()),
            (&row("m", "three"), missing(Status::Failed, "it broke")),
        ];
        assert_eq!(
            what_is_missing(&rows),
            ["m/three: failed: it broke", "m/one, n/one, m/two: unavailable: no network"]
        );
    }

    #[test]
    fn what_would_not_end_in_time_is_not_begun() {
        let folder = tempfile::tempdir().unwrap();
        let (dataset, out) = (folder.path().join("data"), folder.path().join("out"));
        prepared::write(&synthetic::generate(Size::Tiny, 1, Task::default()), &dataset).unwrap();
        let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bench-configs");
        let backends = study::load_backends(&configs).unwrap();
        let study = Study::load(&configs, "smoke", None, &backends).unwrap();
        let limits = Limits { threads: 1, memory: 1 << 30 };
        let plan = Plan::draw(&study, &study.rows[..1], &dataset, limits).unwrap();
        let output = Output::new(out);
        output.create().unwrap();
        let within = |seconds: Option<u64>| {
            let until = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
            Bench::open(plan.clone(), &dataset, output.clone(), Environment::default())
                .unwrap()
                .with_patience(Patience { each: None, until })
        };
        let row = &plan.rows[0];
        let mut before = within(None).cannot_run(row, 0, Status::Failed, "it broke").unwrap();
        before.usage.total_s = 7200.0;
        for (seconds, first, next) in
            [(None, false, false), (Some(0), true, true), (Some(3600), false, true)]
        {
            assert_eq!(is_too_late(&within(seconds), row, &[]), first, "{seconds:?}");
            let before = std::slice::from_ref(&before);
            assert_eq!(is_too_late(&within(seconds), row, before), next, "{seconds:?}");
        }
    }

    #[test]
    fn the_command_that_is_shown_can_be_typed() {
        let arguments = Reproduce {
            study: "smoke".to_owned(),
            task: Some(Task::ADT_TO_GEX),
            only: vec!["mean".to_owned(), "knn".to_owned()],
            repeats: Some(2),
            threads: None,
            memory: Some(1.5),
            gpu: Some(1),
            timeout: Some(60),
            out: None,
            resume: false,
            own: OwnData {
                data: Some("/my data".into()),
                split_by: Some("donor=d3,d 4".parse().unwrap()),
                counts: true,
                ..OwnData::default()
            },
        };
        let shown = command(&arguments);
        assert_eq!(
            shown,
            "cargo xtask reproduce --study smoke --task adt-to-gex --data '/my data' --split-by 'donor=d3,d 4' --counts \
             --only mean,knn --repeats 2 --memory 1.5 --gpu 1 --timeout 60"
        );
    }
}
