//! What every figure has: a title, a caption, and frames with axes between them.

use serde::Serialize;

use super::{
    axis::Tick,
    place::Rect,
    text::{self, Weight},
};
use crate::{Result, Summary, format};

const WIDTH: f64 = 960.0;
pub(super) const HEIGHT: f64 = 600.0;
pub(super) const LEFT: f64 = 72.0;
pub(super) const RIGHT: f64 = 936.0;
pub(super) const TOP: f64 = 104.0;
const EDGE: f64 = 24.0;
const BELOW_FRAMES: f64 = 70.0;
const TITLE_SIZE: f64 = 20.0;
const SMALL_SIZE: f64 = 11.5;
const CAPTION_LINE: f64 = 16.0;
const TAG: &str = "synthetic data";

/// What is around the frames.
#[derive(Serialize)]
pub(super) struct Sheet {
    id: &'static str,
    width: f64,
    height: f64,
    says: String,
    title: String,
    tag: Option<Tag>,
    subtitle: String,
    caption: Vec<CaptionLine>,
    right: f64,
    /// Where the lowest frame ends.
    pub(super) bottom: f64,
}

/// What a sheet says.
pub(super) struct Words {
    /// Start of every id in the file; two figures may stand on one page.
    pub(super) id: &'static str,
    /// Second half of the title.
    pub(super) about: &'static str,
    /// The figure in words.
    pub(super) says: String,
    /// Sentences under the frames.
    pub(super) caption: Vec<String>,
    /// Of the whole sheet.
    pub(super) height: f64,
}

#[derive(Serialize)]
struct Tag {
    text: &'static str,
    left: f64,
    width: f64,
    middle: f64,
}

#[derive(Serialize)]
struct CaptionLine {
    y: f64,
    text: String,
}

/// The area of one plot.
#[derive(Serialize)]
pub(super) struct Frame {
    pub(super) id: String,
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) right: f64,
    pub(super) bottom: f64,
    pub(super) x_ticks: Vec<Tick>,
    pub(super) y_ticks: Vec<Tick>,
    /// Whether the values stand beside the vertical axis.
    pub(super) y_labels: bool,
}

impl Sheet {
    pub(super) fn new(words: Words, summary: &Summary) -> Result<Self> {
        let caption = text::wrap(&words.caption.join(" "), SMALL_SIZE, WIDTH - 2.0 * EDGE)?;
        let caption_top = words.height - EDGE - CAPTION_LINE * (caption.len() as f64 - 1.0);
        let line = |(i, text)| CaptionLine { y: caption_top + CAPTION_LINE * i as f64, text };
        let (title, tag) = title(summary, words.about)?;
        Ok(Self {
            id: words.id,
            width: WIDTH,
            height: words.height,
            says: words.says,
            title,
            tag,
            subtitle: subtitle(summary),
            caption: caption.into_iter().enumerate().map(line).collect(),
            right: RIGHT,
            bottom: caption_top - BELOW_FRAMES,
        })
    }
}

impl Frame {
    pub(super) fn new(id: String, area: Rect) -> Self {
        let Rect { left, top, right, bottom } = area;
        let (x_ticks, y_ticks) = (Vec::new(), Vec::new());
        Self { id, left, top, right, bottom, x_ticks, y_ticks, y_labels: true }
    }
}

fn title(summary: &Summary, about: &str) -> Result<(String, Option<Tag>)> {
    let tag_width = text::width(TAG, 12.0, Weight::SemiBold)? + 20.0;
    let room = WIDTH - 2.0 * EDGE - if summary.dataset.synthetic { tag_width + 12.0 } else { 0.0 };
    let wanted = format!("{}: {about}", summary.dataset.name);
    let title = text::fit(&wanted, TITLE_SIZE, Weight::SemiBold, room)?;
    let left = EDGE + text::width(&title, TITLE_SIZE, Weight::SemiBold)? + 12.0;
    let tag = Tag { text: TAG, left, width: tag_width, middle: left + tag_width / 2.0 };
    Ok((title, summary.dataset.synthetic.then_some(tag)))
}

fn subtitle(summary: &Summary) -> String {
    let id = &summary.dataset;
    let [train, test, inputs, targets] =
        [id.train_cells, id.test_cells, id.inputs, id.targets].map(format::count);
    let (input, target) = (id.task.input.features(), id.task.target.features());
    format!("{train} training cells, {test} test cells, {inputs} {input}, {targets} {target}")
}
