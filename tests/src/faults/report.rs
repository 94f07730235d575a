//! What a campaign found, for people and for programs.

use std::{fmt::Write as _, io, path::Path};

use modality_protocol::files;
use serde::Serialize;

use super::Group;

/// Version of the file's layout.
const FORMAT: u32 = 1;

#[derive(Serialize)]
struct Found<'a> {
    format: u32,
    seed: u64,
    groups: &'a [Group],
}

/// Writes `faults.json` and `faults.md` into `folder`, and returns the page.
///
/// # Errors
/// Those of the folder and the files.
pub fn write(folder: &Path, seed: u64, groups: &[Group]) -> io::Result<String> {
    std::fs::create_dir_all(folder)?;
    let page = page(seed, groups);
    files::write_json(&folder.join("faults.json"), &Found { format: FORMAT, seed, groups })
        .and_then(|()| files::write(&folder.join("faults.md"), page.as_bytes()))
        .map_err(io::Error::other)?;
    Ok(page)
}

fn page(seed: u64, groups: &[Group]) -> String {
    let mut page = String::from("# Faults\n\n");
    page += "What was done to the program while it ran a study: after each, no record is torn or lost, no process is left, and\n\
             `--resume` completes the study. `cargo xtask faults` does it again.\n\n";
    page += &format!("Seed {seed}.\n\n| | times | as it should be |\n|---|--:|--:|\n");
    for group in groups {
        let (all, wrong) = (group.trials.len(), group.wrong().count());
        // A string takes whatever is written.
        let _ = writeln!(page, "| {} | {all} | {} |", group.what, all - wrong);
    }
    for sentence in groups.iter().flat_map(Group::wrong) {
        let _ = write!(page, "\n- {}", modality_protocol::text::line(&sentence));
    }
    page.trim_end().to_owned() + "\n"
}
