//! What numbers look like: counts, or values that somebody has normalised.

use modality_protocol::Modality;

use super::layout::Stored;
use super::pair::{Block, Pair};
use super::words::{counted, some_of};
use crate::Result;

/// Logarithms of counts stay below: exp(20) counts of one gene are in no cell.
const LARGEST_LOGARITHM: f32 = 20.0;
/// How far a count may be from a whole number.
const NEARLY: f32 = 1e-3;

/// Where a number stands: part, row, column; and the number.
type Entry = (usize, usize, usize, f32);

/// One modality of all cells, which may come in parts.
struct Looks<'a> {
    pairs: &'a [&'a Pair],
    blocks: Vec<&'a Block>,
    negative: Option<Entry>,
    fraction: Option<Entry>,
    largest: f32,
    empty_cells: Vec<&'a str>,
    empty_features: Vec<&'a str>,
    constant_features: Vec<&'a str>,
}

/// What the modality `index` of `pairs`, which are parts of one data set, is taken for.
///
/// # Errors
/// [`Error::File`](crate::Error::File) where the numbers contradict what is said of them, or where nothing is said and
/// they are neither counts nor logarithms.
pub(super) fn decide(
    pairs: &[&Pair],
    index: usize,
    said: Stored,
    remarks: &mut Vec<String>,
) -> Result<Stored> {
    let looks = Looks::of(pairs, index);
    let decided = match said {
        Stored::Counts => looks.as_counts(remarks),
        Stored::Normalised => looks.as_normalised(remarks),
        Stored::Unsaid => looks.found(remarks),
    }?;
    looks.what_is_empty(remarks);
    Ok(decided)
}

impl<'a> Looks<'a> {
    fn of(pairs: &'a [&'a Pair], index: usize) -> Self {
        let blocks: Vec<&Block> = pairs.iter().map(|pair| &pair.blocks[index]).collect();
        let names = pairs[0].blocks[index].features.names.as_slice();
        let mut looks = Self {
            pairs,
            blocks,
            negative: None,
            fraction: None,
            largest: 0.0,
            empty_cells: Vec::new(),
            empty_features: Vec::new(),
            constant_features: Vec::new(),
        };
        // Of each column how many numbers are not zero, the first of them, and whether there is another.
        let mut columns = vec![(0_usize, 0.0_f32, false); names.len()];
        for (part, (pair, block)) in pairs.iter().zip(looks.blocks.clone()).enumerate() {
            let mut is_empty = vec![true; pair.cells.len()];
            block.values.view().for_each_nonzero(|row, column, value| {
                if value == 0.0 {
                    return;
                }
                is_empty[row] = false;
                let (number, first, varies) = &mut columns[column];
                if *number == 0 {
                    *first = value;
                }
                *number += 1;
                *varies |= value != *first;
                looks.note((part, row, column, value));
            });
            let empty = pair.cells.iter().zip(is_empty).filter(|(_, is_empty)| *is_empty);
            looks.empty_cells.extend(empty.map(|(cell, _)| cell.as_str()));
        }
        let cells: usize = pairs.iter().map(|pair| pair.cells.len()).sum();
        for (name, (number, _, varies)) in names.iter().zip(columns) {
            if number == 0 {
                looks.empty_features.push(name);
            } else if number == cells && !varies {
                looks.constant_features.push(name);
            }
        }
        looks
    }

    fn note(&mut self, entry: Entry) {
        let value = entry.3;
        self.largest = self.largest.max(value);
        if value < 0.0 {
            self.negative.get_or_insert(entry);
        }
        if (value - value.round()).abs() > NEARLY {
            self.fraction.get_or_insert(entry);
        }
    }

    fn as_counts(&self, remarks: &mut Vec<String>) -> Result<Stored> {
        const HINT: &str =
            "if they are normalised already, say `--normalised` or `values = \"normalised\"`";
        if let Some(entry) = self.negative {
            let (pair, what) = self.told(entry);
            return Err(pair.error(format!("{what}, and counts are not negative; {HINT}")));
        }
        if let Some(entry) = self.fraction {
            let (pair, what) = self.told(entry);
            if self.largest <= LARGEST_LOGARITHM {
                return Err(pair.error(format!("these are not counts: {what}; {HINT}")));
            }
            let words = self.modality().words();
            remarks.push(format!(
                "{words}: taken for counts as was said, though not all are whole numbers ({what})"
            ));
        } else {
            remarks.push(format!("{}: counts", self.modality().words()));
        }
        Ok(Stored::Counts)
    }

    fn as_normalised(&self, remarks: &mut Vec<String>) -> Result<Stored> {
        let (words, largest) = (self.modality().words(), self.largest);
        let is_whole = self.fraction.is_none() && self.negative.is_none();
        if is_whole && largest > LARGEST_LOGARITHM {
            return Err(self.pairs[0].error(format!(
                "the values of {words} are whole numbers up to {largest}: these are counts, so say `--counts` or \
                 `values = \"counts\"`"
            )));
        }
        remarks.push(if is_whole && largest > 1.0 {
            format!("{words}: taken for normalised as was said, though all are whole numbers up to {largest}")
        } else {
            format!("{words}: normalised already")
        });
        Ok(Stored::Normalised)
    }

    fn found(&self, remarks: &mut Vec<String>) -> Result<Stored> {
        let words = self.modality().words();
        let (decided, why) = match (self.negative, self.fraction) {
            (Some(entry), _) => {
                (Stored::Normalised, format!("some are below zero ({})", self.told(entry).1))
            }
            (None, Some(entry)) if self.largest <= LARGEST_LOGARITHM => {
                (Stored::Normalised, format!("not all are whole numbers ({})", self.told(entry).1))
            }
            (None, Some(entry)) => {
                let (pair, what) = self.told(entry);
                return Err(pair.error(format!(
                    "{what} and the largest value of {words} is {}: neither counts nor logarithms of them; say which \
                     with `--counts` or `--normalised` (`values`)",
                    self.largest
                )));
            }
            (None, None) => (Stored::Counts, "all are whole numbers".to_owned()),
        };
        let what = if decided == Stored::Counts { "counts" } else { "normalised already" };
        remarks.push(format!("{words}: taken for {what}, as {why}"));
        Ok(decided)
    }

    fn what_is_empty(&self, remarks: &mut Vec<String>) {
        let modality = self.modality();
        let feature = |number: usize, verb: [&str; 2]| {
            let [one, many] = [
                format!("{} {}", modality.feature(), verb[0]),
                format!("{} {}", modality.features(), verb[1]),
            ];
            counted(number, &one, &many)
        };
        let mut say = |what: String, names: &[&str]| {
            if !names.is_empty() {
                remarks.push(format!("{what} ({})", some_of(names)));
            }
        };
        let cells = counted(self.empty_cells.len(), "cell has", "cells have");
        let nothing = format!("{cells} nothing but zeros in {}", modality.words());
        say(nothing, &self.empty_cells);
        let empty = feature(self.empty_features.len(), ["is", "are"]);
        say(format!("{empty} zero in every cell"), &self.empty_features);
        let constant = feature(self.constant_features.len(), ["has", "have"]);
        say(format!("{constant} one value in every cell"), &self.constant_features);
    }

    fn modality(&self) -> Modality {
        self.blocks[0].features.modality
    }

    /// The part that an entry stands in, and a clause that names it.
    fn told(&self, (part, row, column, value): Entry) -> (&Pair, String) {
        let (pair, features) = (self.pairs[part], &self.blocks[part].features);
        let kind = features.modality.feature();
        let (cell, name) = (&pair.cells[row], &features.names[column]);
        (pair, format!("cell `{cell}`, {kind} `{name}` is {value}"))
    }
}
