//! Tables as text, before a page or a terminal lays them out.

pub(crate) mod beside;
mod cost;

use std::{borrow::Cow, collections::BTreeSet};

use modality_protocol::Stage;
use serde::Serialize;

pub(crate) use cost::{captured, efficiency, exponents, gpu_memory, learning, memory};

use crate::{Curve, Row, Spread, Summary, curves::by_model, format, rank::By};

/// The one column of numbers that may be wrapped.
pub(crate) const MEMORY: &str = "Memory";
const RMSE: &str = "RMSE";
const VALIDATION: &str = "Validation";
const TOTAL: &str = "Total s";
const DEVICE: &str = "Device";

/// Column heads, and cells row by row.
#[derive(Serialize)]
pub(crate) struct Grid {
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<Vec<Cell>>,
}

impl Grid {
    /// Adds a column after the one that is named, with a cell a row.
    fn add_after(&mut self, name: &str, column: Column, cells: impl Iterator<Item = Cell>) {
        let at = self.columns.iter().take_while(|column| column.name != name).count() + 1;
        self.columns.insert(at, column);
        for (row, cell) in self.rows.iter_mut().zip(cells) {
            row.insert(at, cell);
        }
    }
}

#[derive(Serialize)]
pub(crate) struct Column {
    pub(crate) name: Cow<'static, str>,
    pub(crate) numeric: bool,
}

/// A value, and its spread if it has one.
#[derive(Serialize)]
pub(crate) struct Cell {
    pub(crate) text: String,
    pub(crate) aside: Option<String>,
}

impl Cell {
    pub(crate) fn plain(text: impl AsRef<str>) -> Self {
        Self { text: format::line(text.as_ref()), aside: None }
    }

    fn spread(spread: &Spread, show: impl Fn(f64) -> String) -> Self {
        Self { text: show(spread.median), aside: format::range(spread, show) }
    }

    fn maybe(spread: Option<Spread>, show: impl Fn(f64) -> String) -> Self {
        spread.map_or(Self::plain(""), |spread| Self::spread(&spread, show))
    }

    pub(crate) fn one_line(&self) -> String {
        match &self.aside {
            None => self.text.clone(),
            Some(aside) => format!("{} ({aside})", self.text),
        }
    }
}

pub(crate) fn text(name: &'static str) -> Column {
    Column { name: name.into(), numeric: false }
}

pub(crate) fn number(name: impl Into<Cow<'static, str>>) -> Column {
    Column { name: name.into(), numeric: true }
}

/// What the terminal shows, and most of what the pages show.
pub(crate) fn results(summary: &Summary, decimals: usize) -> Grid {
    let columns = vec![
        number("#"),
        text("Method"),
        text("Backend"),
        number(RMSE),
        number("Train s"),
        number("Predict s"),
        number(TOTAL),
        number(MEMORY),
        text(DEVICE),
    ];
    let places = By::Rmse.places(&summary.rows);
    let rows = summary.rows.iter().zip(places).map(|(row, place)| {
        vec![
            Cell::plain(place.to_string()),
            Cell::plain(row.label()),
            Cell::plain(&row.backend),
            Cell::spread(&row.scores.rmse, |rmse| format::decimals(rmse, decimals)),
            Cell::spread(&row.train_s, format::number),
            Cell::plain(format::number(row.predict_s.median)),
            Cell::plain(format::number(row.total_s.median)),
            peak_memory(row),
            Cell::plain(&row.device),
        ]
    });
    Grid { columns, rows: rows.collect() }
}

/// [`results`] with the validation errors, without their spread; none if no row has one.
pub(crate) fn validated_results(summary: &Summary, decimals: usize) -> Option<Grid> {
    let mut grid = results(summary, decimals);
    let rmse = |spread: Spread| format::decimals(spread.median, decimals);
    let cell = |row: &Row| Cell::plain(row.validation_rmse.map_or(String::new(), rmse));
    grid.add_after(RMSE, number(VALIDATION), summary.rows.iter().map(cell));
    summary.is_validated().then_some(grid)
}

/// [`results`] with what does not fit a terminal.
pub(crate) fn full_results(summary: &Summary) -> Grid {
    let mut grid = results(summary, 5);
    let rows = || summary.rows.iter();
    if summary.is_validated() {
        let rmse = |rmse| format::decimals(rmse, 5);
        let cells = rows().map(|row| Cell::maybe(row.validation_rmse, rmse));
        grid.add_after(RMSE, number(VALIDATION), cells);
    }
    if rows().any(|row| row.gpu_energy_j.is_some()) {
        let cells = rows().map(|row| Cell::maybe(row.gpu_energy_j, format::number));
        grid.add_after(TOTAL, number("GPU J"), cells);
    }
    let cpu = rows().map(|row| Cell::plain(format::number(row.cpu_s.median)));
    grid.add_after(TOTAL, number("CPU s"), cpu);
    let repeats = rows().map(|row| Cell::plain(row.repeats.to_string()));
    grid.add_after(DEVICE, number("Repeats"), repeats);
    grid
}

/// Median seconds a stage.
pub(crate) fn stages(summary: &Summary) -> Grid {
    let shown: BTreeSet<Stage> =
        summary.rows.iter().flat_map(|row| row.stages.keys().copied()).collect();
    let columns = [text("Method"), text("Backend")]
        .into_iter()
        .chain(shown.iter().map(|stage| number(stage.name())));
    let rows = summary.rows.iter().map(|row| {
        let seconds = |stage| {
            row.stages.get(stage).map_or(String::new(), |spread| format::number(spread.median))
        };
        named(row, shown.iter().map(seconds))
    });
    Grid { columns: columns.collect(), rows: rows.collect() }
}

/// Medians of the metrics other than RMSE.
pub(crate) fn metrics(summary: &Summary) -> Grid {
    let features = summary.dataset.task.target.features();
    let columns = vec![
        text("Method"),
        text("Backend"),
        number("MAE"),
        number("Pearson, cells"),
        number(format!("Pearson, {features}")),
        number("Pearson, all"),
        number("Spearman, cells"),
        number(format!("Spearman, {features}")),
        number("Spearman, all"),
    ];
    let rows = summary.rows.iter().map(|row| {
        let s = &row.scores;
        let values = [
            Some(s.mae),
            s.pearson_cell,
            s.pearson_feature,
            s.pearson_all,
            s.spearman_cell,
            s.spearman_feature,
            s.spearman_all,
        ];
        named(
            row,
            values.map(|value| {
                value.map_or(String::new(), |spread| format::decimals(spread.median, 4))
            }),
        )
    });
    Grid { columns, rows: rows.collect() }
}

/// Which epoch of each model of each row was kept.
pub(crate) fn folds(summary: &Summary) -> Grid {
    let columns = vec![
        text("Method"),
        text("Backend"),
        text("Fold"),
        number("Epochs"),
        number("Kept epoch"),
        number("Validation RMSE"),
    ];
    let rows = summary.rows.iter().flat_map(|row| {
        by_model(&row.curves)
            .into_iter()
            .map(|repeats| fold_cells(row, &repeats))
            .collect::<Vec<_>>()
    });
    Grid { columns, rows: rows.collect() }
}

fn fold_cells(row: &Row, repeats: &[&Curve]) -> Vec<Cell> {
    let kept = || repeats.iter().filter_map(|curve| curve.kept());
    let trained = Spread::of(repeats.iter().map(|curve| curve.epochs() as f64));
    let kept_epoch = Spread::of(kept().map(|(epoch, _)| epoch as f64));
    let rmse = Spread::of(kept().map(|(_, rmse)| rmse));
    // A median may lie between two of them.
    let whole = |value: f64| {
        let half = if value.fract() > 0.0 { ".5" } else { "" };
        format::count(value as usize) + half
    };
    let numbers = [
        Cell::maybe(trained, whole),
        Cell::maybe(kept_epoch, whole),
        Cell::maybe(rmse, |rmse| format::decimals(rmse, 5)),
    ];
    let name = repeats.first().map_or(String::new(), |curve| curve.name());
    named(row, [name]).into_iter().chain(numbers).collect()
}

/// What each row was computed with.
pub(crate) fn software(summary: &Summary) -> Grid {
    let columns =
        vec![text("Method"), text("Backend"), number("Threads"), text("Versions"), text("Notes")];
    let rows = summary.rows.iter().map(|row| {
        let versions: Vec<String> =
            row.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
        named(row, [row.threads.to_string(), versions.join(", "), row.notes.join(" ")])
    });
    Grid { columns, rows: rows.collect() }
}

fn named(row: &Row, cells: impl IntoIterator<Item = String>) -> Vec<Cell> {
    [row.label(), row.backend.clone()].into_iter().chain(cells).map(Cell::plain).collect()
}

fn peak_memory(row: &Row) -> Cell {
    let host = row.peak_rss_mb.map_or(String::new(), |spread| format::memory(spread.median));
    let device = row.peak_gpu_mb.map(|spread| format!("+ {} GPU", format::memory(spread.median)));
    Cell { text: host, aside: device }
}
