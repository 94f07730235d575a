//! The words beside marks and lines.

use serde::Serialize;

use super::{
    names::Names,
    place::{self, Candidate, Leader, Page},
    style::RADIUS,
    text::{self, Weight},
};
use crate::{Result, Row, format};

pub(super) const NAME_SIZE: f64 = 13.0;
pub(super) const VALUE_SIZE: f64 = 11.5;
const NAME_BASELINE: f64 = 13.0;
const VALUE_BASELINE: f64 = 27.5;
const MARK_HEIGHT: f64 = 31.0;
const LINE_HEIGHT: f64 = 16.0;
const LONGEST: f64 = 300.0;
/// Up to so many marks have their values beside them.
const FEW: usize = 10;

/// One or two lines of text.
#[derive(Serialize)]
pub(super) struct Label {
    of: String,
    anchor: &'static str,
    x: f64,
    lines: Vec<Line>,
    leader: Option<Leader>,
}

#[derive(Serialize)]
struct Line {
    y: f64,
    text: String,
    value: bool,
}

/// Labels of `rows` at their marks; many rows get one line each. A label without room is left out.
pub(super) fn of_marks(
    rows: &[(&Row, (f64, f64))],
    names: &Names<'_>,
    page: &mut Page,
) -> Result<Vec<Label>> {
    let crowd = |&(x, y): &(f64, f64)| -> f64 {
        rows.iter().map(|(_, (a, b))| 1.0 / (20.0 + (x - a).hypot(y - b))).sum()
    };
    let mut order: Vec<&(&Row, (f64, f64))> = rows.iter().collect();
    order.sort_by(|(_, a), (_, b)| crowd(b).total_cmp(&crowd(a)));
    let mut words = Vec::new();
    let mut places = Vec::new();
    for (row, at) in order {
        let (lines, size) = say(row, &names.of_row(row), rows.len() <= FEW)?;
        let near = place::around(*at, RADIUS, size);
        places.push(near.chain(place::anywhere(page.frame, *at, RADIUS, size)).collect());
        words.push((row.name(), lines));
    }
    let labels = words.into_iter().zip(page.arrange(&places));
    Ok(labels.filter_map(|((of, lines), place)| Some(beside(of, lines, &place?))).collect())
}

/// What a mark is called, each line relative to the top, and how much room that takes.
fn say(row: &Row, name: &str, with_value: bool) -> Result<(Vec<Line>, (f64, f64))> {
    let name = text::fit(name, NAME_SIZE, Weight::SemiBold, LONGEST)?;
    let width = text::width(&name, NAME_SIZE, Weight::SemiBold)?;
    let name = Line { y: NAME_BASELINE, text: name, value: false };
    if !with_value {
        return Ok((vec![name], (width, LINE_HEIGHT)));
    }
    let value = format!(
        "{}, {}",
        format::decimals(row.scores.rmse.median, 4),
        format::duration(row.train_s.median)
    );
    let width = width.max(text::width(&value, VALUE_SIZE, Weight::Regular)?);
    Ok((vec![name, Line { y: VALUE_BASELINE, text: value, value: true }], (width, MARK_HEIGHT)))
}

/// Validation errors of `rows` at their hollow marks, as far as there is room, where there are few `marks` of rows.
pub(super) fn of_validation(
    rows: &[(&Row, (f64, f64))],
    marks: usize,
    page: &mut Page,
) -> Result<Vec<Label>> {
    let (mut words, mut places) = (Vec::new(), Vec::new());
    for (row, at) in rows.iter().filter(|_| marks <= FEW) {
        let Some(rmse) = row.validation_rmse else { continue };
        let text = format!("validation {}", format::decimals(rmse.median, 4));
        let size = (text::width(&text, VALUE_SIZE, Weight::Regular)?, LINE_HEIGHT);
        let near = place::around(*at, RADIUS, size).filter(|place| place.leader.is_none());
        places.push(near.collect());
        words.push((row.name(), vec![Line { y: 12.0, text, value: true }]));
    }
    let labels = words.into_iter().zip(page.arrange(&places));
    Ok(labels.filter_map(|((of, lines), place)| Some(beside(of, lines, &place?))).collect())
}

fn beside(of: String, mut lines: Vec<Line>, place: &Candidate) -> Label {
    let area = &place.area;
    let (anchor, x) = match place.side {
        1 => ("start", area.left),
        -1 => ("end", area.right),
        _ => ("middle", (area.left + area.right) / 2.0),
    };
    lines.iter_mut().for_each(|line| line.y += area.top);
    Label { of, anchor, x, lines, leader: place.leader }
}

/// Label of a horizontal line at height `y`.
pub(super) fn of_line(row: &Row, name: &str, y: f64, page: &mut Page) -> Result<Option<Label>> {
    let text = format!("{name}, {}", format::decimals(row.scores.rmse.median, 4));
    let text = text::fit(&text, VALUE_SIZE, Weight::Regular, LONGEST)?;
    let width = text::width(&text, VALUE_SIZE, Weight::Regular)?;
    let (left, right) = (page.frame.left + 6.0, page.frame.right - 6.0);
    let candidates = place::along(y, left, right, (width, LINE_HEIGHT)).collect();
    let place = page.arrange(&[candidates]).into_iter().flatten().next();
    Ok(place.map(|place| {
        let lines = vec![Line { y: place.area.top + 12.0, text, value: true }];
        Label { of: row.name(), anchor: "end", x: place.area.right, lines, leader: None }
    }))
}
