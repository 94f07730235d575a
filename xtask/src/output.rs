//! Choosing the folder that results go to, so that no earlier result is touched.

use std::{
    fs,
    path::{Path, PathBuf},
};

use modality_harness::bench::Output;

use crate::error::UserError;

/// `given`, or a new folder `out/STUDY/N`; when resuming, `given` or the newest such folder.
pub(crate) fn choose(
    root: &Path,
    study: &str,
    given: Option<&Path>,
    resume: bool,
) -> anyhow::Result<Output> {
    let parent = root.join("out").join(study);
    let newest = newest(&parent);
    let folder = match (given, resume) {
        (Some(folder), _) => folder.to_owned(),
        (None, false) => parent.join((newest.unwrap_or(0) + 1).to_string()),
        (None, true) => match newest {
            Some(number) => parent.join(number.to_string()),
            None => {
                let what = format!("there is nothing to resume in {}", parent.display());
                return Err(UserError(what).into());
            }
        },
    };
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
    Ok(output)
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
