//! Studies, run as `cargo xtask reproduce` runs them, and what their records say about the GPU.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Result;
use modality_harness::{
    bench::Output,
    record::{RunRecord, Status},
    study::Study,
};

use super::{BACKEND, Checkup, TOO_LATE, summary::Line};
use crate::{
    cli::{OwnData, Reproduce},
    reproduce,
    root::CONFIGS,
};
use modality_toolchain::sentence;

/// What is run where nothing else is asked for, what is worth most first.
const STUDIES: [&str; 4] = ["gpu-paper", "gpu", "paper-scale", "default"];
/// What a study needs at least, and what a run of it may take.
const SHORTEST: Duration = Duration::from_secs(10);
const LONGEST_RUN_S: u32 = 3600;
/// What the GPU's row stands beside: the same method on the CPU, and by the work of cuML's algorithms.
const METHOD: &str = "tsvd-krr";
const CPU: &str = "linfa";
const PEER: &str = "cuml-peer";
/// Largest difference of RMSE from the CPU's on the same plan.
const SAME_RMSE: f64 = 5e-4;

impl Checkup<'_> {
    /// Those that are to be run.
    pub(super) fn studies(&self) -> Vec<&str> {
        match self.arguments.studies.as_slice() {
            [] => STUDIES.to_vec(),
            named => named.iter().map(String::as_str).collect(),
        }
    }

    /// Runs a study, and tells what came of its rows.
    pub(super) fn study(&self, name: &str) -> Vec<Line> {
        let what = format!("study {name}");
        if self.left() < SHORTEST {
            return vec![Line::not_run(what, TOO_LATE)];
        }
        match self.records(name) {
            Ok(None) => vec![Line::not_run(what, "it has none of these rows")],
            Ok(Some(records)) => lines(&what, &records),
            Err(error) => vec![Line::wrong(what, sentence(&error))],
        }
    }

    /// Of all rows that are wanted; none where the study has none of them.
    fn records(&self, name: &str) -> Result<Option<Vec<RunRecord>>> {
        let study = Study::load(&self.world.root.join(CONFIGS), name, None, &self.backends)?;
        let is_there = |row: &&String| study.rows.iter().any(|known| known.matches(row));
        let only: Vec<String> = self.arguments.rows.iter().filter(is_there).cloned().collect();
        if only.is_empty() && !self.arguments.rows.is_empty() {
            return Ok(None);
        }
        let out = self.out.join(name);
        let arguments = Reproduce {
            task: None,
            study: name.to_owned(),
            gmt: None,
            own: OwnData::default(),
            only,
            repeats: self.arguments.repeats,
            threads: None,
            gpu: None,
            memory: self.arguments.memory,
            timeout: Some(LONGEST_RUN_S),
            out: Some(out.clone()),
            resume: false,
        };
        reproduce::run_until(self.world, &arguments, self.end)?;
        Ok(Some(RunRecord::load_all(&Output::new(out).records())?))
    }
}

fn lines(what: &str, records: &[RunRecord]) -> Vec<Line> {
    let mut rows = BTreeMap::<String, Vec<&RunRecord>>::new();
    for record in records {
        let row = format!("{}/{}", record.run.method, record.run.backend);
        rows.entry(row).or_default().push(record);
    }
    let mut lines: Vec<Line> =
        rows.iter().map(|(row, records)| line(format!("{what}, {row}"), records)).collect();
    lines.extend(beside_the_cpu(what, records));
    lines.extend(beside_the_peer(what, records));
    lines
}

/// A row by its runs; the first that did not end well speaks for it.
fn line(what: String, records: &[&RunRecord]) -> Line {
    let bad = |status| records.iter().find(|record| record.status == status);
    if let Some(record) = bad(Status::Failed) {
        return Line::wrong(what, &record.note);
    }
    if let Some(record) = bad(Status::Unavailable) {
        return Line::not_run(what, &record.note);
    }
    let rmse = median(records.iter().filter_map(|record| Some(record.metrics?.rmse)));
    let seconds = median(records.iter().map(|record| computing(record)));
    let device = records.first().map(|record| record.device.as_str()).unwrap_or_default();
    Line::good(
        what,
        format!(
            "RMSE {:.5}, training and prediction {:.3} s, median of {} on {device} ({})",
            rmse.unwrap_or(f64::NAN),
            seconds.unwrap_or(f64::NAN),
            records.len(),
            stages(records)
        ),
    )
}

/// Median seconds by stage.
fn stages(records: &[&RunRecord]) -> String {
    let first = records.first().map(|record| record.stages.as_slice()).unwrap_or_default();
    let told = first.iter().filter_map(|time| {
        let of = |record: &&RunRecord| {
            let visit = record.stages.iter().find(|other| other.stage == time.stage)?;
            Some(visit.seconds)
        };
        let seconds = median(records.iter().filter_map(of))?;
        Some(format!("{} {seconds:.3}", time.stage.name()))
    });
    told.collect::<Vec<_>>().join(", ")
}

fn computing(record: &RunRecord) -> f64 {
    record.train_s() + record.predict_s()
}

/// Whether the GPU errs as the CPU does.
fn beside_the_cpu(what: &str, records: &[RunRecord]) -> Option<Line> {
    let differences = pairs(records, CPU)
        .filter_map(|(gpu, cpu)| Some((gpu.metrics?.rmse - cpu.metrics?.rmse).abs()));
    let worst =
        differences.fold(None, |worst: Option<f64>, next| Some(worst.unwrap_or(0.0).max(next)))?;
    let what = format!("{what}, {METHOD}: RMSE of {BACKEND} beside {CPU}");
    let note = format!("{worst:.1e} apart, {SAME_RMSE:.0e} allowed");
    Some(if worst <= SAME_RMSE { Line::good(what, note) } else { Line::wrong(what, note) })
}

/// How many times as fast as the peer it is.
fn beside_the_peer(what: &str, records: &[RunRecord]) -> Option<Line> {
    let ratio = median(pairs(records, PEER).map(|(gpu, peer)| computing(peer) / computing(gpu)))?;
    let what = format!("{what}, {METHOD}: {BACKEND} beside {PEER}");
    Some(Line::good(
        what,
        format!(
            "training and prediction, without loading, upload and warm-up: {ratio:.1} times as fast"
        ),
    ))
}

/// Runs of the GPU's row, and of another backend's on the same plan, that ended well.
fn pairs<'r>(
    records: &'r [RunRecord],
    backend: &'r str,
) -> impl Iterator<Item = (&'r RunRecord, &'r RunRecord)> {
    let ok = |record: &&RunRecord| record.status == Status::Ok && record.run.method == METHOD;
    let gpu = records.iter().filter(ok).filter(|record| record.run.backend == BACKEND);
    gpu.filter_map(move |gpu| {
        let is_other = |other: &&RunRecord| {
            other.run.backend == backend
                && other.run.repeat == gpu.run.repeat
                && other.run.variant == gpu.run.variant
                && other.cells == gpu.cells
        };
        Some((gpu, records.iter().filter(ok).find(is_other)?))
    })
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        count if count % 2 == 1 => Some(values[middle]),
        _ => Some((values[middle - 1] + values[middle]) / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu_check::summary::Verdict;

    /// The committed records of TSVD + KRR on the CPU.
    fn on_the_cpu() -> Vec<RunRecord> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../results/default/records");
        let mut records = RunRecord::load_all(folder.as_ref()).unwrap();
        records.retain(|record| record.run.method == METHOD && record.run.backend == CPU);
        assert!(!records.is_empty());
        records
    }

    /// The same on another backend, with this difference of RMSE, and so many times as fast.
    fn on(backend: &str, difference: f64, faster: f64) -> Vec<RunRecord> {
        let mut records = on_the_cpu();
        for record in &mut records {
            record.run.backend = backend.to_owned();
            record.stages.iter_mut().for_each(|stage| stage.seconds /= faster);
            record.metrics.iter_mut().for_each(|metrics| metrics.rmse += difference);
        }
        records
    }

    fn verdicts(records: &[Vec<RunRecord>]) -> Vec<(String, Verdict, String)> {
        let lines = lines("study s", &records.concat());
        lines.into_iter().map(|line| (line.what, line.verdict, line.note)).collect()
    }

    #[test]
    fn a_gpu_that_errs_otherwise_than_the_cpu_is_wrong() {
        for (difference, verdict) in [(4e-4, Verdict::Good), (-6e-4, Verdict::Wrong)] {
            let found = verdicts(&[on_the_cpu(), on(BACKEND, difference, 10.0)]);
            let what: Vec<&str> = found.iter().map(|(what, ..)| what.as_str()).collect();
            let rows = ["study s, tsvd-krr/cuda", "study s, tsvd-krr/linfa"];
            assert_eq!(what, [rows[0], rows[1], "study s, tsvd-krr: RMSE of cuda beside linfa"]);
            assert_eq!((found[0].1, found[2].1), (Verdict::Good, verdict));
            assert!(found[2].2.ends_with("apart, 5e-4 allowed"), "{}", found[2].2);
        }
    }

    #[test]
    fn the_peer_is_compared_run_by_run() {
        let found = verdicts(&[on(BACKEND, 0.0, 40.0), on(PEER, 0.0, 2.0)]);
        let said = &found.last().unwrap().2;
        assert!(
            said.ends_with("without loading, upload and warm-up: 20.0 times as fast"),
            "{said}"
        );
        let mut alone = on(PEER, 0.0, 2.0);
        alone.iter_mut().for_each(|record| record.run.repeat += 100);
        assert_eq!(verdicts(&[on(BACKEND, 0.0, 40.0), alone]).len(), 2);
    }

    #[test]
    fn a_run_that_did_not_end_well_speaks_for_its_row() {
        for (status, verdict) in
            [(Status::Unavailable, Verdict::NotRun), (Status::Failed, Verdict::Wrong)]
        {
            let mut records = on(BACKEND, 0.0, 1.0);
            let last = records.last_mut().unwrap();
            (last.status, last.note, last.metrics) = (status, "a reason".to_owned(), None);
            let found = verdicts(&[records]);
            let row = "study s, tsvd-krr/cuda".to_owned();
            assert_eq!(found, [(row, verdict, "a reason".to_owned())]);
        }
    }

    #[test]
    fn the_median_of_none_is_none() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), Some(2.0));
        assert_eq!(median([4.0, 1.0].into_iter()), Some(2.5));
        assert_eq!(median(std::iter::empty()), None);
    }
}
