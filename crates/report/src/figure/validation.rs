//! The validation errors of trained networks: hollow marks, over or under those of their test errors.

use serde::Serialize;

use super::{axis::Axis, place::Rect, style::RADIUS};
use crate::Row;

/// The axis becomes at most so many times as long for the sake of validation errors.
const STRETCH: f64 = 2.0;
/// From the edge of the frame to a mark that would be beyond it.
const FROM_EDGE: f64 = 20.0;
const BARB: f64 = 4.0;

/// Where the mark of a validation error is.
#[derive(Serialize)]
pub(super) struct Hollow {
    pub(super) y: f64,
    arrow: Option<Arrow>,
}

/// Out of the frame.
#[derive(Serialize)]
struct Arrow {
    tip: f64,
    barb: f64,
}

impl Hollow {
    pub(super) fn of(row: &Row, y: &Axis, area: &Rect) -> Option<Self> {
        let at = y.place(row.validation_rmse?.median);
        let edge = |edge: f64, inwards: f64| {
            let tip = edge + inwards * 2.0;
            let arrow = Arrow { tip, barb: tip + inwards * BARB };
            Self { y: edge + inwards * FROM_EDGE, arrow: Some(arrow) }
        };
        Some(match at {
            at if at > area.bottom - RADIUS => edge(area.bottom, -1.0),
            at if at < area.top + RADIUS => edge(area.top, 1.0),
            y => Self { y, arrow: None },
        })
    }

    /// What it covers, the line to the mark at `(x, y)` included.
    pub(super) fn areas(&self, (x, y): (f64, f64)) -> [Rect; 2] {
        let line =
            Rect { left: x - 2.0, top: y.min(self.y), right: x + 2.0, bottom: y.max(self.y) };
        [Rect::around((x, self.y), RADIUS, RADIUS), line]
    }
}

/// `errors`, and those validation errors of `rows` that do not stretch the axis too far.
pub(super) fn stretched(mut errors: Vec<f64>, rows: &[&Row]) -> Vec<f64> {
    let low = errors.iter().copied().fold(f64::INFINITY, f64::min);
    let high = errors.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let most = STRETCH * (high - low);
    let validated = rows.iter().filter_map(|row| Some(row.validation_rmse?.median));
    errors.extend(validated.filter(|rmse| (high - most..=low + most).contains(rmse)));
    errors
}
