//! The runs of a study, one after the other.

use std::{collections::BTreeMap, time::Instant};

use modality_harness::{
    bench::Bench,
    host::Runner,
    plan::PlannedRow,
    record::{RunRecord, Status},
    study::{Backend, Backends},
};
use modality_protocol::{Epoch, Event};
use modality_report::decimals;

use crate::{
    pace::Pace,
    runners::{self, Missing},
};
use modality_toolchain::{
    World,
    progress::{Progress, Unit},
};

const MIB: f64 = 1_048_576.0;
/// Expected memory that a user is told of before a run.
const WORTH_TELLING_MB: f64 = 1024.0;

/// What a run needs at least, before it is known what an earlier one of the same row took.
const SHORTEST_RUN_S: f64 = 5.0;

/// A row of the plan, what runs it, and the records that there are of it already, one a repeat.
struct Prepared<'a> {
    row: &'a PlannedRow,
    runner: runners::Ready,
    finished: Vec<Option<RunRecord>>,
}

/// Every row once, then again for each further repeat, so that a machine that slows down slows all rows.
pub(crate) fn run_all(
    world: &World,
    bench: &Bench,
    backends: &Backends,
) -> anyhow::Result<Vec<RunRecord>> {
    let mut rows = prepare(world, bench, backends)?;
    for Prepared { row, .. } in rows.iter().filter(|prepared| !prepared.row.note.is_empty()) {
        world.progress.say(&format!("{}: {}", row.name(), row.note));
    }
    what_is_missing(&rows).iter().for_each(|line| world.progress.say(line));
    let repeats = 0..bench.plan().repeats.len();
    let to_run = |repeat| {
        let is_to_run = move |row: &&Prepared<'_>| row.is_to_run(repeat);
        rows.iter().filter(is_to_run).map(|row| row.row.name())
    };
    let mut pace = Pace::new(repeats.clone().flat_map(to_run));
    let mut records = Vec::new();
    for repeat in repeats {
        for Prepared { row, runner, finished } in &mut rows {
            let row = *row;
            records.push(match (finished[repeat].take(), &*runner) {
                (Some(record), _) => record,
                (None, Err(Missing { status, reason })) => {
                    bench.cannot_run(row, repeat, *status, reason)?
                }
                (None, Ok(_)) if is_too_late(bench, row, &records) => {
                    pace.made(None);
                    bench.cannot_run(
                        row,
                        repeat,
                        Status::Unavailable,
                        "too little time was left",
                    )?
                }
                (None, Ok(runner)) => {
                    let start = Instant::now();
                    let record = run_row(bench, (row, repeat), runner, &pace, &world.progress)?;
                    pace.made(Some(start.elapsed()));
                    record
                }
            });
        }
    }
    Ok(records)
}

/// Makes the runners, and asks them about the rows that are still to be run.
fn prepare<'a>(
    world: &World,
    bench: &'a Bench,
    backends: &Backends,
) -> anyhow::Result<Vec<Prepared<'a>>> {
    let plan = bench.plan();
    let names = plan.rows.iter().map(|row| row.backend.as_str());
    let runners = runners::ready(world, backends, names)?;
    let prepared = |row: &'a PlannedRow| -> anyhow::Result<Prepared<'a>> {
        let repeats = (0..plan.repeats.len()).map(|repeat| bench.finished(row, repeat));
        let finished = repeats.collect::<Result<Vec<_>, _>>()?;
        let mut runner = runners[&row.backend].clone();
        if finished.contains(&None) {
            runner = rehearse(world, bench, row, &backends[&row.backend], runner)?;
        }
        Ok(Prepared { row, runner, finished })
    };
    plan.rows.iter().map(prepared).collect()
}

impl Prepared<'_> {
    fn is_to_run(&self, repeat: usize) -> bool {
        self.runner.is_ok() && self.finished[repeat].is_none()
    }
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
fn what_is_missing(rows: &[Prepared<'_>]) -> Vec<String> {
    let mut concerned = BTreeMap::<(&str, &str), Vec<String>>::new();
    for Prepared { row, runner, .. } in rows {
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
    let is_same = |record: &&RunRecord| record.run.row() == row.name() && record.cells == row.cells;
    let same = before.iter().filter(is_same);
    let needed = same.fold(SHORTEST_RUN_S, |most, record| most.max(record.usage.total_s));
    let left = bench.patience().until.map(|end| end.saturating_duration_since(Instant::now()));
    left.is_some_and(|left| left.as_secs_f64() < needed)
}

fn run_row(
    bench: &Bench,
    (row, repeat): (&PlannedRow, usize),
    runner: &Runner,
    pace: &Pace,
    progress: &Progress,
) -> anyhow::Result<RunRecord> {
    let repeats = bench.plan().repeats.len();
    let label = format!("{}, run {} of {repeats}", row.name(), repeat + 1);
    let task = progress.begin_part(&pace.said(), &label, Unit::Items);
    let record = bench.run(row, repeat, runner, |event| match event {
        Event::Begin { stage } => task.stage(stage.name()),
        Event::Progress { done, total, .. } => task.set(*done, Some(*total)),
        Event::Epoch(Epoch { fold, epoch, loss, validation_rmse }) => task.detail(&format!(
            "{fold}, epoch {epoch}: loss {}, validation RMSE {}",
            decimals(*loss, 4),
            decimals(*validation_rmse, 4)
        )),
        _ => {}
    })?;
    drop(task);
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
    use std::{path::Path, time::Duration};

    use modality_data::{
        prepared,
        synthetic::{self, Size},
    };
    use modality_harness::{
        bench::{Output, Patience},
        environment::Environment,
        plan::{Limits, Plan},
        study::{self, Study},
    };
    use modality_protocol::{DeviceId, Task};

    use super::*;

    #[test]
    fn a_reason_is_given_once_for_all_rows_that_it_concerns() {
        let row = |method: &str, backend: &str| PlannedRow {
            method: method.to_owned(),
            variant: String::new(),
            backend: backend.to_owned(),
            device: DeviceId::Cpu,
            params: Default::default(),
            note: String::new(),
            cells: None,
        };
        let missing = |status, reason: &str| Err(Missing { status, reason: reason.to_owned() });
        let runner = Runner { command: vec!["a".to_owned()], folder: ".".into() };
        let no_network = || missing(Status::Unavailable, "no network");
        let planned = [("m", "one"), ("m", "linfa"), ("n", "one"), ("m", "two"), ("m", "three")]
            .map(|(method, backend)| row(method, backend));
        let broken = missing(Status::Failed, "it broke");
        let ready = [no_network(), Ok(runner), no_network(), no_network(), broken];
        let rows = planned.iter().zip(ready);
        let rows = rows.map(|(row, runner)| Prepared { row, runner, finished: Vec::new() });
        assert_eq!(
            what_is_missing(&rows.collect::<Vec<_>>()),
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
}
