//! The control groups that a process is in, of either version. A group is held to its own limits and to those of every
//! group above it.

use std::{
    fs,
    path::{Component, Path, PathBuf},
};

/// Folders of the groups that count memory and processor time, from the process's own up to the topmost that can be seen.
pub(super) struct Groups {
    memory: Vec<Group>,
    processors: Vec<Group>,
}

struct Group {
    version: Version,
    folder: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// What a group may take and has taken, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Memory {
    pub(super) limit: u64,
    /// What the system cannot take back: neither files that it keeps for a while, nor what it keeps them with.
    pub(super) taken: u64,
}

/// A line of `mountinfo` that is of control groups.
struct Mount {
    version: Version,
    /// The group that is to be seen at `point`.
    group: PathBuf,
    point: PathBuf,
    /// Of version 1.
    controllers: Vec<String>,
}

impl Groups {
    /// Of this process, with `root` in the place of `/`; none where the system has none.
    pub(super) fn of_process(root: &Path) -> Self {
        let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
        let (own, mounts) = (read("proc/self/cgroup"), read("proc/self/mountinfo"));
        let mounts: Vec<Mount> = mounts.lines().filter_map(Mount::read).collect();
        let counting = |controller| {
            let folders =
                own.lines().flat_map(|line| Group::upwards(line, controller, &mounts, root));
            folders.collect()
        };
        Self { memory: counting("memory"), processors: counting("cpu") }
    }

    /// Of the groups with a limit.
    pub(super) fn memory(&self) -> Vec<Memory> {
        self.memory.iter().filter_map(Group::memory).collect()
    }

    /// Processors whose whole time may be taken; `None` without a limit.
    pub(super) fn processors(&self) -> Option<f64> {
        self.processors.iter().filter_map(Group::processors).reduce(f64::min)
    }
}

impl Group {
    /// By a line of `/proc/self/cgroup`: a number, controllers (none in version 2) and the group, separated by colons.
    fn upwards(line: &str, controller: &str, mounts: &[Mount], root: &Path) -> Vec<Self> {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (parts.next(), parts.next()) else {
            return Vec::new();
        };
        let is_meant = |mount: &&Mount| match mount.version {
            Version::One => {
                controllers.split(',').any(|one| one == controller)
                    && mount.controllers.iter().any(|one| one == controller)
            }
            Version::Two => controllers.is_empty(),
        };
        mounts.iter().find(is_meant).map_or_else(Vec::new, |mount| {
            let point = root.join(mount.point.strip_prefix("/").unwrap_or(&mount.point));
            let below = mount.below(Path::new(group));
            let folders = below.ancestors().map(|below| point.join(below));
            folders.map(|folder| Self { version: mount.version, folder }).collect()
        })
    }

    fn memory(&self) -> Option<Memory> {
        let (limits, kinds) = match self.version {
            Version::One => (&["memory.limit_in_bytes"][..], ["total_rss ", "total_shmem "]),
            Version::Two => (&["memory.max", "memory.high"][..], ["anon ", "shmem "]),
        };
        let limit = limits.iter().filter_map(|file| self.read(file)?.parse().ok()).min()?;
        let stat = self.read("memory.stat").unwrap_or_default();
        let of = |kind| stat.lines().find_map(|line| line.strip_prefix(kind)?.parse::<u64>().ok());
        let taken = kinds.into_iter().filter_map(of).sum();
        Some(Memory { limit, taken })
    }

    fn processors(&self) -> Option<f64> {
        let (quota, period) = match self.version {
            Version::One => (self.read("cpu.cfs_quota_us")?, self.read("cpu.cfs_period_us")?),
            Version::Two => {
                let both = self.read("cpu.max")?;
                let (quota, period) = both.split_once(' ')?;
                (quota.to_owned(), period.to_owned())
            }
        };
        // No limit is `max` or -1.
        let (quota, period): (f64, f64) = (quota.parse().ok()?, period.parse().ok()?);
        (quota > 0.0 && period > 0.0).then_some(quota / period)
    }

    fn read(&self, file: &str) -> Option<String> {
        Some(fs::read_to_string(self.folder.join(file)).ok()?.trim().to_owned())
    }
}

impl Mount {
    /// Fields of a line: two numbers, the device, the group, where it is, options, any number of others, `-`, the kind,
    /// the source, options of the kind.
    fn read(line: &str) -> Option<Self> {
        let (place, kind) = line.split_once(" - ")?;
        let mut place = place.split(' ').skip(3).map(unescaped);
        let (group, point) = (place.next()?, place.next()?);
        let mut kind = kind.split(' ');
        let version = match kind.next()? {
            "cgroup" => Version::One,
            "cgroup2" => Version::Two,
            _ => return None,
        };
        let controllers = kind.nth(1)?.split(',').map(str::to_owned).collect();
        Some(Self { version, group: group.into(), point: point.into(), controllers })
    }

    /// The path of `group` below the mount; empty where it cannot be seen there.
    fn below(&self, group: &Path) -> PathBuf {
        let below = group.strip_prefix(&self.group).unwrap_or(Path::new(""));
        let is_plain = below.components().all(|part| matches!(part, Component::Normal(_)));
        if is_plain { below.to_owned() } else { PathBuf::new() }
    }
}

/// `mountinfo` has white space and backslashes as three octal digits.
fn unescaped(field: &str) -> String {
    let escapes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    escapes.iter().fold(field.to_owned(), |text, (escape, meant)| text.replace(escape, meant))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A made root with these files.
    fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    const MIB: u64 = 1 << 20;
    const SECOND: &str =
        "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";

    #[test]
    fn the_groups_above_count_too() {
        let root = root(&[
            ("proc/self/cgroup", "0::/user.slice/job/step\n"),
            ("proc/self/mountinfo", &format!("24 1 8:1 / / rw - ext4 /dev/sda rw\n{SECOND}")),
            ("sys/fs/cgroup/user.slice/memory.max", "max\n"),
            ("sys/fs/cgroup/user.slice/cpu.max", "250000 100000\n"),
            ("sys/fs/cgroup/user.slice/job/memory.max", "796917760\n"),
            ("sys/fs/cgroup/user.slice/job/memory.high", "max\n"),
            ("sys/fs/cgroup/user.slice/job/memory.stat", "anon 1048576\nfile 9\nshmem 2097152\n"),
            ("sys/fs/cgroup/user.slice/job/cpu.max", "max 100000\n"),
            ("sys/fs/cgroup/user.slice/job/step/memory.max", "max\n"),
            ("sys/fs/cgroup/user.slice/job/step/memory.high", "900000000\n"),
        ]);
        let groups = Groups::of_process(root.path());
        assert_eq!(
            groups.memory(),
            [Memory { limit: 900_000_000, taken: 0 }, Memory { limit: 760 * MIB, taken: 3 * MIB }]
        );
        assert_eq!(groups.processors(), Some(2.5));
    }

    #[test]
    fn version_one_has_a_tree_a_controller() {
        let root = root(&[
            (
                "proc/self/cgroup",
                "7:memory:/slurm/job\n4:cpu,cpuacct:/slurm\n1:name=systemd:/x\n0::/\n",
            ),
            (
                "proc/self/mountinfo",
                "35 25 0:31 / /cg/mem\\040ory rw - cgroup cgroup rw,memory\n\
                 36 25 0:32 / /cg/cpu,cpuacct rw master:1 - cgroup cgroup rw,cpu,cpuacct\n",
            ),
            ("cg/mem ory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("cg/mem ory/slurm/memory.limit_in_bytes", "4194304\n"),
            ("cg/mem ory/slurm/memory.stat", "rss 5\ntotal_rss 1048576\ntotal_shmem 1\n"),
            ("cg/mem ory/slurm/job/memory.limit_in_bytes", "8388608\n"),
            ("cg/cpu,cpuacct/cpu.cfs_quota_us", "-1\n"),
            ("cg/cpu,cpuacct/cpu.cfs_period_us", "100000\n"),
            ("cg/cpu,cpuacct/slurm/cpu.cfs_quota_us", "150000\n"),
            ("cg/cpu,cpuacct/slurm/cpu.cfs_period_us", "100000\n"),
        ]);
        let groups = Groups::of_process(root.path());
        let memory = groups.memory();
        assert_eq!(memory.iter().map(|memory| memory.limit).min(), Some(4 * MIB));
        assert!(memory.contains(&Memory { limit: 4 * MIB, taken: MIB + 1 }));
        assert_eq!(groups.processors(), Some(1.5));
    }

    #[test]
    fn a_container_sees_its_own_groups_at_the_mount() {
        let mount = "30 24 0:26 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n";
        for own in ["0::/docker/abc\n", "0::/../other\n", "0::/elsewhere\n"] {
            let root = root(&[
                ("proc/self/cgroup", own),
                ("proc/self/mountinfo", mount),
                ("sys/fs/cgroup/memory.max", "1048576\n"),
            ]);
            let memory = Groups::of_process(root.path()).memory();
            assert_eq!(memory, [Memory { limit: MIB, taken: 0 }], "{own}");
        }
    }

    #[test]
    fn a_system_without_groups_has_no_limit() {
        let root = root(&[]);
        let groups = Groups::of_process(root.path());
        assert!(groups.memory().is_empty() && groups.processors().is_none());
    }
}
