//! Pairs as delimited text, one line a run: for people who look at them with other tools, and for replays.

use std::{collections::BTreeSet, fs, path::Path};

use modality_protocol::files;

use crate::{Measured, Pair, Quantity, RowPairs};

/// What stands before the quantities of a line.
const HEAD: [&str; 3] = ["row", "pair", "side"];
/// The sides.
const BASE: &str = "base";
const SIDE: &str = "head";

/// Text that is not that of pairs, or a file that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file.
    #[error(transparent)]
    File(#[from] files::Error),
    /// Something in it.
    #[error("{path}: {what}", path = path.display())]
    Invalid {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong, and what would be right.
        what: String,
    },
}

/// Writes the pairs whole or not at all, in the digits of 32-bit numbers.
///
/// # Errors
/// [`Error::File`].
pub(crate) fn write(path: &Path, rows: &[RowPairs]) -> Result<(), Error> {
    let all: BTreeSet<Quantity> =
        rows.iter().flat_map(|row| Quantity::of_pairs(&row.pairs)).collect();
    let mut text = csv::Writer::from_writer(Vec::new());
    let line = |row: &str, number: usize, side: &str, measured: &Measured| {
        let value = |quantity| measured.get(quantity).map(|value| (*value as f32).to_string());
        let values = all.iter().map(|quantity| value(quantity).unwrap_or_default());
        let head = [row.to_owned(), number.to_string(), side.to_owned()];
        head.into_iter().chain(values).collect::<Vec<_>>()
    };
    let names = all.iter().map(Quantity::to_string);
    let mut lines = vec![HEAD.map(str::to_owned).into_iter().chain(names).collect()];
    for RowPairs { row, pairs } in rows {
        for (number, Pair { base, head }) in pairs.iter().enumerate() {
            lines.push(line(row, number, BASE, base));
            lines.push(line(row, number, SIDE, head));
        }
    }
    for line in lines {
        text.write_record(line).expect("memory takes lines of one length");
    }
    Ok(files::write(path, &text.into_inner().expect("memory takes all"))?)
}

/// Reads what [`write`] wrote.
///
/// # Errors
/// [`Error`] naming the file.
pub(crate) fn read(path: &Path) -> Result<Vec<RowPairs>, Error> {
    let invalid = |what: String| Error::Invalid { path: path.to_owned(), what };
    let broken = |error: csv::Error| invalid(error.to_string());
    let text = fs::read(path).map_err(|cause| files::Error::Io { path: path.to_owned(), cause })?;
    let mut text = csv::Reader::from_reader(text.as_slice());
    let head: Vec<String> = text.headers().map_err(broken)?.iter().map(str::to_owned).collect();
    if head.get(..HEAD.len()).is_none_or(|first| first != HEAD) {
        return Err(invalid(format!("line 1: its columns must begin with {}", HEAD.join(","))));
    }
    let quantities = head[HEAD.len()..].iter().map(|name| name.parse::<Quantity>());
    let quantities: Vec<Quantity> = quantities.collect::<Result<_, _>>().map_err(invalid)?;
    let mut rows: Vec<RowPairs> = Vec::new();
    for (number, line) in text.records().enumerate() {
        let line = line.map_err(broken)?;
        let wrong = |what: &str| invalid(format!("line {}: {what}", number + 2));
        let cells: Vec<&str> = line.iter().collect();
        let [row, pair, side, values @ ..] = cells.as_slice() else {
            return Err(wrong("it has too few columns"));
        };
        let measured =
            measured(&quantities, values).ok_or_else(|| wrong("a value is no number"))?;
        if rows.last().is_none_or(|last| last.row != *row) {
            rows.push(RowPairs { row: (*row).to_owned(), pairs: Vec::new() });
        }
        let pairs = &mut rows.last_mut().expect("there is one now").pairs;
        let is_next = |next: usize| pair.parse() == Ok(next);
        match *side {
            BASE if is_next(pairs.len()) && pairs.last().is_none_or(is_whole) => {
                pairs.push(Pair { base: measured, head: Measured::new() });
            }
            SIDE if pairs.last().is_some_and(|pair| !is_whole(pair))
                && is_next(pairs.len() - 1) =>
            {
                pairs.last_mut().expect("there is one").head = measured;
            }
            _ => return Err(wrong("a base and a head of each pair must follow one another")),
        }
    }
    match rows.iter().flat_map(|row| &row.pairs).all(is_whole) {
        true => Ok(rows),
        false => Err(invalid("a head of a pair is missing".to_owned())),
    }
}

fn is_whole(pair: &Pair) -> bool {
    !pair.head.is_empty()
}

fn measured(quantities: &[Quantity], values: &[&str]) -> Option<Measured> {
    let known = quantities.iter().zip(values).filter(|(_, value)| !value.is_empty());
    known
        .map(|(quantity, value)| {
            Some((*quantity, value.parse().ok().filter(|value: &f64| value.is_finite())?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use modality_protocol::Stage;

    #[test]
    fn pairs_are_the_same_before_and_after_a_file() {
        let (solve, total) = (Quantity::Stage(Stage::Solve), Quantity::Total);
        let pair = |seconds: f64| Pair {
            base: [(solve, seconds), (total, 2.5)].into(),
            head: [(total, 0.125)].into(),
        };
        let row = |row: &str, pairs| RowPairs { row: row.to_owned(), pairs };
        let rows =
            [row("data", vec![pair(1.0)]), row("m a=1,b=2/c", vec![pair(0.5), pair(0.0625)])];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("samples.csv");
        write(&path, &rows).unwrap();
        assert_eq!(read(&path).unwrap(), rows);

        let text = fs::read_to_string(&path).unwrap();
        for (from, to, wanted) in [
            ("row,", "rows,", "line 1: its columns must begin with row,pair,side"),
            ("solve", "sovle", "`sovle` is no quantity that is compared"),
            ("/c\",1,head", "/c\",2,head", "line 7: a base and a head of each pair"),
            ("0.125", "x", "line 3: a value is no number"),
            ("0.125", "NaN", "line 3: a value is no number"),
            ("data,0,head", "data,1,head", "line 3: a base and a head"),
        ] {
            fs::write(&path, text.replacen(from, to, 1)).unwrap();
            let error = read(&path).unwrap_err().to_string();
            assert!(error.contains(wanted), "{error}");
        }
    }
}
