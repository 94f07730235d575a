//! The file that a runner left, looked at before any of it is believed: it may be anything, and of any size.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _},
    path::Path,
};

use memmap2::Mmap;
use modality_protocol::text;
use ndarray::ArrayView2;
use ndarray_npy::ViewNpyExt as _;
use sha2::{Digest as _, Sha256};

use crate::{Error, Result};

const MAGIC: &[u8] = b"\x93NUMPY";
/// Bytes of the longest header that is read; NumPy writes 128.
const LONGEST_HEADER: usize = 4096;
/// Little-endian float32.
const FLOAT32: &str = "<f4";

/// Predictions in a file, test cells x features of the target.
pub(crate) struct Predictions {
    bytes: Mmap,
}

impl Predictions {
    /// Opens the file at `path`, which must hold float32 numbers of this shape and nothing else.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the file and what is wrong with it; [`Error::Io`].
    pub(crate) fn open(path: &Path, shape: (usize, usize)) -> Result<Self> {
        let io = |cause| Error::Io { path: path.to_owned(), cause };
        let wrong = |what: String| Error::Invalid(format!("{}: {what}", path.display()));
        let kind = match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(wrong(
                    "the runner says that it is done and left no predictions".to_owned(),
                ));
            }
            found => found.map_err(io)?.file_type(),
        };
        if !kind.is_file() {
            return Err(wrong(format!("predictions must be a file, not {}", name(kind))));
        }
        // Whatever takes its place now is not followed, and not waited for.
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        let file = File::options().read(true).custom_flags(flags).open(path).map_err(io)?;
        let length = file.metadata().map_err(io)?.len();
        // SAFETY: the runner has ended, and whatever it started; nobody else knows of this file.
        let bytes = unsafe { Mmap::map(&file) }.map_err(io)?;
        Header::read(&bytes).and_then(|header| header.check(shape, length)).map_err(wrong)?;
        let predictions = Self { bytes };
        predictions.try_view().map_err(wrong)?;
        Ok(predictions)
    }

    /// The numbers.
    pub(crate) fn view(&self) -> ArrayView2<'_, f32> {
        self.try_view().expect("it was looked at when it was opened")
    }

    /// SHA-256 of the file.
    pub(crate) fn sha256(&self) -> String {
        modality_data::hex(&Sha256::digest(&self.bytes))
    }

    fn try_view(&self) -> Result<ArrayView2<'_, f32>, String> {
        let view = ArrayView2::<f32>::view_npy(&self.bytes);
        view.map_err(|error| format!("not a float32 matrix in npy format: {error}"))
    }
}

/// Makes room for the predictions of a run: what an earlier one left could pass for them.
///
/// # Errors
/// [`Error::Io`] where it cannot be removed.
pub(crate) fn remove(path: &Path) -> Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
            Err(Error::Io { path: path.to_owned(), cause })
        }
        _ => Ok(()),
    }
}

/// Removes what is no file: nobody should open a pipe or a link that a runner left among results.
pub(crate) fn remove_unless_file(path: &Path) -> Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() => remove(path),
        _ => Ok(()),
    }
}

fn name(kind: fs::FileType) -> &'static str {
    match kind {
        kind if kind.is_dir() => "a folder",
        kind if kind.is_symlink() => "a symbolic link",
        kind if kind.is_fifo() => "a pipe",
        kind if kind.is_socket() => "a socket",
        _ => "a device",
    }
}

/// What an `.npy` file says of itself.
#[derive(Debug, PartialEq)]
struct Header {
    descr: String,
    shape: Vec<u64>,
    /// Where the numbers begin.
    offset: u64,
}

impl Header {
    /// Of a file that begins so.
    fn read(bytes: &[u8]) -> Result<Self, String> {
        let not_npy = || "not in npy format".to_owned();
        let rest = bytes.strip_prefix(MAGIC).ok_or_else(not_npy)?;
        let (length, start) = match *rest {
            [1, _, a, b, ..] => (usize::from(u16::from_le_bytes([a, b])), 10),
            [2 | 3, _, a, b, c, d, ..] => (u32::from_le_bytes([a, b, c, d]) as usize, 12),
            _ => return Err(not_npy()),
        };
        if length > LONGEST_HEADER {
            return Err(format!("its npy header has {length} bytes; {LONGEST_HEADER} are read"));
        }
        let text = bytes.get(start..start + length).and_then(|text| std::str::from_utf8(text).ok());
        let text = text.ok_or_else(not_npy)?;
        let header = Self::parse(text, (start + length) as u64);
        header.ok_or_else(|| format!("its npy header is `{}`", text::short(text, 120)))
    }

    /// A dictionary of Python's with a string, a truth value and a tuple of whole numbers: nothing is nested.
    fn parse(text: &str, offset: u64) -> Option<Self> {
        let value = |key: &str| Some(text.split_once(&format!("'{key}':"))?.1.trim_start());
        let descr = value("descr")?.strip_prefix('\'')?.split_once('\'')?.0.to_owned();
        let shape = value("shape")?.strip_prefix('(')?.split_once(')')?.0;
        let numbers = shape.split(',').map(str::trim).filter(|number| !number.is_empty());
        let shape = numbers.map(|number| number.parse().ok()).collect::<Option<Vec<u64>>>()?;
        let is_flat = text.chars().filter(|c| "([{".contains(*c)).count() == 2;
        is_flat.then_some(Self { descr, shape, offset })
    }

    /// Whether it is float32 of this shape, in a file of this length.
    fn check(&self, (cells, features): (usize, usize), length: u64) -> Result<(), String> {
        let wanted = format!("{cells} cells x {features} features are expected");
        if self.shape != [cells as u64, features as u64] {
            let shape: Vec<String> = self.shape.iter().map(u64::to_string).collect();
            return Err(format!("predictions are {} where {wanted}", shape.join(" x ")));
        }
        if self.descr != FLOAT32 {
            let descr = text::short(&self.descr, 20);
            return Err(format!(
                "predictions are of type `{descr}` where `{FLOAT32}` (float32) is expected"
            ));
        }
        let bytes = self.offset + 4 * (cells as u64) * (features as u64);
        if length != bytes {
            return Err(format!("it has {length} bytes where {bytes} are expected, as {wanted}"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{fmt::Write as _, os::unix::fs::symlink, os::unix::net::UnixListener};

    use ndarray::array;
    use ndarray_npy::write_npy;

    use super::*;

    /// A file with this dictionary for a header, and so many bytes after it.
    fn npy(folder: &Path, header: &str, bytes: usize) -> std::path::PathBuf {
        let mut header = header.to_owned();
        let end = " ".repeat((64 - (header.len() + 11) % 64) % 64);
        writeln!(header, "{end}").unwrap();
        let length = (header.len() as u16).to_le_bytes();
        let path = folder.join("p.npy");
        let all = [MAGIC, &[1, 0], &length, header.as_bytes(), &vec![0; bytes]].concat();
        fs::write(&path, all).unwrap();
        path
    }

    fn refusal(path: &Path) -> String {
        let error = Predictions::open(path, (2, 3)).err().unwrap().to_string();
        error.strip_prefix(&format!("{}: ", path.display())).unwrap().to_owned()
    }

    #[test]
    fn good_predictions_are_read_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.npy");
        let values = array![[1.0_f32, 2.0, 3.0], [4.0, 5.0, 6.5]];
        write_npy(&path, &values).unwrap();
        let predictions = Predictions::open(&path, (2, 3)).unwrap();
        assert_eq!(predictions.view(), values);
        assert_eq!(predictions.sha256(), modality_data::sha256_file(&path).unwrap());
    }

    #[test]
    fn what_a_header_claims_is_held_against_what_is_wanted() {
        let folder = tempfile::tempdir().unwrap();
        let header = |descr: &str, shape: &str| {
            format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}")
        };
        let wanted = "2 cells x 3 features are expected";
        for (header, bytes, said) in [
            (header("<f4", "(3, 2)"), 24, format!("predictions are 3 x 2 where {wanted}")),
            (header("<f4", "(6,)"), 24, format!("predictions are 6 where {wanted}")),
            (
                header("<f4", "(4000000000, 4000000000)"),
                0,
                format!("predictions are 4000000000 x 4000000000 where {wanted}"),
            ),
            (
                header("<f8", "(2, 3)"),
                48,
                "predictions are of type `<f8` where `<f4` (float32) is expected".to_owned(),
            ),
            (
                header("<f4", "(2, 3)"),
                20,
                format!("it has 148 bytes where 152 are expected, as {wanted}"),
            ),
            (
                header("<f4", "(2, 3)"),
                28,
                format!("it has 156 bytes where 152 are expected, as {wanted}"),
            ),
            (
                format!("{{'shape': (2, 3), 'descr': '<f4', 'x': {}", "(".repeat(3000)),
                24,
                format!(
                    "its npy header is `{{'shape': (2, 3), 'descr': '<f4', 'x': {}…`",
                    "(".repeat(78)
                ),
            ),
            ("{}".to_owned(), 0, "its npy header is `{}`".to_owned()),
        ] {
            let path = npy(folder.path(), &header, bytes);
            let found = refusal(&path);
            assert!(found.starts_with(said.trim_end_matches("…`")), "{found} where {said}");
        }
        let path = folder.path().join("p.npy");
        fs::write(&path, [MAGIC, &[2, 0, 255, 255, 255, 255, 0, 0]].concat()).unwrap();
        assert_eq!(refusal(&path), "its npy header has 4294967295 bytes; 4096 are read");
        fs::write(&path, "RMSE 0.1").unwrap();
        assert_eq!(refusal(&path), "not in npy format");
        fs::write(&path, "").unwrap();
        assert_eq!(refusal(&path), "not in npy format");
    }

    #[test]
    fn only_a_file_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        symlink("/dev/zero", path("link")).unwrap();
        fs::create_dir(path("folder")).unwrap();
        let _socket = UnixListener::bind(path("socket")).unwrap();
        let made = std::process::Command::new("mkfifo").arg(path("pipe")).status().unwrap();
        assert!(made.success());
        for (name, kind) in [
            ("link", "symbolic link"),
            ("folder", "folder"),
            ("socket", "socket"),
            ("pipe", "pipe"),
        ] {
            let path = path(name);
            assert_eq!(refusal(&path), format!("predictions must be a file, not a {kind}"));
            remove_unless_file(&path).unwrap();
            assert!(fs::symlink_metadata(&path).is_err(), "{name} is still there");
        }
        assert_eq!(refusal(Path::new("/dev/zero")), "predictions must be a file, not a device");
        fs::write(path("file"), "").unwrap();
        remove_unless_file(&path("file")).unwrap();
        assert!(path("file").exists());
        remove(&path("file")).unwrap();
        remove(&path("file")).unwrap();
    }
}
