//! The command line.

use std::{
    ffi::{OsStr, OsString},
    path::PathBuf,
};

use clap::{Args, Parser, Subcommand};

/// A mistake in the command line: exit code 2.
#[derive(Debug)]
pub(crate) struct UserError(pub(crate) String);

impl std::fmt::Display for UserError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UserError {}

/// What a command line asks for.
#[derive(Debug)]
pub(crate) enum Wanted {
    Chore(Chore),
    /// Something of `modality-bench`'s, with its arguments.
    Other(Vec<OsString>),
}

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

/// What is done to the program, not with it.
#[derive(Debug, Subcommand)]
pub(crate) enum Chore {
    /// Compile every CUDA kernel and show the registers and memory it takes on each kind of device
    Kernels,
    /// Run every check that needs no GPU: format, kernels, lints, unit, doc, emulated-GPU and end-to-end tests
    Test(Test),
    /// Kill the program and its runners at random moments, fill its disk, and hand it backends with bad manners (Linux)
    Faults(Faults),
}

#[derive(Debug, Args)]
pub(crate) struct Faults {
    /// Processes to kill; a disk is filled for every fourth
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) kills: u32,
    /// Seed of the moments
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Where the table goes
    #[arg(long, value_name = "DIR", default_value = "results/faults")]
    pub(crate) out: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Test {
    /// Only these steps, by name or key: unit, emulated-gpu, end-to-end, ...
    #[arg(long, value_name = "STEP", value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// Run the tests so many times, each time with other addresses, another order and another seed, and name those that
    /// are not steady
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) repeat: u16,
    /// Seed of the first run; 0 is the plain one
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    pub(crate) seed: u64,
}

/// A chore, where the first word names one; the process ends where its arguments are wrong or ask for help.
pub(crate) fn wanted(arguments: Vec<OsString>) -> Wanted {
    let is_chore = |word: &OsStr| word.to_str().is_some_and(Chore::has_subcommand);
    let words = arguments.iter().filter(|word| !is_option(word) && *word != "help");
    match words.map(OsString::as_os_str).next() {
        Some(word) if is_chore(word) => {
            let own = [OsString::from("cargo xtask")].into_iter().chain(arguments);
            Wanted::Chore(Cli::parse_from(own).chore)
        }
        _ => Wanted::Other(arguments),
    }
}

fn is_option(word: &OsStr) -> bool {
    word.as_encoded_bytes().starts_with(b"-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(line: &str) -> Wanted {
        super::wanted(line.split_whitespace().map(OsString::from).collect())
    }

    #[test]
    fn what_is_no_chore_is_handed_over_as_it_was_typed() {
        for line in ["", "--help", "reproduce --study smoke", "--quiet list", "report test"] {
            let Wanted::Other(arguments) = wanted(line) else { panic!("{line}") };
            assert_eq!(arguments.join(OsStr::new(" ")), line);
        }
    }

    #[test]
    fn chores_are_read_here() {
        assert!(matches!(wanted("kernels"), Wanted::Chore(Chore::Kernels)));
        let Wanted::Chore(Chore::Test(test)) = wanted("test --only unit,doc --repeat 3") else {
            panic!("it is a chore")
        };
        assert_eq!((test.repeat, test.seed, test.only), (3, 0, vec!["unit".into(), "doc".into()]));
    }
}
