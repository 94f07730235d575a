//! The device by itself: `gpu-check`, and the same under compute-sanitizer.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use modality_protocol::words::print;

use super::{BACKEND, Checkup, TOO_LATE, summary::Line};
use crate::runners;
use modality_toolchain::{
    child::{self, Ended},
    sentence,
};

const PROGRAM: &str = "gpu-check";
/// What it checks, each in a process of its own, as a kernel that breaks the device fails all that follows it; what is worth
/// most first.
pub(super) const PARTS: [&str; 2] = ["conformance", "kernels"];
/// What a part needs at least and may take, and what the words of a moment may.
const PART: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(900));
const WORDS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(120));
/// The program's exit code where there is no such device.
const NO_DEVICE: i32 = 3;

const SANITIZER: &str = "compute-sanitizer";
/// With options of their own; the result of every call of the driver is looked at by the program itself.
const TOOLS: [(&str, &[&str]); 2] =
    [("memcheck", &["--report-api-errors", "no"]), ("racecheck", &[])];
/// What one of them needs at least, and may take.
const TOOL: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(600));
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
            match run(checkup, Command::new(&program).arg("--facts"), WORDS) {
                Ok(Ended { status, said }) if status.code() == Some(NO_DEVICE) => {
                    let reason = said.lines().last().unwrap_or_default().trim();
                    Err(Line::not_run(PROGRAM, reason))
                }
                // Whatever else is wrong, the check will tell.
                Ok(Ended { said, .. }) => {
                    facts = said.trim().to_owned();
                    Ok(program)
                }
                Err(stopped) => Err(stopped.line(PROGRAM)),
            }
        });
        Self { program, facts }
    }

    /// Checks a part, and keeps what is found as it is found.
    pub(super) fn check(&self, checkup: &Checkup<'_>, part: &str) -> Line {
        let program = match &self.program {
            Ok(program) => program,
            Err(line) => return Line { what: part.to_owned(), ..line.clone() },
        };
        if checkup.left() < PART.0 {
            return Line::not_run(part, TOO_LATE);
        }
        let place = |ending: &str| checkup.out.join(format!("{part}.{ending}"));
        let mut command = Command::new(program);
        command.args(["--only", part, "--out"]).arg(place("json"));
        command.args(checkup.arguments.quick.then_some("--quick"));
        checkup.world.progress.say(&format!("checking the device: {part}"));
        let text = File::options().create_new(true).read(true).write(true).open(place("txt"));
        let ended = match text {
            Ok(text) => run_into(text, checkup, &mut command, PART),
            Err(error) => {
                return Line::wrong(part, format!("{part}.txt cannot be written: {error}"));
            }
        };
        let Ended { status, said } = match ended {
            Ok(ended) => ended,
            Err(stopped) => return stopped.line(part),
        };
        // What it said is kept in a file as well.
        drop(print(&said));
        match status.success() {
            true => Line::good(part, &self.facts),
            false => Line::wrong(part, format!("{status}; see {part}.txt")),
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
        let kernels = match run(checkup, Command::new(program).arg("--kernels"), WORDS) {
            Ok(Ended { status, said }) if status.success() && !said.is_empty() => said,
            Ok(Ended { status, said }) => {
                return vec![Line::wrong(
                    SANITIZER,
                    format!("the kernels have no names: {status}; {said}"),
                )];
            }
            Err(stopped) => return vec![stopped.line(SANITIZER)],
        };
        let kernels: Vec<&str> = kernels.lines().collect();
        let work = Sanitized { checkup, sanitizer: &sanitizer, program, kernels: &kernels };
        // What is left is shared with those to come.
        let times = |done| (TOOL.0, TOOL.1.min(checkup.left() / (TOOLS.len() - done) as u32));
        let under = |(done, tool)| work.under(tool, times(done));
        TOOLS.into_iter().enumerate().map(under).collect()
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
        .map_err(|error| sentence(&error))?;
    let runner = match ready.remove(BACKEND) {
        Some(runner) => runner.map_err(|missing| missing.reason)?,
        None => return Err(format!("there is no backend `{BACKEND}`")),
    };
    let runner = PathBuf::from(runner.command.first().expect("a runner has a program"));
    Ok(runner.with_file_name(PROGRAM))
}

/// Why there is no telling how a program ended.
enum Stopped {
    /// It was not begun.
    TooLate,
    /// It took too long.
    Late(String),
    /// It could not be started, or would not stop talking.
    Broken(String),
}

impl Stopped {
    fn line(self, what: &str) -> Line {
        match self {
            Self::TooLate => Line::not_run(what, TOO_LATE),
            Self::Late(reason) | Self::Broken(reason) => Line::wrong(what, reason),
        }
    }
}

fn run(
    checkup: &Checkup<'_>,
    command: &mut Command,
    times: (Duration, Duration),
) -> Result<Ended, Stopped> {
    let file = tempfile::tempfile()
        .map_err(|error| Stopped::Broken(format!("no temporary file can be made: {error}")))?;
    run_into(file, checkup, command, times)
}

/// In the root, whose commit it notes.
fn run_into(
    output: File,
    checkup: &Checkup<'_>,
    command: &mut Command,
    (least, most): (Duration, Duration),
) -> Result<Ended, Stopped> {
    let patience = checkup.patience(least, most).ok_or(Stopped::TooLate)?;
    command.current_dir(&checkup.world.root);
    child::run_into(output, command, patience, || 0).map_err(|error| match error.kind() {
        io::ErrorKind::TimedOut => {
            Stopped::Late(format!("it was stopped after {} s", patience.as_secs()))
        }
        io::ErrorKind::FileTooLarge => Stopped::Broken(error.to_string()),
        _ => {
            let program = command.get_program().display();
            Stopped::Broken(format!("{program} cannot be started: {error}"))
        }
    })
}

impl Sanitized<'_> {
    fn under(&self, (tool, options): (&str, &[&str]), times: (Duration, Duration)) -> Line {
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
        match run(checkup, &mut command, times) {
            Ok(Ended { status, .. }) if status.success() => Line::good(what, ""),
            Ok(Ended { status, .. }) if status.code() == Some(FOUND) => {
                Line::wrong(what, format!("it found errors; see {log}"))
            }
            Ok(Ended { status, said }) => {
                let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
                Line::wrong(what, format!("{status}: {last}; see {log}"))
            }
            Err(Stopped::Late(reason)) if has_findings(&checkup.out.join(&log)) => {
                Line::wrong(what, format!("{reason}, and had found errors; see {log}"))
            }
            // It is slow, which is no mistake.
            Err(Stopped::Late(reason)) => Line::not_run(what, reason),
            Err(stopped) => stopped.line(&what),
        }
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
    let ended = child::run(Command::new(program).arg("--version"), WORDS.1, || 0);
    ended.is_ok_and(|ended| ended.status.success())
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::{cli::GpuCheck, gpu_check::summary::Verdict};
    use modality_testing::Programs;
    use modality_toolchain::World;

    /// Has `act` check with these programs, which are also where results go.
    fn with<T>(
        programs: &Programs,
        end: Option<Instant>,
        act: impl FnOnce(&Checkup<'_>) -> T,
    ) -> T {
        let (root, out) = (programs.path().to_owned(), programs.path().to_owned());
        let world = World::new(root, true, true);
        let arguments = GpuCheck::default();
        act(&Checkup {
            world: &world,
            arguments: &arguments,
            backends: Default::default(),
            out,
            end,
        })
    }

    #[test]
    fn each_part_is_a_line_and_keeps_what_was_said() {
        let programs = Programs::none()
            .with(PROGRAM, "echo \"$1 $2\"; echo '{}' >\"$4\"; case $2 in kernels) exit 1;; esac");
        let device =
            Device { program: Ok(programs.path().join(PROGRAM)), facts: "a device".to_owned() };
        let late = with(&programs, Some(Instant::now()), |checkup| device.check(checkup, PARTS[0]));
        assert_eq!(late, Line::not_run("conformance", TOO_LATE));
        assert!(!programs.path().join("conformance.txt").exists());
        let lines = PARTS.map(|part| with(&programs, None, |checkup| device.check(checkup, part)));
        let wrong = Line::wrong("kernels", "exit status: 1; see kernels.txt");
        assert_eq!(lines, [Line::good("conformance", "a device"), wrong]);
        for part in PARTS {
            let read = |ending: &str| {
                fs::read_to_string(programs.path().join(format!("{part}.{ending}"))).unwrap()
            };
            assert_eq!(
                (read("txt"), read("json")),
                (format!("--only {part}\n"), "{}\n".to_owned())
            );
        }
    }

    /// What came of a sanitizer that is this script.
    fn line(script: &str, patience: Duration) -> (Line, String) {
        let programs = Programs::none().with(SANITIZER, script);
        let sanitizer = programs.path().join(SANITIZER);
        assert!(!answers(Path::new("/no/such/program")));
        let program = Path::new("gpu-check");
        let kernels: &[&str] = &["add", "move_parts"];
        let line = with(&programs, None, |checkup| {
            let work = Sanitized { checkup, sanitizer: &sanitizer, program, kernels };
            work.under(TOOLS[0], (Duration::ZERO, patience))
        });
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
