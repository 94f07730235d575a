//! Colour by method, shape by backend; the same in every figure.

use modality_protocol::Stage;

use crate::Summary;

/// Radius of a mark.
pub(super) const RADIUS: f64 = 7.0;

/// What known methods leave of Okabe and Ito's palette.
const OTHER_COLOURS: [&str; 3] = ["#56b4e9", "#f0e442", "#7f7f7f"];

/// By stage, from the whole palette.
const STAGES: [(Stage, &str); 4] = [
    (Stage::TsvdInput, "#0072b2"),
    (Stage::Kernel, "#e69f00"),
    (Stage::Solve, "#d55e00"),
    (Stage::Predict, "#009e73"),
];

/// Paths around the origin, of about equal area.
const BACKENDS: [(&str, &str); 4] = [
    ("linfa", "M-6.5 0a6.5 6.5 0 1 1 13 0a6.5 6.5 0 1 1 -13 0z"),
    ("sklearn", "M-5.8 -5.8h11.6v11.6h-11.6z"),
    ("cuda", "M0 -8L7.4 5.4H-7.4z"),
    ("torch", "M0 -8.2L8.2 0L0 8.2L-8.2 0z"),
];
const OTHER_SHAPES: [&str; 3] = [
    "M0 8L7.4 -5.4H-7.4z",
    "M0 -7.6L7.2 -2.3L4.5 6.1H-4.5L-7.2 -2.3z",
    "M-2.6 -7.4h5.2v4.8h4.8v5.2h-4.8v4.8h-5.2v-4.8h-4.8v-5.2h4.8z",
];

/// The methods whose colours a reader sees.
pub(super) fn coloured(summary: &Summary) -> Vec<&str> {
    summary.rows.iter().filter(|row| !row.fits_nothing).map(|row| row.method.as_str()).collect()
}

/// `others` are all method names of the figure; those without a colour of their own share what is left, by name.
pub(super) fn colour(method: &str, others: &[&str]) -> &'static str {
    lookup(method, others, |name| modality_methods::find(name)?.colour, &OTHER_COLOURS)
}

/// As [`colour`], for backends.
pub(super) fn shape(backend: &str, others: &[&str]) -> &'static str {
    let known =
        |name: &str| BACKENDS.iter().find(|(known, _)| *known == name).map(|(_, path)| *path);
    lookup(backend, others, known, &OTHER_SHAPES)
}

/// The stages that lines are drawn of have a colour each.
pub(super) fn stage(stage: Stage) -> &'static str {
    let known = STAGES.iter().find(|(known, _)| *known == stage);
    known.map_or(OTHER_COLOURS[2], |(_, colour)| colour)
}

fn lookup(
    name: &str,
    others: &[&str],
    find: impl Fn(&str) -> Option<&'static str>,
    rest: &[&'static str],
) -> &'static str {
    find(name).unwrap_or_else(|| {
        let mut unknown: Vec<&str> =
            others.iter().copied().filter(|other| find(other).is_none()).collect();
        unknown.sort_unstable();
        unknown.dedup();
        rest[unknown.iter().position(|other| *other == name).unwrap_or(0) % rest.len()]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_names_keep_their_colour_and_others_differ() {
        assert_eq!(colour("mlp", &["aaa", "mlp"]), colour("mlp", &["mlp", "zzz"]));
        assert_ne!(colour("aaa", &["aaa", "bbb"]), colour("bbb", &["aaa", "bbb"]));
        assert_ne!(shape("aaa", &["bbb", "aaa"]), shape("linfa", &[]));
    }
}
