//! The harness's side of the protocol: one run, one process.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender},
    thread,
    time::{Duration, Instant},
};

use nix::sys::resource::UsageWho;

use crate::{
    Error, Result,
    environment::THREADS,
    record::{StageTime, Status, Usage},
};
use modality_protocol::{DeviceKind, Epoch, Event, RunSpec, clock::cpu_seconds, group};

/// How long a runner may take to end after its last word.
const GRACE: Duration = Duration::from_secs(10);
/// How often a silent runner is looked at.
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);
/// Bytes of an event; a curve's longest has a few hundred.
const LONGEST_EVENT: u64 = 1 << 20;

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
/// error. Whatever it started and left behind is ended with it.
///
/// # Errors
/// [`Error::Io`] if the log cannot be written.
pub fn run(
    runner: &Runner,
    spec: &RunSpec,
    log: &Path,
    limit: Option<Duration>,
    mut watch: impl FnMut(&Event),
) -> Result<Outcome> {
    let log_error = |cause| Error::Io { path: log.to_owned(), cause };
    let stderr = File::create(log).map_err(log_error)?;
    let cpu_before = children_cpu_s();
    let start = Instant::now();
    let mut said = Said::default();
    let mut child = match spawn(runner, spec, stderr) {
        Ok(child) => child,
        Err(error) => {
            let command = runner.command.join(" ");
            let reason = format!("`{command}` cannot be started: {error}");
            return Ok(Outcome::without_run(Status::Unavailable, &reason));
        }
    };
    let end = limit.map(|limit| (start + limit, limit));
    let peak_rss_mb = converse(&mut child, spec, &mut said, end, &mut watch);
    let status = wait(&mut child, &mut said).map_err(log_error)?;
    // A runner that sets its peak back at the start of each stage has told the stages' peaks.
    let stages = said.stages.iter().map(|stage| stage.peak_rss_mb).fold(None, larger);
    let usage = Usage {
        total_s: start.elapsed().as_secs_f64() - said.aside_s,
        cpu_s: children_cpu_s() - cpu_before - said.aside_cpu_s,
        peak_rss_mb: larger(peak_rss_mb, stages),
        peak_gpu_mb: said.peak_gpu_mb,
        expected_gpu_mb: said.expected_gpu_mb,
        gpu_energy_j: said.gpu_energy.map(|(joules, _)| joules),
        gpu_energy_s: said.gpu_energy.map(|(_, seconds)| seconds),
        expected_rss_mb: said.expected_rss_mb,
        product_gflops: said.product_gflops,
        matrix_unit_gflops: said.matrix_unit_gflops,
    };
    said.check_times(usage.total_s);
    let (status, reason) = said.verdict(status, log);
    Ok(said.outcome(status, reason, usage))
}

fn spawn(runner: &Runner, spec: &RunSpec, stderr: File) -> std::io::Result<Child> {
    let threads = spec.threads.to_string();
    let mut command = Command::new(&runner.command[0]);
    group::lead(&mut command);
    command
        .args(&runner.command[1..])
        .current_dir(&runner.folder)
        .envs(THREADS.map(|variable| (variable, &threads)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(stderr)
        .spawn()
}

/// Hands over the spec, takes in events, and lets go of the runner once it has said its last. `end` is when, and after how
/// long, a runner is told no more.
fn converse(
    child: &mut Child,
    spec: &RunSpec,
    said: &mut Said,
    end: Option<(Instant, Duration)>,
    watch: &mut dyn FnMut(&Event),
) -> Option<f64> {
    let stdin = child.stdin.take().expect("it was started with a pipe");
    let stdout = child.stdout.take().expect("it was started with a pipe");
    let let_go = hand_over(stdin, serde_json::to_string(spec).expect("a spec is plain data"));
    let lines = listen(stdout);
    let mut peak_rss_mb = None;
    while !said.last_word && said.broken.is_none() {
        let line = match next(&lines, child, end.map(|(when, _)| when)) {
            Heard::Line(line) => line,
            Heard::Nothing => break,
            Heard::Late => {
                let seconds = end.map_or(0.0, |(_, limit)| limit.as_secs_f64());
                said.broken =
                    Some(format!("it was stopped after {seconds:.1} s, which is all it was given"));
                break;
            }
        };
        match serde_json::from_slice::<Event>(&line) {
            Ok(event) => {
                watch(&event);
                said.take(event);
            }
            Err(error) => {
                let text: String = String::from_utf8_lossy(&line).chars().take(120).collect();
                said.broken = Some(format!(
                    "it wrote `{text}` to standard output, which is no event: {error}"
                ));
            }
        }
        // After the product rate, the buffers of its measurement would count.
        if said.product_gflops.is_none() {
            peak_rss_mb =
                larger(peak_rss_mb, modality_protocol::memory::peak_of(&child.id().to_string()));
        }
    }
    drop(let_go);
    peak_rss_mb
}

/// Reads lines in a thread of its own, as reading knows no limit.
fn listen(stdout: ChildStdout) -> Receiver<Vec<u8>> {
    let (sender, lines) = mpsc::sync_channel(16);
    thread::spawn(move || {
        let mut stdout = BufReader::new(stdout);
        loop {
            let mut line = Vec::new();
            let read = stdout.by_ref().take(LONGEST_EVENT).read_until(b'\n', &mut line);
            line.pop_if(|byte| *byte == b'\n');
            if read.unwrap_or(0) == 0 || sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// What comes of waiting for a runner's next word.
enum Heard {
    Line(Vec<u8>),
    Nothing,
    Late,
}

/// The next line; nothing after the end of the runner, also where something that it started keeps its output open.
fn next(lines: &Receiver<Vec<u8>>, child: &mut Child, end: Option<Instant>) -> Heard {
    let mut has_ended = false;
    loop {
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return Heard::Late;
        }
        match lines.recv_timeout(left.unwrap_or(BETWEEN_LOOKS).min(BETWEEN_LOOKS)) {
            Ok(line) => return Heard::Line(line),
            Err(RecvTimeoutError::Disconnected) => return Heard::Nothing,
            Err(RecvTimeoutError::Timeout) if has_ended => return Heard::Nothing,
            Err(RecvTimeoutError::Timeout) => {
                has_ended = child.try_wait().is_ok_and(|status| status.is_some());
            }
        }
    }
}

/// Writes the spec in a thread of its own, as a runner may speak before it has read all of it, and keeps the
/// pipe open until the sender is dropped.
fn hand_over(mut stdin: ChildStdin, spec: String) -> Sender<()> {
    let (let_go, until) = mpsc::channel();
    thread::spawn(move || {
        // A runner that died early shows in its exit status.
        let _ = writeln!(stdin, "{spec}").and_then(|()| stdin.flush());
        let _ = until.recv();
    });
    let_go
}

/// Waits for a runner that has said its last; ends it if it stays, and what it leaves behind.
fn wait(child: &mut Child, said: &mut Said) -> std::io::Result<ExitStatus> {
    let deadline = Instant::now() + GRACE;
    while said.broken.is_none() && child.try_wait()?.is_none() {
        if Instant::now() > deadline {
            let seconds = GRACE.as_secs();
            said.broken = Some(format!("it did not end within {seconds} s of its last word"));
        }
        thread::sleep(Duration::from_millis(1));
    }
    group::end(child)
}

/// The events of a run, taken together.
#[derive(Debug, Default)]
struct Said {
    device: String,
    device_kind: Option<DeviceKind>,
    versions: BTreeMap<String, String>,
    stages: Vec<StageTime>,
    epochs: Vec<Epoch>,
    notes: Vec<String>,
    peak_gpu_mb: Option<f64>,
    expected_rss_mb: Option<f64>,
    expected_gpu_mb: Option<f64>,
    /// J and seconds.
    gpu_energy: Option<(f64, f64)>,
    product_gflops: Option<f64>,
    matrix_unit_gflops: Option<f64>,
    /// Wall and CPU time of what is not the run's.
    aside_s: f64,
    aside_cpu_s: f64,
    captured: Option<f64>,
    done: bool,
    unavailable: Option<String>,
    failed: Option<String>,
    broken: Option<String>,
    last_word: bool,
}

impl Said {
    fn take(&mut self, event: Event) {
        match event {
            Event::Hello { device, kind, versions } => {
                self.device_kind = kind.or_else(|| DeviceKind::named(&device));
                (self.device, self.versions) = (device, versions);
            }
            Event::Begin { .. } | Event::Progress { .. } => {}
            Event::End { stage, seconds, peak_rss_mb, flops } => {
                self.add(StageTime { stage, seconds, peak_rss_mb, flops });
            }
            Event::Expect { peak_rss_mb, peak_gpu_mb } => {
                self.expected_rss_mb = Some(peak_rss_mb);
                self.expected_gpu_mb = peak_gpu_mb;
            }
            Event::Captured { share } => self.captured = Some(share),
            Event::ProductRate { gflops, seconds, cpu_seconds, matrix_unit_gflops } => {
                self.product_gflops = Some(gflops);
                self.matrix_unit_gflops = matrix_unit_gflops;
                self.aside_s += seconds;
                self.aside_cpu_s += cpu_seconds;
            }
            Event::Epoch(epoch) => self.epochs.push(epoch),
            Event::Note { text } => self.notes.push(text),
            Event::GpuMemory { peak_mb } => {
                self.peak_gpu_mb = larger(self.peak_gpu_mb, Some(peak_mb));
            }
            Event::GpuEnergy { joules, seconds } => {
                let (sum_j, sum_s) = self.gpu_energy.unwrap_or_default();
                self.gpu_energy = Some((sum_j + joules, sum_s + seconds));
            }
            Event::Unavailable { reason } => {
                (self.unavailable, self.last_word) = (Some(reason), true)
            }
            Event::Failed { reason } => (self.failed, self.last_word) = (Some(reason), true),
            Event::Done => (self.done, self.last_word) = (true, true),
        }
    }

    /// A visit of a stage.
    fn add(&mut self, visit: StageTime) {
        match self.stages.iter_mut().find(|stage| stage.stage == visit.stage) {
            Some(stage) => {
                stage.seconds += visit.seconds;
                stage.peak_rss_mb = larger(stage.peak_rss_mb, visit.peak_rss_mb);
                if let Some(flops) = visit.flops {
                    stage.flops = Some(stage.flops.unwrap_or(0.0) + flops);
                }
            }
            None => self.stages.push(visit),
        }
    }

    /// Times that cannot be: below zero, or together longer than the process lived.
    fn check_times(&mut self, total_s: f64) {
        let sum: f64 = self.stages.iter().map(|time| time.seconds).sum();
        let good = self.stages.iter().all(|time| time.seconds >= 0.0) && sum <= total_s + 0.1;
        if self.done && !good {
            let what = format!("its stages add up to {sum:.3} s; the process lived {total_s:.3} s");
            self.broken.get_or_insert(what);
        }
    }

    fn verdict(&mut self, exit: ExitStatus, log: &Path) -> (Status, String) {
        if let Some(reason) = self.broken.take() {
            return (Status::Failed, reason);
        }
        if let Some(reason) = self.unavailable.take() {
            return (Status::Unavailable, reason);
        }
        if let Some(reason) = self.failed.take() {
            return (Status::Failed, reason);
        }
        if self.done && exit.success() {
            return (Status::Ok, String::new());
        }
        let how = describe(exit);
        let last =
            last_line(log).map_or(String::new(), |line| format!("; its last words were `{line}`"));
        (Status::Failed, format!("the runner {how}{last}"))
    }

    fn outcome(self, status: Status, reason: String, usage: Usage) -> Outcome {
        let mut note = self.notes;
        note.extend((!reason.is_empty()).then_some(reason));
        Outcome {
            status,
            note: note.join("; "),
            device: self.device,
            device_kind: self.device_kind,
            versions: self.versions,
            stages: self.stages,
            captured: self.captured,
            epochs: self.epochs,
            usage,
        }
    }
}

fn describe(exit: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (exit.signal(), exit.code()) {
        (Some(9), _) => "was killed, as the system does when memory runs out".to_owned(),
        (Some(signal), _) => format!("crashed with signal {signal}"),
        (None, Some(0)) => "ended without saying that it was done".to_owned(),
        (None, code) => format!("ended with exit code {}", code.unwrap_or(-1)),
    }
}

/// The last line of a log that is not empty, at most 200 characters of it.
fn last_line(log: &Path) -> Option<String> {
    const TAIL: u64 = 4096;
    let mut file = File::open(log).ok()?;
    let start = file.metadata().ok()?.len().saturating_sub(TAIL);
    file.seek(SeekFrom::Start(start)).ok()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let line = text.lines().rev().find(|line| !line.trim().is_empty())?;
    Some(line.trim().chars().take(200).collect())
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
