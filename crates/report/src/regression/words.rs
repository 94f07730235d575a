//! What a comparison of two states of the source says in sentences.

use modality_compare::{Finding, Kind, Outcome, Regression, SideFacts, Verdict};

use crate::{comparison::percent, format};

/// What came of it, in a sentence that names what is worse, or what could not be told.
pub(super) fn verdict(regression: &Regression) -> String {
    let of = |verdict| {
        regression.findings.iter().filter(move |finding| finding.verdict == Some(verdict))
    };
    let named = |verdict| format::list(&of(verdict).map(named).collect::<Vec<_>>());
    let least = regression.rules.least;
    let has_errors = regression.findings.iter().any(|f| f.quantity.kind() == Kind::Error);
    let also = |verdict, word: &str| match of(verdict).count() {
        0 => String::new(),
        _ => format!(" {word}: {}.", named(verdict)),
    };
    match regression.outcome {
        Outcome::Worse => {
            let mut words: Vec<&str> = of(Verdict::Worse).map(said).collect();
            words.sort_unstable();
            words.dedup();
            let open = also(Verdict::Ambiguous, "Not known");
            format!(
                "{}: {}.{open}",
                format::capitalised(&format::list(&words)),
                named(Verdict::Worse)
            )
        }
        Outcome::Ambiguous => format!(
            "Ambiguous: it cannot be told of {}; nothing is known to be worse.{}",
            named(Verdict::Ambiguous),
            also(Verdict::Better, "Better")
        ),
        Outcome::Better => {
            format!("Better: {}. Nothing is worse.", named(Verdict::Better))
        }
        Outcome::Same => format!(
            "Same: no time is known to be longer by {}, and that any is by {} is ruled out{}.",
            percent(least.time),
            percent(regression.rules.excluded.time),
            if has_errors { "; memory and errors are the same" } else { "" },
        ),
    }
}

/// The verdict on a finding.
pub(super) fn said(finding: &Finding) -> &'static str {
    finding.verdict.unwrap_or(Verdict::Ambiguous).said_of(finding.quantity)
}

/// A finding with its ratio: `solve of tsvd-krr/linfa (1.10 times, 1.09 to 1.11)`.
fn named(finding: &Finding) -> String {
    let Finding { row, quantity, interval, .. } = finding;
    let shown = |value: f64| ratio(quantity.kind(), value);
    let interval = interval.filter(|_| quantity.kind() != Kind::Exact);
    let range = interval.map_or(String::new(), |interval| {
        format!(", {} to {}", shown(interval.low), shown(interval.high))
    });
    format!("{quantity} of {row} ({} times{range})", shown(finding.ratio))
}

/// How it was decided.
pub(super) fn how(regression: &Regression) -> String {
    let rules = &regression.rules;
    let looks: Vec<String> = rules.looks.iter().map(usize::to_string).collect();
    format!(
        "Each pair is one process of each side, one right after the other, with the same seed; which is first alternates. A \
         time is slower if Wilcoxon's signed-rank test of the pairs' log ratios says so (exact, one-sided; {alpha} over all times and \
         looks, by Holm's procedure) and the estimate is above {least}; it is the same if the estimate is not, and {excluded} is ruled \
         out at 99 % at one of the looks: after {looks} pairs, and only what was still open was run further. Memory and errors are \
         decided likewise, by limits of their own; counted operations and the captured energy at once, and shown where they differ.",
        alpha = percent(rules.alpha),
        least = percent(rules.least.time),
        excluded = percent(rules.excluded.time),
        looks = format::list(&looks),
    )
}

/// What both sides were, and what the machine was like: a name and a value of each.
pub(super) fn facts(regression: &Regression) -> Vec<[String; 3]> {
    let Regression { base, head, environment, threads, .. } = regression;
    let both = |name: &str, of: &dyn Fn(&SideFacts) -> Option<String>| {
        let (base, head) = (of(base), of(head));
        (base.is_some() || head.is_some())
            .then(|| [name.to_owned(), base.unwrap_or_default(), head.unwrap_or_default()])
    };
    let same = |name: &str, value: String| Some([name.to_owned(), value.clone(), value]);
    let whole = |value: Option<f64>, unit: &str| value.map(|value| format!("{value:.0} {unit}"));
    let gpu = |of: &SideFacts| of.conditions.gpu.clone();
    let lines = [
        both("Commit", &|side| Some(short(&side.commit))),
        same("Processor", format!("{}, {threads} threads", environment.cpu)),
        both("Clock, median", &|side| whole(side.conditions.cpu_mhz, "MHz")),
        both("Load, median", &|side| side.conditions.load.map(|load| format!("{load:.2}"))),
        both("Taken by other machines, median", &|side| {
            side.conditions.stolen.map(|share| format!("{:.1} %", 100.0 * share))
        }),
        both("Hottest part", &|side| whole(side.conditions.celsius, "\u{b0}C")),
        both("GPU clock, median", &|side| whole(gpu(side)?.sm_mhz, "MHz")),
        both("GPU power, most", &|side| whole(gpu(side)?.watts, "W")),
        both("GPU temperature, most", &|side| whole(gpu(side)?.celsius, "\u{b0}C")),
        both("GPU slowed down by", &|side| {
            let reasons: Vec<String> = gpu(side)?.throttled.into_iter().collect();
            Some(if reasons.is_empty() { "nothing".to_owned() } else { reasons.join(", ") })
        }),
    ];
    lines.into_iter().flatten().collect()
}

/// The beginning of a commit's name, and what follows it.
fn short(commit: &str) -> String {
    let end = commit.find('-').unwrap_or(commit.len());
    let name: String = commit[..end].chars().take(12).collect();
    name + &commit[end..]
}

/// Errors in digits in which a difference that matters is seen.
pub(super) fn ratio(kind: Kind, ratio: f64) -> String {
    match kind {
        Kind::Time | Kind::Memory => format::decimals(ratio, 3),
        Kind::Error | Kind::Exact => format::decimals(ratio, 4),
    }
}
