//! What every command works with.

use std::path::{Path, PathBuf};

use crate::{cli::Cli, fetch::Network, progress::Progress};

/// The checkout, where progress is shown, and the network as far as it may be used.
pub(crate) struct World {
    /// The root of the checkout.
    pub(crate) root: PathBuf,
    pub(crate) progress: Progress,
    pub(crate) network: Network,
}

impl World {
    /// As the command line wants it.
    pub(crate) fn new(cli: &Cli) -> anyhow::Result<Self> {
        Ok(Self {
            root: checkout()?,
            progress: Progress::stderr(cli.quiet),
            network: Network::new(cli.offline),
        })
    }

    /// The folder of studies, data sets and backends.
    pub(crate) fn configs(&self) -> PathBuf {
        self.root.join("bench-configs")
    }
}

/// The root of the checkout that this program was built in.
fn checkout() -> anyhow::Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().filter(|root| root.join("bench-configs").is_dir()).map(Path::to_owned).ok_or_else(
        || anyhow::anyhow!("{} is no longer a checkout of modality-bench", here.display()),
    )
}
