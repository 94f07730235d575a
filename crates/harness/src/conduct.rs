//! Whether a runner says what the protocol wants, in the order in which it wants it.

use modality_protocol::{Epoch, Event, Stage};

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
            Event::Expect { .. } => self.expect(),
            Event::Begin { stage } => self.begin(*stage),
            Event::End { stage, .. } => self.end(*stage),
            Event::Progress { stage, done, total } => self.progress(*stage, *done, *total),
            Event::Done => {
                if let Some(stage) = self.open {
                    self.fault(format!("it says `done` while stage `{}` is open", stage.name()));
                }
            }
            _ => {}
        }
        if let Some(fault) = impossible(event) {
            self.fault(fault);
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

    fn expect(&mut self) {
        if self.said_expect || self.last.is_some() {
            self.fault("`expect` comes once, before the first stage".to_owned());
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

    fn end(&mut self, stage: Stage) {
        if self.open != Some(stage) {
            self.fault(format!("stage `{}` ends, but did not begin", stage.name()));
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

/// More than any of what runners measure comes to; sums of such numbers are numbers still.
const MOST: f64 = 1e30;

/// What makes an event impossible whatever comes before and after it: a number that its quantity cannot have.
pub(crate) fn impossible(event: &Event) -> Option<String> {
    let quantities: Vec<(String, Option<f64>)> = match event {
        Event::End { stage, seconds, peak_rss_mb, flops } => {
            let of = |what: &str| format!("{what} of stage `{}`", stage.name());
            vec![
                (of("the seconds"), Some(*seconds)),
                (of("the peak memory"), *peak_rss_mb),
                (of("the operations"), *flops),
            ]
        }
        Event::Expect { peak_rss_mb, peak_gpu_mb } => {
            of("expect", [("peak_rss_mb", Some(*peak_rss_mb)), ("peak_gpu_mb", *peak_gpu_mb)])
        }
        Event::ProductRate { gflops, seconds, cpu_seconds, matrix_unit_gflops } => of(
            "product-rate",
            [
                ("gflops", Some(*gflops)),
                ("seconds", Some(*seconds)),
                ("cpu_seconds", Some(*cpu_seconds)),
                ("matrix_unit_gflops", *matrix_unit_gflops),
            ],
        ),
        Event::GpuMemory { peak_mb } => of("gpu-memory", [("peak_mb", Some(*peak_mb))]),
        Event::GpuEnergy { joules, seconds } => {
            of("gpu-energy", [("joules", Some(*joules)), ("seconds", Some(*seconds))])
        }
        Event::Epoch(Epoch { loss, validation_rmse, .. }) => {
            // A loss may be below zero.
            of("epoch", [("loss", Some(loss.abs())), ("validation_rmse", Some(*validation_rmse))])
        }
        Event::Captured { share } if !(0.0..1.0 + 1e-3).contains(share) => {
            return Some(format!("`captured` has a share of {share}; it lies between 0 and 1"));
        }
        _ => Vec::new(),
    };
    let wrong = quantities
        .into_iter()
        .filter_map(|(what, value)| Some((what, value?)))
        .find(|(_, value)| !(0.0..=MOST).contains(value));
    wrong.map(|(what, value)| format!("{what} cannot be {}", plain(value)))
}

/// In few digits, however large or small.
fn plain(value: f64) -> String {
    let is_usual = value == 0.0 || (1e-3..1e6).contains(&value.abs());
    if is_usual { value.to_string() } else { format!("{value:e}") }
}

/// Quantities of an event by the names that they have there.
fn of<const N: usize>(
    event: &str,
    quantities: [(&str, Option<f64>); N],
) -> Vec<(String, Option<f64>)> {
    quantities.map(|(name, value)| (format!("`{name}` of `{event}`"), value)).into()
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
                "the seconds of stage `load` cannot be -1",
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
                &[
                    HELLO,
                    r#"{"event": "product-rate", "gflops": 1, "seconds": 1e300, "cpu_seconds": 0}"#,
                ],
                "`seconds` of `product-rate` cannot be 1e300",
            ),
            (
                &[
                    HELLO,
                    r#"{"event": "epoch", "fold": "f", "epoch": 1, "loss": -1e99, "validation_rmse": 0}"#,
                ],
                "`loss` of `epoch` cannot be 1e99",
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
