//! Files that are written whole or not at all.

use std::{fs, io::Write as _, path::Path};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{Error, Result};

/// Writes `bytes` to a temporary file beside `path`, syncs it, and renames it into place.
///
/// # Errors
/// [`Error::Io`] naming `path`; what stood there before is untouched.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let io = |cause| Error::Io { path: path.to_owned(), cause };
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(io)?;
    file.write_all(bytes).map_err(io)?;
    file.as_file().sync_all().map_err(io)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        file.as_file().set_permissions(fs::Permissions::from_mode(0o644)).map_err(io)?;
    }
    file.persist(path).map_err(|error| io(error.error))?;
    Ok(())
}

/// [`write()`] of a value as indented JSON.
///
/// # Errors
/// As [`write()`].
pub fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    let mut bytes = serde_json::to_vec_pretty(value)
        .map_err(|cause| Error::Json { path: path.to_owned(), cause })?;
    bytes.push(b'\n');
    write(path, &bytes)
}

/// Reads a value from a JSON file.
///
/// # Errors
/// [`Error::Io`] or [`Error::Json`], naming `path`.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let bytes = fs::read(path).map_err(|cause| Error::Io { path: path.to_owned(), cause })?;
    serde_json::from_slice(&bytes).map_err(|cause| Error::Json { path: path.to_owned(), cause })
}

/// [`read_json`] of a `what` whose `format` must be the one given, whatever else it holds.
pub(crate) fn read_json_of_format<T: DeserializeOwned>(
    path: &Path,
    what: &str,
    format: u32,
) -> Result<T> {
    #[derive(Deserialize)]
    struct Format {
        format: u32,
    }
    let Format { format: found } = read_json(path)?;
    if found != format {
        return Err(Error::Invalid(format!(
            "{}: {what} format {found} where this program reads {format}",
            path.display()
        )));
    }
    read_json(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_format_is_named_before_anything_it_lacks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan.json");
        fs::write(&path, r#"{"format": 1}"#).unwrap();
        let error = read_json_of_format::<crate::plan::Plan>(&path, "plan", 2).unwrap_err();
        assert!(error.to_string().ends_with("plan format 1 where this program reads 2"), "{error}");
    }
}
