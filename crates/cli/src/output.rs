//! Choosing the folder that results go to, so that no earlier result is touched.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use modality_harness::bench::Output;

use modality_toolchain::{UserError, check_unicode};

/// Where results will go.
pub(crate) enum Place {
    /// This folder.
    Folder(Output),
    /// The next number in this one.
    NextIn(PathBuf),
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
    let shown = output.root().display();
    if output.plan().exists() && !resume {
        return Err(UserError(format!(
            "{shown} already holds results; --resume goes on with them, another --out keeps them"
        ))
        .into());
    }
    if !output.plan().exists() && resume {
        return Err(UserError(format!("{shown} holds no plan.json to resume")).into());
    }
    Ok(Place::Folder(output))
}

impl Place {
    /// Makes the folder; a numbered one is nobody else's, also when two studies start together.
    pub(crate) fn claim(self) -> anyhow::Result<Output> {
        let parent = match self {
            Self::Folder(output) => return Ok(output),
            Self::NextIn(parent) => parent,
        };
        let context = |path: &Path| format!("cannot make {}", path.display());
        fs::create_dir_all(&parent).with_context(|| context(&parent))?;
        loop {
            let folder = parent.join((newest(&parent).unwrap_or(0) + 1).to_string());
            match fs::create_dir(&folder) {
                Ok(()) => return Ok(Output::new(folder)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error).with_context(|| context(&folder)),
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
            let output = place.claim().unwrap();
            output.root().file_name().unwrap().to_owned()
        });
        assert_eq!(names, ["1", "2"]);
        let nothing = choose(root.path(), "other", None, true).err().unwrap();
        assert!(nothing.to_string().contains("nothing to resume"), "{nothing}");
    }
}
