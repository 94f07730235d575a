//! What a runner writes to standard error, kept up to a size.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    path::Path,
    process::ChildStderr,
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use modality_protocol::text;

/// Bytes that are kept from the beginning, and from the end of a longer log.
const HEAD: usize = 1 << 20;
const TAIL: usize = 64 << 10;
/// How long the end of what was written is waited for, once nobody is left who could write.
const PATIENCE: Duration = Duration::from_secs(5);
/// Characters of its last line that are quoted.
const QUOTED: usize = 200;

/// A log that is being written.
pub(super) struct Log(Receiver<io::Result<()>>);

impl Log {
    /// Copies what comes into `file`.
    pub(super) fn keep(stderr: ChildStderr, file: File) -> Self {
        let (sender, result) = mpsc::channel();
        thread::spawn(move || sender.send(copy(stderr, file)));
        Self(result)
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// Those of writing the file.
    pub(super) fn finish(self) -> io::Result<()> {
        let late = || Err(io::Error::new(io::ErrorKind::TimedOut, "somebody keeps it open"));
        self.0.recv_timeout(PATIENCE).unwrap_or_else(|_| late())
    }
}

/// All of it is read, so that no runner waits for a reader, also where writing fails.
fn copy(mut from: impl io::Read, mut to: impl io::Write) -> io::Result<()> {
    let mut room = HEAD;
    let (mut tail, mut left_out) = (VecDeque::<u8>::new(), 0_u64);
    let mut written = Ok(());
    let mut bytes = vec![0; TAIL];
    loop {
        let read = match from.read(&mut bytes) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read.unwrap_or(0),
        };
        if read == 0 {
            break;
        }
        let (head, rest) = bytes[..read].split_at(room.min(read));
        room -= head.len();
        written = written.and_then(|()| to.write_all(head));
        tail.extend(rest);
        let surplus = tail.len().saturating_sub(TAIL);
        tail.drain(..surplus);
        left_out += surplus as u64;
    }
    written?;
    if left_out > 0 {
        write!(to, "\n[{left_out} bytes of this log are left out here]\n")?;
    }
    let (first, second) = tail.as_slices();
    to.write_all(first).and_then(|()| to.write_all(second))
}

/// The last line of a log that is not empty, or the end of a long one.
pub(super) fn last_line(log: &Path) -> Option<String> {
    const END: u64 = 4096;
    let mut file = File::open(log).ok()?;
    let start = file.metadata().ok()?.len().saturating_sub(END);
    file.seek(SeekFrom::Start(start)).ok()?;
    let mut bytes = Vec::new();
    file.take(END).read_to_end(&mut bytes).ok()?;
    let said = String::from_utf8_lossy(&bytes);
    let line = said.lines().rev().find(|line| !line.trim().is_empty())?;
    Some(text::short(line.trim(), QUOTED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_log_keeps_both_ends_and_says_what_is_missing() {
        let mut kept = Vec::new();
        copy(&b"short\n"[..], &mut kept).unwrap();
        assert_eq!(kept, b"short\n");

        let long: Vec<u8> = (0..HEAD + TAIL + 1234).map(|i| b'a' + (i % 23) as u8).collect();
        kept.clear();
        copy(&long[..HEAD + TAIL], &mut kept).unwrap();
        assert!(kept == long[..HEAD + TAIL], "what there is room for is kept whole");
        kept.clear();
        copy(&long[..], &mut kept).unwrap();
        let sign = b"\n[1234 bytes of this log are left out here]\n";
        assert!(kept.starts_with(&long[..HEAD]) && kept[HEAD..].starts_with(sign));
        assert!(kept[HEAD + sign.len()..] == long[HEAD + 1234..]);
    }

    #[test]
    fn what_cannot_be_written_is_read_all_the_same() {
        let mut from = &[0_u8; 3 * TAIL][..];
        assert!(copy(&mut from, &mut [0_u8; 10][..]).is_err());
        assert!(from.is_empty());
    }
}
