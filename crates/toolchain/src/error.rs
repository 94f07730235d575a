//! Failures that callers tell apart; everything else is a plain [`anyhow::Error`].

use thiserror::Error;

/// A mistake in a command line, a configuration file or a folder of the user's: exit code 2.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct UserError(pub String);

/// What cannot be had from here and now: no network, no pip, no such file on the server.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct NotReachable(pub String);
