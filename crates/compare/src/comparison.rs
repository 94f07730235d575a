//! Two rows, run with the same seeds.

use modality_harness::record::RunRecord;
use serde::{Deserialize, Serialize};

use crate::{Interval, Least, Pair, Paired, Quantity, Verdict, quantity::median};

/// Confidence of the intervals, two-sided.
const CONFIDENCE: f64 = 0.95;

/// One row beside another, pair by pair.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Name of the row that is compared with.
    pub base: String,
    /// Name of the row that is compared.
    pub head: String,
    /// By quantity, in the order in which a run comes to them.
    pub lines: Vec<Line>,
    /// RMSE side by side.
    pub errors: Vec<SeedErrors>,
    /// Scored runs of either side without a partner of the same repeat and seed.
    pub unpaired: usize,
}

/// One quantity of both sides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Which.
    pub quantity: Quantity,
    /// Median of what is compared with.
    pub base: f64,
    /// Median of what is compared.
    pub head: f64,
    /// Estimate of the ratio.
    pub ratio: f64,
    /// What the ratio may be, at 95 %; of one pair, nothing is known.
    pub interval: Option<Interval>,
    /// Number of pairs.
    pub pairs: usize,
    /// Pairs in which what is compared is the smaller.
    pub smaller: usize,
    /// Pairs in which it is the larger.
    pub larger: usize,
    /// What is said of it.
    pub verdict: Verdict,
}

/// RMSE of one pair.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SeedErrors {
    /// Counted from zero.
    pub repeat: usize,
    /// Of both runs.
    pub seed: u64,
    /// Of what is compared with.
    pub base: f64,
    /// Of what is compared.
    pub head: f64,
}

/// Runs that cannot be held against each other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// Errors on other cells say nothing.
    #[error("the two are of different data: {base} of {base_data}, {head} of {head_data}")]
    Data {
        /// Name of the row that is compared with.
        base: String,
        /// Its data set, with the beginning of its SHA-256.
        base_data: String,
        /// Name of the row that is compared.
        head: String,
        /// Its data set.
        head_data: String,
    },
    /// No pair.
    #[error("{base} and {head} have no scored runs of the same repeat and seed")]
    NoPairs {
        /// Name of the row that is compared with.
        base: String,
        /// Name of the row that is compared.
        head: String,
    },
}

impl Comparison {
    /// Of the records of two rows, which are paired by repeat and seed.
    ///
    /// # Errors
    /// [`Mismatch`], where there are no pairs or they are of different data.
    pub fn of(base: &[RunRecord], head: &[RunRecord], least: &Least) -> Result<Self, Mismatch> {
        let scored = |records: &[RunRecord]| -> Vec<_> {
            let of_run = |record: &RunRecord| {
                let measured = Quantity::of_run(record);
                (!measured.is_empty()).then_some((record.run.repeat, record.seed, measured))
            };
            records.iter().filter_map(of_run).collect()
        };
        let names = [base, head]
            .map(|records| records.first().map(|record| record.run.row()).unwrap_or_default());
        let [base_name, head_name] = names;
        if let (Some(one), Some(other)) = (base.first(), head.first())
            && one.dataset.sha256 != other.dataset.sha256
        {
            let data =
                |of: &RunRecord| format!("{} (SHA-256 {:.12})", of.dataset.name, of.dataset.sha256);
            let (base_data, head_data) = (data(one), data(other));
            return Err(Mismatch::Data { base: base_name, base_data, head: head_name, head_data });
        }
        let (base, head) = (scored(base), scored(head));
        let mut pairs = Vec::new();
        let mut errors = Vec::new();
        for (repeat, seed, measured) in &base {
            let partner = head.iter().find(|(other, with, _)| (other, with) == (repeat, seed));
            let Some((_, _, partner)) = partner else { continue };
            if let (Some(&base), Some(&head)) =
                (measured.get(&Quantity::Rmse), partner.get(&Quantity::Rmse))
            {
                errors.push(SeedErrors { repeat: *repeat, seed: *seed, base, head });
            }
            pairs.push(Pair { base: measured.clone(), head: partner.clone() });
        }
        if pairs.is_empty() {
            return Err(Mismatch::NoPairs { base: base_name, head: head_name });
        }
        let unpaired = base.len() + head.len() - 2 * pairs.len();
        let lines = Quantity::of_pairs(&pairs)
            .into_iter()
            // Of the machine, not of the rows.
            .filter(|quantity| *quantity != Quantity::ProductRate)
            .filter_map(|quantity| Line::new(quantity, &pairs, least))
            .collect();
        Ok(Self { base: base_name, head: head_name, lines, errors, unpaired })
    }

    /// What is known of a quantity, if anything is.
    pub fn line(&self, quantity: Quantity) -> Option<&Line> {
        self.lines.iter().find(|line| line.quantity == quantity)
    }
}

impl Line {
    fn new(quantity: Quantity, pairs: &[Pair], least: &Least) -> Option<Self> {
        let both: Vec<(f64, f64)> = pairs.iter().filter_map(|pair| pair.of(quantity)).collect();
        let paired = Paired::of(both.iter().copied())?;
        let interval = paired.interval(CONFIDENCE);
        let (smaller, larger) = paired.won();
        Some(Self {
            quantity,
            base: median(both.iter().map(|(base, _)| *base))?,
            head: median(both.iter().map(|(_, head)| *head))?,
            ratio: paired.ratio(),
            interval,
            pairs: paired.count(),
            smaller,
            larger,
            verdict: least.judge(quantity, interval),
        })
    }
}
