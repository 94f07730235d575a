//! Numbers as readers expect them.

use crate::Spread;

pub(crate) use modality_protocol::text::line;

/// Thousands separated by commas.
pub(crate) fn count(value: usize) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// What is written as a power of ten, as its digits would fill a line.
const LARGE: f64 = 1e9;
const SMALL: f64 = 1e-9;

/// Three significant digits, never more than three decimals: seconds, or 10^9 operations.
pub(crate) fn number(value: f64) -> String {
    match value {
        v if v < 0.9995 => format!("{v:.3}"),
        v if v < 9.995 => format!("{v:.2}"),
        v if v < 99.95 => format!("{v:.1}"),
        v if v < LARGE => count(v.round() as usize),
        v => format!("{v:.2e}"),
    }
}

/// So many decimals, as errors and correlations have them, unless that says nothing of the number or takes a line.
pub fn decimals(value: f64, decimals: usize) -> String {
    let least = 0.5 * 0.1_f64.powi(decimals as i32);
    match value.abs() {
        v if v == 0.0 || (least..1e6).contains(&v) => format!("{value:.decimals$}"),
        _ => format!("{value:.2e}"),
    }
}

/// As one says it: `35 µs`, `420 ms`, `4.2 s`, `1 min 9 s`, `1 h 9 min`.
pub(crate) fn duration(value: f64) -> String {
    let whole = value.round() as u64;
    match value {
        v if v > 0.0 && v < 5e-5 => format!("{:.0} \u{b5}s", v * 1e6),
        v if v < 0.0095 => format!("{:.1} ms", v * 1e3),
        v if v < 0.9995 => format!("{:.0} ms", v * 1e3),
        v if v < 9.95 => format!("{v:.1} s"),
        v if v < 59.5 => format!("{v:.0} s"),
        v if v < 3599.5 => pair(whole / 60, "min", whole % 60, "s"),
        v if v >= LARGE => format!("{v:.2e} s"),
        v => {
            let minutes = (v / 60.0).round() as u64;
            pair(minutes / 60, "h", minutes % 60, "min")
        }
    }
}

fn pair(large: u64, large_unit: &str, small: u64, small_unit: &str) -> String {
    match small {
        0 => format!("{large} {large_unit}"),
        _ => format!("{large} {large_unit} {small} {small_unit}"),
    }
}

/// Memory given in MiB.
pub(crate) fn memory(mebibytes: f64) -> String {
    match mebibytes {
        m if m < 1023.5 => format!("{m:.0} MiB"),
        m if m < 102_348.8 => format!("{:.1} GiB", m / 1024.0),
        m => format!("{} GiB", number(m / 1024.0)),
    }
}

/// Three significant digits, however small.
pub(crate) fn digits(value: f64) -> String {
    let decimals = 2.0 - value.abs().log10().floor();
    match decimals {
        _ if value != 0.0 && value.abs() < SMALL => format!("{value:.2e}"),
        d if d > 3.0 && d.is_finite() => format!("{value:.0$}", d as usize),
        _ => number(value),
    }
}

/// Two decimals; nothing is a little less than zero.
pub(crate) fn exponent(value: f64) -> String {
    let text = format!("{value:.2}");
    if text == "-0.00" { "0.00".to_owned() } else { text }
}

/// The range, where it is visible at the precision of `show`.
pub(crate) fn range(spread: &Spread, show: impl Fn(f64) -> String) -> Option<String> {
    let (min, max) = (show(spread.min), show(spread.max));
    (min != max).then(|| format!("{min}..{max}"))
}

/// Calendar date, UTC, of seconds since 1970 (Howard Hinnant's `civil_from_days`).
pub(crate) fn date(unix: u64) -> String {
    let days = unix / 86_400 + 719_468;
    let era_day = days % 146_097;
    let year_of_era = (era_day - era_day / 1460 + era_day / 36_524 - era_day / 146_096) / 365;
    let year_day = era_day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * year_day + 2) / 153;
    let day = year_day - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = days / 146_097 * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// `a`, `a and b`, `a, b and c`.
pub(crate) fn list<S: AsRef<str>>(items: &[S]) -> String {
    match items {
        [] => String::new(),
        [only] => only.as_ref().to_owned(),
        [rest @ .., last] => {
            let rest: Vec<&str> = rest.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", rest.join(", "), last.as_ref())
        }
    }
}

/// With a capital letter first.
pub(crate) fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            [0.0, 3.449e-5, 0.0123, 1234.5].map(digits),
            ["0.000", "0.0000345", "0.0123", "1,235"]
        );
        assert_eq!([1.926, -0.001, -0.5].map(exponent), ["1.93", "0.00", "-0.50"]);
        let times = [0.0, 0.4199, 0.9996, 9.994, 9.996, 99.96, 4141.4].map(number);
        assert_eq!(times, ["0.000", "0.420", "1.00", "9.99", "10.0", "100", "4,141"]);
        assert_eq!(
            [512.0, 1023.4, 1536.0, 204_800.0].map(memory),
            ["512 MiB", "1023 MiB", "1.5 GiB", "200 GiB"]
        );
    }

    #[test]
    fn no_number_fills_a_line() {
        assert_eq!([1e300, 1e9, 9.99e8].map(number), ["1.00e300", "1.00e9", "999,000,000"]);
        assert_eq!([1e300, 1e-300].map(digits), ["1.00e300", "1.00e-300"]);
        assert_eq!([1e300, 1e-300].map(duration), ["1.00e300 s", "0 \u{b5}s"]);
        assert_eq!(memory(1e300), "9.77e296 GiB");
        let shown =
            [0.0, 0.35957, 1e300, 1e-300, -0.25, 4e-5, 6e-5].map(|value| decimals(value, 4));
        assert_eq!(
            shown,
            ["0.0000", "0.3596", "1.00e300", "1.00e-300", "-0.2500", "4.00e-5", "0.0001"]
        );
    }

    #[test]
    fn durations_carry_into_the_next_unit() {
        let said =
            [0.0, 3.4e-5, 0.0004, 0.42, 0.9996, 4.21, 59.4, 59.6, 69.0, 3599.6, 4141.0, 7200.0]
                .map(duration);
        let wanted = [
            "0.0 ms",
            "34 \u{b5}s",
            "0.4 ms",
            "420 ms",
            "1.0 s",
            "4.2 s",
            "59 s",
            "1 min",
            "1 min 9 s",
            "1 h",
            "1 h 9 min",
            "2 h",
        ];
        assert_eq!(said, wanted);
    }

    #[test]
    fn dates() {
        assert_eq!(
            [0, 951_782_400, 1_735_689_599].map(date),
            ["1970-01-01", "2000-02-29", "2024-12-31"]
        );
    }
}
