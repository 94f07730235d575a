//! `cargo xtask regress`: whether the working tree is slower or less accurate than a commit.

mod kept;
mod measure;
mod replay;
mod seed;
mod side;
mod stored;
mod tree;

use std::{
    fs,
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use modality_compare::{Least, Outcome, Regression, Rules, SideFacts};
use modality_harness::{
    bench::Patience,
    environment::Environment,
    plan::Limits,
    presence::Presence,
    study::{self, DatasetChoice, Row, Study},
};
use modality_protocol::{
    did_you_mean,
    words::{print, warn},
};
use modality_report::regression;
use modality_toolchain::{UserError, World, cache::Cache, sentence};

use crate::{cli::Regress, interrupt::Answered, output, portable, reproduce, root::CONFIGS};
use measure::{Base, Measuring};
use side::{Side, Source};
use stored::Stored;

/// Exit code where nothing could be compared, and the last word of one that is stopped.
const NOT_COMPARED: u8 = 2;
const STOPPED: &str = "stopped; nothing is decided";
/// The two sides, by which their folders are called as well.
const BASE: &str = "base";
const HEAD: &str = "head";
/// The name under which the preparation of the data is a row.
const DATA: &str = "data";
/// Pairs with which something can be told of all that is looked at ([`Rules::default`]).
const FEWEST: usize = 14;
/// Runs of each row by which the speed of the machine is held against that of another time.
const CALIBRATIONS: usize = 5;
/// What has a planted slowdown built in.
const BURN: &str = "modality-protocol/burn";

/// What is asked of both sides.
struct Settings<'a> {
    study: String,
    dataset: DatasetChoice,
    rows: Vec<Row>,
    /// Whether the preparation of the data is one of the rows.
    with_data: bool,
    limits: Limits,
    rules: Rules,
    patience: Patience,
    limit: Duration,
    all_pairs: bool,
    plant: Option<&'a str>,
    /// How often each row is run before anything is counted.
    first: usize,
}

/// Whatever keeps the two from being compared is told with an exit code of its own: that of a failure says that something is worse.
pub(crate) fn run(world: &World, arguments: &Regress) -> ExitCode {
    compare(world, arguments).unwrap_or_else(|error| {
        warn(format_args!("error: {}", sentence(&error)));
        ExitCode::from(NOT_COMPARED)
    })
}

fn compare(world: &World, arguments: &Regress) -> Result<ExitCode> {
    let start = Instant::now();
    if let Some(folder) = &arguments.replay {
        return replay::run(folder).map(|()| ExitCode::SUCCESS);
    }
    let commit = tree::head(&world.root, arguments.dirty)?;
    let against = Against::of(world, arguments)?;
    let (study, settings) = settings(world, arguments, against.pairs())?;
    let place = output::choose(&world.root, "regress", arguments.out.as_deref(), false)?;
    let (output, _claim) = place.claim()?;
    let out = std::path::absolute(output.root())?;
    let _answered = Answered::after(|| (), STOPPED.to_owned(), NOT_COMPARED)?;
    let head = head(world, &study, &settings, commit, &out)?;
    let base = against.build(world, &study, &settings, &out)?;
    let _presence = Presence::enter(&Cache::from_env()?.measuring(), "regress").ok();
    let environment = Environment::observe(&world.root);
    let known = Measuring::begin(world, &base, &head, &settings, &environment)?.go_on()?;
    let [base_seen, head_seen] = known.conditions;
    let regression = Regression {
        format: modality_compare::FORMAT,
        study: study.name,
        dataset: known.plan.dataset,
        base: base.facts(base_seen),
        head: SideFacts {
            name: "working tree".to_owned(),
            commit: head.commit.clone(),
            conditions: head_seen,
        },
        environment,
        threads: settings.limits.threads,
        outcome: Outcome::of(&known.decided.findings),
        rules: settings.rules,
        findings: known.decided.findings,
        remarks: known.remarks,
        planted: arguments.plant.clone(),
        seconds: start.elapsed().as_secs_f64(),
        measured_s: known.took.as_secs_f64(),
        devices: known.devices,
        samples: known.decided.rows,
    };
    regression::write(&regression, &out)?;
    for side in [BASE, HEAD] {
        // What was measured is written; programs and data can be made again.
        let _ = fs::remove_dir_all(out.join(side));
    }
    print(regression::table(&regression))?;
    world.progress.say(&format!("results: {}", output::shown(&out).display()));
    Ok(code(regression.outcome))
}

/// The working tree, built.
fn head(
    world: &World,
    study: &Study,
    settings: &Settings<'_>,
    commit: String,
    out: &Path,
) -> Result<Side> {
    world.progress.say("building the working tree");
    let program = Some(std::env::current_exe()?);
    let source = Source { name: HEAD, root: &world.root, commit, program, target: None };
    let folder = out.join(HEAD);
    source.build(world, settings, &folder)?;
    Side::new(world, HEAD, source.commit, study, settings, folder)
}

/// What is to be compared with.
enum Against {
    Commit { rev: String, commit: String },
    Stored(Stored),
}

impl Against {
    fn of(world: &World, arguments: &Regress) -> Result<Self> {
        match (&arguments.against, &arguments.baseline) {
            (Some(rev), _) => {
                let commit = tree::resolve(&world.root, rev)?;
                Ok(Self::Commit { rev: rev.clone(), commit })
            }
            (None, Some(path)) => Ok(Self::Stored(Stored::load(path)?)),
            (None, None) => Err(UserError("name a commit, by --against".to_owned()).into()),
        }
    }

    /// Pairs that there can be, where that is known.
    fn pairs(&self) -> Option<usize> {
        match self {
            Self::Commit { .. } => None,
            Self::Stored(stored) => Some(stored.pairs()),
        }
    }

    fn build(
        self,
        world: &World,
        study: &Study,
        settings: &Settings<'_>,
        out: &Path,
    ) -> Result<Base> {
        let (rev, commit) = match self {
            Self::Stored(stored) => return Ok(Base::Stored(stored)),
            Self::Commit { rev, commit } => (rev, commit),
        };
        let folder = out.join(BASE);
        kept::put(world, &rev, &commit, settings, &folder)?;
        let side = Side::new(world, BASE, commit, study, settings, folder)?;
        Ok(Base::Built { rev, side: Box::new(side) })
    }
}

fn code(outcome: Outcome) -> ExitCode {
    ExitCode::from(match outcome {
        Outcome::Same | Outcome::Better => 0,
        Outcome::Worse => 1,
        Outcome::Ambiguous => 3,
    })
}

fn settings<'a>(
    world: &World,
    arguments: &'a Regress,
    stored: Option<usize>,
) -> Result<(Study, Settings<'a>)> {
    let configs = world.root.join(CONFIGS);
    let study = Study::load(&configs, &arguments.study, None, &study::load_backends(&configs)?)?;
    let (rows, with_data) = select(&study, &arguments.rows)?;
    let all = reproduce::all_of_the_machine();
    let most = stored.unwrap_or(usize::MAX);
    let pairs = usize::from(arguments.pairs).min(most);
    let mut rules = Rules::default();
    if pairs < FEWEST {
        let what = format!("the baseline has {pairs} pairs; {FEWEST} are needed to tell anything");
        return Err(UserError(what).into());
    }
    rules.looks = looks(pairs);
    if arguments.catch < arguments.least {
        let what = "--catch is less than --least; what must not be missed matters";
        return Err(UserError(what.to_owned()).into());
    }
    rules.least = Least { time: arguments.least / 100.0, ..rules.least };
    rules.excluded = Least { time: arguments.catch / 100.0, ..rules.excluded };
    let settings = Settings {
        study: study.name.clone(),
        dataset: study.dataset.clone(),
        rows,
        with_data,
        limits: Limits { threads: arguments.threads.map_or(all.threads, usize::from), ..all },
        rules,
        patience: Patience { each: Some(Duration::from_secs(study.timeout.into())), until: None },
        limit: Duration::from_secs(arguments.limit.into()),
        all_pairs: arguments.all_pairs,
        plant: arguments.plant.as_deref(),
        first: if stored.is_some() { CALIBRATIONS } else { 1 },
    };
    Ok((study, settings))
}

/// From the fewest pairs on, each time twice as many.
fn looks(pairs: usize) -> Vec<usize> {
    let doubled = std::iter::successors(Some(FEWEST), |look| Some(look * 2));
    doubled.take_while(|look| look * 3 / 2 <= pairs).chain([pairs]).collect()
}

/// The rows that are asked for, and whether the preparation of the data is.
fn select(study: &Study, wanted: &[String]) -> Result<(Vec<Row>, bool)> {
    let known =
        |filter: &String| filter == DATA || study.rows.iter().any(|row| row.matches(filter));
    if let Some(filter) = wanted.iter().find(|filter| !known(filter)) {
        let names = |row: &Row| [row.to_string(), row.method.clone(), row.backend.clone()];
        let near = did_you_mean(filter, study.rows.iter().flat_map(names));
        let rows = study.rows.iter().map(Row::to_string).collect::<Vec<_>>().join(", ");
        let name = &study.name;
        return Err(UserError(format!(
            "--rows {filter}: study `{name}` has no such row; it has: {DATA}, {rows}{near}"
        ))
        .into());
    }
    let is_wanted =
        |row: &&Row| wanted.is_empty() || wanted.iter().any(|filter| row.matches(filter));
    if wanted.iter().all(|filter| filter == DATA) && !wanted.is_empty() {
        let what = format!(
            "--rows {DATA}: name a method, a backend or a row as well; data alone is not compared"
        );
        return Err(UserError(what).into());
    }
    let with_data = wanted.is_empty() || wanted.iter().any(|filter| filter == DATA);
    Ok((study.rows.iter().filter(is_wanted).cloned().collect(), with_data))
}

impl Settings<'_> {
    /// Puts the published files of the data set, as far as they are in the user's cache, into another.
    fn link_published(&self, cache: &Path) -> Result<()> {
        let published = Cache::from_env()?.downloads(&self.dataset.name);
        match published.is_dir() {
            true => link(&published, &Cache::at(cache).downloads(&self.dataset.name)),
            false => Ok(()),
        }
    }

    /// What a side is built with more than usually.
    fn features_of(&self, side: &str) -> Option<&'static str> {
        (side == HEAD && self.plant.is_some()).then_some(BURN)
    }
}

/// Files without a copy of them, where that can be.
fn link(published: &Path, there: &Path) -> Result<()> {
    let context = || there.display().to_string();
    fs::create_dir_all(there).with_context(context)?;
    for entry in fs::read_dir(published).with_context(|| published.display().to_string())? {
        let path = entry.with_context(context)?.path();
        let place = there.join(path.file_name().unwrap_or_default());
        if path.is_file() && fs::hard_link(&path, &place).is_err() {
            portable::copy(&path, &place)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_at_doubled_numbers_of_pairs() {
        assert_eq!(looks(112), Rules::default().looks);
        assert_eq!(looks(14), [14]);
        assert_eq!(looks(20), [20]);
        assert_eq!(looks(30), [14, 30]);
        assert_eq!(looks(300), [14, 28, 56, 112, 300]);
    }
}
