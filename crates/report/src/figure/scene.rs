//! What the figure of error against time shows, and where.

use serde::Serialize;

use super::{
    axis::Axis,
    labels::{self, Label},
    names::Names,
    place::{Page, Rect},
    sheet::{Frame, HEIGHT, LEFT, RIGHT, Sheet, TOP, Words},
    style::{self, RADIUS},
    validation::{self, Hollow},
};
use crate::{Result, Row, Spread, Summary, format, words::figure_says};

/// Everything that the template draws.
#[derive(Serialize)]
pub(super) struct Scene {
    #[serde(flatten)]
    sheet: Sheet,
    frame: Frame,
    references: Vec<Reference>,
    marks: Vec<Mark>,
    labels: Vec<Label>,
}

/// A baseline: a dashed line at its error.
#[derive(Serialize)]
struct Reference {
    name: String,
    y: f64,
}

#[derive(Serialize)]
struct Mark {
    name: String,
    x: f64,
    y: f64,
    colour: &'static str,
    shape: &'static str,
    train: Option<(f64, f64)>,
    rmse: Option<(f64, f64)>,
    validation: Option<Hollow>,
}

/// Rows as they are drawn.
struct Parts<'a> {
    marks: Vec<&'a Row>,
    references: Vec<&'a Row>,
    left_out: Option<&'a Row>,
}

impl Scene {
    pub(super) fn new(summary: &Summary) -> Result<Self> {
        let parts = Parts::new(summary);
        let words = Words {
            id: "fig",
            about: "RMSE against training time",
            says: figure_says(summary),
            caption: caption(summary, &parts),
            height: HEIGHT,
        };
        let sheet = Sheet::new(words, summary)?;
        let area = Rect { left: LEFT, top: TOP, right: RIGHT, bottom: sheet.bottom };
        let (x, y) = axes(&parts, &area);
        let marks = marks(&parts, &x, &y, &area);
        let references: Vec<Reference> = parts
            .references
            .iter()
            .map(|row| Reference { name: row.name(), y: y.place(row.scores.rmse.median) })
            .collect();
        let labels = labels(&parts, &marks, &references, area)?;
        let frame = Frame {
            x_ticks: if marks.is_empty() { Vec::new() } else { x.ticks() },
            y_ticks: if summary.rows.is_empty() { Vec::new() } else { y.ticks() },
            ..Frame::new("fig-frame".to_owned(), area)
        };
        Ok(Self { sheet, frame, references, marks, labels })
    }
}

impl<'a> Parts<'a> {
    fn new(summary: &'a Summary) -> Self {
        let (mut references, marks): (Vec<&Row>, Vec<&Row>) =
            summary.rows.iter().partition(|row| row.fits_nothing);
        let rmse = |row: &Row| row.scores.rmse.median;
        let last = references.last().copied();
        let left_out = last.filter(|last| {
            let others = summary.rows.iter().filter(|row| row.label() != last.label());
            others.map(rmse).max_by(f64::total_cmp).is_some_and(|worst| rmse(last) > 2.0 * worst)
        });
        if let Some(left_out) = left_out {
            references.retain(|row| row.label() != left_out.label());
        }
        Self { marks, references, left_out }
    }
}

fn axes(parts: &Parts<'_>, area: &Rect) -> (Axis, Axis) {
    let ends = |spread: &Spread| [spread.min, spread.max];
    let times: Vec<f64> = parts.marks.iter().flat_map(|row| ends(&row.train_s)).collect();
    let errors = parts.marks.iter().flat_map(|row| ends(&row.scores.rmse));
    let lines = parts.references.iter().map(|row| row.scores.rmse.median);
    let errors = validation::stretched(errors.chain(lines).collect(), &parts.marks);
    (Axis::time(&times, area.left, area.right), Axis::linear(&errors, area.bottom, area.top))
}

fn marks(parts: &Parts<'_>, x: &Axis, y: &Axis, area: &Rect) -> Vec<Mark> {
    let methods: Vec<&str> = parts.marks.iter().map(|row| row.method.as_str()).collect();
    let backends: Vec<&str> = parts.marks.iter().map(|row| row.backend.as_str()).collect();
    let whisker = |axis: &Axis, spread: &Spread| {
        let [min, median, max] =
            [spread.min, spread.median, spread.max].map(|value| axis.place(value));
        let longest = (max - median).abs().max((median - min).abs());
        (longest > RADIUS + 4.0).then_some((min, max))
    };
    let mark = |row: &&Row| Mark {
        name: row.name(),
        x: x.place(row.train_s.median),
        y: y.place(row.scores.rmse.median),
        colour: style::colour(&row.method, &methods),
        shape: style::shape(&row.backend, &backends),
        train: whisker(x, &row.train_s),
        rmse: whisker(y, &row.scores.rmse),
        validation: Hollow::of(row, y, area),
    };
    parts.marks.iter().map(mark).collect()
}

fn labels(
    parts: &Parts<'_>,
    marks: &[Mark],
    references: &[Reference],
    area: Rect,
) -> Result<Vec<Label>> {
    let mut page = Page::new(
        area,
        marks.iter().flat_map(Mark::areas).collect(),
        references.iter().map(|reference| reference.y).collect(),
    );
    let mut labels = Vec::new();
    for (row, reference) in parts.references.iter().zip(references) {
        let shared =
            parts.references.iter().filter(|other| other.label() == row.label()).count() > 1;
        let name = if shared { row.name() } else { row.label() };
        labels.extend(labels::of_line(row, &name, reference.y, &mut page)?);
    }
    // They have fewer places to take than the others.
    let hollow = parts.marks.iter().zip(marks);
    let hollow =
        hollow.filter_map(|(&row, mark)| Some((row, (mark.x, mark.validation.as_ref()?.y))));
    labels.extend(labels::of_validation(&hollow.collect::<Vec<_>>(), marks.len(), &mut page)?);
    let rows: Vec<(&Row, (f64, f64))> =
        parts.marks.iter().zip(marks).map(|(&row, mark)| (row, (mark.x, mark.y))).collect();
    labels.extend(labels::of_marks(&rows, &Names::of(&parts.marks), &mut page)?);
    Ok(labels)
}

impl Mark {
    /// What it covers, whiskers included.
    fn areas(&self) -> Vec<Rect> {
        let mut areas = vec![Rect::around((self.x, self.y), RADIUS, RADIUS)];
        areas.extend(self.train.map(|(left, right)| Rect {
            left,
            top: self.y - 4.0,
            right,
            bottom: self.y + 4.0,
        }));
        areas.extend(self.rmse.map(|(bottom, top)| Rect {
            left: self.x - 4.0,
            top,
            right: self.x + 4.0,
            bottom,
        }));
        areas.extend(self.validation.iter().flat_map(|hollow| hollow.areas((self.x, self.y))));
        areas
    }
}

fn caption(summary: &Summary, parts: &Parts<'_>) -> Vec<String> {
    let mut sentences = Vec::new();
    if parts.marks.is_empty() {
        sentences.push("No row with a training time.".to_owned());
    }
    sentences.extend(Names::of(&parts.marks).sentence("All marks are"));
    sentences.push(match summary.repeats() {
        (_, 0) => "No run was scored.".to_owned(),
        (1, 1) => "One run each.".to_owned(),
        (min, max) if min == max => format!("Marks: median of {max} repeats; whiskers: min..max, where wider than the mark."),
        (min, max) => format!("Marks: median of {min} to {max} repeats; whiskers: min..max, where wider than the mark."),
    });
    if summary.is_validated() {
        sentences.push(
            "Hollow marks: validation error, on training cells that a model was not trained on; with an arrow, beyond \
             the axis."
                .to_owned(),
        );
    }
    if let Some(row) = parts.left_out {
        let rmse = format::decimals(row.scores.rmse.median, 4);
        sentences.push(format!(
            "Left out: {} (RMSE {rmse}, more than twice the worst other).",
            row.label()
        ));
    }
    if !summary.missing.is_empty() {
        let names = summary
            .missing
            .iter()
            .map(|missing| format!("{} ({})", missing.name(), missing.status.name()));
        sentences.push(format!("Missing: {}.", names.collect::<Vec<_>>().join(", ")));
    }
    if summary.rows.iter().any(Row::is_accelerated) {
        sentences.push("Time on accelerators is without setup.".to_owned());
    }
    sentences.push(machine(summary));
    sentences.retain(|sentence| !sentence.is_empty());
    sentences
}

pub(super) fn machine(summary: &Summary) -> String {
    match summary.machines.as_slice() {
        [only] => {
            let e = &only.environment;
            let cores =
                if e.cores == 1 { "1 core".to_owned() } else { format!("{} cores", e.cores) };
            let mut facts = vec![e.cpu.clone(), cores, format::memory(e.memory_mb as f64)];
            for row in summary.rows.iter().filter(|row| row.is_accelerated()) {
                if !facts.contains(&row.device) {
                    facts.push(row.device.clone());
                }
            }
            facts.retain(|fact| !fact.is_empty());
            format!("Machine: {}.", facts.join(", "))
        }
        machines => format!("{} machines.", machines.len()),
    }
}
