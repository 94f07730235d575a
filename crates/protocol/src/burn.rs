//! A slowdown that is planted, so that it can be shown to be found. Built on demand alone.

use std::{sync::LazyLock, time::Instant};

use crate::Stage;

/// `STAGE:SHARE`; a stage then takes longer by that share of what it took.
const VARIABLE: &str = "MODALITY_BENCH_BURN";

/// Burns time where some is to be burnt in this stage, which began then.
///
/// # Panics
/// If the variable is there and cannot be read: a slowdown that is not planted would pass for one that is not found.
pub(crate) fn after(stage: Stage, start: Instant) {
    static PLANTED: LazyLock<Option<(Stage, f64)>> = LazyLock::new(|| {
        let text = std::env::var(VARIABLE).ok()?;
        Some(parse(&text).unwrap_or_else(|| panic!("${VARIABLE}: `{text}` is not STAGE:SHARE")))
    });
    if let Some((_, share)) = PLANTED.filter(|(slowed, _)| *slowed == stage) {
        let end = start.elapsed().mul_f64(1.0 + share);
        while start.elapsed() < end {
            std::hint::spin_loop();
        }
    }
}

fn parse(text: &str) -> Option<(Stage, f64)> {
    let (name, share) = text.split_once(':')?;
    let stage = Stage::ALL.into_iter().find(|stage| stage.name() == name)?;
    Some((stage, share.parse().ok().filter(|share| (0.0..10.0).contains(share))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slowdown_is_a_stage_and_a_share() {
        assert_eq!(parse("solve:0.1"), Some((Stage::Solve, 0.1)));
        for wrong in ["solve", "sovle:0.1", "solve:-1", "solve:x"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
