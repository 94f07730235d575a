//! `cargo xtask reproduce`: a study from its configuration to its report.

use std::{
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

use modality_data::prepared::Manifest;
use modality_harness::{
    bench::{Bench, Output, Patience},
    environment::Environment,
    machine,
    plan::{Limits, Plan, PlannedRow},
    presence::Presence,
    record::{RunRecord, Status},
    study::{self, Backends, Row, Study},
};
use modality_protocol::{DeviceId, Task, did_you_mean, words::warn};

use crate::{
    cli::Reproduce,
    datasets::{self, Catalogue, Ready, Request},
    gene_sets,
    interrupt::Answered,
    output, report,
    root::CONFIGS,
    rows,
};
use modality_toolchain::{NotReachable, UserError, World, cache::Cache, sentence};

const MIB: f64 = 1_048_576.0;

/// What is run where nothing can be fetched.
const FALLBACK: (&str, &str) = ("bmmc-synthetic", "small");

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
    let gmt = arguments.gmt.as_deref().map(|path| gene_sets::place(path, &world.root));
    let gmt = gmt.transpose()?;
    let load = |task| -> anyhow::Result<Study> {
        let mut study = Study::load(&configs, &arguments.study, task, &backends)?;
        gmt.iter().try_for_each(|place| gene_sets::give(&mut study, place))?;
        study.repeats = arguments.repeats.map_or(study.repeats, usize::from);
        Ok(study)
    };
    let mut study = load(None)?;
    let own_task = study.task;
    if let Some(task) = arguments.task.filter(|task| *task != own_task) {
        study = load(Some(task))?;
    }
    let rows = select(&study, &arguments.only)?;
    gene_sets::check(&study, &rows, &world.root, gmt.is_some())?;
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
    if data.manifest.name != study.dataset.name && study.forget_folds() {
        let of = &study.dataset.name;
        world.progress.say(&format!("the study's own folds are of {of}; the usual ones are taken"));
    }
    let plan = planned(world, arguments, (&study, &rows), &data)?;
    let (output, _claim) = place.claim()?;
    // What a run may take decides how some backends work.
    let plan = match (arguments.resume, arguments.memory) {
        (true, None) => Plan { memory: Plan::load(&output.plan())?.memory, ..plan },
        _ => plan,
    };
    settle(&plan, &output, arguments.resume)?;
    let seconds = arguments.timeout.unwrap_or(study.timeout);
    let patience = Patience { each: Some(Duration::from_secs(seconds.into())), until };
    let _answered = Answered::by(how_to_go_on(&plan.command, &output))?;
    let records = measure(world, plan, &data.folder, &output, &backends, patience)?;
    world.progress.say(&format!("results: {}", output::shown(output.root()).display()));

    let any = |status| records.iter().any(|record| record.status == status);
    let good = any(Status::Ok) && !any(Status::Failed);
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The plan of these rows of the study, with what the command line says of them.
fn planned(
    world: &World,
    arguments: &Reproduce,
    (study, rows): (&Study, &[Row]),
    data: &Ready,
) -> anyhow::Result<Plan> {
    let plan = Plan::draw(study, rows, &data.folder, limits(arguments))?;
    let genes = &data.manifest.input.features.names;
    let row = |row| gene_sets::noted(on_gpu(row, arguments.gpu), &world.root, genes);
    let rows = plan.rows.into_iter().map(row).collect::<anyhow::Result<_>>()?;
    Ok(Plan { command: command(arguments), rows, ..plan })
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
        ("gmt", arguments.gmt.as_ref().map(|path| path.display().to_string())),
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

/// The last word of a study that is stopped.
fn how_to_go_on(command: &str, output: &Output) -> String {
    let out = output::shown(output.root()).display().to_string();
    format!(
        "stopped; what is finished is kept in {out}, and this goes on with the rest:\n    \
         {command} --out {} --resume",
        quoted(&out)
    )
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
    let records = rows::run_all(world, &bench, backends)?;
    report::write(output, bench.plan())?;
    Ok(records)
}

fn select(study: &Study, only: &[String]) -> anyhow::Result<Vec<Row>> {
    let known = || study.rows.iter().map(Row::to_string).collect::<Vec<_>>().join(", ");
    if let Some(filter) =
        only.iter().find(|filter| !study.rows.iter().any(|row| row.matches(filter)))
    {
        let names = |row: &Row| [row.to_string(), row.method.clone(), row.backend.clone()];
        let near = did_you_mean(filter, study.rows.iter().flat_map(names));
        let study = &study.name;
        return Err(UserError(format!(
            "--only {filter}: study `{study}` has no such row; it has: {}{near}",
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
    Limits { threads: machine::threads(), memory: machine::spare() }
}

/// The data set, made ready; generated data where the real one is out of reach.
fn data(world: &World, request: &Request<'_>) -> anyhow::Result<Ready> {
    let catalogue = Catalogue::load(&world.root)?;
    let cache = Cache::from_env()?;
    match datasets::ready(world, &catalogue, request, &cache) {
        Err(error) if error.is::<NotReachable>() => {
            let (name, size) = FALLBACK;
            let why = sentence(&error);
            warn(format_args!("{why}; going on with generated data ({name}, {size}) in its place"));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::OwnData;

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
            gmt: Some("sets.gmt".into()),
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
             --only mean,knn --repeats 2 --memory 1.5 --gpu 1 --timeout 60 --gmt sets.gmt"
        );
    }
}
