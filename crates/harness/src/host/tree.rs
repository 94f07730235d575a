//! A runner and whatever it started, as Linux tells of them in `/proc`. Elsewhere nothing is found, and what is told of a run is
//! its runner's alone.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use nix::unistd::{SysconfVar, sysconf};

/// Processes that are followed; a runner that starts more is a flood.
const MOST: usize = 4096;

/// The processes of a run.
pub(super) struct Tree {
    leader: u32,
    /// As they were when last looked at.
    found: BTreeMap<u32, Process>,
    /// Ticks of processes that are gone, and that no other of the tree has waited for.
    lost: u64,
    units: Units,
}

/// What the kernel counts in.
#[derive(Clone, Copy)]
struct Units {
    tick_s: f64,
    page_mb: f64,
}

#[derive(Clone, Copy)]
struct Process {
    /// When it was started: a number that is given anew is another process.
    started: u64,
    /// Ticks of its own, and of those that it has waited for.
    own: u64,
    waited: u64,
    /// Pages in memory.
    resident: u64,
}

impl Tree {
    /// Of the runner with this number.
    pub(super) fn of(leader: u32) -> Self {
        Self { leader, found: BTreeMap::new(), lost: 0, units: Units::of_system() }
    }

    /// Looks at all that are there now. The memory of the runner and the others together, MiB, where there are others.
    pub(super) fn look(&mut self) -> Option<f64> {
        let now = self.now();
        let before = std::mem::replace(&mut self.found, now);
        self.lost += lost(&before, &self.found);
        let resident: u64 = self.found.values().map(|process| process.resident).sum();
        (self.found.len() > 1).then_some(resident as f64 * self.units.page_mb)
    }

    /// CPU time, as of the last look, of what the runner started and did not wait for.
    pub(super) fn unwaited_cpu_s(&self) -> f64 {
        let others = self.found.iter().filter(|(id, _)| **id != self.leader);
        let ticks: u64 = others.map(|(_, process)| process.own + process.waited).sum();
        (self.lost + ticks) as f64 * self.units.tick_s
    }

    /// The runner, what was found before, and the children of both.
    fn now(&self) -> BTreeMap<u32, Process> {
        let mut now = BTreeMap::new();
        let mut seen = BTreeSet::new();
        let mut ids: Vec<u32> = self.found.keys().copied().chain([self.leader]).collect();
        while let Some(id) = ids.pop() {
            if now.len() == MOST || !seen.insert(id) {
                continue;
            }
            let Some(process) = Process::read(id) else { continue };
            let before = self.found.get(&id);
            if before.is_none_or(|before| before.started == process.started) {
                now.insert(id, process);
                ids.extend(children(id));
            }
        }
        now
    }
}

/// Ticks of those that are gone, as far as none of the others has waited for them.
fn lost(before: &BTreeMap<u32, Process>, now: &BTreeMap<u32, Process>) -> u64 {
    let (mut gone, mut waited) = (0, 0);
    for (id, old) in before {
        match now.get(id) {
            None => gone += old.own + old.waited,
            Some(new) => waited += new.waited.saturating_sub(old.waited),
        }
    }
    gone.saturating_sub(waited)
}

impl Process {
    fn read(id: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{id}/stat")).ok()?)
    }

    /// Of `proc(5)`'s `stat`; the name in it may hold anything, also parentheses.
    fn parse(stat: &str) -> Option<Self> {
        let fields: Vec<&str> = stat[stat.rfind(')')? + 1..].split_whitespace().collect();
        // The state is the third field, and the first of these.
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            own: field(14)? + field(15)?,
            waited: field(16)? + field(17)?,
            started: field(22)?,
            resident: field(24)?,
        })
    }
}

/// Those that the threads of a process started and have not waited for.
fn children(id: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
    let lists =
        threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    let ids = |list: String| list.split_whitespace().filter_map(|id| id.parse().ok()).collect();
    lists.flat_map(|list| -> Vec<u32> { ids(list) }).collect()
}

impl Units {
    fn of_system() -> Self {
        let of = |variable, usual: i64| sysconf(variable).ok().flatten().unwrap_or(usual) as f64;
        Self {
            tick_s: 1.0 / of(SysconfVar::CLK_TCK, 100),
            page_mb: of(SysconfVar::PAGE_SIZE, 4096) / 1_048_576.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(own: u64, waited: u64) -> Process {
        Process { started: 0, own, waited, resident: 0 }
    }

    #[test]
    fn names_may_hold_what_they_like() {
        let stat = "71 (a) R 9 (b)) S 1 71 71 0 -1 0 9 9 9 9 20 22 3 4 20 0 1 0 555 999 77 1844";
        let Process { started, own, waited, resident } = Process::parse(stat).unwrap();
        assert_eq!((started, own, waited, resident), (555, 42, 7, 77));
        assert!(Process::parse("71 (a").is_none() && Process::parse("71 (a) S 1").is_none());
    }

    #[test]
    fn what_a_process_waited_for_is_not_lost() {
        let before = BTreeMap::from([(1, process(5, 0)), (2, process(30, 4)), (3, process(10, 0))]);
        let by_nobody = BTreeMap::from([(1, process(9, 0))]);
        assert_eq!(lost(&before, &by_nobody), 44);
        // It may have run on for a while before it was waited for.
        let by_the_first = BTreeMap::from([(1, process(9, 36)), (3, process(10, 0))]);
        assert_eq!(lost(&before, &by_the_first), 0);
    }
}
