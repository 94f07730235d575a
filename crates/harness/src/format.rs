//! JSON files that say which layout they have.

use std::{ops::RangeInclusive, path::Path};

use modality_protocol::files::read_json;
use serde::{Deserialize, de::DeserializeOwned};

use crate::{Error, Result};

/// [`read_json`] of a `what` whose `format` must be one of those given, whatever else it holds.
pub(crate) fn read<T: DeserializeOwned>(
    path: &Path,
    what: &str,
    formats: RangeInclusive<u32>,
) -> Result<T> {
    #[derive(Deserialize)]
    struct Format {
        format: u32,
    }
    let Format { format: found } = read_json(path)?;
    if !formats.contains(&found) {
        return Err(Error::Invalid(format!(
            "{}: {what} format {found} where this program reads {}",
            path.display(),
            formats.end()
        )));
    }
    Ok(read_json(path)?)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn another_format_is_named_before_anything_it_lacks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan.json");
        fs::write(&path, r#"{"format": 1}"#).unwrap();
        let error = read::<crate::plan::Plan>(&path, "plan", 2..=2).unwrap_err();
        assert!(error.to_string().ends_with("plan format 1 where this program reads 2"), "{error}");
    }
}
