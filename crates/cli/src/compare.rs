//! `cargo xtask compare`: rows of two studies, or of one, side by side.

use std::path::{Path, PathBuf};

use modality_compare::{Least, Mismatch};
use modality_harness::{bench::Output, record::RunRecord};
use modality_protocol::{did_you_mean, text::line, words::print};
use modality_report::{Heading, Report, SideBySide};
use modality_toolchain::UserError;
use serde::Serialize;

use crate::cli::Compare;

/// How a side is written.
const FORM: &str =
    "name FOLDER, or FOLDER:ROW for one row of it, `out/default/1:tsvd-krr/linfa` for instance";

/// One side of the comparison.
#[derive(Debug)]
struct Side {
    folder: PathBuf,
    row: Option<String>,
    /// What its folder holds, by row.
    rows: Vec<(String, Vec<RunRecord>)>,
}

/// What is printed as JSON.
#[derive(Serialize)]
struct Said<'a> {
    base: &'a Path,
    head: &'a Path,
    least: Least,
    notes: Vec<String>,
    comparisons: Vec<SideBySide>,
}

pub(crate) fn run(arguments: &Compare) -> anyhow::Result<()> {
    let [base, head] = Side::both([&arguments.base, &arguments.head])?;
    let least = Least { time: arguments.least / 100.0, ..Least::default() };
    let (comparisons, notes) = compare(&base, &head, &least)?;
    let (base, head) = (base.folder.as_path(), head.folder.as_path());
    let said = Said { base, head, least, notes, comparisons };
    if arguments.json {
        return Ok(print(serde_json::to_string_pretty(&said)?)?);
    }
    Ok(print(text(&said).trim_end())?)
}

/// The rows that are asked for, side by side, and what is to be said of others.
fn compare(
    base: &Side,
    head: &Side,
    least: &Least,
) -> anyhow::Result<(Vec<SideBySide>, Vec<String>)> {
    let (pairs, mut notes) = pairs(base, head)?;
    let mut found = Vec::new();
    let is_alone = pairs.len() == 1;
    for (one, other) in pairs {
        match SideBySide::of(one, other, least) {
            Ok(side) => found.push(side),
            Err(error @ Mismatch::NoPairs { .. }) if !is_alone => {
                notes.push(format!("Not compared: {error}."));
            }
            Err(error) => return Err(error.into()),
        }
    }
    if found.is_empty() {
        return Err(UserError(notes.join(" ")).into());
    }
    Ok((found, notes))
}

type Pairs<'a> = Vec<(&'a [RunRecord], &'a [RunRecord])>;

/// The records to hold against each other, and which rows have nothing to be held against.
fn pairs<'a>(base: &'a Side, head: &'a Side) -> Result<(Pairs<'a>, Vec<String>), UserError> {
    let named = match (&base.row, &head.row) {
        (Some(one), Some(other)) => Some((one, other)),
        (Some(row), None) | (None, Some(row)) => Some((row, row)),
        (None, None) => None,
    };
    if let Some((one, other)) = named {
        if base.folder == head.folder && one == other {
            return Err(UserError(format!("{one} is compared with itself; {FORM}")));
        }
        return Ok((vec![(base.records(one)?, head.records(other)?)], Vec::new()));
    }
    if base.folder == head.folder {
        let folder = shown(&base.folder);
        let what = format!("{folder} is compared with itself; to compare two of its rows, {FORM}");
        return Err(UserError(what));
    }
    let both = base.rows.iter().filter_map(|(name, one)| Some((&**one, head.find(name)?)));
    let both: Pairs<'_> = both.collect();
    if both.is_empty() {
        let held = [base, head].map(|side| format!("{} has {}", shown(&side.folder), side.names()));
        return Err(UserError(format!("no row is in both folders: {}", held.join("; "))));
    }
    let notes = [("A", base, head), ("B", head, base)];
    Ok((both, notes.into_iter().filter_map(|(name, of, beside)| of.lone(name, beside)).collect()))
}

impl Side {
    fn both([base, head]: [&str; 2]) -> anyhow::Result<[Self; 2]> {
        let places = [split(base), split(head)];
        match places {
            [Ok(base), Ok(head)] => Ok([Self::open(base)?, Self::open(head)?]),
            [Ok(known), Err(error)] => Err(Self::open(known)?.meant(head, error).into()),
            [Err(error), Ok(known)] => Err(Self::open(known)?.meant(base, error).into()),
            [Err(error), Err(_)] => Err(error.into()),
        }
    }

    /// What is wrong with the other side, which may be a row of this folder.
    fn meant(&self, row: &str, error: UserError) -> UserError {
        match self.find(row) {
            None => error,
            Some(_) => UserError(format!("{error}; did you mean `{}:{row}`?", shown(&self.folder))),
        }
    }

    fn open((folder, row): (PathBuf, Option<String>)) -> anyhow::Result<Self> {
        let output = Output::new(&folder);
        let records =
            if output.records().is_dir() { output.records() } else { output.root().to_owned() };
        let records = RunRecord::load_all(&records)?;
        let heading = Heading { title: "", description: "", command: "" };
        let report = Report::new(&heading, &records);
        let report = report.map_err(|error| {
            let what = match error {
                modality_report::Error::NoRecords => {
                    "no records here; name the output folder of a study, or a folder of records"
                        .to_owned()
                }
                other => other.to_string(),
            };
            UserError(format!("{}: {what}", shown(&folder)))
        })?;
        let rows = report.by_row().map(|(name, records)| (name, records.to_vec())).collect();
        Ok(Self { folder, row, rows })
    }

    fn find(&self, row: &str) -> Option<&[RunRecord]> {
        self.rows.iter().find(|(name, _)| name == row).map(|(_, records)| &**records)
    }

    fn records(&self, row: &str) -> Result<&[RunRecord], UserError> {
        let names = || self.rows.iter().map(|(name, _)| name);
        self.find(row).ok_or_else(|| {
            let (folder, has) = (shown(&self.folder), self.names());
            let what = format!("{folder} has no row `{}`; it has: {has}", line(row));
            UserError(what + &did_you_mean(row, names()))
        })
    }

    fn names(&self) -> String {
        self.rows.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// Its rows that the other side has not.
    fn lone(&self, called: &str, other: &Self) -> Option<String> {
        let names = self.rows.iter().map(|(name, _)| name.as_str());
        let lone: Vec<&str> = names.filter(|name| other.find(name).is_none()).collect();
        (!lone.is_empty()).then(|| format!("Only {called} has {}.", lone.join(", ")))
    }
}

/// Folder and row; a folder whose name has a colon is a folder all the same.
fn split(text: &str) -> Result<(PathBuf, Option<String>), UserError> {
    if Path::new(text).is_dir() {
        return Ok((text.into(), None));
    }
    let mut ends = text.rmatch_indices(':').map(|(at, _)| (&text[..at], &text[at + 1..]));
    match ends.find(|(folder, _)| Path::new(folder).is_dir()) {
        Some((_, "")) => Err(UserError(format!("`{}` names no row; {FORM}", line(text)))),
        Some((folder, row)) => Ok((folder.into(), Some(row.to_owned()))),
        None => Err(UserError(format!("there is no folder `{}`; {FORM}", line(text)))),
    }
}

fn shown(path: &Path) -> String {
    line(&path.display().to_string())
}

fn text(said: &Said<'_>) -> String {
    let mut out = format!("A  {}\nB  {}\n", shown(said.base), shown(said.head));
    out.extend(said.notes.iter().map(|note| format!("{note}\n")));
    out.push('\n');
    out + &SideBySide::text(&said.comparisons)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_side_is_a_folder_and_perhaps_a_row() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().display();
        let folders = ["x", "x:knn/linfa", "x:y"].map(|name| format!("{root}/{name}"));
        folders.iter().for_each(|folder| std::fs::create_dir_all(folder).unwrap());
        let of = |text: &str| split(text).map(|(folder, row)| (folder.display().to_string(), row));
        let [plain, like_a_row, odd] = &folders;
        for folder in &folders {
            assert_eq!(of(folder).unwrap(), (folder.clone(), None), "a folder comes first");
        }
        let row = |row: &str| Some(row.to_owned());
        let sweep = "mlp rate=\"a:b\"/torch";
        assert_eq!(of(&format!("{plain}:knn/cuda")).unwrap(), (plain.clone(), row("knn/cuda")));
        assert_eq!(of(&format!("{plain}:{sweep}")).unwrap(), (plain.clone(), row(sweep)));
        assert_eq!(of(&format!("{odd}:knn/linfa")).unwrap(), (odd.clone(), row("knn/linfa")));
        assert_eq!(of(&format!("{like_a_row}:m/b")).unwrap(), (like_a_row.clone(), row("m/b")));
        for (text, wanted) in [
            (format!("{plain}:"), "names no row"),
            (format!("{root}/z:knn/linfa"), "there is no folder"),
            ("knn/linfa".to_owned(), "or FOLDER:ROW for one row of it"),
        ] {
            let refused = of(&text).unwrap_err().to_string();
            assert!(refused.contains(wanted), "{text}: {refused}");
        }
    }
}
