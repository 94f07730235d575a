//! Programs that are called, and cargo among them.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _},
    process::{Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::world::World;

const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// How a program ended, and what it said on standard output and standard error.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) said: String,
}

/// Cargo in the root of the checkout; it keeps off the network where this program does.
pub(crate) fn cargo(world: &World) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(&world.root);
    if world.network.is_offline() {
        cargo.env("CARGO_NET_OFFLINE", "true");
    }
    cargo
}

/// Runs a program without input, and stops it once `headway` has stood still for as long as `patience`.
///
/// # Errors
/// Of kind `NotFound` where there is no such program, `TimedOut` where it was stopped.
pub(crate) fn run(
    command: &mut Command,
    patience: Duration,
    mut headway: impl FnMut() -> u64,
) -> io::Result<Ended> {
    let output = tempfile::tempfile()?;
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output.try_clone()?);
    let mut child = command.spawn()?;
    let (mut seen, mut since) = (headway(), Instant::now());
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Ended { status, said: read_from_start(output)? });
        }
        let now = headway();
        if now != seen {
            (seen, since) = (now, Instant::now());
        } else if since.elapsed() >= patience {
            child.kill()?;
            child.wait()?;
            let waited = format!("it was stopped after {} s without headway", patience.as_secs());
            return Err(io::Error::new(io::ErrorKind::TimedOut, waited));
        }
        thread::sleep(BETWEEN_LOOKS);
    }
}

fn read_from_start(mut file: File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
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
