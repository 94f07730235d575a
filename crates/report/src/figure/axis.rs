//! From values to places, and round ticks.

use serde::Serialize;

use crate::format;

/// A place along an axis and what stands there.
#[derive(Serialize)]
pub(super) struct Tick {
    pub(super) at: f64,
    pub(super) label: String,
}

/// A scale onto an interval of the page.
pub(super) struct Axis {
    low: f64,
    high: f64,
    start: f64,
    end: f64,
    scale: Scale,
}

#[derive(Clone, Copy, PartialEq)]
enum Scale {
    Linear,
    /// Linear, with ticks at whole numbers alone.
    Whole,
    /// Logarithm of seconds.
    Time,
    /// Logarithm of a number, with ticks at least so far apart.
    Decades {
        apart: f64,
    },
}

/// Shorter than any time that is drawn.
const SHORTEST: f64 = 1e-6;

const COARSE: [(f64, &str); 10] = [
    (1e-3, "1 ms"),
    (1e-2, "10 ms"),
    (0.1, "0.1 s"),
    (1.0, "1 s"),
    (10.0, "10 s"),
    (60.0, "1 min"),
    (600.0, "10 min"),
    (3600.0, "1 h"),
    (36_000.0, "10 h"),
    (360_000.0, "100 h"),
];
const FINE: [(f64, &str); 15] = [
    (2e-3, "2 ms"),
    (5e-3, "5 ms"),
    (2e-2, "20 ms"),
    (5e-2, "50 ms"),
    (0.2, "0.2 s"),
    (0.5, "0.5 s"),
    (2.0, "2 s"),
    (5.0, "5 s"),
    (30.0, "30 s"),
    (120.0, "2 min"),
    (300.0, "5 min"),
    (1800.0, "30 min"),
    (7200.0, "2 h"),
    (18_000.0, "5 h"),
    (72_000.0, "20 h"),
];

/// Width of a digit of a tick's label, and between two labels.
const DIGIT: f64 = 7.5;
const GAP: f64 = 10.0;

/// Of a decade, the finest first.
const SUBDIVISIONS: [&[f64]; 3] = [&[1.0, 2.0, 5.0], &[1.0, 3.0], &[1.0]];

impl Axis {
    /// Seconds, logarithmic, at least one decade, with room at both ends.
    pub(super) fn time(values: &[f64], start: f64, end: f64) -> Self {
        let (low, high) =
            bounds(values.iter().map(|&seconds| seconds.max(SHORTEST).log10()), (-1.0, 2.0));
        let middle = (low + high) / 2.0;
        let half = ((high - low) / 2.0 * 1.2).max(0.5);
        Self { low: middle - half, high: middle + half, start, end, scale: Scale::Time }
    }

    /// Numbers above zero, logarithmic, at least one decade, with room at both ends; ticks are `apart` or farther.
    pub(super) fn decades(values: &[f64], start: f64, end: f64, apart: f64) -> Self {
        Self { scale: Scale::Decades { apart }, ..Self::time(values, start, end) }
    }

    /// Any values, linear, with room at both ends.
    pub(super) fn linear(values: &[f64], start: f64, end: f64) -> Self {
        let (low, high) = bounds(values.iter().copied(), (0.0, 1.0));
        let span = (high - low).max(high.abs() * 0.05).max(1e-9);
        let middle = (low + high) / 2.0;
        Self {
            low: middle - 0.6 * span,
            high: middle + 0.6 * span,
            start,
            end,
            scale: Scale::Linear,
        }
    }

    /// Numbers counted from one, linear, without room at the ends.
    pub(super) fn count(last: usize, start: f64, end: f64) -> Self {
        Self { low: 1.0, high: last.max(2) as f64, start, end, scale: Scale::Whole }
    }

    /// Where `value` is drawn.
    pub(super) fn place(&self, value: f64) -> f64 {
        let value = match self.scale {
            Scale::Time | Scale::Decades { .. } => value.max(SHORTEST).log10(),
            Scale::Linear | Scale::Whole => value,
        };
        self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)
    }

    /// Round values along the axis.
    pub(super) fn ticks(&self) -> Vec<Tick> {
        match self.scale {
            Scale::Time => self.time_ticks(),
            Scale::Decades { apart } => self.decade_ticks(apart),
            Scale::Linear | Scale::Whole => self.linear_ticks(),
        }
    }

    fn time_ticks(&self) -> Vec<Tick> {
        let inside =
            |(seconds, _): &&(f64, &str)| (self.low..=self.high).contains(&seconds.log10());
        let mut shown: Vec<&(f64, &str)> = COARSE.iter().filter(inside).collect();
        if shown.len() < 4 {
            shown.extend(FINE.iter().filter(inside));
            shown.sort_by(|a, b| a.0.total_cmp(&b.0));
        }
        shown
            .into_iter()
            .map(|&(seconds, label)| Tick { at: self.place(seconds), label: label.to_owned() })
            .collect()
    }

    /// The finest subdivision of the decades whose ticks are far enough apart.
    fn decade_ticks(&self, apart: f64) -> Vec<Tick> {
        let decade = ((self.end - self.start) / (self.high - self.low)).abs();
        let fits = |factors: &&&[f64]| {
            let after = factors.iter().skip(1).chain([&10.0]);
            factors.iter().zip(after).all(|(a, b)| (b / a).log10() * decade >= apart)
        };
        let factors = SUBDIVISIONS.iter().find(fits).copied().unwrap_or(&[1.0]);
        let powers = self.low.floor() as i32..=self.high.floor() as i32;
        let values = powers.flat_map(|power| factors.iter().map(move |factor| (power, factor)));
        let inside = values.filter(|(power, factor)| {
            (self.low..=self.high).contains(&(f64::from(*power) + factor.log10()))
        });
        let tick = |(power, factor): (i32, &f64)| {
            let value = factor * 10_f64.powi(power);
            let decimals = usize::try_from(-power).unwrap_or(0);
            let whole = || format::count(value.round() as usize);
            let label = if power < 0 { format!("{value:.decimals$}") } else { whole() };
            Tick { at: self.place(value), label }
        };
        inside.map(tick).collect()
    }

    fn linear_ticks(&self) -> Vec<Tick> {
        let least = if self.scale == Scale::Whole { 1.0 } else { 0.0 };
        let step = round_step((self.high - self.low) / self.most_ticks()).max(least);
        let decimals = (-step.log10().floor()).max(0.0) as usize;
        let (first, last) = ((self.low / step).ceil() as i64, (self.high / step).floor() as i64);
        let tick = |i: i64| {
            let value = i as f64 * step;
            let label = match self.scale {
                Scale::Whole => format::count(value as usize),
                _ => format!("{value:.decimals$}"),
            };
            Tick { at: self.place(value), label }
        };
        (first..=last).map(tick).collect()
    }

    /// About so many on a linear axis; of counts, no more than have room beside one another.
    fn most_ticks(&self) -> f64 {
        const MOST: f64 = 6.0;
        if self.scale != Scale::Whole {
            return MOST;
        }
        let widest = DIGIT * format::count(self.high as usize).len() as f64 + GAP;
        ((self.end - self.start).abs() / widest).clamp(1.0, MOST)
    }
}

/// 1, 2 or 5 times a power of ten, `raw` or a little more.
fn round_step(raw: f64) -> f64 {
    let power = 10_f64.powf(raw.log10().floor());
    let factor =
        [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= raw * 0.999).unwrap_or(10.0);
    factor * power
}

fn bounds(values: impl Iterator<Item = f64>, none: (f64, f64)) -> (f64, f64) {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    if low <= high { (low, high) } else { none }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<String> {
        axis.ticks().into_iter().map(|tick| tick.label).collect()
    }

    #[test]
    fn times_are_said_as_people_say_them() {
        assert_eq!(
            labels(&Axis::time(&[0.2, 4000.0], 0.0, 100.0)),
            ["0.1 s", "1 s", "10 s", "1 min", "10 min", "1 h"]
        );
        assert_eq!(labels(&Axis::time(&[4.0], 0.0, 100.0)), ["2 s", "5 s", "10 s"]);
    }

    #[test]
    fn decades_are_divided_as_far_as_there_is_room() {
        let cells = |width| labels(&Axis::decades(&[4136.0, 66_175.0], 0.0, width, 50.0));
        assert_eq!(cells(100.0), ["10,000"]);
        assert_eq!(cells(200.0), ["10,000", "30,000"]);
        assert_eq!(cells(300.0), ["5,000", "10,000", "20,000", "50,000"]);
        assert_eq!(
            labels(&Axis::decades(&[0.02, 300.0], 200.0, 0.0, 20.0)),
            ["0.01", "0.1", "1", "10", "100"]
        );
    }

    #[test]
    fn errors_get_round_ticks() {
        assert_eq!(
            labels(&Axis::linear(&[0.36, 0.44], 0.0, 1.0)),
            ["0.36", "0.38", "0.40", "0.42", "0.44"]
        );
        assert!(labels(&Axis::linear(&[0.36], 0.0, 1.0)).len() > 2);
    }

    #[test]
    fn counts_get_whole_ticks() {
        let counted = |last, width| labels(&Axis::count(last, 0.0, width));
        assert_eq!(counted(1, 300.0), ["1", "2"]);
        assert_eq!(counted(4, 300.0), ["1", "2", "3", "4"]);
        assert_eq!(counted(20, 300.0), ["5", "10", "15", "20"]);
        assert_eq!(counted(10_000, 400.0), ["2,000", "4,000", "6,000", "8,000", "10,000"]);
        assert_eq!(counted(10_000, 180.0), ["5,000", "10,000"]);
        assert_eq!(counted(10_000, 10.0), ["10,000"]);
    }

    #[test]
    fn places_keep_order_and_stay_inside() {
        let values = [0.002, 0.5, 40.0, 9000.0];
        let axis = Axis::time(&values, 50.0, 950.0);
        let places = values.map(|value| axis.place(value));
        assert!(places.is_sorted() && places[0] > 50.0 && places[3] < 950.0);
        assert!(axis.place(0.0).is_finite());
    }
}
