//! RMSE against training time, validation curves, and time and memory against training cells: drawn once as SVG, rasterised from that very SVG.

mod axis;
mod curves;
mod labels;
mod names;
mod place;
mod scaling;
mod scene;
mod sheet;
mod style;
mod text;

use resvg::{tiny_skia, usvg};

use crate::{Error, Result, Row, Summary, page, template};

/// Pixels of the PNG a unit of the SVG.
const SCALE: f32 = 2.0;

pub(crate) fn svg(summary: &Summary) -> Result<String> {
    template::render("figure.svg", scene::Scene::new(summary)?)
}

/// Nothing without validation curves.
pub(crate) fn curves_svg(summary: &Summary) -> Result<Option<String>> {
    let scene = curves::Scene::new(summary)?;
    scene.map(|scene| template::render("curves.svg", scene)).transpose()
}

/// Nothing without series.
pub(crate) fn scaling_svg(summary: &Summary) -> Result<Option<String>> {
    let scene = scaling::Scene::new(summary)?;
    scene.map(|scene| template::render("scaling.svg", scene)).transpose()
}

pub(crate) fn png(svg: &str) -> Result<Vec<u8>> {
    let broken = |error: &dyn std::fmt::Display| Error::Figure(error.to_string());
    let tree = usvg::Tree::from_str(svg, &text::options()).map_err(|error| broken(&error))?;
    let size =
        tree.size().to_int_size().scale_by(SCALE).ok_or_else(|| broken(&"it has no size"))?;
    let mut pixels = tiny_skia::Pixmap::new(size.width(), size.height())
        .ok_or_else(|| broken(&"it is too large to rasterise"))?;
    resvg::render(&tree, tiny_skia::Transform::from_scale(SCALE, SCALE), &mut pixels.as_mut());
    pixels.encode_png().map_err(|error| broken(&error))
}

/// Whether a row has no training time worth a place on the axis.
pub(crate) fn is_baseline(row: &Row) -> bool {
    has_no_training(&row.method) || row.train_s.median < 1e-3
}

/// Whether a method fits nothing.
pub(crate) fn has_no_training(method: &str) -> bool {
    modality_methods::find(method).is_some_and(|method| method.is_floor)
}

/// The figure in words.
pub(crate) fn says(summary: &Summary) -> String {
    let synthetic = if summary.dataset.synthetic { ", synthetic data" } else { "" };
    format!(
        "RMSE against training time on {}{synthetic}. {}",
        summary.dataset.name,
        page::answer(summary)
    )
}

/// The figure of validation curves in words.
pub(crate) fn curves_say(summary: &Summary) -> String {
    let synthetic = if summary.dataset.synthetic { ", synthetic data" } else { "" };
    format!("Validation RMSE by epoch on {}{synthetic}.", summary.dataset.name)
}

/// The figure of time and memory in words.
pub(crate) fn scaling_says(summary: &Summary) -> String {
    let synthetic = if summary.dataset.synthetic { ", synthetic data" } else { "" };
    format!("Time and memory by number of training cells on {}{synthetic}.", summary.dataset.name)
}
