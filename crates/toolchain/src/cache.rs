//! Where whatever is fetched or prepared is kept, outside the checkout.
//!
//! | folder | holds |
//! |---|---|
//! | `downloads/NAME/` | files as they were published, and their sums |
//! | `prepared/NAME-KEY/` | data sets as runners read them; the key changes with whatever went in |
//! | `libtorch/VERSION/`, `nvcc/VERSION/` | copies of what backends are built with, and the sums of their files |
//! | `measuring/` | one file a process that measures, so that each knows of the others |
//! | `locks/` | one file a folder to be made, so that two processes do not make the same one |

use std::{
    ffi::OsString,
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use crate::{
    error::{UserError, check_unicode},
    progress::Progress,
};

/// The cache folder; it need not exist yet.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

/// Held while something is fetched and prepared; let go when dropped.
pub struct Lock {
    _file: File,
    excludes_others: bool,
}

impl Lock {
    /// Whether no other process is at the same work; some file systems cannot tell.
    pub fn excludes_others(&self) -> bool {
        self.excludes_others
    }
}

impl Cache {
    /// `$MODALITY_BENCH_CACHE`, else `$XDG_CACHE_HOME/modality-bench`, else `~/.cache/modality-bench`.
    pub fn from_env() -> Result<Self> {
        Self::from_variables(|name| std::env::var_os(name))
    }

    /// In `root`.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    fn from_variables(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self> {
        let folder = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let root = folder("MODALITY_BENCH_CACHE")
            .or_else(|| {
                folder("XDG_CACHE_HOME")
                    .filter(|path| path.is_absolute())
                    .map(|path| path.join("modality-bench"))
            })
            .or_else(|| folder("HOME").map(|home| home.join(".cache/modality-bench")))
            .ok_or_else(|| {
                UserError(
                    "there is no $HOME to keep data in; set $MODALITY_BENCH_CACHE to a folder"
                        .to_owned(),
                )
            })?;
        let root = std::path::absolute(&root).with_context(|| root.display().to_string())?;
        check_unicode("the cache ($MODALITY_BENCH_CACHE, $XDG_CACHE_HOME or $HOME)", &root)?;
        Ok(Self { root })
    }

    /// Where a data set's published files are, or will be.
    pub fn downloads(&self, name: &str) -> PathBuf {
        self.root.join("downloads").join(name)
    }

    /// Where a data set is, or will be, ready.
    pub fn prepared(&self, name: &str, key: &str) -> PathBuf {
        self.root.join("prepared").join(format!("{name}-{key}"))
    }

    /// Where a copy of what backends are built with is, or will be.
    pub fn copy(&self, name: &str, version: &str) -> PathBuf {
        self.root.join(name).join(version)
    }

    /// Where processes that measure are known to one another.
    pub fn measuring(&self) -> PathBuf {
        self.root.join("measuring")
    }

    /// Waits until no other process makes `name` ready.
    pub fn lock(&self, name: &str, progress: &Progress) -> Result<Lock> {
        let folder = self.root.join("locks");
        make(&folder)?;
        let path = folder.join(format!("{name}.lock"));
        let context = || format!("cannot lock {}", path.display());
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .with_context(context)?;
        let mut excludes_others = true;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                progress.say(&format!("waiting for another process that makes {name} ready"));
                file.lock().with_context(context)?;
            }
            // Some network file systems have no locks; the work may then be done twice, but not wrong.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
                excludes_others = false;
            }
            Err(TryLockError::Error(error)) => return Err(error).with_context(context),
        }
        Ok(Lock { _file: file, excludes_others })
    }
}

/// Makes a folder of the cache.
pub fn make(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| {
        format!("cannot make {}; $MODALITY_BENCH_CACHE can name another place", folder.display())
    })
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, time::Duration};

    use super::*;

    fn root(variables: &[(&str, &str)]) -> Result<PathBuf> {
        let lookup = |name: &str| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into())
        };
        Ok(Cache::from_variables(lookup)?.root)
    }

    #[test]
    fn the_first_variable_that_is_set_decides() {
        let home = ("HOME", "/home/u");
        let xdg = ("XDG_CACHE_HOME", "/xdg");
        assert_eq!(
            root(&[home, xdg, ("MODALITY_BENCH_CACHE", "/own")]).unwrap(),
            Path::new("/own")
        );
        assert_eq!(
            root(&[home, xdg, ("MODALITY_BENCH_CACHE", "")]).unwrap(),
            Path::new("/xdg/modality-bench")
        );
        assert_eq!(
            root(&[home, ("XDG_CACHE_HOME", "xdg")]).unwrap(),
            Path::new("/home/u/.cache/modality-bench")
        );
        assert!(root(&[("MODALITY_BENCH_CACHE", "near")]).unwrap().is_absolute());
        assert!(root(&[]).unwrap_err().is::<UserError>());
    }

    #[test]
    fn the_second_to_lock_waits_for_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path());
        let quiet = Progress::stderr(true);
        let first = cache.lock("x", &quiet).unwrap();
        let (sender, receiver) = mpsc::channel();
        std::thread::scope(|scope| {
            let cache = &cache;
            scope.spawn(move || {
                let _second = cache.lock("x", &Progress::stderr(true)).unwrap();
                sender.send(()).unwrap();
            });
            assert!(receiver.recv_timeout(Duration::from_millis(50)).is_err());
            drop(first);
            receiver.recv_timeout(Duration::from_secs(120)).unwrap();
        });
        drop(cache.lock("y", &quiet).unwrap());
    }
}
