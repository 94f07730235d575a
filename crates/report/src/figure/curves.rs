//! Validation curves, a panel a row.

use serde::Serialize;

use super::{
    axis::Axis,
    labels::{NAME_SIZE, VALUE_SIZE},
    names::Names,
    place::{Rect, apart},
    sheet::{Frame, HEIGHT, LEFT, RIGHT, Sheet, TOP, Words},
    style,
    text::{self, Weight},
};
use crate::{Curve, Result, Row, Summary, curves::by_fold, order, words::curves_say};

/// As many panels as stay readable on one sheet.
const PANELS: usize = 6;
const GUTTER: f64 = 24.0;
/// Above a panel, for its name.
const HEAD: f64 = 24.0;
/// Under a panel that has another one under it.
const FOOT: f64 = 36.0;
/// Between the end of a line and the name of its fold.
const BESIDE: f64 = 8.0;
const FOLD_HEIGHT: f64 = 14.0;
const LONGEST_FOLD: f64 = 90.0;
/// The axis ends at so many times the highest dot; lines may go on.
const REACH: f64 = 1.5;

/// Everything that the template draws.
#[derive(Serialize)]
pub(super) struct Scene {
    #[serde(flatten)]
    sheet: Sheet,
    panels: Vec<Panel>,
}

#[derive(Serialize)]
struct Panel {
    of: String,
    title: String,
    colour: &'static str,
    frame: Frame,
    lines: Vec<Line>,
    folds: Vec<FoldName>,
}

/// One repeat of one fold.
#[derive(Serialize)]
struct Line {
    fold: String,
    points: Vec<(f64, f64)>,
    best: Option<(f64, f64)>,
}

#[derive(Serialize)]
struct FoldName {
    x: f64,
    y: f64,
    text: String,
}

/// What all panels share.
struct Shared<'a> {
    rows: Vec<&'a Row>,
    /// All methods with a colour.
    methods: Vec<&'a str>,
    names: Names<'a>,
    epochs: usize,
    /// What the vertical axis spans.
    values: Vec<f64>,
    /// Highest value, if it is above the axis.
    beyond: Option<f64>,
    /// Room for the names of the folds.
    margin: f64,
}

impl Scene {
    /// Nothing without curves.
    pub(super) fn new(summary: &Summary) -> Result<Option<Self>> {
        let rows: Vec<&Row> = summary.rows.iter().filter(|row| !row.curves.is_empty()).collect();
        if rows.is_empty() {
            return Ok(None);
        }
        let all = rows.len();
        let shared = Shared::new(rows, style::coloured(summary))?;
        let words = Words {
            id: "curves",
            about: "validation RMSE by epoch",
            says: curves_say(summary),
            caption: caption(&shared, all),
            height: HEIGHT,
        };
        let sheet = Sheet::new(words, summary)?;
        let areas = areas(shared.rows.len(), sheet.bottom);
        let panels = shared.rows.iter().zip(areas).enumerate();
        let panels = panels.map(|(i, (row, area))| shared.panel(i, row, area));
        Ok(Some(Self { panels: panels.collect::<Result<_>>()?, sheet }))
    }
}

impl<'a> Shared<'a> {
    /// The best of `rows`, which are in order of error, in order of their names.
    fn new(mut rows: Vec<&'a Row>, methods: Vec<&'a str>) -> Result<Self> {
        let names = Names::of(&rows);
        rows.truncate(PANELS);
        rows.sort_by(|a, b| {
            (&a.method, &a.backend)
                .cmp(&(&b.method, &b.backend))
                .then_with(|| order::of_variants(&a.variant, &b.variant))
        });
        let curves = || rows.iter().flat_map(|row| &row.curves);
        let best = curves().filter_map(|curve| curve.best()).map(|(_, rmse)| rmse);
        let ceiling = REACH * best.max_by(f64::total_cmp).unwrap_or(f64::INFINITY);
        let values = || curves().flat_map(Curve::finite).map(|(_, rmse)| rmse);
        let shown: Vec<f64> = values().map(|rmse| rmse.min(ceiling)).collect();
        let highest = values().max_by(f64::total_cmp);
        let mut margin: f64 = 0.0;
        for (fold, _) in rows.iter().flat_map(|row| by_fold(&row.curves)) {
            margin = margin.max(text::width(&fold_name(fold)?, VALUE_SIZE, Weight::Regular)?);
        }
        Ok(Self {
            epochs: curves().map(Curve::epochs).max().unwrap_or(0),
            beyond: highest.filter(|&rmse| Axis::linear(&shown, 0.0, 1.0).place(rmse) > 1.0),
            values: shown,
            rows,
            methods,
            names,
            margin: margin + BESIDE,
        })
    }

    fn panel(&self, i: usize, row: &Row, area: Rect) -> Result<Panel> {
        let x = Axis::count(self.epochs, area.left + BESIDE, area.right - self.margin);
        let y = Axis::linear(&self.values, area.bottom, area.top);
        let title = text::fit(
            &self.names.of_row(row),
            NAME_SIZE,
            Weight::SemiBold,
            area.right - area.left,
        )?;
        Ok(Panel {
            of: row.name(),
            title,
            colour: style::colour(&row.method, &self.methods),
            lines: row.curves.iter().map(|curve| line(curve, &x, &y)).collect(),
            folds: fold_names(row, &x, &y, &area)?,
            frame: Frame {
                x_ticks: x.ticks(),
                y_ticks: y.ticks(),
                y_labels: area.left == LEFT,
                ..Frame::new(format!("curves-frame-{i}"), area)
            },
        })
    }
}

/// Boxes of equal size, left to right and top to bottom.
fn areas(count: usize, bottom: f64) -> impl Iterator<Item = Rect> {
    let columns = match count {
        1 => 1,
        2 | 4 => 2,
        _ => 3,
    };
    let lines = count.div_ceil(columns) as f64;
    let width = (RIGHT - LEFT + GUTTER) / columns as f64 - GUTTER;
    let height = (bottom - TOP + FOOT) / lines - FOOT - HEAD;
    (0..count).map(move |i| {
        let left = LEFT + (width + GUTTER) * (i % columns) as f64;
        let top = TOP + HEAD + (HEAD + height + FOOT) * (i / columns) as f64;
        Rect { left, top, right: left + width, bottom: top + height }
    })
}

fn line(curve: &Curve, x: &Axis, y: &Axis) -> Line {
    let place = |(epoch, rmse): (usize, f64)| (x.place(epoch as f64), y.place(rmse));
    Line {
        fold: curve.fold.clone(),
        points: curve.finite().map(place).collect(),
        best: curve.best().map(place),
    }
}

/// The name of each fold, level with the middle of the ends of its lines.
fn fold_names(row: &Row, x: &Axis, y: &Axis, area: &Rect) -> Result<Vec<FoldName>> {
    let last = row.curves.iter().map(Curve::epochs).max().unwrap_or(0);
    let mut names = Vec::new();
    for (fold, repeats) in by_fold(&row.curves) {
        let mut ends: Vec<f64> =
            repeats.iter().filter_map(|curve| Some(y.place(curve.finite().last()?.1))).collect();
        ends.sort_by(f64::total_cmp);
        if let Some(&end) = ends.get(ends.len() / 2) {
            names.push((end, fold_name(fold)?));
        }
    }
    names.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let mut heights: Vec<f64> = names.iter().map(|(end, _)| *end).collect();
    let half = FOLD_HEIGHT / 2.0;
    apart(&mut heights, FOLD_HEIGHT, (area.top + half, area.bottom - half));
    let x = x.place(last as f64) + BESIDE;
    let named = |((_, text), y)| FoldName { x, y: y + 4.0, text };
    Ok(names.into_iter().zip(heights).map(named).collect())
}

fn fold_name(fold: &str) -> Result<String> {
    text::fit(fold, VALUE_SIZE, Weight::Regular, LONGEST_FOLD)
}

fn caption(shared: &Shared<'_>, all: usize) -> Vec<String> {
    let repeated = shared.rows.iter().any(|row| row.repeats > 1);
    let each = if repeated { "fold and repeat" } else { "fold" };
    let mut sentences: Vec<String> = shared.names.sentence("All panels are").into_iter().collect();
    sentences.push(format!(
        "A line is one {each}, measured on training cells that its model was not trained on, not on test cells; its \
         dot is the epoch with the lowest validation RMSE, which is the one that was kept."
    ));
    if let Some(highest) = shared.beyond {
        sentences.push(format!("Lines that leave a panel go up to an RMSE of {highest:.4}."));
    }
    if all > PANELS {
        sentences.push(format!("Shown: the {PANELS} of {all} rows with the lowest test RMSE."));
    }
    sentences
}
