//! Which cells train and which test: by rules, or drawn.

use std::collections::BTreeMap;

use rand::{SeedableRng as _, seq::SliceRandom as _};
use rand_chacha::ChaCha8Rng;

use super::labels::{LabelColumns, column, labels, stands_for_missing};
use super::layout::{CellRule, CiteLayout};
use super::pair::Pair;
use super::words::{counted, some_of};
use crate::Result;

/// Of so many cells one is a test cell where nobody says which.
const ONE_OF: usize = 5;
/// And this is what they are drawn with.
const SEED: u64 = 1;

/// Rows of the two halves, each ascending, and a sentence on how they came about.
#[derive(Debug, Default)]
pub(super) struct Halves {
    pub(super) train: Vec<usize>,
    pub(super) test: Vec<usize>,
    pub(super) remarks: Vec<String>,
}

impl Halves {
    /// As the layout's rules say; without rules a fifth of the cells, of whole donors or batches where there are some.
    pub(super) fn of(layout: &CiteLayout, pair: &Pair, columns: &LabelColumns) -> Result<Self> {
        let halves = match (&layout.train, &layout.test) {
            (None, None) => Self::drawn(pair, columns)?,
            (train, test) => Self::chosen(pair, train.as_ref(), test.as_ref())?,
        };
        for (rows, purpose) in [(&halves.train, "train on"), (&halves.test, "test on")] {
            if rows.is_empty() {
                let how = halves.remarks.join("; ");
                return Err(pair.error(format!("no cell is left to {purpose}: {how}")));
            }
        }
        Ok(halves)
    }

    fn chosen(pair: &Pair, train: Option<&CellRule>, test: Option<&CellRule>) -> Result<Self> {
        let marks = |rule: Option<&CellRule>| rule.map(|rule| rule.marks(pair)).transpose();
        let (by_train, by_test) = (marks(train)?, marks(test)?);
        let mark = |marks: &Option<Vec<_>>, row: usize| marks.as_ref().map(|marks| marks[row]);
        let (mut halves, mut left) = (Self::default(), Vec::new());
        for (row, cell) in pair.cells.iter().enumerate() {
            use Mark::{Another, Meant};
            match (mark(&by_train, row), mark(&by_test, row)) {
                (Some(Meant), Some(Meant)) => {
                    return Err(pair.error(format!(
                        "cell `{cell}` belongs to the training and to the test half"
                    )));
                }
                (Some(Meant), _) | (None, Some(Another)) => halves.train.push(row),
                (_, Some(Meant)) | (Some(Another), None) => halves.test.push(row),
                _ => left.push(cell),
            }
        }
        let named = [("training", train), ("test", test)];
        let mut clauses: Vec<String> = named
            .iter()
            .filter_map(|(half, rule)| Some(format!("{half} cells are {}", (*rule)?.in_words())))
            .collect();
        let others = named.iter().filter(|(_, rule)| rule.is_none());
        clauses.extend(others.map(|(half, _)| format!("{half} cells those with another value")));
        halves.remarks.push(clauses.join(", "));
        if !left.is_empty() {
            let why = match (train, test) {
                (Some(_), Some(_)) => "which neither rule names".to_owned(),
                (rule, other) => {
                    let column = rule.or(other).map_or("", |rule| &rule.column);
                    format!("without a value in column `{column}`")
                }
            };
            let cells = counted(left.len(), "cell is", "cells are");
            halves.remarks.push(format!("{cells} left out, {why}: {}", some_of(&left)));
        }
        Ok(halves)
    }

    fn drawn(pair: &Pair, columns: &LabelColumns) -> Result<Self> {
        let all: Vec<usize> = (0..pair.cells.len()).collect();
        for (what, column) in columns.units() {
            let labels = labels(pair, column, &all)?;
            let mut units = BTreeMap::<&str, Vec<usize>>::new();
            for (row, label) in labels.iter().enumerate() {
                units.entry(label).or_default().push(row);
            }
            if units.len() > 1 {
                let names = draw_units(&units, all.len() / ONE_OF);
                let mut test: Vec<usize> =
                    names.iter().flat_map(|name| units[name].iter().copied()).collect();
                test.sort_unstable();
                let how = format!(
                    "{} of {} {what} (column `{column}`: {})",
                    names.len(),
                    units.len(),
                    some_of(&names)
                );
                return Ok(Self::held_out(test, all.len(), &how));
            }
        }
        // By name, so that the order of the file decides nothing.
        let mut order = all.clone();
        order.sort_by(|&one, &other| pair.cells[one].cmp(&pair.cells[other]));
        order.shuffle(&mut ChaCha8Rng::seed_from_u64(SEED));
        order.truncate((all.len() / ONE_OF).max(1));
        order.sort_unstable();
        let how = "single cells, as no column names two donors or batches: donors stand in both halves, so errors \
                   say nothing of new donors";
        Ok(Self::held_out(order, all.len(), how))
    }

    fn held_out(test: Vec<usize>, cells: usize, how: &str) -> Self {
        let train = (0..cells).filter(|row| test.binary_search(row).is_err()).collect();
        let remark = format!(
            "no option says which cells test (`--split-by`, `test`): {} of {cells} were drawn with seed {SEED}, {how}",
            test.len()
        );
        Self { train, test, remarks: vec![remark] }
    }
}

/// Whole units, by name, that come close to so many cells: at least one, and never all of several.
fn draw_units<'a>(units: &BTreeMap<&'a str, Vec<usize>>, goal: usize) -> Vec<&'a str> {
    let mut order: Vec<(&str, usize)> =
        units.iter().map(|(name, rows)| (*name, rows.len())).collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(SEED));
    let (mut drawn, mut cells) = (Vec::new(), 0_usize);
    for &(name, size) in &order {
        if (cells + size).abs_diff(goal) < cells.abs_diff(goal) {
            cells += size;
            drawn.push(name);
        }
    }
    if drawn.is_empty() {
        drawn.extend(order.iter().min_by_key(|(_, size)| *size).map(|(name, _)| *name));
    }
    drawn.sort_unstable();
    drawn
}

/// What a rule says of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Meant,
    Another,
    NoValue,
}

impl CellRule {
    fn in_words(&self) -> String {
        format!("those with {} in column `{}`", some_of(&self.values), self.column)
    }

    /// Of each cell; a word for a missing value is no value, unless the rule names it.
    fn marks(&self, pair: &Pair) -> Result<Vec<Mark>> {
        let values = column(pair, &self.column)?;
        let is_named = |value: &str| self.values.iter().any(|wanted| wanted == value);
        if let Some(absent) =
            self.values.iter().find(|&wanted| !values.iter().flatten().any(|value| value == wanted))
        {
            let mut known: Vec<&str> = values.iter().flatten().map(String::as_str).collect();
            known.sort_unstable();
            known.dedup();
            known.truncate(20);
            return Err(pair.error(format!(
                "no cell has `{absent}` in column `{}`; it holds {known:?}",
                self.column
            )));
        }
        let mark = |value: &Option<String>| match value.as_deref() {
            Some(value) if is_named(value) => Mark::Meant,
            Some(value) if !stands_for_missing(value) => Mark::Another,
            _ => Mark::NoValue,
        };
        Ok(values.iter().map(mark).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(sizes: &[(&'static str, usize)]) -> BTreeMap<&'static str, Vec<usize>> {
        sizes.iter().map(|&(name, size)| (name, vec![0; size])).collect()
    }

    #[test]
    fn whole_units_come_close_to_a_fifth() {
        let ten: Vec<(&str, usize)> =
            ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"].map(|name| (name, 10)).to_vec();
        let drawn = draw_units(&units(&ten), 20);
        assert_eq!(drawn.len(), 2, "{drawn:?}");
        assert_eq!(drawn, draw_units(&units(&ten), 20));
        assert_eq!(draw_units(&units(&[("large", 90), ("small", 50)]), 28), ["small"]);
    }
}
