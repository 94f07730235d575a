//! What the process ends with: 2 for the user's mistakes, 1 for anything else.

use std::{io, process::ExitCode};

use modality_compare::Mismatch;
use modality_data::Error as DataError;
use modality_harness::Error as HarnessError;
use modality_protocol::files::Error as FileError;
use modality_toolchain::UserError;

pub(crate) fn code(error: &anyhow::Error) -> ExitCode {
    ExitCode::from(if is_users_mistake(error) { 2 } else { 1 })
}

fn is_users_mistake(error: &anyhow::Error) -> bool {
    if let Some(FileError::Io { cause, .. }) = error.downcast_ref() {
        return is_wrong_path(cause);
    }
    match (error.downcast_ref(), error.downcast_ref()) {
        (
            Some(HarnessError::Io { cause, .. } | HarnessError::Data(DataError::Io { cause, .. })),
            _,
        )
        | (_, Some(DataError::Io { cause, .. })) => is_wrong_path(cause),
        (Some(_), _) | (_, Some(_)) => true,
        (None, None) => error.is::<UserError>() || error.is::<Mismatch>(),
    }
}

/// A path that is not what it should be; anything else, a full disk for instance, is the machine's.
fn is_wrong_path(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::NotFound | Kind::PermissionDenied | Kind::NotADirectory | Kind::IsADirectory
    )
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;
    use modality_toolchain::NotReachable;

    use super::*;

    #[test]
    fn users_mistakes_are_found_below_context() {
        let mistake =
            Err::<(), _>(UserError("no".to_owned())).context("while testing").unwrap_err();
        let offline =
            Err::<(), _>(NotReachable("no".to_owned())).context("while testing").unwrap_err();
        assert!(is_users_mistake(&mistake) && !is_users_mistake(&offline));
        assert!(offline.is::<NotReachable>());
        assert!(is_users_mistake(&HarnessError::Invalid("no".to_owned()).into()));
        let [base, head] = ["a/b", "a/c"].map(str::to_owned);
        assert!(is_users_mistake(&Mismatch::NoPairs { base, head }.into()));
    }

    #[test]
    fn a_wrong_path_is_the_users_and_a_full_disk_is_not() {
        let of = |kind: io::ErrorKind| {
            let cause = io::Error::from(kind);
            anyhow::Error::new(HarnessError::Io { path: "x".into(), cause })
        };
        assert!(is_users_mistake(&of(io::ErrorKind::NotFound)));
        assert!(!is_users_mistake(&of(io::ErrorKind::StorageFull)));
    }
}
