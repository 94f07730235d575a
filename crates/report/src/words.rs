//! What a summary says in sentences.

use modality_protocol::Stage;
use serde::Serialize;

use crate::{Row, Summary, format, rank::By};

/// What came of it, in a sentence or two: the best error and the fastest training of the rows that beat what does not look
/// at the input, or that none does. Rows that are tied are named together.
pub(crate) fn answer(summary: &Summary) -> String {
    let (floors, others): (Vec<&Row>, Vec<&Row>) =
        summary.rows.iter().partition(|row| row.floor().is_some());
    let floor = By::Rmse.first(&floors).first().copied();
    let beats = |row: &&Row| floors.iter().all(|floor| By::Rmse.is_better(row, floor));
    let (better, rest): (Vec<&Row>, Vec<&Row>) = others.iter().partition(|row| beats(row));
    let answer = match (floor, others.is_empty(), better.is_empty()) {
        (None, true, _) => {
            "No run was scored; the reasons are given under \u{201c}missing\u{201d}.".to_owned()
        }
        (Some(floor), true, _) => {
            format!("Nothing but baselines was scored; the best of them is {}.", constant(floor))
        }
        (Some(floor), false, true) => none_beats(floor, &rest),
        _ => winners(&better, floor) + &losers(&rest, floor),
    };
    let is_unsure = others.len() > 1 && summary.repeats() == (1, 1);
    answer
        + if is_unsure {
            " Each was run once, so what another seed changes is not known."
        } else {
            ""
        }
}

/// The best and the fastest of rows that beat the floor, if there is one.
fn winners(rows: &[&Row], floor: Option<&Row>) -> String {
    // What a row says of its stages is not believed where its process lived much longer.
    let told: Vec<&Row> = rows.iter().copied().filter(|row| row.untold_s.is_none()).collect();
    let told = if told.is_empty() { rows } else { &told };
    let (best, fastest) = (By::Rmse.first(rows), By::Training.first(told));
    let of = floor.and_then(Row::floor);
    let of = of.map_or(String::new(), |floor| format!(" of those that beat {floor}"));
    let scored = |row: &Row| format!("{}, {} after {}", row.said(), rmse(row), training(row));
    if let ([best], [fastest]) = (best.as_slice(), fastest.as_slice())
        && best.name() == fastest.name()
    {
        return format!("Best RMSE, and fastest{of}: {}.", scored(best));
    }
    let took =
        |row: &Row| format!("{}, {} for an RMSE of {}", row.said(), training(row), rmse(row));
    let (best, fastest) = (tied(&best, "accurate", scored), tied(&fastest, "fast", took));
    format!("Best RMSE: {best}; fastest{of}: {fastest}.")
}

/// The first of rows that share a place, and what else is as good.
fn tied(rows: &[&Row], good: &str, say: impl Fn(&Row) -> String) -> String {
    let said: Vec<String> = rows.iter().map(|row| say(row)).collect();
    match said.as_slice() {
        [first, others @ ..] if !others.is_empty() => {
            format!("{first}, as {good} as {}", others.join(", and "))
        }
        said => said.concat(),
    }
}

/// Rows that do not beat the floor where others do.
fn losers(rows: &[&Row], floor: Option<&Row>) -> String {
    let (Some(floor), false) = (floor, rows.is_empty()) else { return String::new() };
    let names: Vec<String> = rows.iter().map(|row| row.said()).collect();
    format!(
        " No better than {}, which does not look at the input: {}.",
        constant(floor),
        names.join(", ")
    )
}

/// That no row beats the floor, which are as good, and the best of the others.
fn none_beats(floor: &Row, rows: &[&Row]) -> String {
    let (worse, equal): (Vec<&Row>, Vec<&Row>) =
        rows.iter().partition(|row| By::Rmse.is_better(floor, row));
    let said = |row: &Row| format!("{}, {}", row.said(), rmse(row));
    let mut answer =
        format!("No method beats {}, which does not look at the input", constant(floor));
    if !equal.is_empty() {
        let equal: Vec<String> = equal.iter().map(|row| said(row)).collect();
        answer += &format!("; as accurate as that: {}", equal.join(", and "));
    }
    if !worse.is_empty() {
        answer += &format!(
            "; the best of the others: {}",
            tied(&By::Rmse.first(&worse), "accurate", said)
        );
    }
    answer + "."
}

/// What a floor predicts, with its error.
fn constant(floor: &Row) -> String {
    format!("{} ({})", floor.floor().unwrap_or_default(), rmse(floor))
}

fn rmse(row: &Row) -> String {
    format::decimals(row.scores.rmse.median, 4)
}

fn training(row: &Row) -> String {
    format!("{} of training{}", format::duration(row.train_s.median), beside(row))
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
