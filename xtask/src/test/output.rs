//! What libtest prints, read.

use std::collections::BTreeSet;

/// How many tests passed, and the names of those that failed.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Summary {
    pub(super) passed: usize,
    pub(super) failed: BTreeSet<String>,
}

/// Of one program, or of none where it did not come to its end.
pub(super) fn of_program(text: &str) -> Option<Summary> {
    summaries(text).pop()
}

/// Of all that cargo ran one after another.
pub(super) fn of_all(text: &str) -> Option<Summary> {
    let add = |sum: Summary, one: Summary| Summary {
        passed: sum.passed + one.passed,
        failed: sum.failed.into_iter().chain(one.failed).collect(),
    };
    summaries(text).into_iter().reduce(add)
}

/// Each ends with a line `test result: FAILED. 3 passed; 1 failed; 0 ignored; ...`, and where a test failed, the names
/// stand above it, the last of what is headed `failures:`.
fn summaries(text: &str) -> Vec<Summary> {
    let (mut summaries, mut names) = (Vec::new(), BTreeSet::new());
    for line in text.lines() {
        if line == "failures:" {
            names.clear();
        } else if let Some(name) = line.strip_prefix("    ") {
            names.insert(name.to_owned());
        } else if let Some(counts) = line.strip_prefix("test result: ") {
            let names = std::mem::take(&mut names);
            let count = |word: &str| {
                let words: Vec<&str> = counts.split([' ', ';', '.']).collect();
                let at = words.iter().position(|found| *found == word)?;
                words.get(at.checked_sub(1)?)?.parse::<usize>().ok()
            };
            let (Some(passed), Some(failed)) = (count("passed"), count("failed")) else { continue };
            summaries.push(Summary {
                passed,
                failed: if failed == 0 { BTreeSet::new() } else { names },
            });
        }
    }
    summaries
}

/// The names that a program prints with `--list --format terse`.
pub(super) fn listed(text: &str) -> BTreeSet<String> {
    text.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAILED: &str = "\
running 4 tests
test a::one ... ok
test a::two ... FAILED
test b ... ignored, a measurement
test c - should panic ... FAILED

successes:

---- a::one stdout ----
failures:
    not_a_test
test result: ok. 9 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s

failures:

---- a::two stdout ----
    an indented line
thread 'a::two' panicked at src/a.rs:3:5:

failures:
    a::two
    c

test result: FAILED. 1 passed; 2 failed; 1 ignored; 0 measured; 7 filtered out; finished in 0.01s
";

    #[test]
    fn what_a_test_prints_is_not_taken_for_the_summary() {
        let summary = of_program(FAILED).unwrap();
        assert_eq!(
            (summary.passed, summary.failed),
            (1, ["a::two", "c"].map(str::to_owned).into())
        );
    }

    #[test]
    fn several_programs_are_added_up() {
        let ok = "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.5s\n";
        let two = format!("{ok}\n   Doc-tests x\n{ok}");
        assert_eq!(of_all(&two), Some(Summary { passed: 6, ..Summary::default() }));
        assert_eq!(of_program(&two).unwrap().passed, 3);
    }

    #[test]
    fn a_program_that_did_not_end_has_no_summary() {
        let cut = FAILED.rsplit_once("test result: FAILED").unwrap().0;
        assert_eq!(of_program(cut.rsplit_once("test result: ok").unwrap().0), None);
        assert_eq!(of_all("running 1 test\ntest x ... "), None);
    }

    #[test]
    fn tests_are_listed_and_benches_are_not() {
        let names = listed("a::one: test\nb: test\nc: bench\n\n2 tests, 1 benchmark\n");
        assert_eq!(names, ["a::one", "b"].map(str::to_owned).into());
    }
}
