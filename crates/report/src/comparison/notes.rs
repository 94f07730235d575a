//! What two rows differ in beside what is measured, and how many runs that is known from.

use std::collections::{BTreeMap, BTreeSet};

use modality_compare::Comparison;
use modality_harness::record::RunRecord;
use modality_protocol::Stage;

use crate::{
    Spread, format,
    records::{distinct, scored},
};

/// Two rows and what they are called.
struct Rows<'a> {
    called: [&'a str; 2],
    records: [Vec<&'a RunRecord>; 2],
}

/// A sentence each.
pub(super) fn of(
    called: [&str; 2],
    comparison: &Comparison,
    records: [&[RunRecord]; 2],
) -> Vec<String> {
    let records = records.map(|records| records.iter().filter_map(scored).collect());
    let rows = Rows { called, records };
    let mut notes = vec![pairs(comparison)];
    notes.extend(rows.machines());
    notes.extend(rows.differ("Commit", |record| record.environment.git_commit.clone()));
    notes.extend(rows.differ("Compiler", |record| record.environment.rustc.clone()));
    notes.extend(rows.differ("System", |record| record.environment.os.clone()));
    notes.extend(rows.differ("Environment", variables));
    notes.extend(rows.differ("Device", |record| record.device.clone()));
    notes.extend(
        rows.differ("Training cells", |record| record.cells.map_or(String::new(), format::count)),
    );
    notes.extend(rows.params());
    notes.extend(rows.stages());
    notes.extend(rows.each(|records| {
        let notes = distinct(records.iter().map(|record| record.note.as_str()));
        (!notes.is_empty()).then(|| format!("notes: {}", notes.join("; ")))
    }));
    notes.extend(rows.each(|records| {
        let untold = Spread::of(records.iter().filter_map(|record| record.untold_s()))?;
        let seconds = format::duration(untold.median);
        Some(format!(
            "spends {seconds} of its life outside its stages: only its total says what it takes"
        ))
    }));
    notes
}

/// What is paired.
fn pairs(comparison: &Comparison) -> String {
    let unpaired = match comparison.unpaired {
        0 => String::new(),
        1 => "; one run has no partner of the same repeat and seed, and does not count".to_owned(),
        n => format!("; {n} runs have no partner of the same repeat and seed, and do not count"),
    };
    match comparison.lines.iter().map(|line| line.pairs).max().unwrap_or(0) {
        1 => format!(
            "One pair of runs with the same seed, so no interval is known and nothing is decided{unpaired}."
        ),
        n => format!("{n} pairs of runs with the same seeds{unpaired}."),
    }
}

fn variables(record: &RunRecord) -> String {
    let all = record.environment.variables.iter();
    all.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}

impl Rows<'_> {
    /// What each side is said to have, where that is not the same.
    fn different(&self, of: impl Fn(&RunRecord) -> String) -> Option<[String; 2]> {
        let values = self.records.each_ref().map(|records| {
            let values: BTreeSet<String> = records.iter().map(|record| of(record)).collect();
            let shown =
                values.iter().map(|value| if value.is_empty() { "none told" } else { value });
            shown.collect::<Vec<_>>().join(" and ")
        });
        (values[0] != values[1]).then_some(values)
    }

    /// `A ..., B ...`.
    fn both(&self, values: &[String; 2]) -> String {
        let [base, head] = self.called;
        format!("{base} {}, {head} {}", values[0], values[1])
    }

    fn differ(&self, what: &str, of: impl Fn(&RunRecord) -> String) -> Option<String> {
        Some(format!("{what} differs: {}.", self.both(&self.different(of)?)))
    }

    fn machines(&self) -> Option<String> {
        let values = self.different(|record| {
            let environment = &record.environment;
            let cpu = if environment.cpu.is_empty() { "a processor" } else { &environment.cpu };
            format!("{cpu} with {} cores and {} threads", environment.cores, record.threads)
        })?;
        Some(format!(
            "The two were measured on different machines: times say nothing about the code alone ({}).",
            self.both(&values)
        ))
    }

    /// Hyperparameters by name.
    fn params(&self) -> Option<String> {
        let params = self.records.iter().flatten().flat_map(|record| record.params.keys());
        let keys: BTreeSet<&String> = params.collect();
        let differing = keys.into_iter().filter_map(|key| {
            let value = |record: &RunRecord| {
                record.params.get(key).map_or_else(String::new, ToString::to_string)
            };
            Some(format!("{key} ({})", self.both(&self.different(value)?)))
        });
        let differing: Vec<String> = differing.collect();
        (!differing.is_empty())
            .then(|| format!("Hyperparameters differ: {}.", differing.join(", ")))
    }

    /// Stages that one side alone has, whose work the other does elsewhere or not at all.
    fn stages(&self) -> Vec<String> {
        let seconds = self.records.each_ref().map(|records| {
            let mut seconds: BTreeMap<Stage, Vec<f64>> = BTreeMap::new();
            for time in records.iter().flat_map(|record| &record.stages) {
                seconds.entry(time.stage).or_default().push(time.seconds);
            }
            seconds
        });
        let lone = |side: usize| {
            let lone =
                seconds[side].iter().filter(|(stage, _)| !seconds[1 - side].contains_key(stage));
            let said = lone.filter_map(|(stage, seconds)| {
                let median = Spread::of(seconds.iter().copied())?.median;
                Some(format!("{} ({})", stage.name(), format::duration(median)))
            });
            let said: Vec<String> = said.collect();
            let name = self.called[side];
            (!said.is_empty())
                .then(|| format!("Only {name} has the stage {}.", format::list(&said)))
        };
        [0, 1].into_iter().filter_map(lone).collect()
    }

    /// What is to be said of a side by itself.
    fn each(&self, of: impl Fn(&[&RunRecord]) -> Option<String>) -> Vec<String> {
        let both = self.called.iter().zip(&self.records);
        both.filter_map(|(name, records)| Some(format!("{name} {}.", of(records)?))).collect()
    }
}
