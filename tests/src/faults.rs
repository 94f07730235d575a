//! A fault campaign: processes killed at random moments, disks full at any write, backends with bad manners; and whether
//! anything was lost, torn or left behind.

mod disk;
mod kills;
mod report;

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use modality_harness::record::{RunRecord, Status};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use crate::{
    arena::{Arena, whole_records},
    hostile::{self, Mode},
};

pub use report::write;

/// What is done.
pub struct Campaign<'a> {
    /// `modality-bench`.
    pub program: &'a Path,
    /// `hostile-backend`.
    pub backend: &'a Path,
    /// Of the moments, of who is killed, and of the sizes of disks.
    pub seed: u64,
    /// Processes to kill.
    pub kills: u32,
    /// Disks to fill.
    pub sizes: u32,
}

/// Trials of one kind.
#[derive(Serialize)]
pub struct Group {
    /// What was done.
    pub what: &'static str,
    /// What came of it each time.
    pub trials: Vec<Trial>,
}

/// One thing that was done.
#[derive(Serialize)]
pub struct Trial {
    /// When, or to whom.
    pub what: String,
    /// What was wrong, if anything.
    pub fault: Option<String>,
}

impl Group {
    /// What was wrong, a sentence each.
    pub fn wrong(&self) -> impl Iterator<Item = String> {
        let sentence = |trial: &Trial| {
            let fault = trial.fault.as_ref()?;
            Some(format!("{}, {}: {fault}", self.what, trial.what))
        };
        self.trials.iter().filter_map(sentence)
    }
}

/// The study of a campaign, and how often its one row is run.
const STUDY: &str = "brief";
const RUNS: usize = 6;
/// Nothing takes so long.
const LONG: u32 = 600;

/// Kills and fills, and tells `watch` of each trial.
///
/// # Errors
/// Those of making files, and of starting programs.
pub fn run(campaign: &Campaign<'_>, mut watch: impl FnMut(&str)) -> io::Result<Vec<Group>> {
    let modes: Vec<&Mode> = hostile::BRIEF.iter().collect();
    let arena = Arena::new(campaign.program, campaign.backend, &modes)?;
    arena.study(STUDY, &modes, RUNS, LONG)?;
    let mut rng = ChaCha8Rng::seed_from_u64(campaign.seed);
    // The first one makes the data set.
    let mut whole = Duration::ZERO;
    for number in 0..2 {
        let start = Instant::now();
        let out = arena.folder().join(format!("whole-{number}"));
        go_on(&arena, &out).map_err(io::Error::other)?;
        whole = start.elapsed();
    }
    let all = size(&arena.folder().join("whole-1"))?;
    let killed = kills::run(&arena, campaign.kills, whole, &mut rng, &mut watch)?;
    let filled = disk::run(&arena, campaign.sizes, all, &mut rng, &mut watch)?;
    Ok(killed.into_iter().chain([filled]).collect())
}

/// Every mode of bad manners, as the rows of one study each.
///
/// # Errors
/// Those of making files, and of starting programs.
pub fn manners(campaign: &Campaign<'_>) -> io::Result<Group> {
    let modes: Vec<&Mode> = hostile::all().collect();
    let arena = Arena::new(campaign.program, campaign.backend, &modes)?;
    let (endless, others): (Vec<&Mode>, Vec<&Mode>) =
        modes.iter().partition(|mode| hostile::ENDLESS.iter().any(|other| other.name == mode.name));
    let mut trials = Vec::new();
    for (study, modes, timeout) in [("others", others, LONG), ("endless", endless, hostile::LITTLE)]
    {
        arena.study(study, &modes, 1, timeout)?;
        let out = arena.folder().join(study);
        heard(&mut arena.reproduce(study, &out))?;
        let records = whole_records(&out).map_err(io::Error::other)?;
        for mode in modes {
            let record = records.iter().find(|record| record.run.backend == mode.name);
            let judged = record.ok_or("there is no record".to_owned()).and_then(|r| mode.judge(r));
            trials.push(Trial { what: mode.name.to_owned(), fault: judged.err() });
        }
        let left = Trial { what: format!("after study {study}"), fault: arena.is_left().err() };
        trials.push(left);
    }
    Ok(Group { what: "bad manners", trials })
}

/// Runs a program to its end.
fn heard(command: &mut Command) -> io::Result<Output> {
    command.stdin(Stdio::null()).output()
}

/// Has the study go on in a folder, or begin where nothing was begun, until it is whole; everything that went well before is
/// as it was.
fn go_on(arena: &Arena, out: &Path) -> Result<(), String> {
    let before = scored(out)?;
    let mut command = arena.reproduce(STUDY, out);
    if out.join("plan.json").exists() {
        command.arg("--resume");
    }
    let output = heard(&mut command).map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.code() != Some(0) {
        return Err(format!("it does not go on: {}: {said}", output.status));
    }
    let after = scored(out)?;
    if after.len() != RUNS {
        return Err(format!("{} of {RUNS} records in the end", after.len()));
    }
    if let Some((path, _)) = before.iter().find(|(path, bytes)| after.get(*path) != Some(bytes)) {
        return Err(format!("{} is not as it was", path.display()));
    }
    match unfinished(out) {
        Some(path) => Err(format!("{} is left", path.display())),
        None => arena.is_left(),
    }
}

/// The files of records that have a score; all that are there are whole.
fn scored(out: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>, String> {
    let records = whole_records(out)?;
    let good = records.into_iter().filter(|record| record.status == Status::Ok);
    let path = |record: RunRecord| out.join("records").join(record.run.file_name());
    let read = |path: PathBuf| {
        let bytes = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok((path, bytes))
    };
    good.map(path).map(read).collect()
}

/// A file that was not written to its end.
fn unfinished(out: &Path) -> Option<PathBuf> {
    let folders = ["", "records", "predictions"].map(|folder| out.join(folder));
    let entries = folders.into_iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten();
    let mut paths = entries.flatten().map(|entry| entry.path());
    paths.find(|path| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".tmp"))
    })
}

/// Bytes of a folder's files.
fn size(folder: &Path) -> io::Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let found = entry.metadata()?;
        sum += if found.is_dir() { size(&entry.path())? } else { found.len() };
    }
    Ok(sum)
}
