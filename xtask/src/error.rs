//! The two failures that callers tell apart; everything else is a plain [`anyhow::Error`].

use std::process::ExitCode;

use thiserror::Error;

/// A mistake in a command line, a configuration file or a folder of the user's: exit code 2.
#[derive(Debug, Error)]
#[error("{0}")]
pub(crate) struct UserError(pub(crate) String);

/// Data that cannot be had from here and now: no network, no pip, no such file on the server.
#[derive(Debug, Error)]
#[error("{0}")]
pub(crate) struct NotReachable(pub(crate) String);

/// What the process ends with: 2 for a [`UserError`], 1 for anything else.
pub(crate) fn exit_code(error: &anyhow::Error) -> ExitCode {
    ExitCode::from(if error.is::<UserError>() { 2 } else { 1 })
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn users_mistakes_are_found_below_context() {
        let mistake =
            Err::<(), _>(UserError("no".to_owned())).context("while testing").unwrap_err();
        let offline =
            Err::<(), _>(NotReachable("no".to_owned())).context("while testing").unwrap_err();
        assert_eq!(
            [exit_code(&mistake), exit_code(&offline)],
            [ExitCode::from(2), ExitCode::from(1)]
        );
        assert!(offline.is::<NotReachable>());
    }
}
