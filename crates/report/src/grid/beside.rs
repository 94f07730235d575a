//! One row beside another.

use modality_compare::{Kind, Line, Quantity, SeedErrors};

use super::{Cell, Grid, number, text};
use crate::{
    comparison::{range, ratio},
    format,
};

/// What both cost, in these columns.
pub(crate) fn costs(names: [&str; 2], lines: &[&Line]) -> Grid {
    let [base, head] = names.map(|name| number(format::line(name)));
    let columns =
        vec![text("What"), base, head, number("Ratio"), number("Pairs won"), text("Verdict")];
    let rows = lines.iter().map(|line| {
        let interval = line.interval.map(|interval| range(line, interval));
        // More of it is better.
        let won = if line.quantity == Quantity::Captured { line.larger } else { line.smaller };
        vec![
            Cell::plain(what(line.quantity)),
            Cell::plain(shown(line.quantity, line.base)),
            Cell::plain(shown(line.quantity, line.head)),
            Cell { text: ratio(line, line.ratio), aside: interval },
            Cell::plain(format!("{won} of {}", line.pairs)),
            Cell::plain(line.verdict.said_of(line.quantity)),
        ]
    });
    Grid { columns, rows: rows.collect() }
}

/// RMSE of both, seed by seed.
pub(crate) fn errors(names: [&str; 2], errors: &[SeedErrors]) -> Grid {
    let [base, head] = names.map(|name| number(format::line(name)));
    let columns = vec![text("Repeat"), number("Seed"), base, head, number("Difference")];
    let rows = errors.iter().map(|pair| {
        let difference = pair.head - pair.base;
        let sign = if difference > 0.0 { "+" } else { "" };
        vec![
            Cell::plain(pair.repeat.to_string()),
            Cell::plain(pair.seed.to_string()),
            Cell::plain(format::decimals(pair.base, 6)),
            Cell::plain(format::decimals(pair.head, 6)),
            Cell::plain(format!("{sign}{}", format::decimals(difference, 6))),
        ]
    });
    Grid { columns, rows: rows.collect() }
}

/// A quantity's name in tables.
pub(crate) fn what(quantity: Quantity) -> String {
    match quantity {
        Quantity::Operations(stage) => format!("Gflop, {}", stage.name()),
        other => other.to_string(),
    }
}

/// A value with its unit, unless that is what it is called by.
pub(crate) fn shown(quantity: Quantity, value: f64) -> String {
    match (quantity, quantity.kind()) {
        (_, Kind::Time) => format!("{} s", format::digits(value)),
        (_, Kind::Memory) => format::memory(value),
        (Quantity::Operations(_), _) => format::digits(value / 1e9),
        _ => format::decimals(value, 6),
    }
}
