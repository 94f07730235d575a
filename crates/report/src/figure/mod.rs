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
mod validation;

use resvg::{tiny_skia, usvg};

use crate::{Error, Result, Summary, template};

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
