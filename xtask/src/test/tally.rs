//! What came of all steps in all turns, and the lines that say so.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::{programs::Outcome, steps::Step, turn::Turn};

/// A test, or a whole step, that failed or was skipped.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Case {
    /// The step's key.
    step: &'static str,
    /// Program and test; empty for the step.
    name: String,
}

#[derive(Debug, Default)]
pub(super) struct Tally {
    turns: Vec<Turn>,
    /// Tests by step and program: the most that one turn ran.
    run: BTreeMap<(&'static str, String), usize>,
    /// With the turns in which they failed.
    failed: BTreeMap<Case, Vec<Turn>>,
    /// With the reason.
    skipped: BTreeMap<Case, String>,
    steps_skipped: usize,
}

impl Tally {
    pub(super) fn begin(&mut self, turn: Turn) {
        self.turns.push(turn);
    }

    /// Of a program's tests, in the turn that was begun last.
    pub(super) fn add(&mut self, step: &Step, program: &str, outcome: Outcome) {
        let case = |test: &str| Case { step: step.key, name: format!("{program}: {test}") };
        let most = self.run.entry((step.key, program.to_owned())).or_default();
        *most = outcome.run.max(*most);
        for test in &outcome.failed {
            self.fail(case(test));
        }
        let skipped = outcome.skipped.into_iter();
        self.skipped.extend(skipped.map(|skipped| (case(&skipped.test), skipped.reason)));
    }

    /// A step that is no test, or whose tests cannot be built, failed.
    pub(super) fn step_failed(&mut self, step: &Step) {
        self.fail(Case { step: step.key, name: String::new() });
    }

    /// A step cannot be made here.
    pub(super) fn step_skipped(&mut self) {
        self.steps_skipped += 1;
    }

    fn fail(&mut self, case: Case) {
        self.failed.entry(case).or_default().extend(self.turns.last());
    }

    pub(super) fn has_failures(&self) -> bool {
        !self.failed.is_empty()
    }

    /// Passed, failed, skipped, over all turns: a test that failed once failed. What failed or was skipped as a whole step
    /// counts as one.
    fn counts(&self) -> [usize; 3] {
        let skipped = self.skipped.keys().filter(|case| !self.failed.contains_key(case)).count();
        let tests_failed = self.failed.keys().filter(|case| case.is_test()).count();
        let run: usize = self.run.values().sum();
        let passed = run.saturating_sub(tests_failed + skipped);
        [passed, self.failed.len(), skipped + self.steps_skipped]
    }

    /// `a: failed in 1 of 3 runs; again: ...`
    fn failures(&self) -> impl Iterator<Item = String> {
        self.failed.iter().map(|(case, turns)| {
            let of = match (turns.len(), self.turns.len()) {
                (_, 1) => String::new(),
                (failed, all) if failed < all && case.is_test() => {
                    let seeds: Vec<String> = turns.iter().map(|turn| turn.0.to_string()).collect();
                    let seeds = seeds.join(", ");
                    format!(" in {failed} of {all} runs, with seed {seeds}: it is not steady")
                }
                _ => " in every run".to_owned(),
            };
            let seed = turns.first().map_or(0, |turn| turn.0);
            let again = format!("cargo xtask test --only {} --seed {seed}", case.step);
            format!("{case}: FAILED{of}; again: {again}")
        })
    }

    /// Tests by what they lack.
    fn skips(&self) -> impl Iterator<Item = String> {
        let mut by_reason: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for (case, reason) in
            self.skipped.iter().filter(|(case, _)| !self.failed.contains_key(case))
        {
            by_reason.entry(reason).or_default().insert(case.name.clone());
        }
        by_reason.into_iter().map(|(reason, tests)| {
            let (number, word) = (tests.len(), if tests.len() == 1 { "test" } else { "tests" });
            let names = tests.into_iter().collect::<Vec<_>>().join("; ");
            format!("skipped: {number} {word}, {reason} ({names})")
        })
    }

    /// What of several turns is worth a line where all is well.
    fn steadiness(&self) -> Option<String> {
        let (first, last) = (self.turns.first()?.0, self.turns.last()?.0);
        let number = self.turns.len();
        (number > 1 && self.failed.is_empty() && !self.run.is_empty())
            .then(|| format!("steady in {number} runs, with seeds {first} to {last}"))
    }
}

impl Case {
    fn is_test(&self) -> bool {
        !self.name.is_empty()
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_test() { &self.name } else { self.step })
    }
}

/// Ends with the counts, alone on their line.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.failures().chain(self.skips()).chain(self.steadiness());
        lines.into_iter().try_for_each(|line| writeln!(f, "{line}"))?;
        let [passed, failed, skipped] = self.counts();
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}

#[cfg(test)]
mod tests {
    use modality_testing::Skipped;

    use super::*;
    use crate::test::steps::STEPS;

    fn step(key: &str) -> Step {
        STEPS.into_iter().find(|step| step.key == key).unwrap()
    }

    fn outcome(run: usize, failed: &[&str], skipped: &[(&str, &str)]) -> Outcome {
        let skipped = skipped.iter().map(|(test, reason)| Skipped {
            test: (*test).to_owned(),
            reason: (*reason).to_owned(),
        });
        let failed = failed.iter().map(|&test| test.to_owned()).collect();
        Outcome { run, failed, skipped: skipped.collect() }
    }

    const BESIDE: &str = "../shared is not there";

    #[test]
    fn the_last_line_counts_and_those_above_say_why() {
        let mut tally = Tally::default();
        tally.begin(Turn(0));
        tally.add(&step("unit"), "data/readers", outcome(20, &[], &[("a", BESIDE), ("b", BESIDE)]));
        tally.add(
            &step("unit"),
            "xtask/xtask",
            outcome(9, &["c"], &[("a", BESIDE), ("d", "no pip")]),
        );
        let text = "\
xtask/xtask: c: FAILED; again: cargo xtask test --only unit --seed 0
skipped: 3 tests, ../shared is not there (data/readers: a; data/readers: b; xtask/xtask: a)
skipped: 1 test, no pip (xtask/xtask: d)
24 passed, 1 failed, 4 skipped";
        assert_eq!(tally.to_string(), text);
    }

    #[test]
    fn what_fails_now_and_then_is_told_with_its_seeds() {
        let mut tally = Tally::default();
        for seed in 0..4 {
            tally.begin(Turn(seed));
            let failed: &[&str] = if seed % 2 == 1 { &["loose", "wrong"] } else { &["wrong"] };
            // Skipped once, failed later.
            let skipped: &[_] = if seed == 0 { &[("loose", BESIDE)] } else { &[] };
            tally.add(&step("unit"), "x/y", outcome(5, failed, skipped));
        }
        let text = "\
x/y: loose: FAILED in 2 of 4 runs, with seed 1, 3: it is not steady; again: cargo xtask test --only unit --seed 1
x/y: wrong: FAILED in every run; again: cargo xtask test --only unit --seed 0
3 passed, 2 failed, 0 skipped";
        assert_eq!(tally.to_string(), text);
        assert!(tally.has_failures());
    }

    #[test]
    fn tests_of_several_turns_are_counted_once() {
        let mut tally = Tally::default();
        for seed in 5..8 {
            tally.begin(Turn(seed));
            tally.add(&step("unit"), "x/y", outcome(5, &[], &[("a", BESIDE)]));
        }
        assert!(tally.to_string().contains("\nsteady in 3 runs, with seeds 5 to 7\n"), "{tally}");
        assert!(tally.to_string().ends_with("\n4 passed, 0 failed, 1 skipped"), "{tally}");
    }

    #[test]
    fn a_whole_step_counts_as_one() {
        let mut tally = Tally::default();
        tally.begin(Turn(0));
        tally.add(&step("unit"), "x/y", outcome(5, &[], &[]));
        tally.step_skipped();
        tally.step_failed(&step("lints"));
        let text = "lints: FAILED; again: cargo xtask test --only lints --seed 0\n5 passed, 1 failed, 1 skipped";
        assert_eq!(tally.to_string(), text);
    }
}
