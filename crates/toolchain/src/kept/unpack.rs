//! Some members of a zip archive as files, measured as they are written.

use std::{
    fs,
    io::{self, BufReader, Read, Write as _},
    path::Path,
};

use anyhow::{Context as _, Result, ensure};
use modality_data::hex;
use sha2::{Digest as _, Sha256};
use zip::ZipArchive;

use super::place::{File, Files};
use crate::progress::Task;

/// So large a file may be on its way to the disk when the copy gets its name; thousands of headers are not waited
/// for one by one.
const WORTH_SYNCING: u64 = 1 << 20;

/// A member to take out.
struct Wanted {
    index: usize,
    /// Path below the folder.
    name: String,
    bytes: u64,
    is_program: bool,
}

/// Takes out of `archive` whatever `place` has a path for below `folder`.
pub(crate) fn unpack(
    archive: &Path,
    folder: &Path,
    place: impl Fn(&str) -> Option<String>,
    task: &Task<'_>,
) -> Result<Files> {
    let file = fs::File::open(archive).with_context(|| archive.display().to_string())?;
    let mut zip =
        ZipArchive::new(BufReader::new(file)).with_context(|| archive.display().to_string())?;
    let wanted = wanted(&mut zip, place)?;
    let total = wanted.iter().map(|wanted| wanted.bytes).sum();
    let mut files = Files::new();
    let mut done = 0;
    for Wanted { index, name, bytes, is_program } in wanted {
        let mut member = zip.by_index(index).with_context(|| name.clone())?;
        let path = folder.join(&name);
        let measured = write(&mut member, &path, |bytes| {
            done += bytes;
            task.set(done, Some(total));
        })
        .with_context(|| name.clone())?;
        ensure!(
            measured.bytes == bytes,
            "{name} has {} bytes where {bytes} are announced",
            measured.bytes
        );
        if is_program {
            allow_to_run(&path).with_context(|| name.clone())?;
        }
        files.insert(name, measured);
    }
    Ok(files)
}

/// Writes a file of our own, beside the unpacked ones.
pub(crate) fn add(folder: &Path, name: &str, text: &str, files: &mut Files) -> Result<()> {
    let measured =
        write(&mut text.as_bytes(), &folder.join(name), |_| ()).with_context(|| name.to_owned())?;
    files.insert(name.to_owned(), measured);
    Ok(())
}

fn wanted<R: Read + io::Seek>(
    zip: &mut ZipArchive<R>,
    place: impl Fn(&str) -> Option<String>,
) -> Result<Vec<Wanted>> {
    let mut wanted = Vec::new();
    for index in 0..zip.len() {
        let member = zip.by_index_raw(index)?;
        let safe = member.enclosed_name().and_then(|path| place(path.to_str()?));
        if let Some(name) = safe
            && !member.is_dir()
        {
            let is_program = member.unix_mode().is_some_and(|mode| mode & 0o111 != 0);
            wanted.push(Wanted { index, name, bytes: member.size(), is_program });
        }
    }
    Ok(wanted)
}

fn write(content: &mut impl Read, path: &Path, mut wrote: impl FnMut(u64)) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = fs::File::create(path)?;
    let (mut sum, mut bytes) = (Sha256::new(), 0);
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = match content.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        file.write_all(&buffer[..read])?;
        sum.update(&buffer[..read]);
        bytes += read as u64;
        wrote(read as u64);
    }
    if bytes >= WORTH_SYNCING {
        file.sync_all()?;
    }
    Ok(File { bytes, sha256: hex(&sum.finalize()) })
}

#[cfg(unix)]
fn allow_to_run(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn allow_to_run(_path: &Path) -> io::Result<()> {
    Ok(())
}
