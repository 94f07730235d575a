//! What was built of the last commit that was compared with, so that the next comparison with it builds nothing.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};
use modality_toolchain::{World, libtorch};
use sha2::{Digest as _, Sha256};

use super::{Settings, side::Source, tree::Worktree};
use crate::{output::Claim, portable};

/// Where it is kept, and the file in it that says what it is.
const PLACE: &str = "target/regress/built";
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
        let worktree = Worktree::add(&world.root, commit)?;
        let root = &worktree.folder();
        let source = Source { name: "base", root, commit: commit.to_owned(), program: None };
        source.build(world, settings, &kept)?;
        // Last, so that what is not whole is nothing.
        let path = kept.join(MADE_FROM);
        fs::write(&path, wanted).with_context(|| path.display().to_string())?;
    }
    copy_all(&kept, folder)
}

/// One process at a time builds, and removes what another one built.
fn claim(kept: &Path) -> Result<Claim> {
    let folder = kept.parent().expect("it is in a folder");
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    Claim::of(folder)
}

/// Whatever decides what is built: the commit, the compiler, the backends that are wanted, libtorch.
fn made_from(world: &World, commit: &str, settings: &Settings<'_>) -> String {
    let compiler = Command::new("rustc").arg("-vV").output().map(|output| output.stdout);
    let libtorch = libtorch::at_hand(world).and_then(|libtorch| libtorch.loaded_by());
    let mut sum = Sha256::new();
    sum.update(compiler.unwrap_or_default());
    sum.update(format!("{libtorch:?}"));
    for row in &settings.rows {
        sum.update(format!("{row} "));
    }
    for variable in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CXX", "CXXFLAGS"] {
        sum.update(format!("{:?}", std::env::var_os(variable)));
    }
    let sum: String = sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{commit} {} {sum}\n", cfg!(debug_assertions))
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
