//! The command line.

use std::path::PathBuf;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use modality_protocol::{DeviceId, Task};

mod own_data;
mod regress;

pub(crate) use own_data::OwnData;
pub(crate) use regress::Regress;

/// The variable in which whoever calls this program for a user says what the user typed.
const CALLED_AS: &str = "MODALITY_BENCH_CALLED_AS";

/// Compare implementations of modality prediction: which predicts best, how fast, on this machine.
#[derive(Debug, Parser)]
#[command(
    name = "modality-bench",
    version,
    after_help = "First time here? `cargo xtask reproduce --study smoke` takes seconds, `cargo xtask reproduce` minutes.\n\
                  Studies, data sets and backends are TOML files in bench-configs/; `cargo xtask list` names them.\n\
                  For work on the program itself: `cargo xtask test`, `cargo xtask kernels`; each has a --help."
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

impl Cli {
    /// Of this process, which says how to call it and ends where that was wrong.
    pub(crate) fn of_process() -> Self {
        let name = std::env::var(CALLED_AS).unwrap_or_else(|_| "modality-bench".to_owned());
        let matches = Self::command().bin_name(name).get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }
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
    /// Hold rows of two studies, or of one, side by side: how many times as slow, as large, as wrong
    Compare(Compare),
    /// Tell whether the working tree is slower or less accurate than a commit
    ///
    /// Builds both, and runs each row of the study on both in turn, one process a run, until it is known. Exit code: 0 if nothing
    /// is worse, 1 if something is, 3 if that cannot be told, 2 if nothing could be compared.
    Regress(Regress),
    /// Show how close generated data comes to the competition's
    Calibrate(Calibrate),
    /// Check and measure what can only be known on a machine with an NVIDIA GPU
    GpuCheck(GpuCheck),
    /// Hold a program to the protocol that backends speak (PROTOCOL.md), on generated cells
    CheckBackend(CheckBackend),
    /// Name the studies, data sets and backends
    List,
}

/// What backends are built with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Item {
    /// PyTorch's C++ library: found ($LIBTORCH, Python), or fetched into the cache (about 550 MB)
    Libtorch,
    /// NVIDIA's compiler of CUDA 13: found ($NVCC, $CUDA_HOME, PATH), or fetched into the cache (about 190 MB)
    Nvcc,
    /// A C++ compiler, for libtorch's bindings and the emulated GPU: found ($CXX, c++, g++), never fetched
    Compiler,
}

#[derive(Debug, Args)]
pub(crate) struct Reproduce {
    /// Study to run
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub(crate) study: String,
    /// What is predicted from what, in place of the study's own: gex-to-adt, adt-to-gex, gex-to-atac or atac-to-gex
    #[arg(long, value_name = "TASK")]
    pub(crate) task: Option<Task>,
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
    /// GPU that rows on CUDA devices use, counted from 0 [default: the backend's]
    #[arg(long, value_name = "N")]
    pub(crate) gpu: Option<u16>,
    /// Seconds that each run may take, after which it is stopped and has failed [default: the study's]
    #[arg(long, alias = "row-limit", value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) timeout: Option<u32>,
    /// Gene sets (.gmt) whose genes rows of gnn join by edges [default: the study's, or none]
    #[arg(long, value_name = "FILE")]
    pub(crate) gmt: Option<PathBuf>,
    /// Where results go [default: a new folder out/STUDY/N]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Go on with a study that was stopped, in --out or the newest folder
    #[arg(long)]
    pub(crate) resume: bool,
    #[command(flatten)]
    pub(crate) own: OwnData,
}

fn memory(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(gib) if gib > 0.0 && gib < 1e6 => Ok(gib),
        _ => Err("write a number of GiB above 0, `--memory 8` for instance".to_owned()),
    }
}

#[derive(Debug, Args)]
#[command(
    after_help = "Two folders: every row that both have. FOLDER:ROW1 FOLDER:ROW2: those two rows. FOLDER:ROW FOLDER: that row of both.\n\
                        Rows are named as in reports, `tsvd-krr/linfa` or 'mlp epochs=3/torch'. Runs are paired by repeat and seed, and must be \
                        of the same data.\n\
                        Example: cargo xtask compare out/default/1 out/default/2:tsvd-krr/linfa"
)]
pub(crate) struct Compare {
    /// What is compared with: the output folder of a study or a folder of records, or FOLDER:ROW
    #[arg(value_name = "A")]
    pub(crate) base: String,
    /// What is compared; ratios are B over A
    #[arg(value_name = "B")]
    pub(crate) head: String,
    /// Least difference in times that matters
    #[arg(long, value_name = "PERCENT", default_value = "3", value_parser = percent)]
    pub(crate) least: f64,
    /// Print the comparisons as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

fn percent(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(percent) if (0.0..=1000.0).contains(&percent) => Ok(percent),
        _ => Err("write a number of percent from 0 to 1000, `--least 3` for instance".to_owned()),
    }
}

#[derive(Debug, Args)]
pub(crate) struct Fetch {
    /// Data set to fetch
    #[arg(default_value = "liu-covid-cite")]
    pub(crate) name: String,
    /// What is predicted from what [default: the first that the data set can serve]
    #[arg(long, value_name = "TASK")]
    pub(crate) task: Option<Task>,
    /// Size of generated data: tiny, small or paper
    #[arg(long, value_name = "SIZE")]
    pub(crate) size: Option<String>,
    #[command(flatten)]
    pub(crate) own: OwnData,
}

#[derive(Debug, Default, Args)]
pub(crate) struct GpuCheck {
    /// Write a folder that does this on a machine without cargo, network or checkout; does nothing here
    #[arg(
        long,
        value_name = "DIR",
        conflicts_with_all = ["out", "only", "studies", "rows", "repeats", "memory", "limit", "quick"]
    )]
    pub(crate) bundle: Option<PathBuf>,
    /// Where results go [default: a new folder out/gpu-check/N]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Only these steps
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub(crate) only: Vec<Step>,
    /// Studies to run, without a GPU too [default: default, gpu, paper-scale and gpu-paper, where there is one]
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub(crate) studies: Vec<String>,
    /// Only these rows of the studies: methods, backends, or method/backend
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub(crate) rows: Vec<String>,
    /// Runs of each row [default: the study's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) repeats: Option<u16>,
    /// Memory that each run of a study may take, in GiB [default: what is free, less a tenth]
    #[arg(long, value_name = "GiB", value_parser = memory)]
    pub(crate) memory: Option<f64>,
    /// Take no longer: what needs more is not begun, and what takes more is stopped (but for building and fetching)
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: Option<u32>,
    /// Correctness only: time nothing, run no study
    #[arg(long)]
    pub(crate) quick: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CheckBackend {
    /// A backend of bench-configs/backends.toml
    pub(crate) name: Option<String>,
    /// Methods to run [default: all that the backend has]
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub(crate) methods: Vec<String>,
    /// What is predicted from what [default: gex-to-adt]
    #[arg(long, value_name = "TASK")]
    pub(crate) task: Option<Task>,
    /// Where a command computes: cpu, cuda or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    pub(crate) device: DeviceId,
    /// Seconds that each run may take
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
    /// A command line in place of a backend, after `--`
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}

/// A step of `gpu-check`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Step {
    /// The conformance suite, and every kernel beside float64 arithmetic and the device's best
    Checks,
    /// The same under compute-sanitizer, where it is installed: memcheck and racecheck
    Sanitizer,
    /// Studies that compare the GPU with the CPU and with the work of cuML's algorithms
    Studies,
}

#[derive(Debug, Args)]
pub(crate) struct Calibrate {
    /// Size of the generated data: tiny, small or paper
    #[arg(long, value_name = "SIZE", default_value = "paper")]
    pub(crate) size: String,
}
