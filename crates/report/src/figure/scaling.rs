//! Time and memory against the number of training cells: two panels a series.

use serde::Serialize;

use super::{
    axis::Axis,
    labels::{NAME_SIZE, VALUE_SIZE},
    place::{Rect, apart},
    scene::machine,
    sheet::{Frame, HEIGHT, LEFT, RIGHT, Sheet, TOP, Words},
    style,
    text::{self, Weight},
};
use crate::{
    Line, Quantity, Result, Series, Summary, format,
    words::{self, scaling_says},
};

/// As many rows of panels as stay readable on one sheet.
const ROWS: usize = 6;
/// What a row of panels adds to the height of the sheet.
const ROW_HEIGHT: f64 = 290.0;
/// Between two panels, for the values of the right one.
const GUTTER: f64 = 64.0;
/// How far left of a panel its values reach.
const VALUES: f64 = 48.0;
/// Above a row of panels, for its name.
const HEAD: f64 = 24.0;
/// Under a row of panels that has another one under it.
const FOOT: f64 = 40.0;
/// Between the end of a line and its name.
const LEADER: f64 = 22.0;
/// What of it is left free at both ends.
const FREE: (f64, f64) = (6.0, 3.0);
const LABEL_HEIGHT: f64 = 16.5;
const RAISED_SIZE: f64 = 9.0;
/// A stage whose time is a smaller share of the training time at the most cells is not drawn.
const LEAST: f64 = 1e-3;

/// Everything that the template draws.
#[derive(Serialize)]
pub(super) struct Scene {
    #[serde(flatten)]
    sheet: Sheet,
    heads: Vec<Head>,
    names: Vec<Name>,
    panels: Vec<Panel>,
}

/// What a column of panels shows.
#[derive(Serialize)]
struct Head {
    x: f64,
    text: &'static str,
    right: f64,
}

/// What a row of panels is of.
#[derive(Serialize)]
struct Name {
    x: f64,
    y: f64,
    text: String,
}

#[derive(Serialize)]
struct Panel {
    of: String,
    quantity: &'static str,
    frame: Frame,
    lines: Vec<Drawn>,
}

#[derive(Serialize)]
struct Drawn {
    name: &'static str,
    exponent: String,
    /// None of the whole.
    colour: Option<&'static str>,
    dots: Vec<(f64, f64)>,
    ends: [(f64, f64); 2],
    label: (f64, f64),
    leader: [(f64, f64); 2],
}

/// What all panels share.
struct Shared<'a> {
    /// In order of their names.
    series: Vec<&'a Series>,
    /// Those that any series has.
    quantities: Vec<Quantity>,
    /// Where the lowest panels end.
    bottom: f64,
    /// Room for the names of the lines.
    margin: f64,
}

impl Scene {
    /// Nothing without series.
    pub(super) fn new(summary: &Summary) -> Result<Option<Self>> {
        let series = shown(&summary.series);
        if series.is_empty() {
            return Ok(None);
        }
        let words = Words {
            id: "scaling",
            about: "time and memory by training cells",
            says: scaling_says(summary),
            caption: caption(summary, &series),
            height: HEIGHT + ROW_HEIGHT * (series.len() - 1) as f64,
        };
        let sheet = Sheet::new(words, summary)?;
        let shared = Shared::new(series, sheet.bottom)?;
        Ok(Some(Self {
            heads: shared.heads(),
            names: shared.names()?,
            panels: shared.panels(),
            sheet,
        }))
    }
}

/// As many as fit of those with the lowest error at their most cells, in order of their names.
fn shown(all: &[Series]) -> Vec<&Series> {
    let error = |i: usize| all[i].rmse.last().map_or(f64::INFINITY, |point| point.value.median);
    let mut best: Vec<usize> = (0..all.len()).collect();
    best.sort_by(|&a, &b| error(a).total_cmp(&error(b)));
    best.truncate(ROWS);
    best.sort_unstable();
    best.into_iter().map(|i| &all[i]).collect()
}

impl<'a> Shared<'a> {
    fn new(series: Vec<&'a Series>, bottom: f64) -> Result<Self> {
        let of = |quantity| move |series: &&Series| drawn(series, quantity).next().is_some();
        let quantities = [Quantity::Seconds, Quantity::PeakMemory].into_iter();
        let quantities: Vec<Quantity> =
            quantities.filter(|&quantity| series.iter().any(of(quantity))).collect();
        let mut margin: f64 = 0.0;
        for line in series.iter().flat_map(|series| &series.lines) {
            let name = text::width(&format!("{} n", line.name()), VALUE_SIZE, Weight::Regular)?;
            let exponent = format::exponent(line.fit.exponent);
            margin = margin.max(name + text::width(&exponent, RAISED_SIZE, Weight::Regular)?);
        }
        Ok(Self { series, quantities, bottom, margin: margin + FREE.1 })
    }

    /// Boxes of equal size.
    fn area(&self, row: usize, column: usize) -> Rect {
        let (rows, columns) = (self.series.len() as f64, self.quantities.len() as f64);
        let width = (RIGHT - LEFT + GUTTER) / columns - GUTTER;
        let height = (self.bottom - TOP + FOOT) / rows - FOOT - HEAD;
        let left = LEFT + (width + GUTTER) * column as f64;
        let top = TOP + HEAD + (HEAD + height + FOOT) * row as f64;
        Rect { left, top, right: left + width, bottom: top + height }
    }

    fn heads(&self) -> Vec<Head> {
        let head = |(column, quantity): (usize, &Quantity)| {
            let Rect { left, right, .. } = self.area(0, column);
            let text = match quantity {
                Quantity::Seconds => "Seconds, logarithmic",
                Quantity::PeakMemory => "Peak resident memory in GiB, logarithmic",
            };
            Head { x: left - VALUES, text, right }
        };
        self.quantities.iter().enumerate().map(head).collect()
    }

    fn names(&self) -> Result<Vec<Name>> {
        let name = |(row, series): (usize, &&Series)| {
            let Rect { left, top, .. } = self.area(row, 0);
            let text = text::fit(&series.name(), NAME_SIZE, Weight::SemiBold, RIGHT - LEFT)?;
            Ok(Name { x: left, y: top - 8.0, text })
        };
        self.series.iter().enumerate().map(name).collect()
    }

    fn panels(&self) -> Vec<Panel> {
        let cells = self.series.iter().flat_map(|series| &series.lines).flat_map(cells);
        let cells: Vec<f64> = cells.map(|cells| cells as f64).collect();
        let mut panels = Vec::new();
        for (column, &quantity) in self.quantities.iter().enumerate() {
            let lines = self.series.iter().flat_map(|series| drawn(series, quantity));
            let values: Vec<f64> = lines.flat_map(values).collect();
            for (row, series) in self.series.iter().enumerate() {
                let area = self.area(row, column);
                let x = Axis::decades(&cells, area.left, area.right - self.margin, 52.0);
                let y = Axis::decades(&values, area.bottom, area.top, 18.0);
                let id = format!("scaling-frame-{}", panels.len());
                panels.push(Panel {
                    of: series.name(),
                    quantity: quantity.name(),
                    lines: lines_of(series, quantity, &x, &y, &area),
                    frame: Frame { x_ticks: x.ticks(), y_ticks: y.ticks(), ..Frame::new(id, area) },
                });
            }
        }
        panels
    }
}

/// The lines of a panel; stages whose time does not matter have none.
fn drawn(series: &Series, quantity: Quantity) -> impl Iterator<Item = &Line> {
    let last = |line: &Line| line.points.last().map_or(0.0, |point| point.value.median);
    let of_quantity = move |line: &&Line| line.quantity == quantity;
    let whole = series.lines.iter().filter(of_quantity).find(|line| line.stage.is_none());
    let least = match quantity {
        Quantity::Seconds => whole.map_or(0.0, last) * LEAST,
        Quantity::PeakMemory => 0.0,
    };
    series.lines.iter().filter(of_quantity).filter(move |line| last(line) >= least)
}

fn cells(line: &Line) -> impl Iterator<Item = usize> {
    line.points.iter().map(|point| point.cells)
}

/// In the unit of the axis, what was measured and the ends of what was fitted.
fn values(line: &Line) -> impl Iterator<Item = f64> {
    let ends = [cells(line).min(), cells(line).max()].into_iter().flatten();
    let fitted = ends.map(|cells| line.fit.at(cells));
    line.points
        .iter()
        .map(|point| point.value.median)
        .chain(fitted)
        .map(|v| v * unit(line.quantity))
}

fn unit(quantity: Quantity) -> f64 {
    match quantity {
        Quantity::Seconds => 1.0,
        Quantity::PeakMemory => 1.0 / 1024.0,
    }
}

/// The lines of a panel, their names below one another in the order in which the lines end.
fn lines_of(series: &Series, quantity: Quantity, x: &Axis, y: &Axis, area: &Rect) -> Vec<Drawn> {
    let place = |cells: usize, value: f64| (x.place(cells as f64), y.place(value * unit(quantity)));
    let right = drawn(series, quantity).flat_map(cells).max().unwrap_or(0);
    let right = x.place(right as f64) + LEADER;
    let line = |line: &Line| {
        let ends = [cells(line).min(), cells(line).max()].map(|cells| {
            let cells = cells.unwrap_or(0);
            place(cells, line.fit.at(cells))
        });
        Drawn {
            name: line.name(),
            exponent: format::exponent(line.fit.exponent),
            colour: line.stage.map(style::stage),
            dots: line.points.iter().map(|p| place(p.cells, p.value.median)).collect(),
            ends,
            label: (right, ends[1].1),
            leader: [(ends[1].0 + FREE.0, ends[1].1), (right - FREE.1, ends[1].1)],
        }
    };
    let mut lines: Vec<Drawn> = drawn(series, quantity).map(line).collect();
    lines.sort_by(|a, b| a.label.1.total_cmp(&b.label.1));
    let mut heights: Vec<f64> = lines.iter().map(|line| line.label.1).collect();
    let half = LABEL_HEIGHT / 2.0;
    apart(&mut heights, LABEL_HEIGHT, (area.top + half, area.bottom - half));
    for (line, height) in lines.iter_mut().zip(heights) {
        line.leader[1].1 = height;
        line.label.1 = height + 4.0;
    }
    // The whole lies under its stages.
    lines.sort_by_key(|line| line.colour.is_some());
    lines
}

fn caption(summary: &Summary, series: &[&Series]) -> Vec<String> {
    let mut sentences = vec![
        format!("Dots: {}; lines: least squares on both logarithms, the exponent beside the name.", words::repeats(summary)),
        "Training is the sum of all training stages; a stage below a thousandth of it is not drawn among the times.".to_owned(),
    ];
    if series.iter().any(|of| drawn(of, Quantity::PeakMemory).next().is_some()) {
        sentences.push("Process is the peak of the whole process.".to_owned());
    }
    let lost =
        summary.missing.iter().filter(|missing| series.iter().any(|of| of.has_lost(missing)));
    let lost: Vec<String> =
        lost.map(|missing| format!("{} ({})", missing.name(), missing.status.name())).collect();
    if !lost.is_empty() {
        sentences.push(format!("Missing: {}.", lost.join(", ")));
    }
    let all = summary.series.len();
    if all > series.len() {
        let shown = series.len();
        sentences.push(format!(
            "Shown: the {shown} of {all} series with the lowest RMSE at their most cells."
        ));
    }
    sentences.push(machine(summary));
    sentences
}
