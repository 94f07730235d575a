//! What passes between the harness and a runner: one [`RunSpec`] in, [`Event`]s out, one line of JSON each.
//!
//! A runner reads the spec from the first line of its standard input, writes events to its standard output,
//! leaves its predictions in the file that the spec names, says [`Event::Done`], and waits for its standard
//! input to close, so that the harness can read its peak memory while it is still alive. What it writes to
//! standard error is kept as its log. Of a rehearsal ([`RunSpec::rehearsal`]) only the first two events and the last are
//! wanted. Any program that does this is a backend; [`runner`] does it for those that are written in Rust.

pub mod clock;
mod event;
pub mod files;
pub mod group;
pub mod memory;
pub mod runner;
mod spec;
mod stage;
mod task;

pub use clock::StageClock;
pub use event::{Epoch, Event};
pub use spec::{Fold, PROTOCOL, RunSpec};
pub use stage::{Phase, Stage};
pub use task::{Modality, Task};
