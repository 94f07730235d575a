//! Choosing the folder that results go to, so that no earlier result is touched.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use modality_harness::{bench::Output, plan::Plan, record::RunRecord};

use modality_toolchain::{UserError, check_unicode};

/// What reports leave in the folder of a study.
const REPORTS: [&str; 6] =
    ["results.csv", "stages.csv", "epochs.csv", "scaling.csv", "report.md", "report.html"];
/// How the names of files begin that were still being written when a process was killed.
const UNFINISHED: &str = ".tmp";

/// Where results will go.
pub(crate) enum Place {
    /// This folder.
    Folder { output: Output, resume: bool },
    /// The next number in this one.
    NextIn(PathBuf),
}

/// A folder that no other process measures into; let go when dropped, or when the process ends, however it ends.
pub(crate) struct Claim {
    _folder: File,
}

/// `given`, or a new folder `out/STUDY/N`; when resuming, `given` or the newest such folder.
pub(crate) fn choose(
    root: &Path,
    study: &str,
    given: Option<&Path>,
    resume: bool,
) -> anyhow::Result<Place> {
    let parent = root.join("out").join(study);
    let folder = match (given, resume) {
        (Some(folder), _) => folder.to_owned(),
        (None, false) => return Ok(Place::NextIn(parent)),
        (None, true) => match newest(&parent) {
            Some(number) => parent.join(number.to_string()),
            None => {
                let what = format!("there is nothing to resume in {}", parent.display());
                return Err(UserError(what).into());
            }
        },
    };
    check_unicode("--out", &std::path::absolute(&folder).unwrap_or_else(|_| folder.clone()))?;
    let output = Output::new(folder);
    check(&output, resume)?;
    Ok(Place::Folder { output, resume })
}

/// Refuses a folder whose results a new study would write over, or one without a study to go on with.
fn check(output: &Output, resume: bool) -> Result<(), UserError> {
    let shown = output.root().display();
    if output.root().exists() && !output.root().is_dir() {
        return Err(UserError(format!("{shown} is not a folder")));
    }
    let has_plan = output.plan().exists();
    if resume {
        let lacking = || UserError(format!("{shown} holds no plan.json to resume"));
        return if has_plan { Ok(()) } else { Err(lacking()) };
    }
    if has_plan {
        return Err(UserError(format!(
            "{shown} already holds results; --resume goes on with them, another --out keeps them"
        )));
    }
    let is_there = |name: &&&str| output.root().join(name).exists();
    let holds =
        |folder: &PathBuf| fs::read_dir(folder).is_ok_and(|mut files| files.next().is_some());
    let folders = [output.records(), output.predictions(), output.logs()];
    let report = REPORTS.iter().find(is_there).map(|name| output.root().join(name));
    match folders.into_iter().find(holds).or(report) {
        None => Ok(()),
        Some(found) => Err(UserError(format!(
            "{shown} already holds results ({}) without their plan.json; choose another --out",
            found.strip_prefix(output.root()).unwrap_or(&found).display()
        ))),
    }
}

/// Refuses to add to a folder with records of other studies or data sets than the plan's.
pub(crate) fn refuse_strangers(plan: &Plan, output: &Output) -> anyhow::Result<()> {
    if !output.records().exists() {
        return Ok(());
    }
    for record in RunRecord::load_all(&output.records())? {
        if record.run.study != plan.study || record.dataset != plan.dataset {
            let path = output.records().join(record.run.file_name());
            return Err(UserError(format!(
                "{}: of study `{}` on {}, not of `{}` on {} as plan.json has it; choose another --out",
                path.display(),
                record.run.study,
                record.dataset.name,
                plan.study,
                plan.dataset.name
            ))
            .into());
        }
    }
    Ok(())
}

impl Place {
    /// Makes the folder; a numbered one is nobody else's, also when two studies start together, and no other process
    /// measures into it as long as the claim is held.
    pub(crate) fn claim(self) -> anyhow::Result<(Output, Claim)> {
        match self {
            Self::Folder { output, resume } => {
                fs::create_dir_all(output.root()).map_err(|error| {
                    let shown = output.root().display();
                    UserError(format!("--out {shown}: the folder cannot be made: {error}"))
                })?;
                let claim = Claim::of(output.root())?;
                // Another process may have been there since the folder was chosen.
                check(&output, resume)?;
                remove_unfinished(&output);
                Ok((output, claim))
            }
            Self::NextIn(parent) => {
                let output = number(&parent)?;
                let claim = Claim::of(output.root())?;
                Ok((output, claim))
            }
        }
    }
}

/// A new folder in `parent`.
fn number(parent: &Path) -> anyhow::Result<Output> {
    let context = |path: &Path| format!("cannot make {}", path.display());
    fs::create_dir_all(parent).with_context(|| context(parent))?;
    loop {
        let folder = parent.join((newest(parent).unwrap_or(0) + 1).to_string());
        match fs::create_dir(&folder) {
            Ok(()) => return Ok(Output::new(folder)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).with_context(|| context(&folder)),
        }
    }
}

impl Claim {
    /// Of a folder that is there.
    pub(crate) fn of(folder: &Path) -> anyhow::Result<Self> {
        let file = File::open(folder).with_context(|| folder.display().to_string())?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                let what = format!("another process measures into {}", folder.display());
                Err(UserError(what).into())
            }
            // Some file systems know no locks.
            Ok(()) | Err(TryLockError::Error(_)) => Ok(Self { _folder: file }),
        }
    }
}

/// Removes what a process was writing when it was killed.
fn remove_unfinished(output: &Output) {
    for folder in [output.root().to_owned(), output.records(), output.predictions()] {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        for entry in entries {
            if entry.file_name().as_encoded_bytes().starts_with(UNFINISHED.as_bytes()) {
                // It is in nobody's way where it cannot be removed.
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

fn newest(parent: &Path) -> Option<u32> {
    let entries = fs::read_dir(parent).ok()?;
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).max()
}

/// `path` as seen from the current folder, where that is shorter.
pub(crate) fn shown(path: &Path) -> PathBuf {
    let relative = std::env::current_dir()
        .ok()
        .and_then(|here| Some(path.strip_prefix(here).ok()?.to_owned()));
    relative.unwrap_or_else(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_numbered_and_nobody_gets_anothers() {
        let root = tempfile::tempdir().unwrap();
        let claim = || choose(root.path(), "s", None, false).unwrap();
        let (first, second) = (claim(), claim());
        let names = [first, second].map(|place| {
            let (output, _claim) = place.claim().unwrap();
            output.root().file_name().unwrap().to_owned()
        });
        assert_eq!(names, ["1", "2"]);
        let nothing = choose(root.path(), "other", None, true).err().unwrap();
        assert!(nothing.to_string().contains("nothing to resume"), "{nothing}");
    }

    #[test]
    fn what_is_in_a_folder_is_never_written_over() {
        let root = tempfile::tempdir().unwrap();
        let out = root.path().join("out");
        let choose = |resume| choose(root.path(), "s", Some(&out), resume);
        let refusal = |resume| choose(resume).err().unwrap().to_string();
        for (found, said) in [
            ("records/mean-linfa-r0.json", "already holds results (records) without their"),
            ("predictions/mean-linfa-r0.npy", "already holds results (predictions) without"),
            ("results.csv", "already holds results (results.csv) without their plan.json"),
            ("report.md", "already holds results (report.md) without their plan.json"),
            ("plan.json", "already holds results; --resume goes on with them"),
        ] {
            let path = out.join(found);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "").unwrap();
            assert!(refusal(false).contains(said), "{found}: {}", refusal(false));
            if found != "plan.json" {
                assert!(refusal(true).contains("holds no plan.json to resume"), "{found}");
            }
            fs::remove_file(path).unwrap();
        }
        // What a process leaves that is killed before it has a plan is no result.
        let (_, claim) = choose(false).unwrap().claim().unwrap();
        let again = choose(false).unwrap();
        fs::write(out.join("plan.json"), "").unwrap();
        let taken = choose(true).unwrap().claim().err().unwrap();
        assert!(taken.to_string().contains("another process measures into"), "{taken}");
        drop(claim);
        let late = again.claim().err().unwrap();
        assert!(late.to_string().contains("already holds results"), "{late}");

        fs::write(out.join("records/.tmpAbc123"), "{").unwrap();
        choose(true).unwrap().claim().unwrap();
        assert!(!out.join("records/.tmpAbc123").exists());
    }
}
