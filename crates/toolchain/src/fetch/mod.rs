//! Files from elsewhere: by https, or by way of the user's pip.

pub mod download;
pub mod pip;

use download::{Client, Patience};
use pip::Pip;

use crate::NotReachable;

/// The network, as far as it may be used.
pub enum Network {
    /// `--offline` was given.
    Closed,
    /// Anything may be fetched.
    Open(Tools),
}

/// What files are fetched with.
pub struct Tools {
    /// For https.
    pub client: Client,
    /// For Python packages.
    pub pip: Pip,
}

impl Network {
    /// Open, unless `offline`.
    pub fn new(offline: bool) -> Self {
        if offline {
            return Self::Closed;
        }
        Self::Open(Tools { client: Client::new(Patience::default()), pip: Pip::default() })
    }

    /// Whether nothing may be fetched.
    pub fn is_offline(&self) -> bool {
        matches!(self, Self::Closed)
    }

    /// What to fetch with. `missing` says what is not here, `advice` how it could be had.
    ///
    /// # Errors
    /// [`NotReachable`] with both, where nothing may be fetched.
    pub fn tools(&self, missing: &str, advice: &str) -> Result<&Tools, NotReachable> {
        match self {
            Self::Open(tools) => Ok(tools),
            Self::Closed => {
                Err(NotReachable(format!("{missing}, and --offline was given; {advice}")))
            }
        }
    }
}

/// What stands after the last slash.
pub fn last_part(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
