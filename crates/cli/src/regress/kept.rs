//! What was built of the last commit that was compared with, so that the next comparison with it builds nothing.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};
use modality_harness::study::Row;
use modality_toolchain::{World, libtorch, nvcc};
use sha2::{Digest as _, Sha256};

use super::{
    Settings,
    seed::{self, PROFILE},
    side::Source,
    tree::{self, Worktree},
};
use crate::{interrupt::Answered, output::Claim, portable};

/// Where it is kept, and the file in it that says what it is.
const PLACE: &str = "target/regress/built";
/// Where cargo leaves what it builds of other commits.
const TARGET: &str = "target/regress/target";
const MADE_FROM: &str = "made-from.txt";

/// Puts what is built of `commit` into `folder`, building it if it is not what was built last.
pub(super) fn put(
    world: &World,
    rev: &str,
    commit: &str,
    settings: &Settings<'_>,
    folder: &Path,
) -> Result<()> {
    let kept = world.root.join(PLACE);
    let _claim = claim(&kept)?;
    let wanted = made_from(world, commit, settings);
    let found = fs::read_to_string(kept.join(MADE_FROM)).unwrap_or_default();
    if found != wanted {
        if kept.exists() {
            fs::remove_dir_all(&kept).with_context(|| kept.display().to_string())?;
        }
        world.progress.say(&format!("building {rev} ({commit:.12})"));
        let root = world.root.clone();
        let tidy = move || tree::remove_for_good(&root);
        let _answered = Answered::after(tidy, super::STOPPED.to_owned(), super::NOT_COMPARED)?;
        let worktree = Worktree::add(&world.root, commit)?;
        let root = &worktree.folder();
        let (shared, target) = (target(&world.root), world.root.join(TARGET));
        seed::seed(world, &shared, &target)?;
        let commit = commit.to_owned();
        let source = Source { name: "base", root, commit, program: None, target: Some(target) };
        let is_whole = source.build(world, settings, &kept)?;
        // Last, so that what is not whole is nothing. What could not be had now may be there the next time.
        let path = kept.join(MADE_FROM);
        let made_from = if is_whole { wanted } else { String::new() };
        fs::write(&path, made_from).with_context(|| path.display().to_string())?;
    }
    copy_all(&kept, folder)
}

/// Where cargo leaves what it builds of the working tree.
fn target(root: &Path) -> PathBuf {
    let chosen = std::env::var_os("CARGO_TARGET_DIR").filter(|folder| !folder.is_empty());
    root.join(chosen.map_or("target".into(), PathBuf::from))
}

/// One process at a time builds, and removes what another one built.
fn claim(kept: &Path) -> Result<Claim> {
    let folder = kept.parent().expect("it is in a folder");
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    Claim::of(folder)
}

/// Whatever decides what is built: the commit, the compilers, the rows that are wanted, and variables that compilers read.
fn made_from(world: &World, commit: &str, settings: &Settings<'_>) -> String {
    let mut rustc = Command::new("rustc");
    let rustc = rustc.arg("-vV").current_dir(&world.root).output().map(|output| output.stdout);
    let libtorch = libtorch::at_hand(world).and_then(|libtorch| libtorch.loaded_by());
    let rows: Vec<String> = settings.rows.iter().map(Row::to_string).collect();
    let mut variables: Vec<_> = std::env::vars_os().filter(|(name, _)| steers(name)).collect();
    variables.sort();
    let nvcc = nvcc::at_hand(world);
    let all = format!("{rustc:?} {libtorch:?} {nvcc:?} {rows:?} {variables:?}");
    let sum: String = Sha256::digest(all).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{commit} {PROFILE} {sum}\n")
}

/// Whether compilers, or cargo, look at a variable of this name.
fn steers(name: &OsStr) -> bool {
    const BEGINNINGS: [&str; 12] = [
        "AR",
        "CARGO_BUILD_",
        "CARGO_ENCODED_",
        "CARGO_PROFILE_",
        "CC",
        "CFLAGS",
        "CUDA_",
        "CXX",
        "MODALITY_NVCC",
        "NVCC",
        "RUST",
        "TARGET_",
    ];
    let name = name.to_string_lossy();
    BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
}

fn copy_all(from: &Path, to: &Path) -> Result<()> {
    let context = || from.display().to_string();
    for entry in fs::read_dir(from).with_context(context)? {
        let path = entry.with_context(context)?.path();
        let place: PathBuf = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy_all(&path, &place)?;
        } else {
            portable::copy(&path, &place)?;
        }
    }
    Ok(())
}
