//! The order of runs by name, in which `epochs=3` comes before `epochs=10`.

use std::cmp::Ordering;

use modality_harness::record::RunId;

/// Study, method, variant, backend, repeat.
pub(crate) fn of_runs(a: &RunId, b: &RunId) -> Ordering {
    (&a.study, &a.method)
        .cmp(&(&b.study, &b.method))
        .then_with(|| of_variants(&a.variant, &b.variant))
        .then_with(|| (&a.backend, a.repeat).cmp(&(&b.backend, b.repeat)))
}

/// Numbers by value and before words; equal only if the texts are.
pub(crate) fn of_variants(a: &str, b: &str) -> Ordering {
    let words = |text: &str| text.matches(SEPARATORS).count() + 1;
    let pairs = a.split(SEPARATORS).zip(b.split(SEPARATORS));
    let first = pairs.map(|(a, b)| of_words(a, b)).find(|order| order.is_ne());
    first.unwrap_or_else(|| (words(a), a).cmp(&(words(b), b)))
}

const SEPARATORS: [char; 5] = [' ', '=', ',', '[', ']'];

fn of_words(a: &str, b: &str) -> Ordering {
    match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(a), Ok(b)) => a.total_cmp(&b),
        (Ok(_), Err(_)) => Ordering::Less,
        (Err(_), Ok(_)) => Ordering::Greater,
        (Err(_), Err(_)) => a.cmp(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_by_value() {
        let sorted = [
            "",
            "batch_size=64 epochs=3",
            "batch_size=64 epochs=10",
            "batch_size=512 epochs=3",
            "hidden=[64,32]",
            "hidden=[256,32]",
            "rate=1e-4",
            "rate=0.001",
            "rate=\"auto\"",
        ];
        assert!(sorted.is_sorted_by(|a, b| of_variants(a, b).is_lt()));
        assert_eq!(of_variants("rate=1", "rate=1.0"), Ordering::Less);
        assert_eq!(of_variants("rate=nan", "rate=nan"), Ordering::Equal);
    }
}
