//! Programs that are called: heard, and stopped where they hang or flood.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    process::{Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use modality_protocol::group;

/// Bytes of output that are heard, from the end, and those after which a program that floods is stopped.
const HEARD: u64 = 1 << 20;
const FLOOD: u64 = 64 << 20;
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// How a program ended, and what it said on standard output and standard error.
pub struct Ended {
    /// As the system tells it.
    pub status: ExitStatus,
    /// The last of it, where it is long.
    pub said: String,
}

/// Runs a program without input, and stops it and all that it started once `headway` has stood still for as long as `patience`.
///
/// # Errors
/// Of kind `NotFound` where there is no such program, `TimedOut` where it was stopped, `FileTooLarge` where it was stopped
/// because it would not stop talking.
pub fn run(
    command: &mut Command,
    patience: Duration,
    headway: impl FnMut() -> u64,
) -> io::Result<Ended> {
    run_into(tempfile::tempfile()?, command, patience, headway)
}

/// [`run`] of a program whose words go to `output` as it says them.
pub fn run_into(
    mut output: File,
    command: &mut Command,
    patience: Duration,
    mut headway: impl FnMut() -> u64,
) -> io::Result<Ended> {
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output.try_clone()?);
    group::lead(command);
    let mut child = command.spawn()?;
    let (mut seen, mut since) = (headway(), Instant::now());
    let stopped = loop {
        if child.try_wait()?.is_some() {
            let status = group::end(&mut child)?;
            return Ok(Ended { status, said: last_words(&mut output)? });
        }
        let now = headway();
        if now != seen {
            (seen, since) = (now, Instant::now());
        } else if since.elapsed() >= patience {
            let waited = format!("it was stopped after {} s without headway", patience.as_secs());
            break io::Error::new(io::ErrorKind::TimedOut, waited);
        }
        if output.metadata()?.len() > FLOOD {
            let said = format!("it was stopped after {} MB of output", FLOOD >> 20);
            break io::Error::new(io::ErrorKind::FileTooLarge, said);
        }
        thread::sleep(BETWEEN_LOOKS);
    };
    group::end(&mut child)?;
    last_words(&mut output)?;
    Err(stopped)
}

/// What a file ends with; a longer one is cut.
fn last_words(file: &mut File) -> io::Result<String> {
    let length = file.metadata()?.len();
    if length > FLOOD {
        file.set_len(FLOOD)?;
    }
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(length.min(FLOOD).saturating_sub(HEARD)))?;
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    fn shell(script: &str, patience: Duration, headway: impl FnMut() -> u64) -> io::Result<Ended> {
        run(Command::new("/bin/sh").args(["-c", script]), patience, headway)
    }

    #[test]
    fn what_is_said_on_either_stream_is_heard() {
        let ended = shell("echo a; echo b >&2; exit 3", Duration::from_secs(60), || 0).unwrap();
        assert_eq!((ended.said.as_str(), ended.status.code()), ("a\nb\n", Some(3)));
    }

    #[test]
    fn a_program_that_floods_is_stopped() {
        let stopped = shell("exec cat /dev/zero", Duration::from_secs(600), || 0).err().unwrap();
        assert_eq!(stopped.to_string(), "it was stopped after 64 MB of output");
        let ended = shell("head -c 2000000 /dev/zero; echo b", Duration::from_secs(60), || 0);
        let said = ended.unwrap().said;
        assert!(said.len() <= 1 << 20 && said.ends_with("b\n"));
    }

    #[test]
    fn what_a_program_leaves_behind_is_ended() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let script = format!("(sleep 0.4; echo lives > {}) & exit 0", file.path().display());
        shell(&script, Duration::from_secs(60), || 0).unwrap();
        thread::sleep(Duration::from_millis(900));
        assert_eq!(std::fs::read_to_string(file.path()).unwrap(), "");
    }

    #[test]
    fn only_a_program_without_headway_is_stopped() {
        let short = Duration::from_millis(60);
        let stopped = shell("exec sleep 600", short, || 7).err().unwrap();
        assert_eq!(stopped.kind(), io::ErrorKind::TimedOut);
        let mut bytes = 0;
        let moving = || {
            bytes += 1;
            bytes
        };
        assert!(shell("exec sleep 0.3", short, moving).unwrap().status.success());
    }
}
