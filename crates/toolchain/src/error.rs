//! Failures that callers tell apart; everything else is a plain [`anyhow::Error`].

use std::path::Path;

use thiserror::Error;

/// A mistake in a command line, a configuration file or a folder of the user's: exit code 2.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct UserError(pub String);

/// What cannot be had from here and now: no network, no pip, no such file on the server.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct NotReachable(pub String);

/// The error and its causes as a sentence that says everything once: some errors show their cause themselves, and some
/// causes name the file that the error names.
pub fn sentence(error: &anyhow::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    for cause in error.chain().map(ToString::to_string) {
        match parts.last_mut() {
            Some(last) if last.contains(&cause) => {}
            Some(last) if cause.starts_with(last.as_str()) => *last = cause,
            _ => parts.push(cause),
        }
    }
    parts.join(": ")
}

/// Runners are told of places in JSON, which has no words for one whose name is not Unicode.
///
/// # Errors
/// [`UserError`] naming the place; `what` says whose it is, `--out` for instance.
pub fn check_unicode(what: &str, place: &Path) -> Result<(), UserError> {
    match place.to_str() {
        Some(_) => Ok(()),
        None => Err(UserError(format!(
            "{what}: the name of {} is not UTF-8; choose another place",
            place.display()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use anyhow::{Context as _, anyhow};

    use super::*;

    #[test]
    fn a_cause_is_said_once() {
        let full = || anyhow::Error::from(std::io::Error::other("full"));
        assert_eq!(sentence(&full().context("a").context("b")), "b: a: full");
        assert_eq!(sentence(&full().context("disk is full")), "disk is full");
        assert_eq!(sentence(&anyhow!("/x: no").context("/x").context("y")), "y: /x: no");
        let own = Err::<(), _>(NotReachable("no".to_owned())).context("z").unwrap_err();
        assert_eq!(sentence(&own), "z: no");
    }

    #[cfg(unix)]
    #[test]
    fn a_name_that_is_not_unicode_is_refused() {
        use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};
        check_unicode("--out", Path::new("/\u{e9}")).unwrap();
        let wrong = check_unicode("--out", Path::new(OsStr::from_bytes(b"/out\xff"))).unwrap_err();
        assert!(wrong.to_string().starts_with("--out: the name of /out"), "{wrong}");
    }
}
