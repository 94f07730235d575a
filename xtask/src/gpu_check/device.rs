//! The device by itself: `gpu-check`, and the same under compute-sanitizer.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use super::{BACKEND, Checkup, LONGEST, summary::Line};
use crate::{
    child::{self, Ended},
    runners,
};

const PROGRAM: &str = "gpu-check";
/// The program's exit code where there is no such device.
const NO_DEVICE: i32 = 3;

const SANITIZER: &str = "compute-sanitizer";
/// With options of their own; the result of every call of the driver is looked at by the program itself.
const TOOLS: [(&str, &[&str]); 2] =
    [("memcheck", &["--report-api-errors", "no"]), ("racecheck", &[])];
/// What one of them may take.
const TOOL_PATIENCE: Duration = Duration::from_secs(600);
/// The sanitizer's exit code for what it finds.
const FOUND: i32 = 9;

/// What checks a device, or why there is nothing to be checked.
pub(super) struct Device {
    program: Result<PathBuf, Line>,
    /// What it is.
    facts: String,
}

impl Device {
    /// Looks for a device.
    pub(super) fn find(checkup: &Checkup<'_>) -> Self {
        let mut facts = String::new();
        let found = program(checkup).map_err(|reason| Line::wrong(PROGRAM, reason));
        let program = found.and_then(|program| {
            match run(checkup, Command::new(&program).arg("--facts"), LONGEST) {
                Ok(Ended { status, said }) if status.code() == Some(NO_DEVICE) => {
                    let reason = said.lines().last().unwrap_or_default().trim();
                    Err(Line::not_run(PROGRAM, reason))
                }
                // Whatever else is wrong, the check will tell.
                Ok(Ended { said, .. }) => {
                    facts = said.trim().to_owned();
                    Ok(program)
                }
                Err(reason) => Err(Line::wrong(PROGRAM, reason)),
            }
        });
        Self { program, facts }
    }

    /// Checks the device, and times its kernels.
    pub(super) fn check(&self, checkup: &Checkup<'_>) -> Line {
        let program = match &self.program {
            Ok(program) => program,
            Err(line) => return line.clone(),
        };
        let mut command = Command::new(program);
        command.arg("--out").arg(checkup.out.join("gpu-check.json"));
        command.args(checkup.arguments.quick.then_some("--quick"));
        checkup.world.progress.say("checking the device");
        let Ended { status, said } = match run(checkup, &mut command, LONGEST) {
            Ok(ended) => ended,
            Err(reason) => return Line::wrong(PROGRAM, reason),
        };
        println!("{said}");
        if let Err(error) = fs::write(checkup.out.join("gpu-check.txt"), &said) {
            return Line::wrong(PROGRAM, format!("gpu-check.txt cannot be written: {error}"));
        }
        match status.success() {
            true => Line::good(PROGRAM, &self.facts),
            false => Line::wrong(PROGRAM, format!("{status}; see gpu-check.txt")),
        }
    }

    /// Why there is no device, if there is none.
    pub(super) fn missing(&self) -> Option<&str> {
        self.program.as_ref().err().map(|line| line.note.as_str())
    }

    /// The check again under each tool of compute-sanitizer.
    pub(super) fn sanitize(&self, checkup: &Checkup<'_>) -> Vec<Line> {
        let program = match &self.program {
            Err(line) => return vec![Line::not_run(SANITIZER, &line.note)],
            Ok(program) => program,
        };
        let Some(sanitizer) = places().into_iter().find(|place| answers(place)) else {
            return vec![Line::not_run(SANITIZER, "it is not installed here")];
        };
        let kernels = match run(checkup, Command::new(program).arg("--kernels"), LONGEST) {
            Ok(Ended { status, said }) if status.success() && !said.is_empty() => said,
            Ok(Ended { status, said }) => {
                return vec![Line::wrong(
                    SANITIZER,
                    format!("the kernels have no names: {status}; {said}"),
                )];
            }
            Err(reason) => return vec![Line::wrong(SANITIZER, reason)],
        };
        let kernels: Vec<&str> = kernels.lines().collect();
        let work = Sanitized { checkup, sanitizer: &sanitizer, program, kernels: &kernels };
        work.under_all(TOOL_PATIENCE)
    }
}

/// A check under compute-sanitizer, which looks at `kernels` alone: those of libraries take long, and are not ours to mend.
struct Sanitized<'a> {
    checkup: &'a Checkup<'a>,
    sanitizer: &'a Path,
    program: &'a Path,
    kernels: &'a [&'a str],
}

/// Beside the backend's runner.
fn program(checkup: &Checkup<'_>) -> Result<PathBuf, String> {
    let mut ready = runners::ready(checkup.world, &checkup.backends, [BACKEND])
        .map_err(|error| format!("{error:#}"))?;
    let runner = match ready.remove(BACKEND) {
        Some(runner) => runner.map_err(|missing| missing.reason)?,
        None => return Err(format!("there is no backend `{BACKEND}`")),
    };
    let runner = runner.command.first().map(PathBuf::from).unwrap_or_default();
    Ok(runner.with_file_name(PROGRAM))
}

/// In the root, whose commit it notes.
fn run(checkup: &Checkup<'_>, command: &mut Command, patience: Duration) -> Result<Ended, String> {
    command.current_dir(&checkup.world.root);
    child::run(command, patience, || 0).map_err(|error| match error.kind() {
        io::ErrorKind::TimedOut => format!("it was stopped after {} s", patience.as_secs()),
        _ => format!("{} cannot be started: {error}", command.get_program().display()),
    })
}

impl Sanitized<'_> {
    /// One tool after the other. One that had to be stopped may have left the program behind, which the next is to be spared.
    fn under_all(&self, patience: Duration) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut was_stopped = false;
        for (tool, options) in TOOLS {
            let what = format!("{SANITIZER} {tool}");
            let line = match (was_stopped, self.checkup.is_over()) {
                (true, _) => Line::not_run(what, "the one before may still be running"),
                (false, true) => Line::not_run(what, "the time was over"),
                (false, false) => {
                    let line;
                    (line, was_stopped) = self.under((tool, options), patience);
                    line
                }
            };
            lines.push(line);
        }
        lines
    }

    /// What came of it, and whether it had to be stopped.
    fn under(&self, (tool, options): (&str, &[&str]), patience: Duration) -> (Line, bool) {
        let Self { checkup, sanitizer, program, kernels } = self;
        let what = format!("{SANITIZER} {tool}");
        let log = format!("sanitizer-{tool}.log");
        let mut command = Command::new(sanitizer);
        command.args(["--tool", tool, "--target-processes", "application-only"]).args(options);
        for kernel in *kernels {
            command.arg("--kernel-name").arg(format!("kernel_name={kernel}"));
        }
        command.args(["--error-exitcode", &FOUND.to_string(), "--log-file"]);
        command.arg(checkup.out.join(&log)).arg(program).arg("--quick");
        command.arg("--out").arg(checkup.out.join(format!("sanitizer-{tool}.json")));
        checkup.world.progress.say(&what);
        let ended = run(checkup, &mut command, patience);
        let was_stopped = ended.is_err();
        let line = match ended {
            Ok(Ended { status, .. }) if status.success() => Line::good(what, ""),
            Ok(Ended { status, .. }) if status.code() == Some(FOUND) => {
                Line::wrong(what, format!("it found errors; see {log}"))
            }
            Ok(Ended { status, said }) => {
                let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
                Line::wrong(what, format!("{status}: {last}; see {log}"))
            }
            Err(reason) if has_findings(&checkup.out.join(&log)) => {
                Line::wrong(what, format!("{reason}, and had found errors; see {log}"))
            }
            Err(reason) => Line::not_run(what, reason),
        };
        (line, was_stopped)
    }
}

/// Whether there is more in the sanitizer's log than its heading.
fn has_findings(log: &Path) -> bool {
    let text = fs::read_to_string(log).unwrap_or_default();
    text.lines().any(|line| line.starts_with("=========") && !line.contains("COMPUTE-SANITIZER"))
}

/// Where toolkits have it, and where the shell would find it.
fn places() -> Vec<PathBuf> {
    let there = modality_nvcc::toolkits(|name| std::env::var_os(name))
        .into_iter()
        .map(|toolkit| toolkit.join("bin").join(SANITIZER));
    there.chain([PathBuf::from(SANITIZER)]).collect()
}

fn answers(program: &Path) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::{
        cli::GpuCheck, fetch::Network, fetch::fake_pip::Programs, gpu_check::summary::Verdict,
        progress::Progress, world::World,
    };

    /// What came of a sanitizer that is this script.
    fn line(script: &str, patience: Duration) -> (Line, String) {
        let programs = Programs::none().with(SANITIZER, script);
        let (root, out) = (programs.path().to_owned(), programs.path().to_owned());
        let checkup = Checkup {
            world: &World { root, progress: Progress::stderr(true), network: Network::new(true) },
            arguments: &GpuCheck::default(),
            backends: Default::default(),
            out,
            end: Instant::now() + LONGEST,
        };
        let sanitizer = programs.path().join(SANITIZER);
        assert!(!answers(Path::new("/no/such/program")));
        let program = Path::new("gpu-check");
        let kernels: &[&str] = &["add", "move_parts"];
        let work = Sanitized { checkup: &checkup, sanitizer: &sanitizer, program, kernels };
        let (line, _) = work.under(TOOLS[0], patience);
        (line, fs::read_to_string(programs.path().join("called")).unwrap_or_default())
    }

    #[test]
    fn what_a_sanitizer_finds_is_wrong() {
        let patience = Duration::from_secs(60);
        let (good, called) = line("echo \"$@\" > called", patience);
        assert_eq!(good, Line::good("compute-sanitizer memcheck", ""));
        let wanted = "--tool memcheck --target-processes application-only --report-api-errors no \
                      --kernel-name kernel_name=add --kernel-name kernel_name=move_parts --error-exitcode 9 --log-file /";
        assert!(
            called.starts_with(wanted) && called.contains("gpu-check --quick --out /"),
            "{called}"
        );
        let note = |script: &str, patience| {
            let (line, _) = line(script, patience);
            (line.verdict, line.note)
        };
        let wrong = |note| (Verdict::Wrong, note);
        let log = "see sanitizer-memcheck.log";
        assert_eq!(note("exit 9", patience), wrong(format!("it found errors; {log}")));
        let broke = note("echo no device; echo; exit 3", patience);
        assert_eq!(broke, wrong(format!("exit status: 3: no device; {log}")));
        let soon = Duration::from_millis(500);
        let late = note("exec sleep 600", soon);
        assert_eq!(late, (Verdict::NotRun, "it was stopped after 0 s".to_owned()));
        let log_and_sleep = "while [ \"$1\" != --log-file ]; do shift; done\n\
                             echo '========= COMPUTE-SANITIZER' > \"$2\"\n\
                             echo '========= Invalid __global__ write' >> \"$2\"\nexec sleep 600";
        let late = note(log_and_sleep, soon);
        assert_eq!(late, wrong(format!("it was stopped after 0 s, and had found errors; {log}")));
    }
}
