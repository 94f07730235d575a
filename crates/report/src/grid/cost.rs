//! What rows cost: operations, memory, and how both grow.

use std::collections::BTreeSet;

use modality_protocol::Stage;

use super::{Cell, Grid, named, number, text};
use crate::{Line, Quantity, Row, Series, Spread, Summary, Work, format, scaling};

/// What was counted in each stage, and how fast it went; no rows where nothing was counted.
pub(crate) fn efficiency(summary: &Summary) -> Grid {
    let columns = vec![
        text("Method"),
        text("Backend"),
        text("Stage"),
        number("Gflop counted"),
        number("Seconds"),
        number("Gflop/s"),
        number("% of product rate"),
    ];
    let rows = summary.rows.iter().flat_map(|row| {
        row.work.iter().map(|(stage, work)| {
            let cells = work_cells(work);
            named(row, [stage.name().to_owned()]).into_iter().chain(cells).collect()
        })
    });
    Grid { columns, rows: rows.collect() }
}

fn work_cells(work: &Work) -> [Cell; 4] {
    [
        Cell::spread(&work.flops, |flops| format::digits(flops / 1e9)),
        Cell::plain(format::digits(work.seconds.median)),
        Cell::spread(&work.gflops, format::number),
        Cell::plain(work.share.map_or(String::new(), |share| percent(share.median))),
    ]
}

fn percent(share: f64) -> String {
    format!("{:.1}", share * 100.0)
}

/// Memory allowed, expected and taken, MiB; no rows where there is nothing to compare with what was taken.
pub(crate) fn memory(summary: &Summary) -> Grid {
    let is_known = |row: &&Row| row.expected_rss_mb.is_some() || !row.stage_rss_mb.is_empty();
    let rows: Vec<&Row> = summary.rows.iter().filter(is_known).collect();
    let shown: BTreeSet<Stage> =
        rows.iter().flat_map(|row| row.stage_rss_mb.keys().copied()).filter(is_large).collect();
    let columns = [text("Method"), text("Backend")]
        .into_iter()
        .chain(["Allowed", "Expected", "Peak", "%"].map(number))
        .chain(shown.iter().map(|stage| number(stage.name())));
    let cells = |row: &Row| {
        let of = |stage: &Stage| mebibytes(row.stage_rss_mb.get(stage).copied());
        let whole = [row.memory_mb, row.expected_rss_mb, row.peak_rss_mb].map(mebibytes);
        let reached = reached(row.peak_rss_mb, row.expected_rss_mb);
        named(row, whole.into_iter().chain([reached]).chain(shown.iter().map(of)))
    };
    Grid { columns: columns.collect(), rows: rows.iter().map(|row| cells(row)).collect() }
}

/// Memory expected and taken on accelerators, MiB; no rows where none was told of.
pub(crate) fn gpu_memory(summary: &Summary) -> Grid {
    let names = [text("Method"), text("Backend"), text("Device")];
    let columns = names.into_iter().chain(["Expected", "Peak", "%"].map(number)).collect();
    let is_known = |row: &&Row| row.expected_gpu_mb.is_some() || row.peak_gpu_mb.is_some();
    let rows = summary.rows.iter().filter(is_known).map(|row| {
        let whole = [row.expected_gpu_mb, row.peak_gpu_mb].map(mebibytes);
        let reached = reached(row.peak_gpu_mb, row.expected_gpu_mb);
        named(row, [row.device.clone()].into_iter().chain(whole).chain([reached]))
    });
    Grid { columns, rows: rows.collect() }
}

/// Whether a stage may hold much memory.
fn is_large(stage: &Stage) -> bool {
    scaling::STAGES.contains(stage) || *stage == Stage::Fit
}

fn mebibytes(spread: Option<Spread>) -> String {
    spread.map_or(String::new(), |spread| format::count(spread.median.round() as usize))
}

/// The peak as a share of what was expected.
fn reached(peak: Option<Spread>, expected: Option<Spread>) -> String {
    peak.zip(expected)
        .map_or(String::new(), |(peak, expected)| percent(peak.median / expected.median))
}

/// What the truncated SVD of the input holds of it.
pub(crate) fn captured(summary: &Summary) -> Grid {
    let columns =
        vec![text("Method"), text("Backend"), number("\u{2016}X V\u{2016} / \u{2016}X\u{2016}")];
    let rows = summary.rows.iter().filter_map(|row| {
        let share = Cell::spread(&row.captured?, |share| format!("{share:.6}"));
        Some(named(row, []).into_iter().chain([share]).collect())
    });
    Grid { columns, rows: rows.collect() }
}

/// How time and memory grow with the number of training cells.
pub(crate) fn exponents(summary: &Summary) -> Grid {
    let columns = vec![
        text("Method"),
        text("Backend"),
        text("What"),
        number("Exponent"),
        number("Training cells"),
        number("At fewest"),
        number("At most"),
    ];
    let rows = summary.series.iter().flat_map(|series| {
        series.lines.iter().filter_map(move |line| exponent_cells(series, line))
    });
    Grid { columns, rows: rows.collect() }
}

fn exponent_cells(series: &Series, line: &Line) -> Option<Vec<Cell>> {
    let (first, last) = (line.points.first()?, line.points.last()?);
    let (what, show): (_, fn(f64) -> String) = match line.quantity {
        Quantity::Seconds => ("time", format::duration),
        Quantity::PeakMemory => ("peak memory", format::memory),
    };
    let cells = [first, last].map(|point| format::count(point.cells)).join("..");
    let ends = [first, last].map(|point| show(point.value.median));
    let numbers = [format::exponent(line.fit.exponent), cells].into_iter().chain(ends);
    let words = [series.label(), series.backend.clone(), format!("{}, {what}", line.name())];
    Some(words.into_iter().chain(numbers).map(Cell::plain).collect())
}

/// RMSE by number of training cells, a column a series.
pub(crate) fn learning(summary: &Summary) -> Grid {
    let numbers: BTreeSet<usize> = summary
        .series
        .iter()
        .flat_map(|series| series.rmse.iter().map(|point| point.cells))
        .collect();
    let names = summary.series.iter().map(Series::name);
    let columns = [text("Training cells")].into_iter().chain(names.map(number)).collect();
    let rows = numbers.into_iter().map(|cells| {
        let rmse = summary.series.iter().map(|series| {
            let point = series.rmse.iter().find(|point| point.cells == cells);
            Cell::maybe(point.map(|point| point.value), |rmse| format::decimals(rmse, 5))
        });
        [Cell::plain(format::count(cells))].into_iter().chain(rmse).collect()
    });
    Grid { columns, rows: rows.collect() }
}
