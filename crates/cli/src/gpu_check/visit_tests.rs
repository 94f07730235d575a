//! The script of a visit, with stand-ins for the bundle's programs.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::{
    MADE_FROM,
    bundle::{SCRIPT, SCRIPT_NAME},
};
use crate::runners::PREBUILT;
use modality_testing::Programs;

/// Far more than any of it takes, and far less than a test may hang.
const LONG: Duration = Duration::from_secs(100);
/// What a file may have to be brought home.
const MOST_BYTES: u64 = 16 << 20;
/// A device that answers, and whatever else is asked of it.
const ANSWERS: &str = "case \"$*\" in --facts) echo a device; exit;; --hold) exec cat;; esac\n";

/// A bundle that cannot be written to and has lost the modes of its files, and a folder for results.
struct Visit {
    bundle: Programs,
    out: tempfile::TempDir,
}

impl Visit {
    /// With these programs in place of `gpu-check` and of the whole.
    fn of(gpu_check: &str, whole: &str) -> Self {
        let bundle = Programs::none().with("gpu-check", gpu_check).with("modality-bench", whole);
        let script = "cd \"$1\" && mkdir -p runners cache bench-configs/studies && mv gpu-check runners && gzip modality-bench runners/gpu-check \
             && chmod a-wx *.gz runners/*.gz visit.sh made-from.txt && chmod a-w runners";
        fs::write(bundle.path().join(SCRIPT_NAME), SCRIPT).unwrap();
        fs::write(bundle.path().join(MADE_FROM), "made of stand-ins\n").unwrap();
        assert_eq!(PREBUILT, "runners");
        let status = Command::new("sh").args(["-c", script, "sh"]).arg(bundle.path()).status();
        assert!(status.unwrap().success());
        Self { bundle, out: tempfile::tempdir().unwrap() }
    }

    /// The script of the bundle, which is to run these phases.
    fn script(&self, phases: &str, limit: u32) -> Command {
        let mut command = Command::new("bash");
        command.arg(self.bundle.path().join(SCRIPT_NAME));
        command.env("LIMIT", limit.to_string()).env("LEAST", "1");
        command.env("PHASES", format!("facts {phases}"));
        for variable in ["OUT", "WORK", "MEMORY", "MODALITY_BENCH_CACHE"] {
            command.env_remove(variable);
        }
        command
    }

    fn command(&self, phases: &str, limit: u32) -> Command {
        let mut command = self.script(phases, limit);
        command.arg(self.bundle.path()).env("OUT", self.out.path());
        command
    }

    /// Runs these phases; the exit code, what was printed, and what was packed.
    fn run(&self, phases: &str, limit: u32) -> (Option<i32>, String, Packed) {
        let start = Instant::now();
        let output = self.command(phases, limit).output().unwrap();
        assert!(start.elapsed() < LONG, "{output:?}");
        (output.status.code(), said(&output), self.packed())
    }

    fn packed(&self) -> Packed {
        let archive = self.out.path().join("results.tgz");
        assert!(fs::metadata(&archive).unwrap().len() < MOST_BYTES);
        let files: Vec<_> = fs::read_dir(self.out.path()).unwrap().collect();
        assert_eq!(files.len(), 1, "{files:?}");
        let folder = tempfile::tempdir().unwrap();
        let mut tar = Command::new("tar");
        tar.arg("xzf").arg(archive).arg("-C").arg(folder.path());
        assert!(tar.status().unwrap().success());
        Packed(folder)
    }
}

fn said(output: &Output) -> String {
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8_lossy(&text).into_owned()
}

/// What a visit brought home.
struct Packed(tempfile::TempDir);

impl Packed {
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }
}

/// Waits until there is no process whose number stands in this file.
fn until_gone(id: &Path) {
    let start = Instant::now();
    let id = fs::read_to_string(id).unwrap();
    let state = || fs::read_to_string(format!("/proc/{}/stat", id.trim())).unwrap_or_default();
    while !state().is_empty() && !state().contains(") Z ") {
        assert!(start.elapsed() < LONG, "process {id} lives on");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn what_hangs_is_stopped_and_what_it_had_found_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let id = folder.path().join("id");
    let hangs = format!(
        "{ANSWERS}echo begins; echo half >\"$4\"; trap '' TERM; echo $$ >{}; while :; do sleep 1; done",
        id.display()
    );
    let visit = Visit::of(&hangs, "true");
    let (code, said, packed) = visit.run("conformance kernels", 8);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("== conformance: exit code 137, killed after"), "{said}");
    assert!(said.contains("== kernels: not begun"), "{said}");
    assert_eq!(packed.text("conformance.json"), "half\n");
    assert_eq!(packed.text("conformance.txt"), "begins\n");
    assert!(packed.text("visit.txt").contains("== kernels: not begun"));
    until_gone(&id);
}

#[test]
fn what_fails_or_is_killed_does_not_end_the_visit() {
    let breaks =
        format!("{ANSWERS}case \"$*\" in *conformance*) echo oh no; exit 7;; esac; kill -KILL $$");
    let (code, said, packed) =
        Visit::of(&breaks, "echo \"$@\"").run("conformance kernels small", 60);
    assert_eq!(code, Some(1), "{said}");
    for wanted in [
        "== conformance: exit code 7",
        "oh no",
        "== kernels: exit code 137",
        "== small: exit code 0",
    ] {
        assert!(said.contains(wanted), "{wanted} is not in\n{said}");
    }
    let call = packed.text("small.txt");
    let wanted = "--offline gpu-check --only studies --limit ";
    let limit = call.strip_prefix(wanted).and_then(|rest| rest.split(' ').next()).unwrap();
    assert!((1..60).contains(&limit.parse::<u32>().unwrap()), "{call}");
}

#[test]
fn a_flood_of_words_is_cut() {
    let floods = format!("{ANSWERS}head -c 300000000 /dev/zero; echo the end");
    let (code, said, packed) = Visit::of(&floods, "true").run("conformance", 60);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(fs::metadata(packed.path("conformance.txt")).unwrap().len(), 2 << 20);
}

#[test]
fn what_is_left_behind_is_ended_and_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let id = folder.path().join("id");
    let leaves = format!("{ANSWERS}sleep 600 & echo $! >{}; echo done", id.display());
    let start = Instant::now();
    let (code, said, packed) = Visit::of(&leaves, "true").run("conformance", 500);
    assert_eq!((code, packed.text("conformance.txt").as_str()), (Some(0), "done\n"), "{said}");
    assert!(start.elapsed() < LONG, "{said}");
    until_gone(&id);
}

#[test]
fn what_has_no_room_is_named() {
    let writes = "while [ $# -gt 1 ] && [ \"$1\" != --out ]; do shift; done; mkdir -p \"$2/records\" && cd \"$2\" || exit\n\
         head -c 3000000 /dev/urandom >p.npy; head -c 20000000 /dev/urandom >large; head -c 9000000 /dev/urandom >middling\n\
         head -c 40000000 /dev/zero >zeros; head -c 100000000 /dev/zero >vast; echo '{}' >records/a.json";
    let visit = Visit::of(ANSWERS, &format!("case \"$*\" in *fetch*) exit;; esac\n{writes}"));
    let (code, said, packed) = visit.run("first", 60);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(packed.text("first/records/a.json"), "{}\n");
    assert_eq!(fs::metadata(packed.path("first/middling")).unwrap().len(), 9_000_000);
    assert_eq!(fs::metadata(packed.path("first/zeros")).unwrap().len(), 40_000_000);
    let left = packed.text("left-out.txt");
    let left: Vec<&str> = left.lines().collect();
    let wanted = [
        "first/p.npy: 3000000 bytes",
        "first/large: 20000000 bytes",
        "first/vast: 100000000 bytes",
    ];
    assert_eq!(left, wanted);
    assert!(!packed.path("first/p.npy").exists() && !packed.path("first/vast").exists());
}

#[test]
fn without_a_gpu_there_is_a_sentence_and_a_code() {
    let visit = Visit::of("echo cuda:0 is not there >&2; exit 3", "echo called");
    let (code, said, packed) = visit.run("conformance small", 60);
    assert_eq!(code, Some(3), "{said}");
    assert!(
        said.contains("there is no GPU that can be checked") && !said.contains("== small"),
        "{said}"
    );
    assert_eq!(packed.text("facts.txt"), "cuda:0 is not there\n");
}

#[test]
fn a_visit_that_is_stopped_brings_home_what_it_has() {
    let visit = Visit::of(&format!("{ANSWERS}echo begins; exec sleep 600"), "true");
    let mut script = visit.command("conformance", 500).stdout(Stdio::null()).spawn().unwrap();
    let start = Instant::now();
    while !visit.out.path().join("results.tgz").exists() {
        assert!(start.elapsed() < LONG);
        thread::sleep(Duration::from_millis(20));
    }
    thread::sleep(Duration::from_millis(500));
    let kill = Command::new("kill").arg(script.id().to_string()).status();
    assert!(kill.unwrap().success());
    assert_eq!(script.wait().unwrap().code(), Some(1));
    assert!(start.elapsed() < LONG);
    assert!(visit.packed().text("visit.txt").contains("stopped from outside"));
}

#[test]
fn the_bundle_may_be_where_the_script_lies_and_mistakes_are_told() {
    let visit = Visit::of(&format!("{ANSWERS}true"), "true");
    let call = |argument: Option<&Path>, variable: Option<(&str, &str)>| {
        let output = visit.script("", 60).args(argument).envs(variable).output().unwrap();
        (output.status.code(), said(&output))
    };
    let work = tempfile::tempdir().unwrap();
    let work = Some(("WORK", work.path().to_str().unwrap()));
    let (out, bundle) = (Some(visit.out.path()), Some(visit.bundle.path()));
    assert_eq!(call(out, None).0, Some(0));
    assert_eq!(visit.packed().text("facts.txt"), "a device\n");
    assert_eq!(call(out, work).0, Some(0));
    for (argument, variable, wanted) in [
        (None, None, "name the folder where results go"),
        (bundle, None, "set OUT to the folder"),
        (out, Some(("LIMIT", "9.5")), "are whole numbers"),
        (out, work, "is there already; name another WORK"),
    ] {
        let (code, said) = call(argument, variable);
        assert!(said.contains(wanted), "{said}");
        assert_eq!(code, Some(2), "{said}");
    }
}
