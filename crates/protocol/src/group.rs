//! A process and all that it starts, which can be ended together.

use std::{
    io,
    os::unix::process::CommandExt as _,
    process::{Child, Command, ExitStatus},
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

/// Has `command` start as the leader of a group of its own. An interrupt at a terminal does not reach such a group, so on Linux
/// its leader is killed when the thread that started it ends.
pub fn lead(command: &mut Command) {
    command.process_group(0);
    #[cfg(target_os = "linux")]
    {
        let parent = nix::unistd::getpid();
        let die_with_parent = move || {
            nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
            // It may have ended before this was asked for.
            match nix::unistd::getppid() == parent {
                true => Ok(()),
                false => Err(io::ErrorKind::BrokenPipe.into()),
            }
        };
        // SAFETY: between fork and exec it makes two system calls, and neither allocates nor locks.
        unsafe { command.pre_exec(die_with_parent) };
    }
}

/// Kills what there is of the group that `leader` leads or led, and waits for the leader.
///
/// # Errors
/// Those of waiting for it.
pub fn end(leader: &mut Child) -> io::Result<ExitStatus> {
    // It fails where none is left.
    let _ = killpg(Pid::from_raw(leader.id() as i32), Signal::SIGKILL);
    leader.wait()
}
