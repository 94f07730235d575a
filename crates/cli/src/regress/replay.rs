//! `cargo xtask regress --replay`: how often the gate is wrong, from pairs that were recorded.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context as _, Result};
use modality_compare::{Quantity, Regression, RowPairs, Rules, Tally, median, replay};
use modality_protocol::{Stage, files, words::print};
use modality_toolchain::UserError;

/// Where the calibration is written, in the folder that it is of.
const PAGE: &str = "calibration.md";
/// A slowdown that is worked into pairs of one and the same code, beside those that were planted and measured.
const ADDED: f64 = 0.1;

/// Reads what is recorded in the folders of `folder`, and writes what the gate makes of it.
pub(super) fn run(folder: &Path) -> Result<()> {
    let recorded = recorded(folder)?;
    let page = page(&recorded);
    files::write(&folder.join(PAGE), page.as_bytes())?;
    Ok(print(page.trim_end())?)
}

fn recorded(folder: &Path) -> Result<Vec<Regression>> {
    let context = || folder.display().to_string();
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).with_context(context)? {
        let path = entry.with_context(context)?.path().join(Regression::FILE);
        if path.is_file() {
            paths.push(path);
        }
    }
    paths.sort();
    if paths.is_empty() {
        let what =
            format!("{}: none of its folders holds a {}", folder.display(), Regression::FILE);
        return Err(UserError(what).into());
    }
    let mut all = Vec::new();
    for path in paths {
        all.push(Regression::load(&path)?);
    }
    Ok(all)
}

/// Whether both sides are of one and the same code.
fn is_same(regression: &Regression) -> bool {
    regression.planted.is_none() && regression.base.commit == regression.head.commit
}

fn page(recorded: &[Regression]) -> String {
    let rules = Rules::default();
    let same: Vec<Vec<RowPairs>> =
        recorded.iter().filter(|r| is_same(r)).map(|r| r.samples.clone()).collect();
    let mut lines =
        vec![line("the same code on both sides", &replay(&rules, &same, true, None), None)];
    for (row, quantity) in stages(&same) {
        let slowed: Vec<Vec<RowPairs>> =
            same.iter().map(|rows| with_slowdown(rows, &row, quantity)).collect();
        let tally = replay(&rules, &slowed, false, Some((&row, quantity)));
        let what = format!(
            "{quantity} of {row} longer by {:.0} %, worked into the same pairs",
            100.0 * ADDED
        );
        lines.push(line(&what, &tally, Some(tally.caught)));
    }
    let mut planted: BTreeMap<&str, Vec<Vec<RowPairs>>> = BTreeMap::new();
    for regression in recorded {
        if let Some(what) = &regression.planted {
            planted.entry(what).or_default().push(regression.samples.clone());
        }
    }
    for (what, stretches) in planted {
        for (row, quantity) in stages(&stretches) {
            let name = what.split(':').next().unwrap_or_default();
            if quantity.to_string() == name {
                let tally = replay(&rules, &stretches, false, Some((&row, quantity)));
                let what = format!("{row}, measured with a planted {what}");
                lines.push(line(&what, &tally, Some(tally.caught)));
            }
        }
    }
    let pairs = |rows: &[RowPairs]| rows.iter().map(|row| row.pairs.len()).min().unwrap_or(0);
    let counted: usize = same.iter().map(|rows| pairs(rows)).sum();
    format!(
        "# How often the gate is wrong\n\n{counted} pairs of the same code on both sides, in {} stretches; one decision from each pair \
         on, as it would have been made there, and one with the sides exchanged. Decisions that begin near one another share most of their \
         pairs: there are {} that share none.\n\n\
         | Pairs | Decisions | Worse | Same | Better | Ambiguous | Stage named | Seconds to verdict |\n\
         | :-- | --: | --: | --: | --: | --: | --: | --: |\n{}",
        same.len(),
        counted / 14,
        lines.concat()
    )
}

fn line(what: &str, tally: &Tally, caught: Option<usize>) -> String {
    let Tally { gates, worse, same, better, ambiguous, seconds, .. } = tally;
    let share = |count: usize| format!("{:.1} %", 100.0 * count as f64 / (*gates).max(1) as f64);
    let caught = caught.map_or(String::new(), share);
    format!(
        "| {what} | {gates} | {worse} ({}) | {same} | {better} | {ambiguous} | {caught} | {seconds:.0} |\n",
        share(*worse)
    )
}

/// Rows and stages that take a part of their time worth the name, in the first stretch.
fn stages(stretches: &[Vec<RowPairs>]) -> Vec<(String, Quantity)> {
    let mut found = Vec::new();
    for row in stretches.first().into_iter().flatten() {
        let of = |quantity| {
            median(row.pairs.iter().filter_map(|pair| pair.base.get(&quantity).copied()))
        };
        let Some(total) = of(Quantity::Total) else { continue };
        for stage in Stage::ALL.map(Quantity::Stage) {
            if of(stage).is_some_and(|seconds| seconds >= Rules::default().share * total) {
                found.push((row.row.clone(), stage));
            }
        }
    }
    found
}

/// The pairs, with the stage and the whole of the second side longer by what is added.
fn with_slowdown(rows: &[RowPairs], row: &str, stage: Quantity) -> Vec<RowPairs> {
    let mut rows = rows.to_vec();
    for pair in rows.iter_mut().filter(|known| known.row == row).flat_map(|row| &mut row.pairs) {
        let added = pair.head.get(&stage).copied().unwrap_or(0.0) * ADDED;
        for quantity in [stage, Quantity::Total] {
            if let Some(seconds) = pair.head.get_mut(&quantity) {
                *seconds += added;
            }
        }
    }
    rows
}
