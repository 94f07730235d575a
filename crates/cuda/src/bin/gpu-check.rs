//! Holds a GPU against what it should compute, and times its kernels. `cargo xtask gpu-check` starts it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use backend_cuda::{
    Error,
    check::{self, Options, Record},
};
use clap::Parser;

/// Check the CUDA kernels on a device, and time them beside what the device reaches at best.
#[derive(Debug, Parser)]
#[command(
    name = "gpu-check",
    version,
    after_help = "Exit codes: 0 all is as it should be, 1 something is wrong, 2 a mistake in the command line, 3 this machine has no \
                  such device or not what it takes."
)]
struct Arguments {
    /// `cuda` or `cuda:N`, counted as by the driver
    #[arg(long, value_name = "DEVICE", default_value = "cuda:0")]
    device: String,
    /// Write all that was found to this file, as JSON
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Time nothing
    #[arg(long)]
    quick: bool,
    /// Only say what the device is
    #[arg(long, conflicts_with_all = ["out", "quick"])]
    facts: bool,
    /// Only name the kernels, a line each
    #[arg(long, conflicts_with_all = ["out", "quick", "facts"])]
    kernels: bool,
}

const WRONG: u8 = 1;
const MISTAKE: u8 = 2;
const NO_DEVICE: u8 = 3;

fn main() -> ExitCode {
    let Arguments { device, out, quick, facts, kernels } = Arguments::parse();
    if kernels {
        check::kernels().iter().for_each(|name| println!("{name}"));
        return ExitCode::SUCCESS;
    }
    let done = match facts {
        true => check::facts(&device).map(|facts| println!("{facts}")).map(|()| true).map_err(told),
        false => run(&Options { device, quick }, out),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(WRONG),
        Err((code, sentence)) => {
            eprintln!("{sentence}");
            ExitCode::from(code)
        }
    }
}

/// Whether all is as it should be; or an exit code and why.
fn run(options: &Options, out: Option<PathBuf>) -> Result<bool, (u8, String)> {
    out.as_deref().map_or(Ok(()), check_place).map_err(|why| (MISTAKE, why))?;
    let record = check::run(options, &|line| eprintln!("{line}")).map_err(told)?;
    println!("{record}");
    if let Some(path) = out {
        keep(&record, &path).map_err(|why| (WRONG, why))?;
    }
    Ok(record.passed())
}

fn told(error: Error) -> (u8, String) {
    let code = match error {
        Error::Unavailable(_) => NO_DEVICE,
        Error::Name(_) => MISTAKE,
        _ => WRONG,
    };
    (code, error.to_string())
}

/// A mistake in the name of a file is better known before the work than after it.
fn check_place(path: &Path) -> Result<(), String> {
    let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    match folder.is_dir() && !path.is_dir() {
        true => Ok(()),
        false => Err(format!("--out {}: name a file in a folder that exists", path.display())),
    }
}

fn keep(record: &Record, path: &Path) -> Result<(), String> {
    let text = serde_json::to_string_pretty(record).map_err(|error| error.to_string())?;
    fs::write(path, text).map_err(|error| format!("{} cannot be written: {error}", path.display()))
}
