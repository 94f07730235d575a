//! Tables as text, before a page or a terminal lays them out.

mod cost;

use std::{borrow::Cow, collections::BTreeSet};

use modality_protocol::Stage;
use serde::Serialize;

pub(crate) use cost::{captured, efficiency, exponents, gpu_memory, learning, memory};

use crate::{Curve, Row, Spread, Summary, curves::by_fold, format, rank::By};

/// The one column of numbers that may be wrapped.
pub(crate) const MEMORY: &str = "Memory";

/// Column heads, and cells row by row.
#[derive(Serialize)]
pub(crate) struct Grid {
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<Vec<Cell>>,
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

fn text(name: &'static str) -> Column {
    Column { name: name.into(), numeric: false }
}

fn number(name: impl Into<Cow<'static, str>>) -> Column {
    Column { name: name.into(), numeric: true }
}

/// What the terminal shows, and the start of what the pages show.
pub(crate) fn results(summary: &Summary, decimals: usize) -> Grid {
    let columns = vec![
        number("#"),
        text("Method"),
        text("Backend"),
        number("RMSE"),
        number("Train s"),
        number("Predict s"),
        number("Total s"),
        number(MEMORY),
        text("Device"),
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

/// [`results`] with what does not fit a terminal.
pub(crate) fn full_results(summary: &Summary) -> Grid {
    let mut grid = results(summary, 5);
    let energy = summary.rows.iter().any(|row| row.gpu_energy_j.is_some());
    grid.columns.splice(
        7..7,
        [Some(number("CPU s")), energy.then(|| number("GPU J"))].into_iter().flatten(),
    );
    grid.columns.push(number("Repeats"));
    for (cells, row) in grid.rows.iter_mut().zip(&summary.rows) {
        let cpu = Cell::plain(format::number(row.cpu_s.median));
        let gpu = energy.then(|| Cell::maybe(row.gpu_energy_j, format::number));
        cells.splice(7..7, [Some(cpu), gpu].into_iter().flatten());
        cells.push(Cell::plain(row.repeats.to_string()));
    }
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

/// Where each fold of each row was at its best.
pub(crate) fn folds(summary: &Summary) -> Grid {
    let columns = vec![
        text("Method"),
        text("Backend"),
        text("Fold"),
        number("Epochs"),
        number("Best epoch"),
        number("Validation RMSE"),
    ];
    let rows = summary.rows.iter().flat_map(|row| {
        let fold = |(fold, repeats): (&str, Vec<&Curve>)| fold_cells(row, fold, &repeats);
        by_fold(&row.curves).into_iter().map(fold).collect::<Vec<_>>()
    });
    Grid { columns, rows: rows.collect() }
}

fn fold_cells(row: &Row, fold: &str, repeats: &[&Curve]) -> Vec<Cell> {
    let best = || repeats.iter().filter_map(|curve| curve.best());
    let trained = Spread::of(repeats.iter().map(|curve| curve.epochs() as f64));
    let best_epoch = Spread::of(best().map(|(epoch, _)| epoch as f64));
    let rmse = Spread::of(best().map(|(_, rmse)| rmse));
    let whole = |value: f64| value.to_string();
    let numbers = [
        Cell::maybe(trained, whole),
        Cell::maybe(best_epoch, whole),
        Cell::maybe(rmse, |rmse| format::decimals(rmse, 5)),
    ];
    named(row, [fold.to_owned()]).into_iter().chain(numbers).collect()
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
