//! How much of what a runner says is believed, and kept.

use modality_protocol::{Epoch, Event, text};

/// Bytes of an event; a curve's longest has a few hundred.
pub(super) const LONGEST_EVENT: u64 = 1 << 20;
/// Events of a run, and their bytes.
pub(super) const MOST_EVENTS: u64 = 500_000;
pub(super) const MOST_BYTES: u64 = 64 << 20;
/// Points of the validation curves of a run; four models of 10,000 epochs have fewer.
pub(super) const MOST_EPOCHS: usize = 50_000;
/// Notes of a run; of more, the number is kept.
pub(super) const MOST_NOTES: usize = 20;
/// Libraries of which versions are kept.
const MOST_VERSIONS: usize = 50;
/// Characters of a name, of a sentence.
const NAME: usize = 200;
const SENTENCE: usize = 1000;

/// The event with its texts cut to a length and fit to be shown.
pub(super) fn bounded(mut event: Event) -> Event {
    let sentence = |said: &mut String| *said = text::short(said, SENTENCE);
    match &mut event {
        Event::Hello { device, versions, .. } => {
            *device = text::short(device, NAME);
            let kept = std::mem::take(versions).into_iter().take(MOST_VERSIONS);
            let kept =
                kept.map(|(name, version)| (text::short(&name, NAME), text::short(&version, NAME)));
            *versions = kept.collect();
        }
        Event::Epoch(Epoch { fold, .. }) => *fold = text::short(fold, NAME),
        Event::Note { text } => sentence(text),
        Event::Unavailable { reason } | Event::Failed { reason } => sentence(reason),
        Event::Expect { .. }
        | Event::Begin { .. }
        | Event::Progress { .. }
        | Event::End { .. }
        | Event::Captured { .. }
        | Event::ProductRate { .. }
        | Event::GpuMemory { .. }
        | Event::GpuEnergy { .. }
        | Event::Done => {}
    }
    event
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_and_fit_to_be_shown() {
        let device = "\u{1b}[31m".to_owned() + &"x".repeat(300);
        let versions = (0..60).map(|i| (format!("{i:02}"), "v\n\u{202e}".repeat(200)));
        let hello = modality_protocol::runner::hello(&device, versions.collect());
        let Event::Hello { device, versions, .. } = bounded(hello) else { panic!("a hello") };
        assert!(device.starts_with(r"\u{1b}[31mx") && device.ends_with("x\u{2026}"));
        assert_eq!(versions.len(), MOST_VERSIONS);
        assert!(versions.values().all(|version| version.starts_with(r"v \u{202e}v")));
        let said = bounded(Event::Failed { reason: "why ".repeat(9999) });
        let Event::Failed { reason } = said else { panic!("it is a failure") };
        assert!((SENTENCE - 2..=SENTENCE + 1).contains(&reason.chars().count()));
    }
}
