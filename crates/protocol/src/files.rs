//! Files that are written whole or not at all.

use std::{
    fs,
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
};

use serde::{Serialize, de::DeserializeOwned};

/// A file that cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused.
    #[error("{path}: {cause}", path = path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// A JSON file that does not hold what it should.
    #[error("{path}: {cause}", path = path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What and where.
        cause: serde_json::Error,
    },
}

type Result<T> = std::result::Result<T, Error>;

/// Writes `bytes` to a temporary file beside `path`, syncs it, and renames it into place.
///
/// # Errors
/// [`Error::Io`] naming `path`; what stood there before is untouched.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    write_with(path, |file| file.write_all(bytes))
}

/// [`write()`] of what `put` writes, which need not stand in memory whole.
///
/// # Errors
/// As [`write()`]; the reasons of `put` too.
pub fn write_with(
    path: &Path,
    put: impl FnOnce(&mut dyn io::Write) -> io::Result<()>,
) -> Result<()> {
    let io = |cause| Error::Io { path: path.to_owned(), cause };
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(io)?;
    let mut buffered = BufWriter::new(&mut file);
    put(&mut buffered).and_then(|()| buffered.flush()).map_err(io)?;
    drop(buffered);
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
