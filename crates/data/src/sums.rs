//! SHA-256 sums of files, so that a record says which bytes were read.

use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::{Error, FileSum, Result};

/// The SHA-256 sum of a file, lower-case hexadecimal.
///
/// # Errors
/// [`Error::Io`] where the file cannot be read.
pub fn sha256_file(path: &Path) -> Result<String> {
    let io = |cause| Error::Io { path: path.to_owned(), cause };
    let mut file = std::fs::File::open(path).map_err(io)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer).map_err(io)? {
            0 => break,
            read => hasher.update(&buffer[..read]),
        }
    }
    Ok(hex(&hasher.finalize()))
}

/// Name without folder, and sum.
pub(crate) fn file_sum(path: &Path) -> Result<FileSum> {
    let name = path.file_name().unwrap_or(path.as_os_str()).display().to_string();
    Ok(FileSum { name, sha256: sha256_file(path)? })
}

/// Bytes as lower-case hexadecimal, the form in which sums are written.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
