//! Holds a GPU against what it should compute, and times its kernels. `cargo xtask gpu-check` starts it.

use std::{
    io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use backend_cuda::{
    Device, Error,
    check::{self, Options, Part, Said},
};
use clap::{Parser, ValueEnum};
use modality_protocol::{
    DeviceId, files,
    words::{print, warn},
};

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
    #[arg(long, value_name = "DEVICE", default_value = "cuda:0", value_parser = cuda)]
    device: u16,
    /// Write all that was found to this file, as JSON; it is written anew with every line
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Time nothing
    #[arg(long)]
    quick: bool,
    /// Only this
    #[arg(long, value_name = "PART")]
    only: Option<Only>,
    /// Only say what the device is
    #[arg(long, conflicts_with_all = ["out", "quick", "only"])]
    facts: bool,
    /// Only name the kernels, a line each
    #[arg(long, conflicts_with_all = ["out", "quick", "only", "facts"])]
    kernels: bool,
    /// Only keep the device open until standard input ends, so that the driver does not start it anew for each process
    #[arg(long, conflicts_with_all = ["out", "quick", "only", "facts", "kernels"])]
    hold: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Only {
    /// The recipe's conformance suite
    Conformance,
    /// Each kernel by itself, and its times
    Kernels,
}

const WRONG: u8 = 1;
const MISTAKE: u8 = 2;
const NO_DEVICE: u8 = 3;

fn main() -> ExitCode {
    let Arguments { device, out, quick, only, facts, kernels, hold } = Arguments::parse();
    if kernels {
        return told_or_not(print(check::kernels().join("\n")).map(|()| true).map_err(wrong));
    }
    let only = only.map(|only| match only {
        Only::Conformance => Part::Conformance,
        Only::Kernels => Part::Kernels,
    });
    let done = match (facts, hold) {
        (true, _) => {
            let facts = check::facts(device).map_err(told);
            facts.and_then(|facts| print(facts).map(|()| true).map_err(wrong))
        }
        (_, true) => keep_open(device).map(|()| true),
        _ => run(&Options { device, quick, only }, out.as_deref()),
    };
    told_or_not(done)
}

/// Whether all is as it should be; or an exit code and why, which is said.
fn told_or_not(done: Result<bool, (u8, String)>) -> ExitCode {
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(WRONG),
        Err((code, sentence)) => {
            warn(sentence);
            ExitCode::from(code)
        }
    }
}

fn cuda(text: &str) -> Result<u16, String> {
    match text.parse() {
        Ok(DeviceId::Cuda(index)) => Ok(index),
        _ => Err("write `cuda` or `cuda:N`".to_owned()),
    }
}

fn keep_open(device: u16) -> Result<(), (u8, String)> {
    let _device = Device::open(device).map_err(told)?;
    io::copy(&mut io::stdin(), &mut io::sink())
        .map_err(|error| (WRONG, format!("standard input cannot be read: {error}")))?;
    Ok(())
}

/// Whether all is as it should be; or an exit code and why. What is found is told and kept at once, as the next kernel may be
/// one that never ends.
fn run(options: &Options, out: Option<&Path>) -> Result<bool, (u8, String)> {
    out.map_or(Ok(()), check_place).map_err(|why| (MISTAKE, why))?;
    let mut kept = Ok(());
    let record = check::run(options, &mut |said| match said {
        Said::Begins(what) => warn(what),
        Said::Found(line, record) => {
            // Where it cannot be shown, the file is still written.
            drop(print(line));
            if let (Some(path), Ok(())) = (out, &kept) {
                kept = files::write_json(path, record);
            }
        }
    });
    let record = record.map_err(told)?;
    kept.map_err(wrong)?;
    Ok(record.passed())
}

fn wrong(error: files::Error) -> (u8, String) {
    (WRONG, error.to_string())
}

fn told(error: Error) -> (u8, String) {
    let code = match error {
        Error::Unavailable(_) => NO_DEVICE,
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
