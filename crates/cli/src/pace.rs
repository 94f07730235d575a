//! How far a study is, and how long it may still take.

use std::{collections::BTreeMap, time::Duration};

/// The runs of a study that are to be made, each by the name of its row.
pub(crate) struct Pace {
    /// Rows of the runs that are still to be made, the next one last.
    left: Vec<String>,
    all: usize,
    /// Seconds that the last run of each row took.
    took: BTreeMap<String, f64>,
}

impl Pace {
    /// Before the first of `runs`.
    pub(crate) fn new(runs: impl Iterator<Item = String>) -> Self {
        let mut left: Vec<String> = runs.collect();
        left.reverse();
        Self { all: left.len(), left, took: BTreeMap::new() }
    }

    /// The next run is made, in so much time; or is not made after all.
    pub(crate) fn made(&mut self, took: Option<Duration>) {
        if let (Some(row), Some(took)) = (self.left.pop(), took) {
            self.took.insert(row, took.as_secs_f64());
        }
    }

    /// Which run is next, and how long all that are left may take: by the last run of each row, or where a row has not been
    /// run, by the mean of those that have.
    pub(crate) fn said(&self) -> String {
        let number = self.all - self.left.len() + 1;
        format!("{number} of {}, {}", self.all, rough(self.seconds_left()))
    }

    fn seconds_left(&self) -> Option<f64> {
        let mean = self.took.values().sum::<f64>() / self.took.len() as f64;
        let of = |row| self.took.get(row).copied().unwrap_or(mean);
        (!self.took.is_empty()).then(|| self.left.iter().map(of).sum())
    }
}

fn rough(seconds: Option<f64>) -> String {
    match seconds {
        None => "time left unknown".to_owned(),
        Some(seconds) if seconds < 60.0 => "less than a minute left".to_owned(),
        Some(seconds) if seconds < 90.0 => "about 1 minute left".to_owned(),
        Some(seconds) if seconds < 5400.0 => format!("about {:.0} minutes left", seconds / 60.0),
        Some(seconds) => format!("about {:.1} hours left", seconds / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_told_by_the_rows_that_are_done() {
        let runs = ["a", "b", "a", "b", "b"].map(str::to_owned);
        let mut pace = Pace::new(runs.into_iter());
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(pace.said(), "1 of 5, time left unknown");
        pace.made(None);
        assert_eq!(pace.said(), "2 of 5, time left unknown");
        pace.made(seconds(100));
        // Of `a` nothing is known yet: 100 of `b` each.
        assert_eq!(pace.said(), "3 of 5, about 5 minutes left");
        pace.made(seconds(4000));
        assert_eq!(pace.seconds_left(), Some(200.0));
        pace.made(seconds(20));
        assert_eq!(pace.said(), "5 of 5, less than a minute left");
    }

    #[test]
    fn times_are_rough() {
        let said = [59.0, 61.0, 89.0, 95.0, 600.0, 5401.0].map(|seconds| rough(Some(seconds)));
        let wanted = [
            "less than a minute",
            "about 1 minute",
            "about 1 minute",
            "about 2 minutes",
            "about 10 minutes",
            "about 1.5 hours",
        ];
        assert_eq!(said, wanted.map(|words| format!("{words} left")));
    }
}
