//! Which row is better than which: rows whose ranges over repeats overlap are not told apart.

use crate::{Row, Spread};

/// What rows are ranked by; less is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    Rmse,
    Training,
}

/// The places that a row can have among others: the first if it wins every tie, the last if it loses every one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    first: usize,
    last: usize,
}

impl By {
    /// Whether every repeat of `a` is better than every one of `b`, in the digits that are shown.
    pub(crate) fn is_better(self, a: &Row, b: &Row) -> bool {
        let shown = |value: f64| match self {
            Self::Rmse => (value * 1e5).round(),
            Self::Training => (value * 1e3).round(),
        };
        shown(self.spread(a).max) < shown(self.spread(b).min)
    }

    fn spread(self, row: &Row) -> &Spread {
        match self {
            Self::Rmse => &row.scores.rmse,
            Self::Training => &row.train_s,
        }
    }

    /// The rows that none is better than, by median. Any two of them are tied.
    pub(crate) fn first<'a>(self, rows: &[&'a Row]) -> Vec<&'a Row> {
        let is_beaten = |row: &Row| rows.iter().any(|other| self.is_better(other, row));
        let mut first: Vec<&Row> = rows.iter().copied().filter(|row| !is_beaten(row)).collect();
        first.sort_by(|a, b| self.spread(a).median.total_cmp(&self.spread(b).median));
        first
    }

    /// A place each, in the order of `rows`.
    pub(crate) fn places(self, rows: &[Row]) -> Vec<Place> {
        let count = |is: &dyn Fn(&Row) -> bool| rows.iter().filter(|row| is(row)).count();
        let place = |row: &Row| Place {
            first: 1 + count(&|other| self.is_better(other, row)),
            last: rows.len() - count(&|other| self.is_better(row, other)),
        };
        rows.iter().map(place).collect()
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self { first, last } if first == last => write!(f, "{first}"),
            Self { first, last } => write!(f, "{first}-{last}"),
        }
    }
}
