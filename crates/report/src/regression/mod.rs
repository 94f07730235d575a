//! A comparison of two states of the source, for people and for machines: a table for the terminal, a Markdown summary for the page
//! of a workflow, JUnit XML, and a figure.

mod figure;
mod junit;
mod words;

use std::path::Path;

use modality_compare::{Finding, Kind, Regression, Verdict};
use modality_protocol::files;
use serde::Serialize;

use crate::{
    Result, figure as drawing,
    grid::{self, Cell, Grid, beside},
    table, template,
};
use words::verdict;

/// The table for a terminal, at most 100 columns wide, with the verdict under it.
pub fn table(regression: &Regression) -> String {
    let mut out = table::lay_out_plain(&findings(regression));
    for line in [verdict(regression)].iter().chain(&regression.remarks) {
        out += &table::wrap(line, 2);
    }
    out
}

/// The summary in Markdown.
fn markdown(regression: &Regression) -> Result<String> {
    let Regression { study, base, head, remarks, .. } = regression;
    template::render(
        "regress.md",
        Page {
            title: format!("{} against {}", head.name, base.name),
            verdict: verdict(regression),
            findings: findings(regression),
            remarks,
            how: words::how(regression),
            facts: words::facts(regression),
            study,
        },
    )
}

/// Ratios with their intervals, by row and quantity.
fn svg(regression: &Regression) -> Result<String> {
    template::render("ratios.svg", figure::Scene::new(regression))
}

/// Writes `regress.json`, `samples.csv`, `regress.md`, `junit.xml`, `ratios.svg` and `ratios.png` into `folder`, each whole or not at all.
///
/// # Errors
/// [`Error::Compare`](crate::Error::Compare) or [`Error::Write`](crate::Error::Write) naming the file; otherwise [`Error::Template`](crate::Error::Template), [`Error::Junit`](crate::Error::Junit) or [`Error::Figure`](crate::Error::Figure).
pub fn write(regression: &Regression, folder: &Path) -> Result<()> {
    let drawn = svg(regression)?;
    let outputs = [
        ("regress.md", markdown(regression)?.into_bytes()),
        ("junit.xml", junit::xml(regression)?.into_bytes()),
        ("ratios.png", drawing::png(&drawn)?),
        ("ratios.svg", drawn.into_bytes()),
    ];
    regression.save(folder)?;
    for (name, bytes) in outputs {
        files::write(&folder.join(name), &bytes)?;
    }
    Ok(())
}

#[derive(Serialize)]
struct Page<'a> {
    title: String,
    verdict: String,
    findings: Grid,
    remarks: &'a [String],
    how: String,
    facts: Vec<[String; 3]>,
    study: &'a str,
}

fn findings(regression: &Regression) -> Grid {
    let columns = vec![
        grid::text("Row"),
        grid::text("What"),
        grid::number("Pairs"),
        grid::number("Base"),
        grid::number("Head"),
        grid::number("Ratio (95 %)"),
        grid::text("Verdict"),
    ];
    Grid { columns, rows: shown(regression).map(row).collect() }
}

/// What is counted is shown where it has changed.
fn shown(regression: &Regression) -> impl Iterator<Item = &Finding> {
    let is_shown = |finding: &&Finding| {
        finding.quantity.kind() != Kind::Exact || finding.verdict != Some(Verdict::Same)
    };
    regression.findings.iter().filter(is_shown)
}

fn row(finding: &Finding) -> Vec<Cell> {
    let value = |value| beside::shown(finding.quantity, value);
    let ratio = |ratio: f64| words::ratio(finding.quantity.kind(), ratio);
    let interval = finding
        .interval
        .filter(|_| finding.quantity.kind() != Kind::Exact)
        .map_or(String::new(), |i| format!(" ({} to {})", ratio(i.low), ratio(i.high)));
    [
        finding.row.clone(),
        beside::what(finding.quantity),
        finding.pairs.to_string(),
        value(finding.base),
        value(finding.head),
        ratio(finding.ratio) + &interval,
        words::said(finding).to_owned(),
    ]
    .iter()
    .map(Cell::plain)
    .collect()
}

#[cfg(test)]
mod tests;
