//! What is said of a ratio.

use serde::{Deserialize, Serialize};

use crate::{Interval, Kind, Quantity};

/// What is said of a side beside the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// No difference that matters.
    Same,
    /// It costs less, or is more accurate.
    Better,
    /// It costs more, or is less accurate.
    Worse,
    /// It cannot be told.
    Ambiguous,
}

/// The least effect that matters by kind: a ratio of 1 + this.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Least {
    /// Of times.
    pub time: f64,
    /// Of memory.
    pub memory: f64,
    /// Of errors.
    pub error: f64,
    /// Of what is the same each time but for rounding.
    pub exact: f64,
}

impl Default for Least {
    fn default() -> Self {
        Self { time: 0.03, memory: 0.05, error: 1e-3, exact: 1e-4 }
    }
}

impl Least {
    /// Of a quantity.
    pub fn of(&self, quantity: Quantity) -> f64 {
        match quantity.kind() {
            Kind::Time => self.time,
            Kind::Memory => self.memory,
            Kind::Error => self.error,
            Kind::Exact => self.exact,
        }
    }

    /// Whether a ratio differs by as much, and to which side.
    pub(crate) fn side(&self, quantity: Quantity, ratio: f64) -> Verdict {
        let most = 1.0 + self.of(quantity);
        match ratio {
            ratio if ratio > most => Verdict::of_larger(quantity),
            ratio if ratio < 1.0 / most => Verdict::of_larger(quantity).turned(),
            _ => Verdict::Same,
        }
    }

    /// What an interval says: to one side of what matters altogether, within it, or neither.
    pub fn judge(&self, quantity: Quantity, interval: Option<Interval>) -> Verdict {
        let Some(Interval { low, high }) = interval else { return Verdict::Ambiguous };
        let (low, high) = (self.side(quantity, low), self.side(quantity, high));
        if low == high { low } else { Verdict::Ambiguous }
    }
}

impl Verdict {
    fn of_larger(quantity: Quantity) -> Self {
        if quantity.is_cost() { Self::Worse } else { Self::Better }
    }

    fn turned(self) -> Self {
        match self {
            Self::Better => Self::Worse,
            Self::Worse => Self::Better,
            other => other,
        }
    }

    /// In the words of the quantity: `slower`, `less accurate`, `more memory`.
    pub fn said_of(self, quantity: Quantity) -> &'static str {
        let [better, worse] = match quantity {
            Quantity::Rmse => ["more accurate", "less accurate"],
            Quantity::Captured => ["captures more", "captures less"],
            Quantity::Operations(_) => ["fewer operations", "more operations"],
            Quantity::Memory | Quantity::GpuMemory => ["less memory", "more memory"],
            _ => ["faster", "slower"],
        };
        match self {
            Self::Same => "same",
            Self::Better => better,
            Self::Worse => worse,
            Self::Ambiguous => "ambiguous",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use modality_protocol::Stage;

    #[test]
    fn an_interval_is_on_one_side_of_what_matters_or_within_it_or_says_nothing() {
        let judge = |quantity, low, high| {
            Least::default().judge(quantity, Some(Interval { low, high })).said_of(quantity)
        };
        let solve = Quantity::Stage(Stage::Solve);
        assert_eq!(judge(solve, 1.04, 1.2), "slower");
        assert_eq!(judge(solve, 0.8, 0.96), "faster");
        assert_eq!(judge(solve, 0.98, 1.02), "same");
        assert_eq!(judge(solve, 1.02, 1.04), "ambiguous");
        assert_eq!(judge(solve, 0.9, 1.1), "ambiguous");
        assert_eq!(judge(Quantity::Rmse, 1.002, 1.003), "less accurate");
        assert_eq!(judge(Quantity::Captured, 0.9, 0.95), "captures less");
        assert_eq!(Least::default().judge(solve, None), Verdict::Ambiguous);
    }
}
