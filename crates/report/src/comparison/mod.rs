//! One row beside another, as the pages and the terminal show it.

mod notes;

use std::cmp::Ordering;

use modality_compare::{Comparison, Interval, Kind, Least, Line, Mismatch, Quantity, Verdict};
use modality_harness::record::RunRecord;
use serde::Serialize;

use crate::{Row, format, grid::Grid, grid::beside, records::scored, summary::groups, table};

/// Stages that take less in both rows are no part of the table, seconds.
const SHORTEST_S: f64 = 1e-3;

/// Two rows that were run with the same seeds, and what a reader must know of them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SideBySide {
    /// What the numbers say; the ratio is that of the second row to the first.
    #[serde(flatten)]
    pub comparison: Comparison,
    /// What to know before one believes them, a sentence each: what is paired, and what else differs.
    pub notes: Vec<String>,
    /// What both are called, in sentences and over columns.
    #[serde(skip)]
    called: [Names; 2],
    #[serde(skip)]
    least: Least,
    /// Whether the stages of both are believed ([`RunRecord::untold_s`]).
    #[serde(skip)]
    is_told: bool,
}

/// What a row is called.
#[derive(Debug, Clone, PartialEq)]
struct Names {
    said: String,
    short: String,
}

impl SideBySide {
    /// Of the records of two rows, which are called `A` and `B`.
    ///
    /// # Errors
    /// [`Mismatch`], where there are no pairs or they are of different data.
    pub fn of(base: &[RunRecord], head: &[RunRecord], least: &Least) -> Result<Self, Mismatch> {
        let names = |name: &str| Names { said: name.to_owned(), short: name.to_owned() };
        Self::named([names("A"), names("B")], base, head, least)
    }

    fn named(
        called: [Names; 2],
        base: &[RunRecord],
        head: &[RunRecord],
        least: &Least,
    ) -> Result<Self, Mismatch> {
        let comparison = Comparison::of(base, head, least)?;
        let short = called.each_ref().map(|names| names.short.as_str());
        let notes = notes::of(short, &comparison, [base, head]);
        let is_told = [base, head].iter().all(|records| {
            records.iter().filter_map(scored).all(|record| record.untold_s().is_none())
        });
        Ok(Self { comparison, notes, called, least: *least, is_told })
    }

    /// Backends of one method, variant and number of cells, each beside the one that trains fastest; none of what fits nothing, and of
    /// what has no runs with the same seeds. Expects `rows` to be those of `records`, and these in order.
    pub(crate) fn of_study(rows: &[Row], records: &[RunRecord]) -> Vec<Self> {
        let mut fastest_first: Vec<&Row> = rows.iter().filter(|row| !row.fits_nothing).collect();
        fastest_first.sort_by(|a, b| by_method_and_speed(a, b));
        let alike = |a: &&Row, b: &&Row| a.label() == b.label();
        let beside = |group: &[&Row]| {
            let (base, others) = group.split_first()?;
            Some(others.iter().filter_map(|head| Self::of_rows(base, head, records)).collect())
        };
        let found: Vec<Vec<Self>> = fastest_first.chunk_by(alike).filter_map(beside).collect();
        found.concat()
    }

    fn of_rows(base: &Row, head: &Row, records: &[RunRecord]) -> Option<Self> {
        let of = |row: &Row| groups(records).find(|(name, _)| *name == row.name());
        let called = [base, head].map(|row| Names { said: row.said(), short: row.backend.clone() });
        let ((_, base), (_, head)) = (of(base)?, of(head)?);
        Self::named(called, base, head, &Least::default()).ok()
    }

    /// The names of both rows, as a heading; of two that bear the same, that.
    pub(crate) fn rows(&self) -> String {
        let Comparison { base, head, .. } = &self.comparison;
        let [base_short, head_short] = self.columns();
        match base == head {
            true => base.clone(),
            false => format!("{head} ({head_short}) beside {base} ({base_short})"),
        }
    }

    /// The two, as a heading.
    pub(crate) fn title(&self) -> String {
        let [base, head] = &self.called;
        format!("{} beside {}", head.said, base.short)
    }

    /// How much longer the second trains than the first; where that is not known, or hidden by one of them, how much longer it
    /// takes altogether.
    pub fn sentence(&self) -> String {
        let [base, head] = self.called.each_ref().map(|names| &names.said);
        let training = self.comparison.line(Quantity::Training).filter(|_| self.is_told);
        let training = training.map(|line| (line, "training time"));
        let total = self.comparison.line(Quantity::Total).map(|line| (line, "time"));
        let Some((line, what)) = training.or(total) else {
            return format!("No time of {head} and {base} is known.");
        };
        let times = ratio(line, line.ratio);
        let Some(interval) = line.interval else {
            return format!(
                "{head} takes {times} times the {what} of {base} in the one pair there is."
            );
        };
        let (side, count) = match line.ratio.total_cmp(&1.0) {
            Ordering::Less => ("shorter", line.smaller),
            _ => ("longer", line.larger),
        };
        let least = percent(self.least.time);
        let rest = match line.verdict {
            Verdict::Same => format!("; they differ by less than {least}"),
            Verdict::Ambiguous => {
                format!("; whether they differ by more than {least} cannot be told")
            }
            Verdict::Better | Verdict::Worse => String::new(),
        };
        let range = range(line, interval);
        let pairs = line.pairs;
        format!(
            "{head} takes {times} times ({range}) the {what} of {base}, {side} in {count} of {pairs} pairs{rest}."
        )
    }

    /// What is said of the errors.
    pub(crate) fn errors_say(&self) -> Option<String> {
        let line = self.comparison.line(Quantity::Rmse)?;
        let [base, head] = self.called.each_ref().map(|names| &names.short);
        let differences = self.comparison.errors.iter().map(|pair| (pair.head - pair.base).abs());
        let most = differences.fold(0.0, f64::max);
        let differs = if most > 0.0 {
            format!("differs by at most {}", format::decimals(most, 6))
        } else {
            "is the same".to_owned()
        };
        let times = ratio(line, line.ratio);
        let range =
            line.interval.map_or(String::new(), |interval| format!(" ({})", range(line, interval)));
        let verdict = line.verdict.said_of(Quantity::Rmse);
        Some(format!(
            "Seed by seed, the RMSE {differs}; that of {head} is {times} times{range} that of {base}: {verdict}."
        ))
    }

    /// The costs of both, ratio and verdict, and what is left out of them.
    pub(crate) fn costs(&self) -> (Grid, Option<String>) {
        let is_cost = |line: &&Line| line.quantity != Quantity::Rmse;
        let is_short = |line: &&Line| {
            matches!(line.quantity, Quantity::Stage(_)) && line.base.max(line.head) < SHORTEST_S
        };
        let costs = self.comparison.lines.iter().filter(is_cost);
        let (short, shown): (Vec<&Line>, Vec<&Line>) = costs.partition(is_short);
        let short: Vec<String> = short.iter().map(|line| line.quantity.to_string()).collect();
        let left_out = format!(
            "Left out, as both took less than a millisecond for it: {}.",
            format::list(&short)
        );
        (beside::costs(self.columns(), &shown), (!short.is_empty()).then_some(left_out))
    }

    /// Errors seed by seed.
    pub(crate) fn errors(&self) -> Grid {
        beside::errors(self.columns(), &self.comparison.errors)
    }

    fn columns(&self) -> [&str; 2] {
        self.called.each_ref().map(|names| names.short.as_str())
    }

    /// How it is decided, in a line or two.
    pub(crate) fn how(&self) -> String {
        how(&self.least)
    }

    /// For a terminal, at most 100 columns wide. What is to be known of all of them stands once, under them.
    pub fn text(sides: &[Self]) -> String {
        table::comparisons(sides)
    }
}

/// Those of one method, variant and number of cells together, fastest training first; what hides its time comes last.
fn by_method_and_speed(a: &Row, b: &Row) -> Ordering {
    let label = |row: &Row| row.label();
    let hides = |row: &Row| row.untold_s.is_some();
    let order = label(a).cmp(&label(b)).then_with(|| hides(a).cmp(&hides(b)));
    order.then_with(|| a.train_s.median.total_cmp(&b.train_s.median))
}

/// A share, in as few digits as it has.
pub(crate) fn percent(share: f64) -> String {
    let digits = format!("{:.4}", 100.0 * share);
    format!("{} %", digits.trim_end_matches('0').trim_end_matches('.'))
}

/// How it is decided by what matters.
fn how(least: &Least) -> String {
    let [time, memory, error, exact] =
        [least.time, least.memory, least.error, least.exact].map(percent);
    format!(
        "A ratio is the median of the pairs' ratios and of the geometric means of any two (Hodges and Lehmann), and the interval what it is at \
         95 % confidence: by Wilcoxon's signed-rank test of six pairs or more, by Student's t of fewer. A pair is won where the \
         second is the better. The verdict names a difference where the whole interval is beyond {time} in times, {memory} in \
         memory, {error} in RMSE and {exact} in what is counted; where it is within, they are the same; else it is ambiguous."
    )
}

/// A ratio in as many digits as it may be known to.
pub(crate) fn ratio(line: &Line, value: f64) -> String {
    match line.quantity.kind() {
        Kind::Error | Kind::Exact if (0.9..1.1).contains(&value) => format!("{value:.5}"),
        _ => format::digits(value),
    }
}

/// The ends of an interval of ratios.
pub(crate) fn range(line: &Line, interval: Interval) -> String {
    format!("{} to {}", ratio(line, interval.low), ratio(line, interval.high))
}
