//! What passes between the harness and a runner: one [`RunSpec`] in, [`Event`]s out, one line of JSON each.
//!
//! A runner reads the spec from the first line of its standard input, writes events to its standard output,
//! leaves its predictions in the file that the spec names, says [`Event::Done`], and waits for its standard
//! input to close, so that the harness can read its peak memory while it is still alive. What it writes to
//! standard error is kept as its log. Of a rehearsal ([`RunSpec::rehearsal`]) only the first two events and the last are
//! wanted. Any program that does this is a backend; [`runner`] does it for those that are written in Rust.

#[cfg(feature = "burn")]
mod burn;
pub mod clock;
mod device;
mod event;
pub mod files;
pub mod group;
pub mod memory;
mod near;
pub mod runner;
#[cfg(test)]
mod schema;
mod spec;
mod stage;
mod task;
pub mod text;
pub mod words;

pub use clock::StageClock;
pub use device::{DeviceId, DeviceKind, EMULATED};
pub use event::{Epoch, Event};
pub use near::did_you_mean;
pub use spec::{Fold, PROTOCOL, RunSpec};
pub use stage::{Phase, Stage};
pub use task::{Modality, Task};

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    const DOCUMENT: &str = include_str!("../../../PROTOCOL.md");

    /// The JSON lines of the document's examples.
    fn examples() -> impl Iterator<Item = &'static str> {
        let blocks = DOCUMENT.split("```json\n").skip(1);
        blocks.flat_map(|block| block.split("```").next().unwrap_or_default().lines())
    }

    fn is_event(line: &&str) -> bool {
        line.starts_with("{\"event\"")
    }

    #[test]
    fn every_message_of_the_document_is_one_and_every_kind_is_in_it() {
        let mut kinds = BTreeSet::new();
        for line in examples().filter(is_event) {
            let event: Event = serde_json::from_str(line).unwrap_or_else(|error| {
                panic!("{line}: {error}");
            });
            let (written, shown): (Value, Value) =
                (serde_json::to_value(&event).unwrap(), serde_json::from_str(line).unwrap());
            assert_eq!(written, shown, "every key of it is known");
            kinds.insert(shown["event"].as_str().unwrap().to_owned());
        }
        let all = [
            "begin",
            "captured",
            "done",
            "end",
            "epoch",
            "expect",
            "failed",
            "gpu-energy",
            "gpu-memory",
            "hello",
            "note",
            "product-rate",
            "progress",
            "unavailable",
        ];
        assert_eq!(kinds, all.map(str::to_owned).into());
        let specs: Vec<&str> = examples().filter(|line| !is_event(line)).collect();
        let [spec] = specs.as_slice() else { panic!("one specification, not {}", specs.len()) };
        let spec: RunSpec = serde_json::from_str(spec).unwrap();
        assert_eq!((spec.protocol, spec.task), (PROTOCOL, Task::GEX_TO_ADT));
        for stage in Stage::ALL {
            assert!(DOCUMENT.contains(&format!("`{}`", stage.name())), "{}", stage.name());
        }
    }
}
