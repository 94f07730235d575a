//! What pairs of measurements say of a ratio, whatever the noise is like: exact tests and intervals on log ratios.
//!
//! Where the two sides do not differ, a pair's log ratio is as likely to be so much above zero as so much below it. That is all
//! that is assumed, so a burst of other work that lengthens a few measurements many times costs a few ranks, not the answer.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF as _, StudentsT};

/// Log ratios of pairs of measurements.
#[derive(Debug, Clone, PartialEq)]
pub struct Paired {
    logs: Vec<f64>,
}

/// What a ratio may be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The least.
    pub low: f64,
    /// The most.
    pub high: f64,
}

impl Paired {
    /// The ratios second to first of the pairs in which both are finite and above zero; nothing if there are none.
    pub fn of(pairs: impl IntoIterator<Item = (f64, f64)>) -> Option<Self> {
        let log = |(first, second): (f64, f64)| (second / first).ln();
        let logs: Vec<f64> = pairs.into_iter().map(log).filter(|log| log.is_finite()).collect();
        (!logs.is_empty()).then_some(Self { logs })
    }

    /// Number of pairs.
    pub fn count(&self) -> usize {
        self.logs.len()
    }

    /// Pairs in which the second is the smaller, and the larger.
    pub fn won(&self) -> (usize, usize) {
        let count = |sign: f64| self.logs.iter().filter(|&&log| log * sign > 0.0).count();
        (count(-1.0), count(1.0))
    }

    /// The ratio of the pair that is farthest from 1.
    pub fn farthest(&self) -> f64 {
        let far = self.logs.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs()));
        far.expect("there are pairs").exp()
    }

    /// The estimate of Hodges and Lehmann (1963): the median of the means of every two log ratios, each with itself too.
    pub fn ratio(&self) -> f64 {
        let walsh = self.walsh();
        let (lower, upper) = (walsh[(walsh.len() - 1) / 2], walsh[walsh.len() / 2]);
        f64::midpoint(lower, upper).exp()
    }

    /// What the ratio may be with this confidence (0.95 for instance), two-sided: the interval that belongs to Wilcoxon's
    /// signed-rank test (Tukey 1949), exact for any noise that is symmetric. Of fewer pairs than that needs for the
    /// confidence (six for 0.95), Student's interval for log ratios that are normal; of one pair, none.
    pub fn interval(&self, confidence: f64) -> Option<Interval> {
        let tail = (1.0 - confidence) / 2.0;
        let (low, high) = match self.outside(tail) {
            Some(outside) => {
                let walsh = self.walsh();
                (walsh[outside], walsh[walsh.len() - 1 - outside])
            }
            None => self.students(tail)?,
        };
        Some(Interval { low: low.exp(), high: high.exp() })
    }

    /// How likely it is that signs drawn by coins show the second so much the larger, where neither is: Wilcoxon's signed-rank
    /// test, exact for any number of pairs and of ties. Pairs that are equal say nothing.
    pub fn p_larger(&self) -> f64 {
        p_of_ranks(self.logs.iter().copied())
    }

    /// [`Paired::p_larger`] of the other side.
    pub fn p_smaller(&self) -> f64 {
        p_of_ranks(self.logs.iter().map(|log| -log))
    }

    /// Means of every two log ratios, each with itself too, ascending.
    fn walsh(&self) -> Vec<f64> {
        let from = |(i, first): (usize, &f64)| {
            let first = *first;
            self.logs[i..].iter().map(move |second| f64::midpoint(first, *second))
        };
        let mut means: Vec<f64> = self.logs.iter().enumerate().flat_map(from).collect();
        means.sort_by(f64::total_cmp);
        means
    }

    /// How many of the means at either end lie outside an interval with such tails; nothing where even the smallest and the
    /// largest are too likely to be passed.
    fn outside(&self, tail: f64) -> Option<usize> {
        let ranks: Vec<usize> = (1..=self.logs.len()).collect();
        let mut below = 0.0;
        let mut within = |chance: &f64| {
            below += chance;
            below <= tail
        };
        sums(&ranks).iter().take_while(|chance| within(chance)).count().checked_sub(1)
    }

    fn students(&self, tail: f64) -> Option<(f64, f64)> {
        let count = self.logs.len() as f64;
        let mean = self.logs.iter().sum::<f64>() / count;
        let squares: f64 = self.logs.iter().map(|log| (log - mean).powi(2)).sum();
        let distribution = StudentsT::new(0.0, 1.0, count - 1.0).ok()?;
        let half = distribution.inverse_cdf(1.0 - tail) * (squares / (count - 1.0) / count).sqrt();
        Some((mean - half, mean + half))
    }
}

/// The chance that the ranks of the values above zero come to so much, by the values' sizes and nothing else.
fn p_of_ranks(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.filter(|value| *value != 0.0).collect();
    values.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
    let ranks = doubled_ranks(&values);
    let above = values.iter().zip(&ranks).filter(|(value, _)| **value > 0.0);
    let sum: usize = above.map(|(_, rank)| rank).sum();
    // What rounding takes from a sum of all chances is not to make it more than certain.
    sums(&ranks)[sum..].iter().sum::<f64>().min(1.0)
}

/// Twice the rank of each value by its size; values of one size share the mean of their ranks.
fn doubled_ranks(sorted: &[f64]) -> Vec<usize> {
    let mut ranks = Vec::with_capacity(sorted.len());
    for equal in sorted.chunk_by(|a, b| a.abs() == b.abs()) {
        let (first, last) = (ranks.len() + 1, ranks.len() + equal.len());
        ranks.extend(equal.iter().map(|_| first + last));
    }
    ranks
}

/// The chance of each sum, from 0, of ranks that are each taken or left by a coin.
fn sums(ranks: &[usize]) -> Vec<f64> {
    let mut chances = vec![0.0; ranks.iter().sum::<usize>() + 1];
    chances[0] = 1.0;
    let mut most = 0;
    for &rank in ranks {
        most += rank;
        for sum in (0..=most).rev() {
            let taken = if sum >= rank { chances[sum - rank] } else { 0.0 };
            chances[sum] = 0.5 * (chances[sum] + taken);
        }
    }
    chances
}

#[cfg(test)]
mod tests {
    use rand::{Rng as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn of(ratios: &[f64]) -> Paired {
        Paired::of(ratios.iter().map(|ratio| (1.0, *ratio))).unwrap()
    }

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-12 * b.abs().max(1.0)
    }

    #[test]
    fn chances_are_those_of_all_signs() {
        // Logarithms of two equal sizes among five: every assignment of signs, counted.
        let ratios = [1.1, 0.5, 2.0, 4.0, 8.0];
        let ranks = [1.0, 2.5, 2.5, 4.0, 5.0];
        let above =
            |signs: u32| -> f64 { (0..5).filter(|i| signs >> i & 1 == 1).map(|i| ranks[i]).sum() };
        let found = above(0b11101);
        let as_much = (0..32).filter(|&signs| above(signs) >= found).count();
        let paired = of(&ratios);
        assert!(near(paired.p_larger(), as_much as f64 / 32.0), "{}", paired.p_larger());
        let as_little = (0..32).filter(|&signs| above(signs) <= found).count();
        assert!(near(paired.p_smaller(), as_little as f64 / 32.0));
    }

    #[test]
    fn chances_of_a_hundred_pairs_are_exact_too() {
        let all: Vec<f64> = (1..=100).map(|i| 1.0 + f64::from(i) / 1000.0).collect();
        assert!(near(of(&all).p_larger().log2(), -100.0));
        assert!(near(of(&all).p_smaller(), 1.0));
        assert!(near(of(&[1.0; 7]).p_larger(), 1.0), "equal pairs say nothing");
    }

    #[test]
    fn the_interval_is_that_of_the_tables() {
        // n = 10 and 95 %: the critical value is 8, so the 9th mean of each end bounds the interval (Hollander and Wolfe, A.4).
        let paired = of(&[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0].map(f64::exp));
        assert_eq!(paired.outside(0.025), Some(8));
        let walsh = paired.walsh();
        let interval = paired.interval(0.95).unwrap();
        assert!(near(interval.low.ln(), walsh[8]) && near(interval.high.ln(), walsh[46]));
        assert!(near(paired.ratio().ln(), 0.55));
        assert_eq!([5, 6].map(|n| of(&vec![2.0; n]).outside(0.025)), [None, Some(0)]);
    }

    #[test]
    fn few_pairs_have_students_interval_and_one_has_none() {
        // Mean 0.2, standard deviation 0.1, t(0.975, 2) = 4.3027.
        let interval = of(&[0.1, 0.2, 0.3].map(f64::exp)).interval(0.95).unwrap();
        let half = 4.302_652_7 * 0.1 / 3.0_f64.sqrt();
        assert!((interval.low.ln() - (0.2 - half)).abs() < 1e-6, "{interval:?}");
        assert!((interval.high.ln() - (0.2 + half)).abs() < 1e-6, "{interval:?}");
        assert_eq!(of(&[1.5]).interval(0.95), None);
        assert!(near(of(&[1.5]).ratio(), 1.5));
    }

    #[test]
    fn what_is_no_ratio_is_left_out() {
        let pairs = [(0.0, 1.0), (1.0, 0.0), (f64::NAN, 1.0), (1.0, f64::INFINITY), (2.0, 1.0)];
        let paired = Paired::of(pairs).unwrap();
        assert_eq!((paired.count(), paired.won()), (1, (1, 0)));
        assert_eq!(Paired::of([(0.0, 0.0)]), None);
    }

    #[test]
    fn intervals_hold_the_truth_as_often_as_they_say_under_noise_with_bursts() {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let mut noise = || {
            let burst = if rng.gen_bool(0.1) { rng.gen_range(1.0..4.0) } else { 1.0 };
            burst * rng.gen_range(0.98..1.02)
        };
        let (mut held, mut wrong) = (0, 0);
        const TRIALS: usize = 2000;
        for _ in 0..TRIALS {
            let pairs: Vec<(f64, f64)> = (0..12).map(|_| (noise(), 1.1 * noise())).collect();
            let paired = Paired::of(pairs.iter().copied()).unwrap();
            let interval = paired.interval(0.95).unwrap();
            held += usize::from((interval.low..=interval.high).contains(&1.1));
            let same = Paired::of(pairs.iter().map(|(a, b)| (*a, b / 1.1))).unwrap();
            wrong += usize::from(same.p_larger() <= 0.05);
        }
        let shares = [held, wrong].map(|count| count as f64 / TRIALS as f64);
        assert!(shares[0] > 0.94 && shares[0] < 0.98 && shares[1] < 0.065, "{shares:?}");
    }
}
