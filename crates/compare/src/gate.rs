//! Whether a change is slower or less accurate: a decision that takes more pairs only where the answer is open.

use serde::{Deserialize, Serialize};

use crate::{Interval, Kind, Least, Pair, Paired, Quantity, Verdict, quantity::median};

/// How the gate decides.
///
/// The chance that a change which changes nothing is called slower is at most `alpha`, over all quantities and all looks: each
/// look has an equal part of it, and within a look the quantities share that by Holm's procedure (1979). The chance that one
/// is called less accurate is likewise, and that it takes more memory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rules {
    /// Chance of a false alarm, by [`Kind`].
    pub alpha: f64,
    /// What a difference must come to, to be called one.
    pub least: Least,
    /// What must not be missed: at each look, nothing is called the same that may be worse by so much, at 99 %.
    pub excluded: Least,
    /// Numbers of pairs after which it is decided what is still open, ascending.
    pub looks: Vec<usize>,
    /// Share of a row's whole time below which a stage is looked at only as a part of that.
    pub share: f64,
}

impl Default for Rules {
    fn default() -> Self {
        let excluded = Least { time: 0.1, memory: 0.1, error: 5e-3, exact: 1e-4 };
        // With a dozen times to look at, twelve pairs could not be enough to call one slower: 2^-12 is more than 0.01 / 4 / 12.
        let looks = vec![14, 28, 56, 112];
        Self { alpha: 0.01, least: Least::default(), excluded, looks, share: 0.05 }
    }
}

/// The pairs of one row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RowPairs {
    /// Name of the row.
    pub row: String,
    /// In the order in which they were measured.
    pub pairs: Vec<Pair>,
}

/// What is known of one quantity of one row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Name of the row.
    pub row: String,
    /// What is compared.
    pub quantity: Quantity,
    /// Number of pairs.
    pub pairs: usize,
    /// Median of what is compared with.
    pub base: f64,
    /// Median of what is compared.
    pub head: f64,
    /// Estimate of the ratio; of what is the same each time, that of the pair in which it is not most of all.
    pub ratio: f64,
    /// What the ratio may be, two-sided, at 95 %.
    pub interval: Option<Interval>,
    /// What the ratio is at most, one-sided, at 99 %.
    pub at_most: Option<f64>,
    /// How likely pairs so much worse are where nothing is.
    pub p_worse: f64,
    /// How likely pairs so much better are where nothing is.
    pub p_better: f64,
    /// Nothing as long as it is open.
    pub verdict: Option<Verdict>,
}

/// A decision under way.
#[derive(Debug, Clone)]
pub struct Gate {
    rules: Rules,
    findings: Vec<Finding>,
}

/// What was found, and measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Decided {
    /// By row and quantity, each with its verdict.
    pub findings: Vec<Finding>,
    /// All pairs.
    pub rows: Vec<RowPairs>,
}

/// What came of all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Nothing is worse, nothing better, nothing open.
    Same,
    /// Something is better and nothing worse or open.
    Better,
    /// Something is worse.
    Worse,
    /// Nothing is worse that is known, and something is not.
    Ambiguous,
}

/// Confidence with which it must be ruled out that something is worse by what must not be missed, one-sided.
const RULED_OUT: f64 = 0.99;

impl Gate {
    fn new(rules: Rules) -> Self {
        Self { rules, findings: Vec::new() }
    }

    /// Has `measure` measure pair after pair of the rows of these names, each pair of all rows before the next, until nothing is
    /// open, or there are no more pairs to be had, which it says by none. With `all`, rows of which all is known are measured on too.
    /// `looked` hears of each decision.
    ///
    /// # Errors
    /// Those of `measure`.
    pub fn decide<E>(
        rules: Rules,
        names: impl IntoIterator<Item = String>,
        all: bool,
        mut measure: impl FnMut(&str, usize) -> Result<Option<Pair>, E>,
        mut looked: impl FnMut(&Self, usize),
    ) -> Result<Decided, E> {
        let mut rows: Vec<RowPairs> =
            names.into_iter().map(|row| RowPairs { row, pairs: Vec::new() }).collect();
        let mut gate = Self::new(rules);
        let looks = gate.rules.looks.clone();
        'measuring: for pair in 0..looks.last().copied().unwrap_or(0) {
            for row in &mut rows {
                if all || gate.findings.is_empty() || gate.is_open(&row.row) {
                    match measure(&row.row, pair)? {
                        Some(measured) => row.pairs.push(measured),
                        None => break 'measuring,
                    }
                }
            }
            if looks[..looks.len() - 1].contains(&(pair + 1)) {
                gate.look(&rows);
                looked(&gate, pair + 1);
                if !all && rows.iter().all(|row| !gate.is_open(&row.row)) {
                    break;
                }
            }
        }
        if gate.findings.is_empty() || rows.iter().any(|row| gate.is_open(&row.row)) {
            gate.look(&rows);
        }
        Ok(Decided { findings: gate.close(), rows })
    }

    /// Decides what can be decided from all pairs that there are; what is decided stays so. What is looked at is settled by the
    /// first look.
    fn look(&mut self, rows: &[RowPairs]) {
        if self.findings.is_empty() {
            self.findings = rows.iter().flat_map(|row| self.watched(row)).collect();
        }
        for finding in self.findings.iter_mut().filter(|finding| finding.verdict.is_none()) {
            if let Some(row) = rows.iter().find(|row| row.row == finding.row) {
                finding.measure(&row.pairs);
            }
        }
        for kind in [Kind::Time, Kind::Memory, Kind::Error] {
            self.test(kind);
        }
        let least = self.rules.least;
        for finding in &mut self.findings {
            if finding.quantity.kind() == Kind::Exact {
                finding.verdict = Some(least.side(finding.quantity, finding.ratio));
            }
        }
    }

    /// Whether more pairs of the row would say more.
    pub fn is_open(&self, row: &str) -> bool {
        self.findings.iter().any(|finding| finding.row == row && finding.verdict.is_none())
    }

    /// What has been found; whatever is still open cannot be told.
    fn close(mut self) -> Vec<Finding> {
        for finding in &mut self.findings {
            finding.verdict.get_or_insert(Verdict::Ambiguous);
        }
        self.findings
    }

    /// What is looked at of a row: stages that take a part of its time worth the name, and all that is no part of another.
    fn watched(&self, row: &RowPairs) -> Vec<Finding> {
        let known = Quantity::of_pairs(&row.pairs).into_iter();
        let all: Vec<Finding> = known.filter_map(|quantity| Finding::new(row, quantity)).collect();
        let total = all.iter().find(|finding| finding.quantity == Quantity::Total);
        let share = |finding: &Finding| {
            let shares =
                total.map(|total| (finding.base / total.base).max(finding.head / total.head));
            shares.unwrap_or(1.0)
        };
        let is_watched = |finding: &Finding| match finding.quantity {
            Quantity::Stage(_) => share(finding) >= self.rules.share,
            Quantity::Training | Quantity::Prediction | Quantity::Cpu | Quantity::ProductRate => {
                false
            }
            _ => true,
        };
        let watched: Vec<bool> = all.iter().map(is_watched).collect();
        all.into_iter().zip(watched).filter(|(_, is)| *is).map(|(finding, _)| finding).collect()
    }

    fn test(&mut self, kind: Kind) {
        let Rules { alpha, least, excluded, looks, .. } = &self.rules;
        let alpha = alpha / looks.len() as f64;
        let mut family: Vec<&mut Finding> =
            self.findings.iter_mut().filter(|finding| finding.quantity.kind() == kind).collect();
        let chances = |of: fn(&Finding) -> f64| family.iter().map(|f| of(f)).collect::<Vec<_>>();
        let worse = holm(&chances(|finding| finding.p_worse), alpha);
        let better = holm(&chances(|finding| finding.p_better), alpha);
        for ((finding, worse), better) in family.iter_mut().zip(worse).zip(better) {
            if finding.verdict.is_none() {
                let side = least.side(finding.quantity, finding.ratio);
                finding.verdict = match side {
                    Verdict::Worse if worse => Some(side),
                    Verdict::Better if better => Some(side),
                    // An estimate that is worse by what matters is not called the same, however little it may be worse by.
                    Verdict::Worse => None,
                    _ => finding.is_no_worse(excluded).then_some(Verdict::Same),
                };
            }
        }
    }
}

impl Finding {
    fn new(row: &RowPairs, quantity: Quantity) -> Option<Self> {
        let mut finding = Self {
            row: row.row.clone(),
            quantity,
            pairs: 0,
            base: f64::NAN,
            head: f64::NAN,
            ratio: 1.0,
            interval: None,
            at_most: None,
            p_worse: 1.0,
            p_better: 1.0,
            verdict: None,
        };
        finding.measure(&row.pairs);
        (finding.pairs > 0).then_some(finding)
    }

    /// Whether it is ruled out that it is worse by so much.
    fn is_no_worse(&self, excluded: &Least) -> bool {
        self.at_most.is_some_and(|most| most <= 1.0 + excluded.of(self.quantity))
    }

    fn measure(&mut self, pairs: &[Pair]) {
        let both: Vec<(f64, f64)> =
            pairs.iter().filter_map(|pair| pair.of(self.quantity)).collect();
        let Some(paired) = Paired::of(both.iter().copied()) else { return };
        self.base = median(both.iter().map(|(base, _)| *base)).unwrap_or(f64::NAN);
        self.head = median(both.iter().map(|(_, head)| *head)).unwrap_or(f64::NAN);
        self.pairs = paired.count();
        self.ratio = match self.quantity.kind() {
            Kind::Exact => paired.farthest(),
            _ => paired.ratio(),
        };
        self.interval = paired.interval(0.95);
        let (larger, smaller) = (paired.p_larger(), paired.p_smaller());
        (self.p_worse, self.p_better) =
            if self.quantity.is_cost() { (larger, smaller) } else { (smaller, larger) };
        self.at_most = paired.interval(2.0 * RULED_OUT - 1.0).map(|interval| interval.high);
    }
}

/// Which of several hypotheses fall, at a chance of `alpha` that any of them falls wrongly (Holm 1979).
fn holm(chances: &[f64], alpha: f64) -> Vec<bool> {
    let mut order: Vec<usize> = (0..chances.len()).collect();
    order.sort_by(|&a, &b| chances[a].total_cmp(&chances[b]));
    let mut falls = vec![false; chances.len()];
    for (place, index) in order.into_iter().enumerate() {
        if chances[index] > alpha / (chances.len() - place) as f64 {
            break;
        }
        falls[index] = true;
    }
    falls
}

impl Outcome {
    /// Of findings that are closed.
    pub fn of(findings: &[Finding]) -> Self {
        let any = |verdict| findings.iter().any(|finding| finding.verdict == Some(verdict));
        let open = findings.iter().any(|finding| finding.verdict.is_none());
        match () {
            () if any(Verdict::Worse) => Self::Worse,
            () if findings.is_empty() || open || any(Verdict::Ambiguous) => Self::Ambiguous,
            () if any(Verdict::Better) => Self::Better,
            () => Self::Same,
        }
    }
}

#[cfg(test)]
mod tests;
