//! Whether a runner says what the protocol wants, in the order in which it wants it.

use modality_protocol::{Event, Stage};

/// The events of one run, and what was wrong with them.
#[derive(Debug, Default)]
pub struct Conduct {
    is_rehearsal: bool,
    said_hello: bool,
    said_expect: bool,
    open: Option<Stage>,
    /// Which began last.
    last: Option<Stage>,
    faults: Vec<String>,
}

impl Conduct {
    /// Of a run, or of its rehearsal, in which nothing is computed.
    pub fn new(is_rehearsal: bool) -> Self {
        Self { is_rehearsal, ..Self::default() }
    }

    /// The next event.
    pub fn take(&mut self, event: &Event) {
        if !self.said_hello && !matches!(event, Event::Hello { .. }) && !is_last(event) {
            self.fault("its first event must be `hello`".to_owned());
            self.said_hello = true;
        }
        match event {
            Event::Hello { device, .. } => self.hello(device),
            Event::Expect { peak_rss_mb, .. } => self.expect(*peak_rss_mb),
            Event::Begin { stage } => self.begin(*stage),
            Event::End { stage, seconds, .. } => self.end(*stage, *seconds),
            Event::Progress { stage, done, total } => self.progress(*stage, *done, *total),
            Event::Captured { share } if !(*share >= 0.0 && *share < 1.0 + 1e-3) => {
                self.fault(format!("`captured` has a share of {share}; it lies between 0 and 1"));
            }
            Event::ProductRate { gflops, .. } if !(gflops.is_finite() && *gflops >= 0.0) => {
                self.fault(format!(
                    "`product-rate` has {gflops} gflops; it must be a number from 0 on"
                ));
            }
            Event::Done => {
                if let Some(stage) = self.open {
                    self.fault(format!("it says `done` while stage `{}` is open", stage.name()));
                }
            }
            _ => {}
        }
    }

    /// What was wrong, a sentence each; each once.
    pub fn faults(&self) -> &[String] {
        &self.faults
    }

    fn fault(&mut self, what: String) {
        if !self.faults.contains(&what) {
            self.faults.push(what);
        }
    }

    fn hello(&mut self, device: &str) {
        if self.said_hello {
            self.fault("it says `hello` more than once".to_owned());
        }
        if device.trim().is_empty() {
            self.fault(
                "`hello` names no device; it must be `CPU` or the accelerator's name".to_owned(),
            );
        }
        self.said_hello = true;
    }

    fn expect(&mut self, peak_rss_mb: f64) {
        if self.said_expect || self.last.is_some() {
            self.fault("`expect` comes once, before the first stage".to_owned());
        }
        if !(peak_rss_mb.is_finite() && peak_rss_mb > 0.0) {
            self.fault(format!("`expect` has {peak_rss_mb} MiB; it must be a number above 0"));
        }
        self.said_expect = true;
    }

    fn begin(&mut self, stage: Stage) {
        if self.is_rehearsal {
            self.fault(
                "in a rehearsal no stage begins: it ends with `done` after `hello` and `expect`"
                    .to_owned(),
            );
        }
        if let Some(open) = self.open {
            let (open, stage) = (open.name(), stage.name());
            self.fault(format!(
                "stage `{stage}` begins while `{open}` is open; visits must not overlap"
            ));
        }
        (self.open, self.last) = (Some(stage), Some(stage));
    }

    fn end(&mut self, stage: Stage, seconds: f64) {
        if self.open != Some(stage) {
            self.fault(format!("stage `{}` ends, but did not begin", stage.name()));
        }
        if !(seconds.is_finite() && seconds >= 0.0) {
            let stage = stage.name();
            self.fault(format!("stage `{stage}` took {seconds} s; it must be a number from 0 on"));
        }
        self.open = None;
    }

    fn progress(&mut self, stage: Stage, done: u64, total: u64) {
        let name = stage.name();
        if self.last != Some(stage) && !self.is_rehearsal {
            self.fault(format!(
                "`progress` of stage `{name}`, which is not the one that began last"
            ));
        }
        if done > total {
            self.fault(format!("`progress` of stage `{name}` is {done} of {total}"));
        }
    }
}

fn is_last(event: &Event) -> bool {
    matches!(event, Event::Unavailable { .. } | Event::Failed { .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The faults of events, a line of JSON each.
    fn faults(is_rehearsal: bool, lines: &[&str]) -> Vec<String> {
        let mut conduct = Conduct::new(is_rehearsal);
        lines.iter().for_each(|line| conduct.take(&serde_json::from_str(line).unwrap()));
        conduct.faults().to_vec()
    }

    const HELLO: &str = r#"{"event": "hello", "device": "CPU", "versions": {}}"#;
    const EXPECT: &str = r#"{"event": "expect", "peak_rss_mb": 10.0}"#;
    const LOAD: &str = r#"{"event": "begin", "stage": "load"}"#;
    const LOADED: &str = r#"{"event": "end", "stage": "load", "seconds": 0.5}"#;
    const SOLVE: &str = r#"{"event": "begin", "stage": "solve"}"#;
    const DONE: &str = r#"{"event": "done"}"#;

    #[test]
    fn good_conduct_has_no_fault() {
        let solved = r#"{"event": "end", "stage": "solve", "seconds": 0}"#;
        let progress = r#"{"event": "progress", "stage": "solve", "done": 1, "total": 2}"#;
        let run = [HELLO, EXPECT, LOAD, LOADED, SOLVE, progress, solved, SOLVE, solved, DONE];
        assert_eq!(faults(false, &run), [""; 0]);
        assert_eq!(faults(true, &[HELLO, EXPECT, DONE]), [""; 0]);
        assert_eq!(faults(false, &[r#"{"event": "unavailable", "reason": "no GPU"}"#]), [""; 0]);
    }

    #[test]
    fn each_fault_is_a_sentence() {
        for (lines, wanted) in [
            (&[LOAD, LOADED, DONE][..], "its first event must be `hello`"),
            (&[HELLO, HELLO, DONE], "it says `hello` more than once"),
            (
                &[HELLO, LOAD, SOLVE],
                "stage `solve` begins while `load` is open; visits must not overlap",
            ),
            (&[HELLO, LOADED], "stage `load` ends, but did not begin"),
            (&[HELLO, LOAD, DONE], "it says `done` while stage `load` is open"),
            (&[HELLO, LOAD, LOADED, EXPECT], "`expect` comes once, before the first stage"),
            (
                &[HELLO, LOAD, r#"{"event": "end", "stage": "load", "seconds": -1}"#],
                "stage `load` took -1 s; it must be a number from 0 on",
            ),
            (
                &[
                    HELLO,
                    SOLVE,
                    r#"{"event": "progress", "stage": "solve", "done": 3, "total": 2}"#,
                ],
                "`progress` of stage `solve` is 3 of 2",
            ),
            (
                &[
                    HELLO,
                    LOAD,
                    LOADED,
                    r#"{"event": "progress", "stage": "solve", "done": 1, "total": 2}"#,
                ],
                "`progress` of stage `solve`, which is not the one that began last",
            ),
            (
                &[HELLO, r#"{"event": "captured", "share": 93.0}"#],
                "`captured` has a share of 93; it lies between 0 and 1",
            ),
        ] {
            assert_eq!(faults(false, lines), [wanted]);
        }
        let said = faults(true, &[HELLO, LOAD, LOADED, DONE]);
        assert!(said[0].starts_with("in a rehearsal no stage begins"), "{said:?}");
    }
}
