//! Files from elsewhere: by https, or by way of the user's pip.

pub(crate) mod download;
#[cfg(test)]
#[cfg(unix)]
pub(crate) mod fake_pip;
pub(crate) mod pip;
#[cfg(test)]
pub(crate) mod test_server;

use download::{Client, Patience};
use pip::Pip;

use crate::error::NotReachable;

/// The network, as far as it may be used.
pub(crate) enum Network {
    /// `--offline` was given.
    Closed,
    /// Anything may be fetched.
    Open(Tools),
}

/// What files are fetched with.
pub(crate) struct Tools {
    pub(crate) client: Client,
    pub(crate) pip: Pip,
}

impl Network {
    pub(crate) fn new(offline: bool) -> Self {
        if offline {
            return Self::Closed;
        }
        Self::Open(Tools { client: Client::new(Patience::default()), pip: Pip::default() })
    }

    pub(crate) fn is_offline(&self) -> bool {
        matches!(self, Self::Closed)
    }

    /// What to fetch with. `missing` says what is not here, `advice` how it could be had.
    ///
    /// # Errors
    /// [`NotReachable`] with both, where nothing may be fetched.
    pub(crate) fn tools(&self, missing: &str, advice: &str) -> Result<&Tools, NotReachable> {
        match self {
            Self::Open(tools) => Ok(tools),
            Self::Closed => {
                Err(NotReachable(format!("{missing}, and --offline was given; {advice}")))
            }
        }
    }
}

/// What stands after the last slash.
pub(crate) fn last_part(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
