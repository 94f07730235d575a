//! The two states of the source that are compared: the working tree, and a commit that is checked out beside it.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, MutexGuard, PoisonError},
};

use anyhow::{Context as _, Result, bail};
use modality_toolchain::UserError;

/// Where a commit is checked out: always the same place, so that what cargo builds there can be used again.
const PLACE: &str = "target/regress/base";
/// Changed files that are named.
const NAMED: usize = 3;

/// A commit that is checked out as long as this lives.
pub(super) struct Worktree {
    checkout: PathBuf,
}

impl Worktree {
    /// Checks out `commit` beside the checkout in `root`.
    ///
    /// # Errors
    /// Git's own words where it fails.
    pub(super) fn add(root: &Path, commit: &str) -> Result<Self> {
        let _alone = alone();
        // One that an earlier process left when it was killed.
        take_away(root);
        let place = root.join(PLACE);
        let place = place.to_string_lossy();
        // Twice, as one that was being made when git was killed is locked.
        let how = ["worktree", "add", "--force", "--force", "--detach"];
        git(root, &[&how[..], &[&place, commit]].concat()).inspect_err(|_| take_away(root))?;
        Ok(Self { checkout: root.to_owned() })
    }

    pub(super) fn folder(&self) -> PathBuf {
        self.checkout.join(PLACE)
    }
}

impl Drop for Worktree {
    fn drop(&mut self) {
        remove(&self.checkout);
    }
}

/// Removes what [`Worktree::add`] made, whether it is there or not.
pub(super) fn remove(root: &Path) {
    let _alone = alone();
    take_away(root);
}

/// [`remove`], after which this process makes none any more: it is about to end.
pub(super) fn remove_for_good(root: &Path) {
    let alone = alone();
    take_away(root);
    std::mem::forget(alone);
}

/// One thread at a time adds and removes: an interrupt comes at any time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn take_away(root: &Path) {
    let place = root.join(PLACE);
    let _ = git(root, &["worktree", "remove", "--force", "--force", &place.to_string_lossy()]);
    // What git no longer knows of, and what it knows of that is no longer there.
    let _ = std::fs::remove_dir_all(&place);
    let _ = git(root, &["worktree", "prune"]);
}

/// The commit of the working tree, with `-dirty` where it holds changes and that is allowed.
///
/// # Errors
/// [`UserError`] for changes that are in no commit, where that is not, and for a folder that is no checkout.
pub(super) fn head(root: &Path, may_be_dirty: bool) -> Result<String> {
    let commit = resolve(root, "HEAD")?;
    let changes = git(root, &["status", "--porcelain"])?;
    let files: Vec<&str> = changes.lines().filter_map(|line| line.get(3..)).collect();
    if files.is_empty() {
        return Ok(commit);
    }
    if may_be_dirty {
        return Ok(commit + "-dirty");
    }
    let named = files[..files.len().min(NAMED)].join(", ");
    let more = files.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Err(UserError(format!(
        "the working tree holds changes that are in no commit ({named}{more}): commit or stash them, or say --dirty to measure \
         them as they are"
    ))
    .into())
}

/// The whole name of the commit that `--against` names.
///
/// # Errors
/// [`UserError`] for one that is not there, where a shallow clone may be the reason.
pub(super) fn resolve(root: &Path, rev: &str) -> Result<String> {
    let within = git(root, &["rev-parse", "--is-inside-work-tree"]);
    if within.is_err() {
        let shown = root.display();
        return Err(UserError(format!(
            "{shown} is no checkout of git's, so it has no commits to compare"
        ))
        .into());
    }
    let commit = format!("{rev}^{{commit}}");
    let found = git(root, &["rev-parse", "--verify", "--quiet", "--end-of-options", &commit]);
    found.map(|name| name.trim().to_owned()).map_err(|_| {
        let is_shallow = git(root, &["rev-parse", "--is-shallow-repository"]);
        let why = match is_shallow {
            Ok(answer) if answer.trim() == "true" => {
                "this clone is shallow and does not reach it: `git fetch --unshallow` has all commits (in a workflow, \
                 `fetch-depth: 0` of actions/checkout)"
            }
            _ => "there is no such commit, branch or tag here",
        };
        UserError(format!("--against {rev}: {why}")).into()
    })
}

fn git(root: &Path, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new("git");
    // A hook of git's tells of the repository that it runs in.
    for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        command.env_remove(variable);
    }
    let output = command
        .arg("-C")
        .arg(root)
        .args(arguments)
        .output()
        .map_err(|error| UserError(format!("git cannot be started: {error}")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().last().unwrap_or("it says nothing").trim();
        bail!("`git {}` failed: {last}", arguments.join(" "));
    }
    String::from_utf8(output.stdout).context("git's answer is not UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A checkout with two commits, `first` tagged.
    fn checkout() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let git = |arguments: &[&str]| super::git(root, arguments).unwrap();
        git(&["init", "--quiet", "--initial-branch=main"]);
        git(&["config", "user.email", "a@b.c"]);
        git(&["config", "user.name", "a"]);
        std::fs::write(root.join(".gitignore"), "/target\n").unwrap();
        for text in ["first", "second"] {
            std::fs::write(root.join("file"), text).unwrap();
            git(&["add", "."]);
            git(&["commit", "--quiet", "-m", text]);
            if text == "first" {
                git(&["tag", "first"]);
            }
        }
        folder
    }

    fn listed(root: &Path) -> usize {
        git(root, &["worktree", "list"]).unwrap().lines().count()
    }

    #[test]
    fn a_commit_is_checked_out_and_removed_again() {
        let checkout = checkout();
        let root = checkout.path();
        let commit = |rev| resolve(root, rev).unwrap();
        let worktree = Worktree::add(root, &commit("first")).unwrap();
        let folder = worktree.folder();
        assert_eq!(std::fs::read_to_string(folder.join("file")).unwrap(), "first");
        assert_eq!(listed(root), 2);
        // A process that was killed left it, and something was built in it.
        std::mem::forget(worktree);
        std::fs::write(folder.join("more"), "").unwrap();
        std::fs::write(root.join(".git/worktrees/base/locked"), "initializing").unwrap();
        let again = Worktree::add(root, &commit("main")).unwrap();
        assert_eq!(std::fs::read_to_string(folder.join("file")).unwrap(), "second");
        drop(again);
        assert!(!folder.exists());
        assert_eq!(listed(root), 1);
    }

    #[test]
    fn what_cannot_be_compared_is_said_in_a_sentence() {
        let checkout = checkout();
        let root = checkout.path();
        let wrong = |rev: &str| resolve(root, rev).unwrap_err();
        for rev in ["no-such", "--force"] {
            let error = wrong(rev);
            assert!(error.is::<UserError>(), "{error}");
            let wanted = format!("--against {rev}: there is no such commit, branch or tag here");
            assert_eq!(error.to_string(), wanted);
        }
        assert_eq!(head(root, false).unwrap(), resolve(root, "main").unwrap());
        for name in ["a", "b", "c", "d"] {
            std::fs::write(root.join(name), "").unwrap();
        }
        let dirty = head(root, false).unwrap_err();
        assert!(dirty.is::<UserError>());
        assert!(dirty.to_string().contains("(a, b, c and 1 more)"), "{dirty}");
        assert!(head(root, true).unwrap().ends_with("-dirty"));
        let elsewhere = tempfile::tempdir().unwrap();
        let none = head(elsewhere.path(), false).unwrap_err();
        assert!(none.to_string().ends_with("so it has no commits to compare"), "{none}");
    }

    #[test]
    fn a_shallow_clone_is_told_how_to_get_the_commit() {
        let full = checkout();
        let folder = tempfile::tempdir().unwrap();
        let source = format!("file://{}", full.path().display());
        let place = folder.path().join("clone");
        let place = place.to_str().unwrap();
        git(folder.path(), &["clone", "--quiet", "--depth", "1", &source, place]).unwrap();
        let error = resolve(Path::new(place), "first").unwrap_err();
        assert!(error.to_string().contains("`git fetch --unshallow`"), "{error}");
    }
}
