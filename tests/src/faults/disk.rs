//! A disk that is full, at one write or another.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use rand::Rng;

use super::{Group, STUDY, Trial, go_on, heard};
use crate::arena::{Arena, whole_records};

const PAGE: u64 = 4096;
/// More than a study takes.
const ROOM: u64 = 256 << 20;

/// A disk of a size, in a folder; gone when dropped. Where none may be mounted, no file may grow beyond that size instead.
struct Disk {
    folder: PathBuf,
    size: u64,
    is_mounted: bool,
}

impl Disk {
    fn of(size: u64, folder: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(&folder);
        let is_mounted = heard(&mut mount).is_ok_and(|output| output.status.success());
        Ok(Self { folder, size, is_mounted })
    }

    /// Runs a program that writes to it.
    fn run(&self, command: &mut Command) -> io::Result<Output> {
        if self.is_mounted {
            return heard(command);
        }
        let script = r#"trap '' XFSZ; ulimit -f "$0"; exec "$@""#;
        let words = [command.get_program()].into_iter().chain(command.get_args());
        let words: Vec<OsString> = words.map(ToOwned::to_owned).collect();
        let variables = command.get_envs().filter_map(|(name, value)| Some((name, value?)));
        let mut limited = Command::new("/bin/sh");
        limited.args(["-c", script, &(self.size / 512).to_string()]).args(words).envs(variables);
        heard(&mut limited)
    }

    /// From now on there is room.
    fn make_room(&self) -> Result<(), String> {
        if !self.is_mounted {
            return Ok(());
        }
        let mut mount = Command::new("mount");
        mount.args(["-o", &format!("remount,size={ROOM}")]).arg(&self.folder);
        match heard(&mut mount) {
            Ok(output) if output.status.success() => Ok(()),
            _ => Err("the disk cannot be made larger".to_owned()),
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.is_mounted {
            drop(heard(Command::new("umount").arg("-l").arg(&self.folder)));
        }
    }
}

/// Disks of sizes up to what the study takes.
pub(super) fn run(
    arena: &Arena,
    sizes: u32,
    all: u64,
    rng: &mut impl Rng,
    watch: &mut impl FnMut(&str),
) -> io::Result<Group> {
    let mut group = Group { what: "disk full", trials: Vec::new() };
    let pages = all.div_ceil(PAGE);
    for number in 0..sizes {
        // One of each part, so that writes early and late are met.
        let part = pages as f64 / f64::from(sizes);
        let page = part * (f64::from(number) + rng.gen_range(0.0..1.0));
        let size = PAGE * (1 + page as u64);
        let disk = Disk::of(size, arena.folder().join(format!("disk-{number}")))?;
        let out = disk.folder.join("out");
        let fault = full(arena, &disk, &out).and_then(|()| go_on(arena, &out)).err();
        let what = format!("{} KiB of {}", size / 1024, all / 1024);
        watch(&format!("{}, {what}: {}", group.what, fault.as_deref().unwrap_or("good")));
        group.trials.push(Trial { what, fault });
    }
    Ok(group)
}

/// The program ends by itself, in a sentence, and what it has kept is whole.
fn full(arena: &Arena, disk: &Disk, out: &Path) -> Result<(), String> {
    let output = disk.run(&mut arena.reproduce(STUDY, out)).map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("panicked") || !matches!(output.status.code(), Some(0 | 1)) {
        return Err(format!("{}: {said}", output.status));
    }
    arena.is_left()?;
    whole_records(out)?;
    disk.make_room()
}
