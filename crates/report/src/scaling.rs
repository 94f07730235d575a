//! How time and memory grow with the number of training cells.

use modality_harness::plan::row_name;
use modality_protocol::Stage;

use crate::{
    Missing, Row, Spread, order,
    records::{label, without_cells},
};

/// Fewer different numbers of training cells tell nothing of a power.
const FEWEST: usize = 3;

/// The stages that grow with the cells or the components.
pub(crate) const STAGES: [Stage; 4] =
    [Stage::TsvdInput, Stage::Kernel, Stage::Solve, Stage::Predict];

/// A method on a backend at three or more numbers of training cells.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Name of the method.
    pub method: String,
    /// What tells the series from others of the method: the variant without the cells.
    pub variant: String,
    /// Name of the backend.
    pub backend: String,
    /// RMSE by number of training cells, fewest first.
    pub rmse: Vec<Point>,
    /// Times, then memory; the stages, then the whole.
    pub lines: Vec<Line>,
}

/// What is measured against the number of training cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantity {
    /// Wall time.
    Seconds,
    /// Peak resident memory, MiB.
    PeakMemory,
}

/// A quantity of a stage, or of the whole, and the power of the number of training cells that fits it best.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// What is measured.
    pub quantity: Quantity,
    /// Of which stage; none for the sum of training, and for the memory of the process.
    pub stage: Option<Stage>,
    /// Fewest cells first, all medians above zero.
    pub points: Vec<Point>,
    /// Through the medians.
    pub fit: Power,
}

/// A value over repeats at one number of training cells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Training cells.
    pub cells: usize,
    /// Number of scored repeats.
    pub repeats: usize,
    /// Over repeats.
    pub value: Spread,
}

/// `factor` n^`exponent`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Power {
    /// Slope of the straight line on logarithmic axes.
    pub exponent: f64,
    /// Value at one cell.
    pub factor: f64,
}

impl Series {
    /// In order of method, variant and backend; methods that fit nothing have none.
    pub(crate) fn of_rows(rows: &[Row]) -> Vec<Self> {
        let mut groups: Vec<(String, Vec<(usize, &Row)>)> = Vec::new();
        for row in rows {
            let Some(cells) = row.cells.filter(|_| !row.fits_nothing) else { continue };
            let name =
                row_name(&row.method, without_cells(&row.variant, Some(cells)), &row.backend);
            match groups.iter_mut().find(|(other, _)| *other == name) {
                Some((_, rows)) => rows.push((cells, row)),
                None => groups.push((name, vec![(cells, row)])),
            }
        }
        let mut series: Vec<Self> =
            groups.into_iter().filter_map(|(_, rows)| Self::new(rows)).collect();
        series.sort_by(|a, b| {
            let variants = || order::of_variants(&a.variant, &b.variant);
            a.method.cmp(&b.method).then_with(variants).then_with(|| a.backend.cmp(&b.backend))
        });
        series
    }

    fn new(mut rows: Vec<(usize, &Row)>) -> Option<Self> {
        rows.sort_by_key(|(cells, _)| *cells);
        let &(cells, first) = rows.first().filter(|_| rows.len() >= FEWEST)?;
        let staged =
            |quantity: Quantity| STAGES.into_iter().map(move |stage| (quantity, Some(stage)));
        let wanted = staged(Quantity::Seconds)
            .chain([(Quantity::Seconds, None)])
            .chain(staged(Quantity::PeakMemory))
            .chain([(Quantity::PeakMemory, None)]);
        let line = |(quantity, stage)| {
            let points = points(&rows, |row| measured(row, quantity, stage));
            Line::new(quantity, stage, points)
        };
        let lines: Vec<Line> = wanted.filter_map(line).collect();
        (!lines.is_empty()).then(|| Self {
            method: first.method.clone(),
            variant: without_cells(&first.variant, Some(cells)).to_owned(),
            backend: first.backend.clone(),
            rmse: points(&rows, |row| Some(row.scores.rmse)),
            lines,
        })
    }

    /// `method/backend`, or `method variant/backend`, without the cells.
    pub fn name(&self) -> String {
        row_name(&self.method, &self.variant, &self.backend)
    }

    /// `method`, or `method variant`, without the cells.
    pub fn label(&self) -> String {
        label(&self.method, &self.variant)
    }

    /// Whether runs without a score belong here.
    pub(crate) fn has_lost(&self, missing: &Missing) -> bool {
        missing.cells.is_some()
            && self.method == missing.method
            && self.variant == without_cells(&missing.variant, missing.cells)
            && self.backend == missing.backend
    }
}

fn measured(row: &Row, quantity: Quantity, stage: Option<Stage>) -> Option<Spread> {
    match (quantity, stage) {
        (Quantity::Seconds, Some(stage)) => row.stages.get(&stage).copied(),
        (Quantity::Seconds, None) => Some(row.train_s),
        (Quantity::PeakMemory, Some(stage)) => row.stage_rss_mb.get(&stage).copied(),
        (Quantity::PeakMemory, None) => row.peak_rss_mb,
    }
}

fn points(rows: &[(usize, &Row)], value: impl Fn(&Row) -> Option<Spread>) -> Vec<Point> {
    let point = |&(cells, row): &(usize, &Row)| {
        Some(Point { cells, repeats: row.repeats, value: value(row)? })
    };
    rows.iter().filter_map(point).collect()
}

impl Line {
    fn new(quantity: Quantity, stage: Option<Stage>, mut points: Vec<Point>) -> Option<Self> {
        points.retain(|point| point.cells > 0 && point.value.median > 0.0);
        let pairs: Vec<(f64, f64)> =
            points.iter().map(|point| (point.cells as f64, point.value.median)).collect();
        let fit = Power::through(&pairs).filter(|_| points.len() >= FEWEST)?;
        Some(Self { quantity, stage, points, fit })
    }

    /// Name of the stage, `training` or `process`.
    pub fn name(&self) -> &'static str {
        match (self.stage, self.quantity) {
            (Some(stage), _) => stage.name(),
            (None, Quantity::Seconds) => "training",
            (None, Quantity::PeakMemory) => "process",
        }
    }
}

impl Quantity {
    /// The name in delimited text.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::PeakMemory => "peak_rss_mb",
        }
    }
}

impl Power {
    /// Least squares of the logarithm of the second value on the logarithm of the first; none through fewer than two
    /// different places. All values are above zero.
    fn through(pairs: &[(f64, f64)]) -> Option<Self> {
        let logs: Vec<(f64, f64)> = pairs.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
        let count = logs.len() as f64;
        let (x, y) = logs.iter().fold((0.0, 0.0), |(x, y), log| (x + log.0, y + log.1));
        let (x, y) = (x / count, y / count);
        let across: f64 = logs.iter().map(|log| (log.0 - x).powi(2)).sum();
        let along: f64 = logs.iter().map(|log| (log.0 - x) * (log.1 - y)).sum();
        let exponent = along / across;
        (across > 0.0).then(|| Self { exponent, factor: (y - exponent * x).exp() })
    }

    /// The value at so many cells.
    pub fn at(&self, cells: usize) -> f64 {
        self.factor * (cells as f64).powf(self.exponent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_power_law_gives_its_own_exponent() {
        for (exponent, factor) in [(1.93, 4e-7), (0.0, 12.0), (-0.5, 3.0), (3.0, 1e-12)] {
            let pairs =
                [4136.0, 8272.0, 16_544.0, 66_175.0].map(|n: f64| (n, factor * n.powf(exponent)));
            let fit = Power::through(&pairs).unwrap();
            assert!((fit.exponent - exponent).abs() < 1e-12, "{fit:?}");
            assert!((fit.factor / factor - 1.0).abs() < 1e-10, "{fit:?}");
            assert!((fit.at(66_175) / pairs[3].1 - 1.0).abs() < 1e-10);
        }
        assert_eq!(Power::through(&[(5.0, 1.0), (5.0, 2.0)]), None);
        assert_eq!(Power::through(&[]), None);
    }

    #[test]
    fn errors_of_both_signs_cancel() {
        let pairs = [(1.0, 1.0), (10.0, 20.0), (100.0, 50.0), (1000.0, 1000.0)];
        let fit = Power::through(&pairs).unwrap();
        let slope = (3.0 * 3.0 + 1.0 * (50_f64.log10() - 20_f64.log10())) / 10.0;
        assert!((fit.exponent - slope).abs() < 1e-12);
    }
}
