//! What every command works with.

use std::path::{Path, PathBuf};

use crate::{cli::Cli, fetch::Network, progress::Progress};

const CONFIGS: &str = "bench-configs";

/// The checkout, where progress is shown, and the network as far as it may be used.
pub(crate) struct World {
    /// The root of the checkout, or the folder that `gpu-check --bundle` wrote.
    pub(crate) root: PathBuf,
    pub(crate) progress: Progress,
    pub(crate) network: Network,
}

impl World {
    /// As the command line wants it.
    pub(crate) fn new(cli: &Cli) -> anyhow::Result<Self> {
        Ok(Self {
            root: root()?,
            progress: Progress::stderr(cli.quiet),
            network: Network::new(cli.offline),
        })
    }

    /// The folder of studies, data sets and backends.
    pub(crate) fn configs(&self) -> PathBuf {
        self.root.join(CONFIGS)
    }
}

/// The folder of this program, where it was put beside the studies; else the checkout that it was built in.
fn root() -> anyhow::Result<PathBuf> {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = std::env::current_exe().and_then(|program| program.canonicalize());
    let beside = program.ok().and_then(|program| Some(program.parent()?.to_owned()));
    let known = beside.into_iter().chain(checkout.parent().map(Path::to_owned));
    known.into_iter().find(|root| root.join(CONFIGS).is_dir()).ok_or_else(|| {
        anyhow::anyhow!("{} is no longer a checkout of modality-bench", checkout.display())
    })
}
