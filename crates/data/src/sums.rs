//! SHA-256 sums of files, so that a record says which bytes were read.

use std::io::Read;
use std::path::{Path, PathBuf};

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

/// Name without folder, and sum. A folder counts as one file, whose sum is that of the lines `SUM  NAME` of all files in it,
/// in order of their names.
pub(crate) fn file_sum(path: &Path) -> Result<FileSum> {
    let name = path.file_name().unwrap_or(path.as_os_str()).display().to_string();
    let sha256 = if path.is_dir() {
        let mut files = Vec::new();
        collect_files(path, &mut files)?;
        files.sort();
        let mut lines = Sha256::new();
        for file in &files {
            let name = file.strip_prefix(path).unwrap_or(file).display();
            lines.update(format!("{}  {name}\n", sha256_file(file)?));
        }
        hex(&lines.finalize())
    } else {
        sha256_file(path)?
    };
    Ok(FileSum { name, sha256 })
}

fn collect_files(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let io = |cause| Error::Io { path: folder.to_owned(), cause };
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        if path.is_dir() {
            collect_files(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

/// Bytes as lower-case hexadecimal, the form in which sums are written.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_of_a_folder_is_that_of_names_and_contents() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("b")).unwrap();
        std::fs::write(folder.path().join("b/one"), "abc").unwrap();
        std::fs::write(folder.path().join("a"), "").unwrap();
        let lines = [folder.path().join("a"), folder.path().join("b/one")]
            .map(|file| sha256_file(&file).unwrap());
        let lines = format!("{}  a\n{}  b/one\n", lines[0], lines[1]);
        let expected = hex(&Sha256::digest(lines));
        assert_eq!(file_sum(folder.path()).unwrap().sha256, expected);
        std::fs::rename(folder.path().join("a"), folder.path().join("c")).unwrap();
        assert_ne!(file_sum(folder.path()).unwrap().sha256, expected);
    }
}
