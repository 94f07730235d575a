//! A process and all that it starts, which can be ended together.

use std::{
    io::{self, Write as _},
    os::unix::process::CommandExt as _,
    process::{Child, Command, ExitStatus, Stdio},
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

/// Has `command` start as the leader of a group of its own. An interrupt at a terminal does not reach such a group, so on Linux
/// its leader is killed when the thread that started it ends; [`Guard`] sees to the others.
pub fn lead(command: &mut Command) {
    command.process_group(0);
    #[cfg(target_os = "linux")]
    {
        let parent = nix::unistd::getpid();
        let die_with_parent = move || {
            nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
            // What its children leave behind stays its own, and can be counted.
            nix::sys::prctl::set_child_subreaper(true)?;
            // It may have ended before this was asked for.
            match nix::unistd::getppid() == parent {
                true => Ok(()),
                false => Err(io::ErrorKind::BrokenPipe.into()),
            }
        };
        // SAFETY: between fork and exec it makes three system calls, and none allocates or locks.
        unsafe { command.pre_exec(die_with_parent) };
    }
}

/// Whether a leader has ended, or has been waited for. On Linux it is not waited for here: what the system tells of it can still
/// be read, and its number is nobody else's.
///
/// # Errors
/// Those of asking.
pub fn has_ended(leader: &mut Child) -> io::Result<bool> {
    #[cfg(target_os = "linux")]
    {
        use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
        let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        match waitid(Id::Pid(pid(leader)), look) {
            Ok(WaitStatus::StillAlive) => Ok(false),
            Ok(_) | Err(nix::Error::ECHILD) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }
    #[cfg(not(target_os = "linux"))]
    Ok(leader.try_wait()?.is_some())
}

/// Kills what there is of the group that `leader` leads or led, and waits for the leader.
///
/// # Errors
/// Those of waiting for it.
pub fn end(leader: &mut Child) -> io::Result<ExitStatus> {
    // It fails where none is left.
    let _ = killpg(pid(leader), Signal::SIGKILL);
    leader.wait()
}

fn pid(leader: &Child) -> Pid {
    Pid::from_raw(leader.id() as i32)
}

/// A shell that ends a group once this process is gone, however it went; dismissed when dropped.
#[derive(Debug)]
pub struct Guard(Child);

impl Guard {
    /// Over the group that `leader` leads.
    ///
    /// # Errors
    /// Those of starting a shell.
    pub fn over(leader: &Child) -> io::Result<Self> {
        // Its standard input ends with this process, which alone has the other end.
        let script = r#"read -r dismissed || kill -s KILL -- "-$0""#;
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", script, &leader.id().to_string()]).process_group(0);
        shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        shell.spawn().map(Self)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // One that is gone already needs no word.
        let said = self.0.stdin.take().map(|mut input| input.write_all(b"dismissed\n"));
        drop(said);
        let _ = self.0.wait();
    }
}
