//! What `regress` is told.

use std::path::PathBuf;

use clap::Args;
use modality_protocol::Stage;

use super::percent;

#[derive(Debug, Args)]
pub(crate) struct Regress {
    /// Commit, branch or tag that the working tree is compared with
    #[arg(long, value_name = "REV", required_unless_present_any = ["baseline", "replay"])]
    pub(crate) against: Option<String>,
    /// In place of a commit, the regress.json of an earlier run on the same kind of device: weaker, as the machine may have changed
    #[arg(long, value_name = "FILE", conflicts_with = "against")]
    pub(crate) baseline: Option<PathBuf>,
    /// Measure nothing: have the gate decide again and again from the pairs that are recorded in the folders of this one, and write
    /// how often it is wrong
    #[arg(long, value_name = "DIR", conflicts_with_all = ["against", "baseline"])]
    pub(crate) replay: Option<PathBuf>,
    /// Study whose rows are run
    #[arg(long, value_name = "NAME", default_value = "regress")]
    pub(crate) study: String,
    /// Only these rows: methods, backends, or method/backend; `data` is the preparation of the data
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub(crate) rows: Vec<String>,
    /// Difference of a time that matters, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 3.0, value_parser = percent)]
    pub(crate) least: f64,
    /// Slowdown that must not be missed, in percent: as long as a time may be longer by so much, it is not called the same
    #[arg(long, value_name = "PERCENT", default_value_t = 10.0, value_parser = percent)]
    pub(crate) catch: f64,
    /// Pairs of runs at most, of each row
    #[arg(long, value_name = "N", default_value_t = 112, value_parser = clap::value_parser!(u16).range(14..=1000))]
    pub(crate) pairs: u16,
    /// Seconds after which no further pair is begun
    #[arg(long, value_name = "SECONDS", default_value_t = 1800, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
    /// CPU threads of each run [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// Where results go [default: a new folder out/regress/N]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Take the working tree as it is, with changes that are in no commit
    #[arg(long)]
    pub(crate) dirty: bool,
    /// Measure all pairs, also of rows of which all is known: for a calibration
    #[arg(long)]
    pub(crate) all_pairs: bool,
    /// Have a stage of the working tree's runs take longer by a share, `solve:0.1` for instance, to see whether that is found
    #[arg(long, value_name = "STAGE:SHARE", value_parser = planted)]
    pub(crate) plant: Option<String>,
}

fn planted(text: &str) -> Result<String, String> {
    let wrong = || "write a stage and a share, `--plant solve:0.1` for instance".to_owned();
    let (stage, share) = text.split_once(':').ok_or_else(wrong)?;
    let is_share = share.parse().is_ok_and(|share: f64| share > 0.0 && share < 10.0);
    let mut stages = Stage::ALL.into_iter().map(Stage::name);
    match is_share && stages.any(|name| name == stage) {
        true => Ok(text.to_owned()),
        false => Err(wrong()),
    }
}
