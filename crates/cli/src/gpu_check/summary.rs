//! What came of each step, in a line each.

use std::fmt;

/// What came of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Good,
    Wrong,
    NotRun,
}

/// A step or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) what: String,
    pub(super) verdict: Verdict,
    pub(super) note: String,
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Summary {
    pub(super) lines: Vec<Line>,
    /// Why there is no GPU to check, if there is none.
    pub(super) missing: Option<String>,
    pub(super) made_from: Option<String>,
    /// Whether all that was to be run is in it.
    pub(super) is_whole: bool,
}

impl Line {
    fn new(what: impl Into<String>, verdict: Verdict, note: impl Into<String>) -> Self {
        Self { what: what.into(), verdict, note: note.into() }
    }

    pub(super) fn good(what: impl Into<String>, note: impl Into<String>) -> Self {
        Self::new(what, Verdict::Good, note)
    }

    pub(super) fn wrong(what: impl Into<String>, note: impl Into<String>) -> Self {
        Self::new(what, Verdict::Wrong, note)
    }

    pub(super) fn not_run(what: impl Into<String>, note: impl Into<String>) -> Self {
        Self::new(what, Verdict::NotRun, note)
    }
}

impl Summary {
    /// Whether it is whole, there was a GPU, and something was run that is as it should be, and nothing that is not.
    pub(super) fn is_good(&self) -> bool {
        let is_good = |line: &Line| line.verdict == Verdict::Good;
        let has_good = self.lines.iter().any(is_good);
        self.is_whole && self.missing.is_none() && self.wrong() == 0 && has_good
    }

    fn wrong(&self) -> usize {
        self.lines.iter().filter(|line| line.verdict == Verdict::Wrong).count()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(made_from) = &self.made_from {
            writeln!(f, "{}", made_from.trim_end())?;
        }
        for Line { what, verdict, note } in &self.lines {
            let verdict = match verdict {
                Verdict::Good => "good",
                Verdict::Wrong => "WRONG",
                Verdict::NotRun => "not run",
            };
            writeln!(f, "{what}: {verdict}{}{note}", if note.is_empty() { "" } else { ": " })?;
        }
        if !self.is_whole {
            return write!(f, "unfinished: there was more to come when this was written");
        }
        match (&self.missing, self.wrong()) {
            (Some(reason), _) => write!(f, "no GPU was checked: {reason}"),
            (None, 0) if self.is_good() => write!(f, "all that was run is as it should be"),
            (None, 0) => write!(f, "nothing was run"),
            (None, 1) => write!(f, "1 line is wrong"),
            (None, count) => write!(f, "{count} lines are wrong"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_run_is_no_mistake_and_no_gpu_is_no_success() {
        let lines = vec![Line::good("a", "5 ms"), Line::not_run("b", "it is not installed")];
        let mut summary = Summary { lines, is_whole: true, ..Summary::default() };
        assert!(summary.is_good());
        let text =
            "a: good: 5 ms\nb: not run: it is not installed\nall that was run is as it should be";
        assert_eq!(summary.to_string(), text);
        summary.is_whole = false;
        assert!(!summary.is_good() && summary.to_string().contains("unfinished: "));
        summary.is_whole = true;
        summary.lines.push(Line::wrong("c", ""));
        assert!(!summary.is_good() && summary.to_string().ends_with("c: WRONG\n1 line is wrong"));
        summary.lines.clear();
        assert!(!summary.is_good() && summary.to_string() == "nothing was run");
        summary.missing = Some("no driver".to_owned());
        assert!(!summary.is_good() && summary.to_string() == "no GPU was checked: no driver");
    }
}
