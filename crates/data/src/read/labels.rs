//! Batch, donor and site of each cell, from columns that are named or found.

use std::collections::{BTreeMap, BTreeSet};

use super::layout::CiteLayout;
use super::pair::Pair;
use super::table::Column;
use super::words::{counted, some_of};
use crate::{Cells, Labels, Result};

/// Usual names of columns, in upper or lower case, the likeliest first.
const BATCHES: &[&str] = &["batch", "sample", "sample_id", "orig.ident", "library", "gem_group"];
const DONORS: &[&str] = &[
    "donor",
    "donor_id",
    "donorid",
    "patient",
    "patient_id",
    "subject",
    "subject_id",
    "individual",
];

/// What other programs write where a value is missing.
const MISSING: &[&str] =
    &["", "NA", "N/A", "n/a", "<NA>", "nan", "NaN", "None", "none", "null", "NULL"];

/// From here on float64, in which columns of numbers are read, no longer tells every integer from the next.
const TOO_LARGE: f64 = 9_007_199_254_740_992.0;

/// How many doubts of one column are told.
const TOLD: usize = 3;

/// The columns with batch, donor and site; what has none stands for itself as [`CiteLayout`] says.
#[derive(Debug)]
pub(super) struct LabelColumns {
    batch: Option<String>,
    donor: Option<String>,
    site: Option<String>,
    /// Whether batches and donors were looked for, and not named.
    is_found: [bool; 2],
}

impl LabelColumns {
    /// Those that the layout names.
    pub(super) fn named(layout: &CiteLayout) -> Self {
        Self {
            batch: layout.batch_column.clone(),
            donor: layout.donor_column.clone(),
            site: layout.site_column.clone(),
            is_found: [false; 2],
        }
    }

    /// Those that the layout names, and columns of batches and donors with usual names.
    pub(super) fn of(layout: &CiteLayout, pair: &Pair) -> Self {
        let named = Self::named(layout);
        let is_found = [named.batch.is_none(), named.donor.is_none()];
        let donor = named.donor.or_else(|| find(pair, DONORS));
        let batch = named.batch.or_else(|| find(pair, BATCHES)).or_else(|| donor.clone());
        Self { batch, donor, site: named.site, is_found }
    }

    /// What may be held out whole, with its column: donors before batches.
    pub(super) fn units(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let named = [("donors", &self.donor), ("batches", &self.batch)];
        named.into_iter().filter_map(|(what, column)| Some((what, column.as_deref()?)))
    }

    /// Names and labels of the given rows.
    pub(super) fn annotate(&self, pair: &Pair, rows: &[usize]) -> Result<Cells> {
        let batches = match &self.batch {
            Some(column) => labels(pair, column, rows)?,
            None => vec!["all".to_owned(); rows.len()],
        };
        let or_from_batch = |column: &Option<String>, from_batch: fn(&str) -> &str| match column {
            Some(column) => labels(pair, column, rows).map(Labels::from_names),
            None => Ok(Labels::from_names(batches.iter().map(|batch| from_batch(batch)))),
        };
        Ok(Cells {
            names: rows.iter().map(|&row| pair.cells[row].clone()).collect(),
            donor: or_from_batch(&self.donor, |batch| batch)?,
            site: or_from_batch(&self.site, site_of)?,
            batch: Labels::from_names(&batches),
        })
    }

    /// Which columns these are, and what a reader of their values should know.
    pub(super) fn remarks(&self, pair: &Pair) -> Result<Vec<String>> {
        let [batch, donor] = self.is_found;
        let all = [
            ("batches", &self.batch, batch),
            ("donors", &self.donor, donor),
            ("sites", &self.site, false),
        ];
        let told = |(what, column, is_found): &(&str, &Option<String>, bool)| {
            let how = if *is_found { " (found by name)" } else { "" };
            column.as_ref().map(|column| format!("{what} are column `{column}`{how}"))
        };
        let named: Vec<String> = all.iter().filter_map(told).collect();
        let mut remarks = vec![if named.is_empty() {
            "no column of batches is named or found: all cells count as one batch (`--batch`, `batch_column`)"
                .to_owned()
        } else {
            named.join(", ")
        }];
        let columns: BTreeSet<&String> = all.iter().filter_map(|(_, c, _)| c.as_ref()).collect();
        for column in columns {
            remarks.extend(doubtful(pair, column)?);
        }
        Ok(remarks)
    }
}

/// The first column with one of these names that has a value in every cell, and not another one in each.
fn find(pair: &Pair, names: &[&str]) -> Option<String> {
    let is_usable = |column: &Column| {
        let Ok(values) = column.values() else { return false };
        let different: BTreeSet<&Option<String>> = values.iter().collect();
        !different.contains(&&None) && 2 * different.len() <= values.len()
    };
    names.iter().find_map(|name| {
        let mut fitting = pair.obs.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        fitting.find(|(_, column)| is_usable(column)).map(|(known, _)| known.clone())
    })
}

/// Values that may not mean what they say: each is taken as it stands.
fn doubtful(pair: &Pair, name: &str) -> Result<Vec<String>> {
    let values = column(pair, name)?;
    let mut remarks = Vec::new();
    let is_word = |value: &&String| stands_for_missing(value);
    if let Some(word) = values.iter().flatten().find(is_word) {
        let cells = values.iter().flatten().filter(is_word).count();
        remarks.push(format!(
            "{} `{word}` or the like in column `{name}`, which is taken for a name",
            counted(cells, "cell has", "cells have")
        ));
    }
    let different: BTreeSet<&String> = values.iter().flatten().collect();
    let mut alike = BTreeMap::<String, &String>::new();
    for value in different {
        if let Some(other) = alike.insert(value.trim().to_lowercase(), value) {
            remarks.push(format!("column `{name}` holds `{other}` and `{value}`, which are two"));
        }
        if value.contains(char::REPLACEMENT_CHARACTER) {
            remarks.push(format!("`{value}` in column `{name}` is not UTF-8 in the file"));
        }
    }
    remarks.truncate(TOLD);
    Ok(remarks)
}

/// Names that a reader may not recognise or not tell apart.
pub(super) fn doubtful_names(pair: &Pair) -> Vec<String> {
    let mut remarks = Vec::new();
    let features = pair.blocks.iter().map(|block| {
        let modality = block.features.modality;
        (modality.feature(), modality.features(), &block.features.names)
    });
    for (one, many, names) in [("cell", "cells", &pair.cells)].into_iter().chain(features) {
        let is_foreign = |name: &&String| name.contains(char::REPLACEMENT_CHARACTER);
        let foreign: Vec<&String> = names.iter().filter(is_foreign).collect();
        if !foreign.is_empty() {
            let many = format!("{many} have names");
            let number = counted(foreign.len(), &format!("{one} has a name"), &many);
            remarks.push(format!(
                "{number} that the file does not hold as UTF-8: {}",
                some_of(&foreign)
            ));
        }
    }
    let mut seen = BTreeSet::new();
    let twice: Vec<&String> = pair.cells.iter().filter(|cell| !seen.insert(*cell)).collect();
    if !twice.is_empty() {
        let number = counted(twice.len(), "cell bears", "cells bear");
        remarks.push(format!("{number} the name of another: {}", some_of(&twice)));
    }
    remarks
}

/// The values of a column for some rows, none of which may be missing.
pub(super) fn labels(pair: &Pair, name: &str, rows: &[usize]) -> Result<Vec<String>> {
    let mut values = column(pair, name)?;
    let missing = |row: usize| {
        pair.error(format!("cell `{}` has no value in column `{name}`", pair.cells[row]))
    };
    rows.iter().map(|&row| values[row].take().ok_or_else(|| missing(row))).collect()
}

/// The values of a column, nothing where one is missing.
pub(super) fn column(pair: &Pair, name: &str) -> Result<Vec<Option<String>>> {
    let known = || pair.obs.keys().map(String::as_str).collect::<Vec<_>>();
    let column = pair.obs.get(name).ok_or_else(|| {
        pair.error(format!("the cells have no column `{name}`; theirs are {:?}", known()))
    })?;
    if let Column::Numbers(numbers) = column
        && let Some(number) = numbers.iter().find(|number| number.abs() >= TOO_LARGE)
    {
        return Err(pair.error(format!(
            "column `{name}` holds {number}, too large a number to be told from the next; store such names as text"
        )));
    }
    column.values().map_err(|why| pair.error(format!("column `{name}` cannot be used: {why}")))
}

/// Whether a text is what other programs write where a value is missing.
pub(super) fn stands_for_missing(text: &str) -> bool {
    MISSING.contains(&text.trim())
}

/// `s1` of `s1d2`; any other name stands for itself.
fn site_of(batch: &str) -> &str {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match batch.strip_prefix('s').and_then(|rest| rest.split_once('d')) {
        Some((site, donor)) if is_number(site) && is_number(donor) => &batch[..=site.len()],
        _ => batch,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sites_come_from_names_like_s1d2() {
        assert_eq!(
            ["s1d2", "s12d10", "sd2", "s1d", "B1", "s1d2x"].map(site_of),
            ["s1", "s12", "sd2", "s1d", "B1", "s1d2x"]
        );
    }
}
