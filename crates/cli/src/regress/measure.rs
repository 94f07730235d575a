//! Pairs of runs, until it is known.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use anyhow::Result;
use modality_compare::{Decided, Gate, Measured, Pair, Quantity, SideFacts};
use modality_harness::{
    bench::Bench,
    conditions::Conditions,
    environment::Environment,
    host::Runner,
    plan::{Plan, PlannedRow, Repeat},
    record::{RunRecord, Status},
};
use modality_toolchain::{UserError, World};

use super::{
    DATA, Settings,
    side::Side,
    stored::{Factors, Stored},
};

/// What is compared with.
pub(super) enum Base {
    /// Another state of the source, measured along.
    Built { rev: String, side: Box<Side> },
    /// What was measured another time.
    Stored(Stored),
}

impl Base {
    /// What is kept of it.
    pub(super) fn facts(&self, conditions: Conditions) -> SideFacts {
        let (name, commit) = match self {
            Self::Built { rev, side } => (rev, &side.commit),
            Self::Stored(stored) => (&stored.shown, stored.commit()),
        };
        SideFacts { name: name.clone(), commit: commit.clone(), conditions }
    }
}

/// Both sides, ready to be measured.
pub(super) struct Measuring<'a> {
    world: &'a World,
    settings: &'a Settings<'a>,
    base: Against<'a>,
    head: Bed<'a>,
    rows: Vec<String>,
    remarks: Vec<String>,
}

enum Against<'a> {
    Built(Box<Bed<'a>>),
    Stored(&'a Stored, Factors),
}

/// A side with all that its runs take.
struct Bed<'a> {
    side: &'a Side,
    plan: Plan,
    bench: Bench,
    runners: BTreeMap<String, Runner>,
    /// What each of its runs saw of the machine.
    seen: Vec<Conditions>,
    /// What computed, by row.
    devices: BTreeMap<String, String>,
}

/// What was measured, and decided.
pub(super) struct Known {
    pub(super) decided: Decided,
    pub(super) remarks: Vec<String>,
    /// The plan of what is compared.
    pub(super) plan: Plan,
    pub(super) devices: BTreeMap<String, String>,
    /// Of base and head.
    pub(super) conditions: [Conditions; 2],
    pub(super) took: Duration,
}

impl<'a> Measuring<'a> {
    /// Runs each row once on both sides, to see whether it can be run at all; rows that cannot are left out.
    ///
    /// # Errors
    /// [`UserError`] where no row is left, and what a side says that cannot be run.
    pub(super) fn begin(
        world: &'a World,
        base: &'a Base,
        head: &'a Side,
        settings: &'a Settings<'a>,
        environment: &Environment,
    ) -> Result<Self> {
        let (plan, records) = head.rehearse(settings)?;
        let repeats = head.repeats(&plan, settings)?;
        let mut remarks = Vec::new();
        let bed =
            |side, plan, planted| Bed::new(side, plan, &repeats, planted, settings, environment);
        let (base, mut rows) = match base {
            Base::Built { side, .. } => {
                let (base_plan, base_records) = side.rehearse(settings)?;
                remarks.extend(differences(&base_plan, &plan, &repeats));
                let rows = comparable(&base_records, &records, &mut remarks)?;
                (Against::Built(Box::new(bed(side, base_plan, None)?)), rows)
            }
            Base::Stored(stored) => {
                stored.check(&plan, &records, environment)?;
                let factors = stored.factors(&records);
                remarks.push(stored.remark(&factors));
                (Against::Stored(stored, factors), stored.rows(&records, &mut remarks)?)
            }
        };
        if settings.with_data && base.has(DATA) {
            rows.insert(0, DATA.to_owned());
        }
        if rows.is_empty() {
            let what = format!("no row of study `{}` can be run on both sides", settings.study);
            return Err(UserError(what).into());
        }
        let head = bed(head, plan, settings.plant)?;
        Ok(Self { world, settings, base, head, rows, remarks })
    }

    /// Measures pair after pair of all rows of which more is to be known, as far as time allows.
    pub(super) fn go_on(self) -> Result<Known> {
        let Self { world, settings, mut base, mut head, rows, mut remarks } = self;
        let start = Instant::now();
        let measure = |row: &str, pair: usize| -> Result<Option<Pair>> {
            if start.elapsed() >= settings.limit {
                let limit = settings.limit.as_secs();
                remarks.push(format!("the {limit} s of --limit were over in pair {}", pair + 1));
                return Ok(None);
            }
            let measured = one(&mut base, &mut head, row, pair, settings)?;
            let seconds = measured.as_ref().and_then(|pair| pair.of(Quantity::Total));
            if let Some((base, head)) = seconds {
                let said = format!("pair {}: {row}: {base:.2} s, {head:.2} s", pair + 1);
                world.progress.say(&said);
            }
            Ok(measured)
        };
        let looked = |gate: &Gate, pairs: usize| {
            let open: Vec<&str> =
                rows.iter().map(String::as_str).filter(|row| gate.is_open(row)).collect();
            let open = if open.is_empty() { "nothing".to_owned() } else { open.join(", ") };
            world.progress.say(&format!("after {pairs} pairs, still open: {open}"));
        };
        let rules = settings.rules.clone();
        let decided = Gate::decide(rules, rows.clone(), settings.all_pairs, measure, looked)?;
        let conditions = [base.conditions(), SideFacts::seen(&head.seen)];
        let Bed { plan, devices, .. } = head;
        Ok(Known { decided, remarks, plan, devices, conditions, took: start.elapsed() })
    }
}

/// Base and head, then head and base, so that neither is always the second.
fn one(
    base: &mut Against<'_>,
    head: &mut Bed<'_>,
    row: &str,
    pair: usize,
    settings: &Settings<'_>,
) -> Result<Option<Pair>> {
    let other = match base {
        Against::Stored(stored, factors) => {
            let base = stored.measured(row, pair, factors).expect("it has so many pairs");
            return Ok(Some(Pair { base, head: head.run(row, pair, settings)? }));
        }
        Against::Built(other) => other,
    };
    let is_first = pair.is_multiple_of(2);
    let before = if is_first { Some(other.run(row, pair, settings)?) } else { None };
    let head = head.run(row, pair, settings)?;
    let base = before.map_or_else(|| other.run(row, pair, settings), Ok)?;
    Ok(Some(Pair { base, head }))
}

impl Against<'_> {
    fn has(&self, row: &str) -> bool {
        match self {
            Self::Built(_) => true,
            Self::Stored(stored, _) => stored.has(row),
        }
    }

    fn conditions(&self) -> Conditions {
        match self {
            Self::Built(bed) => SideFacts::seen(&bed.seen),
            Self::Stored(stored, _) => stored.conditions(),
        }
    }
}

impl<'a> Bed<'a> {
    fn new(
        side: &'a Side,
        plan: Plan,
        repeats: &[Repeat],
        planted: Option<&str>,
        settings: &Settings<'_>,
        environment: &Environment,
    ) -> Result<Self> {
        let bench = side.bench(&plan, repeats, environment, settings.patience)?;
        let runners = side.runners(&plan, planted)?;
        Ok(Self { side, plan, bench, runners, seen: Vec::new(), devices: BTreeMap::new() })
    }

    fn run(&mut self, name: &str, pair: usize, settings: &Settings<'_>) -> Result<Measured> {
        if name == DATA {
            return self.side.prepare(&self.plan, settings);
        }
        let row = self.row(name);
        let record = self.side.sample(&self.bench, row, pair, &self.runners[&row.backend])?;
        self.devices.insert(name.to_owned(), record.device.clone());
        self.seen.extend(record.conditions.clone());
        Ok(Quantity::of_run(&record))
    }

    fn row(&self, name: &str) -> &PlannedRow {
        let mut rows = self.plan.rows.iter();
        rows.find(|row| row.name() == name).expect("it was run before")
    }
}

/// What makes the errors of the two sides hard to compare.
fn differences(base: &Plan, head: &Plan, repeats: &[Repeat]) -> Vec<String> {
    let mut remarks = Vec::new();
    if base.dataset.sha256 != head.dataset.sha256 {
        let what =
            "the two sides prepare the data otherwise: their errors are of different numbers";
        remarks.push(what.to_owned());
    }
    if base.repeats.first() != repeats.first() {
        let what = "the two sides draw the cells of their fits otherwise; both were run with those of the working tree";
        remarks.push(what.to_owned());
    }
    for row in &head.rows {
        let before = base.rows.iter().find(|other| other.name() == row.name());
        let Some(before) = before.filter(|before| before.params != row.params) else { continue };
        let keys = row.params.keys().chain(before.params.keys());
        let changed: BTreeSet<&String> =
            keys.filter(|key| before.params.get(*key) != row.params.get(*key)).collect();
        let now = |key: &&String| match row.params.get(*key) {
            Some(value) => format!("{key} = {value}"),
            None => format!("no {key}"),
        };
        let changed: Vec<String> = changed.iter().map(now).collect();
        remarks.push(format!(
            "{} has other hyperparameters now: {}",
            row.name(),
            changed.join(", ")
        ));
    }
    remarks
}

/// Names of the rows that both sides have run.
fn comparable(
    base: &[RunRecord],
    head: &[RunRecord],
    remarks: &mut Vec<String>,
) -> Result<Vec<String>> {
    let mut rows = Vec::new();
    let mut left_out = BTreeMap::<String, Vec<String>>::new();
    for record in head {
        let row = record.run.row();
        let before = base.iter().find(|other| other.run.row() == row);
        match (before, record.status) {
            (Some(before), Status::Ok) if before.status == Status::Ok => rows.push(row),
            (Some(before), status) if before.status == Status::Ok => {
                let what = format!("{row}: {} in the working tree: {}", status.name(), record.note);
                return Err(UserError(what).into());
            }
            (Some(before), _) => {
                let why = format!("{}: {}", before.status.name(), before.note);
                left_out.entry(why).or_default().push(row);
            }
            (None, _) => left_out.entry("not there in the base".to_owned()).or_default().push(row),
        }
    }
    let remark =
        |(why, rows): (String, Vec<String>)| format!("not compared: {}: {why}", rows.join(", "));
    remarks.extend(left_out.into_iter().map(remark));
    Ok(rows)
}
