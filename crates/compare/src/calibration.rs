//! How often the gate is wrong, found by having it decide again and again from pairs that were recorded.

use crate::{Finding, Gate, Outcome, Pair, Quantity, RowPairs, Rules, Verdict, quantity::median};

/// What many decisions came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Tally {
    /// Decisions.
    pub gates: usize,
    /// Those that found something worse.
    pub worse: usize,
    /// Those that found nothing worse, nothing better and nothing open.
    pub same: usize,
    /// Those that found something better and nothing worse or open.
    pub better: usize,
    /// Those that left something open.
    pub ambiguous: usize,
    /// Those that found the planted stage slower, where there is one.
    pub caught: usize,
    /// Median of the seconds that the runs of a decision took.
    pub seconds: f64,
}

/// Replays the decision from windows of pairs that were recorded one after the other: one from each of them on, going on with
/// the first after the last, and each with its sides exchanged too where `both_ways` says so. `planted` is the stage that is to be
/// found slower.
pub fn replay(
    rules: &Rules,
    stretches: &[Vec<RowPairs>],
    both_ways: bool,
    planted: Option<(&str, Quantity)>,
) -> Tally {
    let mut tally =
        Tally { gates: 0, worse: 0, same: 0, better: 0, ambiguous: 0, caught: 0, seconds: 0.0 };
    let mut seconds = Vec::new();
    for rows in stretches {
        let length = rows.iter().map(|row| row.pairs.len()).min().unwrap_or(0);
        for start in 0..length {
            for turned in [false, true].into_iter().take(1 + usize::from(both_ways)) {
                let (findings, took) = one(rules, rows, start, length, turned);
                seconds.push(took);
                tally.count(&findings, planted);
            }
        }
    }
    Tally { seconds: median(seconds).unwrap_or(0.0), ..tally }
}

impl Tally {
    fn count(&mut self, findings: &[Finding], planted: Option<(&str, Quantity)>) {
        self.gates += 1;
        *match Outcome::of(findings) {
            Outcome::Worse => &mut self.worse,
            Outcome::Same => &mut self.same,
            Outcome::Better => &mut self.better,
            Outcome::Ambiguous => &mut self.ambiguous,
        } += 1;
        let is_caught = |finding: &Finding| {
            planted == Some((&*finding.row, finding.quantity))
                && finding.verdict == Some(Verdict::Worse)
        };
        self.caught += usize::from(findings.iter().any(is_caught));
    }
}

/// A decision from the pairs from `start` on, and the seconds that their runs took.
fn one(
    rules: &Rules,
    rows: &[RowPairs],
    start: usize,
    length: usize,
    turned: bool,
) -> (Vec<Finding>, f64) {
    let mut seconds = 0.0;
    let measure = |row: &str, pair: usize| {
        let of_row = rows.iter().find(|known| known.row == row);
        // No pair is used twice in a decision.
        let known = of_row.filter(|_| pair < length);
        let pair = known.map(|row| row.pairs[(start + pair) % length].clone());
        let pair = pair.map(|Pair { base, head }| match turned {
            false => Pair { base, head },
            true => Pair { base: head, head: base },
        });
        let took = pair.iter().filter_map(|pair| pair.of(Quantity::Total));
        seconds += took.map(|(base, head)| base + head).sum::<f64>();
        Ok::<_, std::convert::Infallible>(pair)
    };
    let names = rows.iter().map(|row| row.row.clone());
    let Ok(decided) = Gate::decide(rules.clone(), names, false, measure, |_, _| ());
    (decided.findings, seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use modality_protocol::Stage;

    #[test]
    fn every_window_is_decided_once_and_turned() {
        let solve = Quantity::Stage(Stage::Solve);
        let pair = |i: usize, slower: f64| {
            let noise = 1.0 + 0.001 * ((i * 7) % 11) as f64;
            let of = |seconds: f64| [(solve, seconds), (Quantity::Total, 2.0 * seconds)].into();
            Pair { base: of(noise), head: of(slower * (2.0 - noise)) }
        };
        let row = |slower| RowPairs {
            row: "m/b".to_owned(),
            pairs: (0..20).map(|i| pair(i, slower)).collect(),
        };
        let rules = Rules::default();
        let same = replay(&rules, &[vec![row(1.0)]], true, None);
        assert_eq!((same.gates, same.same, same.worse), (40, 40, 0));
        let planted = Some(("m/b", solve));
        let slower = replay(&rules, &[vec![row(1.1)], vec![row(1.1)]], false, planted);
        assert_eq!((slower.gates, slower.worse, slower.caught), (40, 40, 40));
        assert!((slower.seconds - 14.0 * 2.0 * 2.1).abs() < 0.5, "{}", slower.seconds);
    }
}
