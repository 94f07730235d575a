//! What every command works with.

use std::{path::PathBuf, process::Command};

use crate::{fetch::Network, progress::Progress};

/// The checkout, where progress is shown, and the network as far as it may be used.
pub struct World {
    /// The root of the checkout, or of a folder that stands in for it.
    pub root: PathBuf,
    /// Where whoever waits is told how far things are.
    pub progress: Progress,
    /// What may be fetched.
    pub network: Network,
    /// Where cargo leaves what it builds, if not where it would.
    pub target: Option<PathBuf>,
}

impl World {
    /// Around the checkout in `root`.
    pub fn new(root: PathBuf, quiet: bool, offline: bool) -> Self {
        Self {
            root,
            progress: Progress::stderr(quiet),
            network: Network::new(offline),
            target: None,
        }
    }

    /// Cargo in the root of the checkout; it keeps off the network where this program does.
    pub fn cargo(&self) -> Command {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(&self.root);
        if let Some(target) = &self.target {
            cargo.env("CARGO_TARGET_DIR", target);
        }
        if self.network.is_offline() {
            cargo.env("CARGO_NET_OFFLINE", "true");
        }
        cargo
    }
}
