//! Ranges of hyperparameters.

/// A value out of range: its key, and what is needed.
pub(crate) struct Wrong {
    pub(crate) key: &'static str,
    pub(crate) what: String,
}

pub(crate) fn at_least_one(key: &'static str, value: usize) -> Option<Wrong> {
    (value == 0).then(|| Wrong { key, what: "is 0; it must be at least 1".to_owned() })
}

pub(crate) fn at_most(key: &'static str, value: usize, most: usize) -> Option<Wrong> {
    (value > most).then(|| Wrong { key, what: format!("is {value}; it must be at most {most}") })
}

pub(crate) fn positive(key: &'static str, value: f64) -> Option<Wrong> {
    let good = value.is_finite() && value > 0.0;
    (!good).then(|| Wrong { key, what: format!("is {value}; it must be a finite number above 0") })
}

pub(crate) fn below_one(key: &'static str, value: f64) -> Option<Wrong> {
    (value >= 1.0).then(|| Wrong { key, what: format!("is {value}; it must be below 1") })
}

pub(crate) fn not_negative(key: &'static str, value: f64) -> Option<Wrong> {
    let good = value.is_finite() && value >= 0.0;
    let what = || format!("is {value}; it must be a finite number, 0 or above");
    (!good).then(|| Wrong { key, what: what() })
}
