//! Text that somebody else wrote, made fit to be shown.

/// One line that says something and does nothing: white space becomes one space, and a character that would move a cursor, change
/// a colour or turn the direction of writing is shown by its number, as `\u{1b}`.
pub fn line(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !shown.is_empty() {
            shown.push(' ');
        }
        for c in word.chars() {
            if is_hidden(c) { shown.extend(c.escape_unicode()) } else { shown.push(c) }
        }
    }
    shown
}

/// [`line`] of at most about `most` characters; a longer one ends with `…`.
pub fn short(text: &str, most: usize) -> String {
    let is_longer = text.chars().nth(most).is_some();
    let start: String = text.chars().take(most).collect();
    let end = if is_longer { "\u{2026}" } else { "" };
    line(&start) + end
}

/// Control characters, and those that nobody sees: zero-width, directional and tag characters.
pub fn is_hidden(c: char) -> bool {
    let is_unseen = matches!(c,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    c.is_control() || is_unseen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_act_on_a_terminal_is_shown() {
        let hostile = " \u{1b}[2J\u{1b}]0;title\u{7}red\r\n\t\u{202e}desrever  caf\u{e9} ";
        let shown = r"\u{1b}[2J\u{1b}]0;title\u{7}red \u{202e}desrever caf".to_owned() + "\u{e9}";
        assert_eq!(line(hostile), shown);
        assert!(!line(hostile).chars().any(is_hidden));
    }

    #[test]
    fn long_text_is_cut_and_says_so() {
        assert_eq!(short("abc", 3), "abc");
        assert_eq!(short("abcd", 3), "abc\u{2026}");
        assert_eq!(short(&"\u{e9}".repeat(9), 2), "\u{e9}\u{e9}\u{2026}");
    }
}
