//! The harness's side of the protocol: one run, one process, and whatever that starts.

mod bounds;
mod log;
mod said;
mod strays;
mod talk;
mod tree;

use std::{
    collections::BTreeMap,
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use modality_protocol::{
    DeviceKind, Epoch, Event, RunSpec,
    clock::cpu_seconds,
    group::{self, Guard},
    memory,
};
use nix::sys::resource::UsageWho;

use self::{
    log::Log,
    said::{Said, Took},
    strays::Mark,
    tree::Tree,
};
use crate::{
    Error, Result,
    environment::THREADS,
    record::{StageTime, Status, Usage},
};

/// How long a runner may take to end after its last word, where it was given as much.
const GRACE: Duration = Duration::from_secs(10);
/// How often a runner is looked at.
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);
/// How long words are taken that a runner left in its pipe.
const AFTER_ITS_END: Duration = Duration::from_secs(1);

/// The command line of a runner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runner {
    /// Program and arguments; never empty.
    pub command: Vec<String>,
    /// Folder it is started in.
    pub folder: PathBuf,
}

/// What a run said and used. Whether its predictions are any good is not known yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// [`Status::Ok`] if the runner said that it was done.
    pub status: Status,
    /// Notes and reasons, joined.
    pub note: String,
    /// What computed.
    pub device: String,
    /// What kind of device that is, if the runner said anything of it.
    pub device_kind: Option<DeviceKind>,
    /// Versions that the runner reported.
    pub versions: BTreeMap<String, String>,
    /// Wall time by stage, in the order in which they first began.
    pub stages: Vec<StageTime>,
    /// ||X V||_F / ||X||_F of the truncated SVD of the input.
    pub captured: Option<f64>,
    /// Validation curves of the folds.
    pub epochs: Vec<Epoch>,
    /// What the process cost.
    pub usage: Usage,
}

impl Outcome {
    /// Of a run that was not even started, for the given reason.
    pub fn without_run(status: Status, reason: &str) -> Self {
        Said::default().outcome(status, reason.to_owned(), Usage::default())
    }
}

/// Runs `spec` in a process of its own, its standard error kept in `log`, and hands each event to `watch`.
///
/// A runner that cannot be started, crashes, breaks the protocol or takes longer than `limit` is an [`Outcome`], not an
/// error. Whatever it started and left behind is ended with it, and with this process.
///
/// # Errors
/// [`Error::Io`] if the log cannot be made, or the runner not be waited for.
pub fn run(
    runner: &Runner,
    spec: &RunSpec,
    log: &Path,
    limit: Option<Duration>,
    watch: impl FnMut(&Event),
) -> Result<Outcome> {
    let error = |cause| Error::Io { path: log.to_owned(), cause };
    let file = File::create(log).map_err(error)?;
    let cpu_before = children_cpu_s();
    let mark = Mark::new();
    let start = Instant::now();
    let child = match spawn(runner, spec, &mark) {
        Ok(child) => child,
        Err(error) => {
            let command = runner.command.join(" ");
            let reason = format!("`{command}` cannot be started: {error}");
            return Ok(Outcome::without_run(Status::Unavailable, &reason));
        }
    };
    let mut run = Run::new(child, start, limit, file);
    run.converse(spec, watch);
    let exit = run.wait().map_err(error)?;
    let took = Took {
        wall_s: start.elapsed().as_secs_f64(),
        cpu_s: children_cpu_s() - cpu_before + run.tree.unwaited_cpu_s(),
        peak_rss_mb: run.peak_rss_mb,
    };
    mark.end_all();
    let mut said = run.close();
    let usage = said.usage(&took);
    let (status, reason) = said.verdict(exit, log);
    Ok(said.outcome(status, reason, usage))
}

fn spawn(runner: &Runner, spec: &RunSpec, mark: &Mark) -> std::io::Result<Child> {
    let threads = spec.threads.to_string();
    let mut command = Command::new(&runner.command[0]);
    group::lead(&mut command);
    command
        .args(&runner.command[1..])
        .current_dir(&runner.folder)
        .envs(THREADS.map(|variable| (variable, &threads)))
        .envs([mark.variable()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
}

/// A run under way.
struct Run {
    child: Child,
    /// None where there is no shell.
    guard: Option<Guard>,
    log: Log,
    tree: Tree,
    said: Said,
    limit: Option<Duration>,
    /// When it is over.
    end: Option<Instant>,
    next_look: Instant,
    /// When its runner was first seen to have ended.
    ended: Option<Instant>,
    peak_rss_mb: Option<f64>,
    /// The same since the last event.
    peak_since_mb: Option<f64>,
}

/// What comes of waiting for a runner's next word.
enum Heard {
    Event(Event),
    Nonsense(String),
    Nothing,
    Late,
}

impl Run {
    fn new(mut child: Child, start: Instant, limit: Option<Duration>, log: File) -> Self {
        let stderr = child.stderr.take().expect("it was started with a pipe");
        Self {
            guard: Guard::over(&child).ok(),
            log: Log::keep(stderr, log),
            tree: Tree::of(child.id()),
            said: Said::default(),
            limit,
            end: limit.and_then(|limit| start.checked_add(limit)),
            next_look: start + BETWEEN_LOOKS,
            ended: None,
            peak_rss_mb: None,
            peak_since_mb: None,
            child,
        }
    }

    /// Hands over the spec, takes in events, and lets go of the runner once it has said its last.
    fn converse(&mut self, spec: &RunSpec, mut watch: impl FnMut(&Event)) {
        let stdin = self.child.stdin.take().expect("it was started with a pipe");
        let stdout = self.child.stdout.take().expect("it was started with a pipe");
        let spec = serde_json::to_string(spec).expect("a spec is plain data");
        let let_go = talk::hand_over(stdin, spec);
        let events = talk::listen(stdout);
        while !self.said.is_over() {
            match self.next(&events) {
                Heard::Event(event) => {
                    watch(&event);
                    let is_frequent = is_frequent(&event);
                    self.said.take(event);
                    self.note_memory(!is_frequent);
                }
                Heard::Nonsense(sentence) => self.said.break_off(sentence),
                Heard::Nothing => break,
                Heard::Late => {
                    let seconds = self.limit.unwrap_or_default().as_secs_f64();
                    self.said.break_off(format!(
                        "it was stopped after {seconds:.1} s, which is all it was given"
                    ));
                }
            }
        }
        self.look();
        self.note_memory(true);
        drop(let_go);
    }

    /// The next event; nothing after the end of the runner, also where something that it started keeps its output open.
    fn next(&mut self, events: &Receiver<Result<Event, String>>) -> Heard {
        loop {
            let now = Instant::now();
            if self.end.is_some_and(|end| now >= end) {
                return Heard::Late;
            }
            if self.ended.is_some_and(|ended| now > ended + AFTER_ITS_END) {
                return Heard::Nothing;
            }
            if now >= self.next_look {
                self.look();
            }
            let until = self.end.map_or(self.next_look, |end| end.min(self.next_look));
            match events.recv_timeout(until.saturating_duration_since(now)) {
                Ok(Ok(event)) => return Heard::Event(event),
                Ok(Err(sentence)) => return Heard::Nonsense(sentence),
                Err(RecvTimeoutError::Disconnected) => return Heard::Nothing,
                Err(RecvTimeoutError::Timeout) if self.ended.is_some() => return Heard::Nothing,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// What all its processes take, and whether the first of them is still there.
    fn look(&mut self) {
        let all = larger(self.tree.look(), self.own_peak_mb());
        self.peak_since_mb = larger(self.peak_since_mb, all);
        // One that cannot be asked for is waited for at the end.
        if self.ended.is_none() && group::has_ended(&mut self.child).unwrap_or(false) {
            self.ended = Some(Instant::now());
        }
        self.next_look = Instant::now() + BETWEEN_LOOKS;
    }

    /// An event has come: what was seen since the one before counts, and the runner's own peak as it is now, if it is to be
    /// asked for. What the measurement of the product rate takes does not.
    fn note_memory(&mut self, ask: bool) {
        let since = self.peak_since_mb.take();
        if !self.said.has_measured() {
            let own = if ask { self.own_peak_mb() } else { None };
            self.peak_rss_mb = larger(self.peak_rss_mb, larger(own, since));
        }
    }

    /// Of the runner alone, as the system keeps it.
    fn own_peak_mb(&self) -> Option<f64> {
        memory::peak_of(&self.child.id().to_string())
    }

    /// Waits for a runner that has said its last; ends it if it stays, and what it leaves behind.
    fn wait(&mut self) -> std::io::Result<ExitStatus> {
        let grace = self.limit.map_or(GRACE, |limit| limit.min(GRACE));
        let deadline = Instant::now() + grace;
        while !self.said.is_broken() && !group::has_ended(&mut self.child)? {
            if Instant::now() > deadline {
                let seconds = grace.as_secs_f64();
                self.said.break_off(format!("it did not end within {seconds} s of its last word"));
            }
            thread::sleep(Duration::from_millis(1));
        }
        self.tree.look();
        group::end(&mut self.child)
    }

    /// Once nothing of it is left.
    fn close(self) -> Said {
        let Self { mut said, log, guard, .. } = self;
        drop(guard);
        if let Err(error) = log.finish() {
            said.remark(format!("its log could not be kept: {error}"));
        }
        said
    }
}

/// Whether a runner may say so thousands of times.
fn is_frequent(event: &Event) -> bool {
    matches!(event, Event::Progress { .. } | Event::Epoch(_) | Event::Note { .. })
}

fn larger(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.max(b)),
        (a, b) => a.or(b),
    }
}

/// CPU time of all children that have been waited for.
fn children_cpu_s() -> f64 {
    cpu_seconds(UsageWho::RUSAGE_CHILDREN)
}

#[cfg(test)]
mod tests;
