//! Ratios with their intervals: one line a row and quantity, on a scale of ratios.

use modality_compare::{Finding, Regression, Verdict};
use serde::Serialize;

use super::words;

const WIDTH: f64 = 880.0;
const TOP: f64 = 96.0;
const LINE: f64 = 24.0;
const FOOT: f64 = 64.0;
/// Where the scale begins and ends.
const LEFT: f64 = 300.0;
const RIGHT: f64 = 640.0;
/// The least and the most that the scale reaches from 1, as factors; what lies beyond is drawn at its end.
const REACH: (f64, f64) = (1.12, 2.0);
const TICKS: [f64; 15] =
    [0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0, 1.05, 1.1, 1.2, 1.3, 1.4, 1.6, 1.8, 2.0];
/// Between the middles of two values under the scale.
const APART: f64 = 34.0;

#[derive(Serialize)]
pub(super) struct Scene {
    width: f64,
    height: f64,
    title: String,
    subtitle: String,
    says: String,
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    one: f64,
    /// What does not matter of a time.
    band: (f64, f64),
    ticks: Vec<(f64, String)>,
    lines: Vec<Line>,
    caption: String,
}

#[derive(Serialize)]
struct Line {
    y: f64,
    /// Present in the first line of a row.
    row: Option<String>,
    quantity: String,
    at: f64,
    range: Option<(f64, f64)>,
    ratio: String,
    said: &'static str,
    /// `worse`, `better`, `same` or `open`.
    kind: &'static str,
}

impl Scene {
    pub(super) fn new(regression: &Regression) -> Self {
        let shown: Vec<&Finding> = super::shown(regression).collect();
        let scale = Scale::of(&shown);
        let bottom = TOP + LINE * shown.len() as f64;
        let mut lines: Vec<Line> = Vec::new();
        let mut before = "";
        for (i, finding) in shown.iter().enumerate() {
            let row = (finding.row != before).then(|| finding.row.clone());
            before = &finding.row;
            lines.push(line(finding, row, TOP + LINE * (i as f64 + 0.5), scale));
        }
        let least = 1.0 + regression.rules.least.time;
        Self {
            width: WIDTH,
            height: bottom + FOOT,
            title: format!("{} against {}", regression.head.name, regression.base.name),
            subtitle: format!(
                "Ratio head to base, with its 95 % interval; {}",
                regression.dataset.name
            ),
            says: words::verdict(regression),
            left: LEFT,
            right: RIGHT,
            top: TOP,
            bottom,
            one: scale.at(1.0),
            band: (scale.at(1.0 / least), scale.at(least)),
            ticks: scale.ticks(),
            lines,
            caption: format!(
                "Shaded: differences of times below {:.0} %, which do not matter. {}",
                100.0 * regression.rules.least.time,
                "To the right is more: slower, more memory, a larger error."
            ),
        }
    }
}

fn line(finding: &Finding, row: Option<String>, y: f64, scale: Scale) -> Line {
    Line {
        y,
        row,
        quantity: finding.quantity.to_string(),
        at: scale.at(finding.ratio),
        range: finding.interval.map(|interval| (scale.at(interval.low), scale.at(interval.high))),
        ratio: words::ratio(finding.quantity.kind(), finding.ratio),
        said: words::said(finding),
        kind: match finding.verdict {
            Some(Verdict::Worse) => "worse",
            Some(Verdict::Better) => "better",
            Some(Verdict::Same) => "same",
            Some(Verdict::Ambiguous) | None => "open",
        },
    }
}

/// A logarithmic scale with 1 in its middle.
#[derive(Clone, Copy)]
struct Scale {
    reach: f64,
}

impl Scale {
    fn of(findings: &[&Finding]) -> Self {
        let ends = findings.iter().flat_map(|finding| {
            let interval = finding.interval.map(|interval| [interval.low, interval.high]);
            interval.unwrap_or([finding.ratio; 2])
        });
        let far = ends.map(|ratio| ratio.ln().abs().exp() * 1.02).fold(REACH.0, f64::max);
        Self { reach: far.min(REACH.1) }
    }

    fn at(self, ratio: f64) -> f64 {
        let share = (ratio.ln() / self.reach.ln()).clamp(-1.0, 1.0);
        f64::midpoint(LEFT, RIGHT) + share * (RIGHT - LEFT) / 2.0
    }

    /// As many as have room.
    fn ticks(self) -> Vec<(f64, String)> {
        let within = |tick: &f64| tick.ln().abs() <= self.reach.ln() + 1e-9;
        let mut ticks: Vec<(f64, String)> = Vec::new();
        // From the middle outwards, so that 1 is always there.
        let (below, above): (Vec<f64>, Vec<f64>) =
            TICKS.into_iter().filter(within).partition(|tick| *tick < 1.0);
        for tick in above.into_iter().chain(below.into_iter().rev()) {
            let at = self.at(tick);
            if ticks.iter().all(|(other, _)| (other - at).abs() >= APART) {
                ticks.push((at, tick.to_string()));
            }
        }
        ticks
    }
}
