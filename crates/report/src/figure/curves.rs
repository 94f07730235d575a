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
use crate::{Curve, Result, Row, Summary, curves::by_model, order, words::curves_say};

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
const LONGEST_FOLD: f64 = 100.0;
const SPACE: f64 = 4.0;
/// The axis ends at so many times the highest dot; lines may go on.
const REACH: f64 = 1.5;
/// One of so many epochs, at the start of a line, has no say in where the axis ends.
const START: usize = 50;
/// Panels of one method have one axis of epochs, but none that is so many times as long as a panel needs.
const TOO_LONG: usize = 20;
/// Of the epochs within so wide a strip, the two with the lowest and the highest value are drawn.
const STRIP: f64 = 2.0;

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
    /// Where the epochs begin that may be kept, if that is not at the first.
    keeps_from: Option<f64>,
    folds: Vec<FoldName>,
}

/// One repeat of one model.
#[derive(Serialize)]
struct Line {
    fold: String,
    points: Vec<(f64, f64)>,
    kept: Option<(f64, f64)>,
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
        let kept = curves().filter_map(|curve| curve.kept()).map(|(_, rmse)| rmse);
        let ceiling = REACH * kept.max_by(f64::total_cmp).unwrap_or(f64::INFINITY);
        let values = || curves().flat_map(Curve::finite).map(|(_, rmse)| rmse);
        let later = curves().flat_map(|curve| {
            let start = curve.epochs() / START;
            curve.finite().filter(move |(epoch, _)| *epoch > start)
        });
        let shown: Vec<f64> = later.map(|(_, rmse)| rmse.min(ceiling)).collect();
        let highest = values().max_by(f64::total_cmp);
        let mut margin: f64 = 0.0;
        for curve in curves() {
            margin = margin.max(text::width(&fold_name(curve)?, VALUE_SIZE, Weight::Regular)?);
        }
        Ok(Self {
            beyond: highest.filter(|&rmse| Axis::linear(&shown, 0.0, 1.0).place(rmse) > 1.0),
            values: shown,
            rows,
            methods,
            names,
            margin: margin + BESIDE,
        })
    }

    /// Where the axis of a row's panel ends.
    fn epochs(&self, row: &Row) -> usize {
        let needed = epochs(row);
        let others = self.rows.iter().filter(|other| other.method == row.method);
        let near = others.map(|other| epochs(other)).filter(|most| *most <= TOO_LONG * needed);
        near.max().unwrap_or(needed)
    }

    fn panel(&self, i: usize, row: &Row, area: Rect) -> Result<Panel> {
        let x = Axis::count(self.epochs(row), area.left + BESIDE, area.right - self.margin);
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
            keeps_from: keeps_from(row).map(|epoch| x.place(epoch as f64)),
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

/// The longest curve of a row.
fn epochs(row: &Row) -> usize {
    row.curves.iter().map(Curve::epochs).max().unwrap_or(0)
}

/// The first epoch that may be kept, if it is not the first of all.
fn keeps_from(row: &Row) -> Option<usize> {
    let first = row.curves.iter().map(|curve| curve.min_epoch).max()?;
    (2..=epochs(row)).contains(&first).then_some(first)
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
    let kept = curve.kept();
    let points: Vec<(usize, f64)> = curve.finite().collect();
    let drawn = thinned(&points, kept.map(|(epoch, _)| epoch), x);
    Line {
        fold: curve.name(),
        points: drawn.into_iter().map(place).collect(),
        kept: kept.map(place),
    }
}

/// As many points as can be told apart: the lowest and the highest of each strip, the ends, and the kept epoch.
fn thinned(points: &[(usize, f64)], kept: Option<usize>, x: &Axis) -> Vec<(usize, f64)> {
    let strip = |(epoch, _): &(usize, f64)| (x.place(*epoch as f64) / STRIP).floor();
    let ends = [points.first(), points.last()].map(|end| end.map(|(epoch, _)| *epoch));
    let mut drawn = Vec::new();
    for strip in points.chunk_by(|a, b| strip(a) == strip(b)) {
        let lowest = strip.iter().min_by(|a, b| a.1.total_cmp(&b.1)).map(|(epoch, _)| *epoch);
        let highest = strip.iter().max_by(|a, b| a.1.total_cmp(&b.1)).map(|(epoch, _)| *epoch);
        let [first, last] = ends;
        let stays = [lowest, highest, first, last, kept];
        drawn.extend(strip.iter().filter(|(epoch, _)| stays.contains(&Some(*epoch))));
    }
    drawn
}

/// The name of each fold, level with the middle of the ends of its lines.
fn fold_names(row: &Row, x: &Axis, y: &Axis, area: &Rect) -> Result<Vec<FoldName>> {
    let mut names = Vec::new();
    for repeats in by_model(&row.curves) {
        let mut ends: Vec<f64> =
            repeats.iter().filter_map(|curve| Some(y.place(curve.finite().last()?.1))).collect();
        ends.sort_by(f64::total_cmp);
        if let Some(&end) = ends.get(ends.len() / 2) {
            names.push((end, fold_name(repeats[0])?));
        }
    }
    names.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let mut heights: Vec<f64> = names.iter().map(|(end, _)| *end).collect();
    let half = FOLD_HEIGHT / 2.0;
    apart(&mut heights, FOLD_HEIGHT, (area.top + half, area.bottom - half));
    let x = x.place(epochs(row) as f64) + BESIDE;
    let named = |((_, text), y)| FoldName { x, y: y + 4.0, text };
    Ok(names.into_iter().zip(heights).map(named).collect())
}

/// What is cut is the fold, not the number of the model.
fn fold_name(curve: &Curve) -> Result<String> {
    let fit = |room| text::fit(&curve.fold, VALUE_SIZE, Weight::Regular, room);
    let Some(model) = curve.model else { return fit(LONGEST_FOLD) };
    let number = format!("#{model}");
    let room = LONGEST_FOLD - text::width(&number, VALUE_SIZE, Weight::Regular)? - SPACE;
    Ok(format!("{} {number}", fit(room)?))
}

fn caption(shared: &Shared<'_>, all: usize) -> Vec<String> {
    let repeated = shared.rows.iter().any(|row| row.repeats > 1);
    let each = if repeated { "model and repeat" } else { "model" };
    let curves = || shared.rows.iter().flat_map(|row| &row.curves);
    let mut sentences: Vec<String> = shared.names.sentence("All panels are").into_iter().collect();
    sentences.push(format!(
        "A line is one {each}, measured on training cells that the model was not trained on, not on test cells; its \
         dot is the epoch with the lowest validation RMSE, which is the one that was kept."
    ));
    if shared.rows.iter().any(|row| keeps_from(row).is_some()) {
        sentences.push("No epoch before the dashed line may be kept.".to_owned());
    }
    if curves().any(|curve| curve.model.is_some()) {
        sentences.push("#1, #2: models with the same validation cells.".to_owned());
    }
    if let Some(highest) = shared.beyond {
        sentences.push(format!("Lines that leave a panel go up to an RMSE of {highest:.4}."));
    }
    if all > PANELS {
        sentences.push(format!("Shown: the {PANELS} of {all} rows with the lowest test RMSE."));
    }
    sentences
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thinned_line_keeps_its_ends_its_extremes_and_the_kept_epoch() {
        let rmse = |epoch: usize| 0.4 + ((epoch * 7919) % 997) as f64 / 1e4;
        let mut points: Vec<(usize, f64)> =
            (1..=10_000).map(|epoch| (epoch, rmse(epoch))).collect();
        (points[6123].1, points[6124].1) = (0.1, 0.9);
        let drawn = thinned(&points, Some(4567), &Axis::count(10_000, 80.0, 280.0));
        assert!(drawn.is_sorted_by_key(|(epoch, _)| *epoch));
        assert!((180..=220).contains(&drawn.len()), "{}", drawn.len());
        for epoch in [1, 4567, 6124, 6125, 10_000] {
            assert!(drawn.contains(&points[epoch - 1]), "{epoch}");
        }
        let few = &points[..30];
        assert_eq!(thinned(few, None, &Axis::count(30, 80.0, 280.0)), few);
    }
}
