//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Compare implementations of modality prediction: which predicts best, how fast, on this machine.
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    version,
    disable_help_subcommand = false,
    after_help = "First time here? `cargo xtask reproduce --study smoke` takes seconds, `cargo xtask reproduce` minutes.\n\
                  Studies, data sets and backends are TOML files in bench-configs/; `cargo xtask list` names them."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// No bars and no progress lines
    #[arg(long, global = true)]
    pub(crate) quiet: bool,
    /// Fetch nothing; use what is here
    #[arg(long, global = true)]
    pub(crate) offline: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a study and report it: fetches, builds, runs, scores
    Reproduce(Reproduce),
    /// Fetch a data set and make it ready, without running anything
    Fetch(Fetch),
    /// Make ready what some backends are built with, and print where it is
    Setup {
        /// What to make ready
        item: Item,
    },
    /// Write tables, figure and pages anew from the records of a study
    Report {
        /// The study's output folder
        folder: PathBuf,
    },
    /// Show how close generated data comes to the competition's
    Calibrate(Calibrate),
    /// Name the studies, data sets and backends
    List,
    /// Run every check that this machine can: format, lints, unit, doc and end-to-end tests
    Test,
}

/// What backends are built with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Item {
    /// PyTorch's C++ library: found ($LIBTORCH, Python), or fetched into the cache (about 550 MB)
    Libtorch,
}

#[derive(Debug, Args)]
pub(crate) struct Reproduce {
    /// Study to run
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub(crate) study: String,
    /// Folder with the competition's four files (*train_mod1*.h5ad, ...), in place of the study's data set
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Only these rows: methods, backends, or method/backend
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// Runs of each row [default: the study's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) repeats: Option<u16>,
    /// CPU threads of each run [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// Memory that each run may take, in GiB [default: what is free, less a tenth]
    #[arg(long, value_name = "GiB", value_parser = memory)]
    pub(crate) memory: Option<f64>,
    /// Where results go [default: a new folder out/STUDY/N]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Go on with a study that was stopped, in --out or the newest folder
    #[arg(long)]
    pub(crate) resume: bool,
}

fn memory(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(gib) if gib > 0.0 && gib < 1e6 => Ok(gib),
        _ => Err("write a number of GiB above 0, `--memory 8` for instance".to_owned()),
    }
}

#[derive(Debug, Args)]
pub(crate) struct Fetch {
    /// Data set to fetch
    #[arg(default_value = "liu-covid-cite")]
    pub(crate) name: String,
    /// Size of generated data: tiny, small or paper
    #[arg(long, value_name = "SIZE")]
    pub(crate) size: Option<String>,
    /// Folder with the data set's files
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Calibrate {
    /// Size of the generated data: tiny, small or paper
    #[arg(long, value_name = "SIZE", default_value = "paper")]
    pub(crate) size: String,
}
