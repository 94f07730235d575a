//! What a summary says in sentences.

use modality_protocol::Stage;
use serde::Serialize;

use crate::{Row, Summary, format};

/// The best error and the fastest training, in one sentence; rows whose ranges of error overlap with the best
/// one's are named beside it, and the baselines that fit nothing compete only among themselves.
pub(crate) fn answer(summary: &Summary) -> String {
    let fitted: Vec<&Row> = summary.rows.iter().filter(|row| !row.fits_nothing).collect();
    let rows = if fitted.is_empty() { summary.rows.iter().collect() } else { fitted };
    // What a row says of its stages is not believed where its process lived much longer.
    let told: Vec<&Row> = rows.iter().copied().filter(|row| row.untold_s.is_none()).collect();
    let told = if told.is_empty() { &rows } else { &told };
    let fastest = told.iter().min_by(|a, b| a.train_s.median.total_cmp(&b.train_s.median));
    let (Some(best), Some(fastest)) = (rows.first(), fastest) else {
        return "No run was scored; the reasons are given under \u{201c}missing\u{201d}."
            .to_owned();
    };
    let rmse = |row: &Row| format::decimals(row.scores.rmse.median, 4);
    let train =
        |row: &Row| format!("{} of training{}", format::duration(row.train_s.median), beside(row));
    let named = |row: &&Row| {
        let (method, backend) = (row.label(), &row.backend);
        format!("{method} on {backend}, {} after {}", rmse(row), train(row))
    };
    let is_tied = |row: &&&Row| row.scores.rmse.min <= best.scores.rmse.max;
    let tied: Vec<String> = rows.iter().filter(is_tied).map(named).collect();
    let answer = format!(
        "Best RMSE: {}; fastest: {} on {}, {} for an RMSE of {}.",
        tied.join(", and "),
        fastest.label(),
        fastest.backend,
        train(fastest),
        rmse(fastest)
    );
    [Some(answer), no_better(summary)].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// Which methods look at the input for nothing, if some do.
fn no_better(summary: &Summary) -> Option<String> {
    let is_floor = |row: &&Row| row.is_floor();
    let rmse = |row: &Row| row.scores.rmse.median;
    let best = |a: &&Row, b: &&Row| rmse(a).total_cmp(&rmse(b));
    let floor = summary.rows.iter().filter(is_floor).min_by(best)?;
    let fail = |row: &&Row| !is_floor(row) && rmse(row) >= rmse(floor);
    let names: Vec<String> = summary
        .rows
        .iter()
        .filter(fail)
        .map(|row| format!("{} on {}", row.label(), row.backend))
        .collect();
    (!names.is_empty()).then(|| {
        format!(
            "No better than {}, which does not look at the input ({}): {}.",
            floor.label(),
            format::decimals(rmse(floor), 4),
            names.join(", ")
        )
    })
}

/// What an accelerator takes to get ready, which is no training time.
fn beside(row: &Row) -> String {
    let setup = row.stages.get(&Stage::Setup).filter(|_| row.is_accelerated());
    setup.map_or(String::new(), |spread| {
        format!(" (not counting {} of setup)", format::duration(spread.median))
    })
}

/// How many repeats a median is of.
pub(crate) fn repeats(summary: &Summary) -> String {
    match summary.repeats() {
        (_, 0) => "no scored repeats".to_owned(),
        (1, 1) => "one run each".to_owned(),
        (min, max) if min == max => format!("median of {max} repeats"),
        (min, max) => format!("median of {min} to {max} repeats"),
    }
}

/// A row that says why it has no numbers.
#[derive(Serialize)]
pub(crate) struct Missing<'a> {
    pub(crate) name: String,
    pub(crate) status: &'static str,
    pub(crate) reason: &'a str,
}

/// Rows, or some of their repeats, that have no numbers.
pub(crate) fn missing(summary: &Summary) -> Vec<Missing<'_>> {
    let planned = |name: &str| -> usize {
        let scored: usize =
            summary.rows.iter().filter(|row| row.name() == name).map(|row| row.repeats).sum();
        let others = summary.missing.iter().filter(|missing| missing.name() == name);
        scored + others.map(|missing| missing.repeats.len()).sum::<usize>()
    };
    let entries = summary.missing.iter().map(|missing| {
        let (name, count) = (missing.name(), missing.repeats.len());
        let part = if count < planned(&name) {
            format!(", {count} of {} repeats", planned(&name))
        } else {
            String::new()
        };
        Missing { name: name + &part, status: missing.status.name(), reason: &missing.reason }
    });
    entries.collect()
}

/// The figure in words.
pub(crate) fn figure_says(summary: &Summary) -> String {
    let synthetic = if summary.dataset.synthetic { ", synthetic data" } else { "" };
    format!(
        "RMSE against training time on {}{synthetic}. {}",
        summary.dataset.name,
        answer(summary)
    )
}

/// The figure of validation curves in words.
pub(crate) fn curves_say(summary: &Summary) -> String {
    let synthetic = if summary.dataset.synthetic { ", synthetic data" } else { "" };
    format!("Validation RMSE by epoch on {}{synthetic}.", summary.dataset.name)
}

/// The figure of time and memory in words.
pub(crate) fn scaling_says(summary: &Summary) -> String {
    let synthetic = if summary.dataset.synthetic { ", synthetic data" } else { "" };
    format!("Time and memory by number of training cells on {}{synthetic}.", summary.dataset.name)
}
