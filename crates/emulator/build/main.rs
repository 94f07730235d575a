//! Builds the emulated libraries, and the kernels as libraries of host code: one for each file, and one more for each
//! mutant of it.

mod mutants;
mod source;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::{env, fs, thread};

use mutants::{MUTANTS, Mutant};
use source::Source;

/// What went wrong, as a sentence, or as the compiler's words.
type Result<T> = std::result::Result<T, String>;

/// Library, and the folders of `cpp` with its sources.
const LIBRARIES: &[(&str, &[&str])] = &[
    ("cuda", &["runtime", "driver"]),
    ("cublas", &["algebra", "blas"]),
    ("cusolver", &["solver"]),
    ("nvrtc", &["nvrtc"]),
];

/// Makes a library whose own functions are never replaced by another's.
const SHARED: [&str; 2] = ["-shared", "-Wl,-Bsymbolic-functions"];

/// A call of the compiler.
struct Job {
    command: Command,
    makes: PathBuf,
}

fn main() {
    if let Err(error) = build() {
        for line in error.lines() {
            println!("cargo::error={line}");
        }
    }
}

fn build() -> Result<()> {
    let out =
        PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is set by cargo, and by nobody here")?);
    for watched in ["build", "cpp", "tests/kernels", "../../kernels"] {
        println!("cargo::rerun-if-changed={watched}");
    }
    println!("cargo::rustc-env=EMULATOR_LIBRARIES={}", out.display());
    let names: Vec<&str> = MUTANTS.iter().map(|mutant| mutant.name).collect();
    println!("cargo::rustc-env=EMULATOR_MUTANTS={}", names.join(","));
    let compiler = cc::Build::new()
        .cpp(true)
        .std("c++17")
        .opt_level(2)
        .debug(false)
        .warnings(false)
        .get_compiler();
    let mut jobs = kernel_jobs(&compiler, &out)?;
    let mut links = Vec::new();
    for (name, folders) in LIBRARIES {
        let (objects, link) = library_jobs(&compiler, &out, name, folders);
        jobs.extend(objects);
        links.push(link);
    }
    run(jobs)?;
    run(links)
}

fn command(compiler: &cc::Tool) -> Command {
    let mut command = compiler.to_command();
    // Nothing is fused but what says so: results have the same bits on every processor.
    command.args(["-fPIC", "-pthread", "-fno-math-errno", "-fno-semantic-interposition"]);
    command.arg("-ffp-contract=off");
    command
}

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|it| it == ending));
    files.sort();
    files
}

/// Objects of a library, and the link that follows them.
fn library_jobs(compiler: &cc::Tool, out: &Path, name: &str, folders: &[&str]) -> (Vec<Job>, Job) {
    let library = out.join(format!("lib{name}.so"));
    let mut link = command(compiler);
    // What one library has of another is found when they are loaded.
    link.args(SHARED).args([&format!("-Wl,-soname,lib{name}.so"), "-o"]).arg(&library);
    let mut jobs = Vec::new();
    for folder in folders {
        for source in files(&Path::new("cpp").join(folder), "cpp") {
            let name = source.file_name().unwrap_or_default().display();
            let object = out.join(format!("{folder}-{name}.o"));
            let mut compile = command(compiler);
            compile.args(["-Wall", "-Wextra", "-c"]).arg(&source).arg("-o").arg(&object);
            link.arg(&object);
            jobs.push(Job { command: compile, makes: object });
        }
    }
    (jobs, Job { command: link, makes: library })
}

/// The libraries of kernels: `OUT_DIR/kernels/FILE.so`, and `OUT_DIR/MUTANT/FILE.so` instead of it.
fn kernel_jobs(compiler: &cc::Tool, out: &Path) -> Result<Vec<Job>> {
    let mut sources = Vec::new();
    for folder in ["../../kernels", "tests/kernels"] {
        for path in files(Path::new(folder), "cu") {
            sources.push(Source::read(&path)?);
        }
    }
    let originals = fresh_folder(out, "kernels")?;
    let mut jobs = Vec::new();
    for source in &sources {
        jobs.push(kernel_job(compiler, &originals, source)?);
    }
    for mutant in MUTANTS {
        let folder = fresh_folder(out, mutant.name)?;
        jobs.push(kernel_job(compiler, &folder, &altered(&sources, mutant)?)?);
    }
    Ok(jobs)
}

fn altered(sources: &[Source], mutant: &Mutant) -> Result<Source> {
    let Mutant { name, file, text, replacement } = mutant;
    let of = |source: &&Source| source.path.file_name().is_some_and(|it| it == *file);
    let source =
        sources.iter().find(of).ok_or_else(|| format!("mutant {name}: there is no file {file}"))?;
    source.altered(text, replacement).map_err(|error| format!("mutant {name}: {error}"))
}

/// A folder without what an earlier build left there.
fn fresh_folder(out: &Path, name: &str) -> Result<PathBuf> {
    let folder = out.join(name);
    let explain = |error| format!("{}: {error}", folder.display());
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(explain)?;
    }
    fs::create_dir_all(&folder).map_err(explain)?;
    Ok(folder)
}

fn kernel_job(compiler: &cc::Tool, folder: &Path, source: &Source) -> Result<Job> {
    let name = source.path.file_name().unwrap_or_default().display();
    let code = folder.join(format!("{name}.cpp"));
    let library = folder.join(format!("{name}.so"));
    fs::write(&code, source.as_host_code()?)
        .map_err(|error| format!("{}: {error}", code.display()))?;
    let mut command = command(compiler);
    // Hidden, since files may have functions of the same name. What overflows wraps, as it does on a device.
    command
        .args(SHARED)
        .args(["-fvisibility=hidden", "-fwrapv", "-w", "-I", "cpp/kernel", "-I", "../../kernels"])
        .arg("-o")
        .arg(&library)
        .arg(&code);
    Ok(Job { command, makes: library })
}

/// Runs all, as many at a time as cargo lets this script; the first error if there is one.
fn run(jobs: Vec<Job>) -> Result<()> {
    let workers = env::var("NUM_JOBS").ok().and_then(|jobs| jobs.parse().ok()).unwrap_or(1);
    let queue = Mutex::new(jobs);
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let work = || std::iter::from_fn(next).try_for_each(run_one);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let panicked = || Err("a thread of the build script panicked".to_owned());
        workers.into_iter().try_for_each(|worker| worker.join().unwrap_or_else(|_| panicked()))
    })
}

fn run_one(mut job: Job) -> Result<()> {
    let output = job
        .command
        .output()
        .map_err(|error| format!("the C++ compiler does not start: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("{} was not made:\n{said}", job.makes.display()));
    }
    for line in said.lines() {
        println!("cargo::warning={line}");
    }
    Ok(())
}
