//! Who else measures on this machine: two measurements at a time slow each other down, and their records say so.
//!
//! Each measuring process holds a lock on a file of its own in a folder that all share, the cache's; a process that is gone holds
//! none, however it went. The file's time says when it was last known to be there.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use modality_protocol::text;

/// Files of processes that have been gone for so long tell nobody anything.
const FORGOTTEN: Duration = Duration::from_secs(7 * 24 * 3600);

/// This process, as others see it; it leaves when dropped.
#[derive(Debug)]
pub struct Presence {
    file: File,
    path: PathBuf,
    folder: PathBuf,
}

impl Presence {
    /// Tells all who look into `folder`, which is made if it is not there, that `what` is being measured.
    ///
    /// # Errors
    /// Those of the folder and the file.
    pub fn enter(folder: &Path, what: &str) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let file = tempfile::Builder::new().prefix("measuring-").tempfile_in(folder)?;
        let (mut file, path) = file.keep().map_err(|error| error.error)?;
        // Somebody who looks may hold it for a moment.
        file.lock()?;
        write!(file, "{what} (process {})", std::process::id())?;
        Ok(Self { file, path, folder: folder.to_owned() })
    }

    /// Whoever else was there at some time since then.
    pub fn others_since(&self, then: SystemTime) -> Vec<String> {
        // To be seen by those who look after this process has gone.
        let _ = self.file.set_modified(SystemTime::now());
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let paths = entries.map(|entry| entry.path()).filter(|path| *path != self.path);
        let mut others: Vec<String> = paths.filter_map(|path| other(&path, then)).collect();
        others.sort();
        others
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let _ = self.file.set_modified(SystemTime::now());
    }
}

/// What the process of this file measures or measured, if it was there since then. One that is long gone is forgotten.
fn other(path: &Path, then: SystemTime) -> Option<String> {
    let file = File::open(path).ok()?;
    let is_there = matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
    let last = file.metadata().ok()?.modified().ok()?;
    if !is_there && last.elapsed().is_ok_and(|ago| ago > FORGOTTEN) {
        let _ = fs::remove_file(path);
    }
    let what = fs::read_to_string(path).ok().filter(|_| is_there || last >= then)?;
    // One that has only just been made says nothing yet.
    Some(text::short(&what, 200)).filter(|what| !what.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_are_seen_while_they_are_there_and_by_those_who_were_there_with_them() {
        let folder = tempfile::tempdir().unwrap();
        let enter = |what| Presence::enter(folder.path(), what).unwrap();
        let seen = |by: &Presence, then| by.others_since(then);
        let me = enter("study `a`");
        let long_ago = SystemTime::now();
        assert_eq!(seen(&me, long_ago), [""; 0]);

        let other = enter("study `b`");
        let name = |what| format!("study `{what}` (process {})", std::process::id());
        assert_eq!(seen(&me, SystemTime::now()), [name("b")]);
        assert_eq!(seen(&other, SystemTime::now()), [name("a")]);

        drop(other);
        assert_eq!(seen(&me, long_ago), [name("b")], "it was there since then");
        let later = SystemTime::now() + Duration::from_secs(1);
        assert_eq!(seen(&me, later), [""; 0]);
        for entry in fs::read_dir(folder.path()).unwrap() {
            let file = File::options().append(true).open(entry.unwrap().path()).unwrap();
            file.set_modified(SystemTime::now() - 2 * FORGOTTEN).unwrap();
        }
        assert_eq!(seen(&me, long_ago), [""; 0]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "what is long gone is kept");
    }
}
