//! Pieces of the sentences that tell what was read.

/// How many names are listed.
const LISTED: usize = 3;

/// Some of the names, in ticks, and how many there are beside them.
pub(super) fn some_of<S: AsRef<str>>(names: &[S]) -> String {
    let listed: Vec<String> =
        names.iter().take(LISTED).map(|name| format!("`{}`", name.as_ref())).collect();
    match names.len().saturating_sub(LISTED) {
        0 => listed.join(", "),
        more => format!("{} and {more} more", listed.join(", ")),
    }
}

/// `1 cell`, `2 cells`.
pub(super) fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// A clause as a sentence: with a capital letter and a full stop.
pub(super) fn sentence(clause: &str) -> String {
    let clause = clause.trim_end_matches('.');
    let mut letters = clause.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_of_names_are_cut() {
        assert_eq!(some_of(&["a", "b", "c"]), "`a`, `b`, `c`");
        assert_eq!(some_of(&["a", "b", "c", "d"]), "`a`, `b`, `c` and 1 more");
    }

    #[test]
    fn clauses_become_sentences() {
        assert_eq!(sentence("two cells"), "Two cells.");
        assert_eq!(sentence("`a` is b."), "`a` is b.");
    }
}
