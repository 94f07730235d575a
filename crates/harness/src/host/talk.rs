//! Lines to and from a runner, each by a thread of its own, as neither reading nor writing knows a limit of time.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    process::{ChildStdin, ChildStdout},
    sync::mpsc::{self, Receiver, Sender},
    thread,
};

use modality_protocol::{Event, text};

use super::bounds::{LONGEST_EVENT, MOST_BYTES, MOST_EVENTS, bounded};

/// Events that are read before they are wanted.
const AHEAD: usize = 1024;
/// Characters of a line that are quoted.
const QUOTED: usize = 120;

/// Writes the spec, as a runner may speak before it has read all of it, and keeps the pipe open until the sender is dropped.
pub(super) fn hand_over(mut stdin: ChildStdin, spec: String) -> Sender<()> {
    let (let_go, until) = mpsc::channel();
    thread::spawn(move || {
        // A runner that died early shows in its exit status.
        let _ = writeln!(stdin, "{spec}").and_then(|()| stdin.flush());
        let _ = until.recv();
    });
    let_go
}

/// Events as they come, or what came in place of one, as a sentence.
pub(super) fn listen(stdout: ChildStdout) -> Receiver<Result<Event, String>> {
    let (sender, events) = mpsc::sync_channel(AHEAD);
    thread::spawn(move || {
        let mut lines = Lines { from: BufReader::new(stdout), events: 0, bytes: 0 };
        while let Some(event) = lines.next() {
            if sender.send(event).is_err() {
                return;
            }
        }
    });
    events
}

/// The lines of an output, counted.
struct Lines<R> {
    from: R,
    events: u64,
    bytes: u64,
}

impl<R: std::io::BufRead> Lines<R> {
    fn next(&mut self) -> Option<Result<Event, String>> {
        let mut line = Vec::new();
        // What cannot be read has ended.
        let read = self.from.by_ref().take(LONGEST_EVENT).read_until(b'\n', &mut line).unwrap_or(0);
        if read == 0 {
            return None;
        }
        (self.events, self.bytes) = (self.events + 1, self.bytes + read as u64);
        let is_whole = line.pop_if(|byte| *byte == b'\n').is_some();
        Some(if self.events > MOST_EVENTS {
            Err(format!("it said more than {MOST_EVENTS} events"))
        } else if self.bytes > MOST_BYTES {
            Err(format!("it wrote more than {} MiB to standard output", MOST_BYTES >> 20))
        } else if read as u64 == LONGEST_EVENT && !is_whole {
            let mib = LONGEST_EVENT >> 20;
            Err(format!("it wrote a line longer than {mib} MiB to standard output"))
        } else {
            serde_json::from_slice(&line).map(bounded).map_err(|error| {
                let said = text::short(&String::from_utf8_lossy(&line), QUOTED);
                let error = text::short(&error.to_string(), QUOTED);
                format!("it wrote `{said}` to standard output, which is no event: {error}")
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(said: &[u8]) -> Result<Event, String> {
        Lines { from: said, events: 0, bytes: 0 }.next().unwrap()
    }

    #[test]
    fn what_is_no_event_is_told_in_characters_that_can_be_shown() {
        let said = first(b"\x1b[2Jhi\xff\n").unwrap_err();
        assert!(said.starts_with(r"it wrote `\u{1b}[2Jhi"), "{said}");
        let said = first(&[b'x'; (1 << 20) + 1]).unwrap_err();
        assert_eq!(said, "it wrote a line longer than 1 MiB to standard output");
        assert_eq!(first(b"{\"event\":\"done\"}"), Ok(Event::Done));
    }

    #[test]
    fn a_flood_of_events_has_an_end() {
        let line = format!("{{\"event\":\"note\",\"text\":\"{}\"}}\n", "n".repeat(9000));
        let many = line.repeat(40);
        let mut lines = Lines { from: many.as_bytes(), events: MOST_EVENTS - 1, bytes: 0 };
        assert!(lines.next().unwrap().is_ok());
        assert_eq!(lines.next().unwrap(), Err("it said more than 500000 events".to_owned()));
        let mut lines = Lines { from: many.as_bytes(), events: 0, bytes: MOST_BYTES - 10_000 };
        assert!(lines.next().unwrap().is_ok());
        assert_eq!(
            lines.next().unwrap(),
            Err("it wrote more than 64 MiB to standard output".to_owned())
        );
    }
}
