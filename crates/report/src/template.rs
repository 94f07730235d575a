//! Filling in the templates, each escaped for its own format.

use std::borrow::Cow;

use minijinja::{
    AutoEscape, Environment, HtmlEscape, Output, State, Value, syntax::SyntaxConfig, value::Serde,
};
use serde::Serialize;

use crate::{Result, format};
use modality_protocol::text::is_hidden;

const MARKDOWN: AutoEscape = AutoEscape::Custom(Cow::Borrowed("markdown"));

const TEMPLATES: [(&str, &str); 9] = [
    ("report.html", include_str!("templates/report.html")),
    ("report.md", include_str!("templates/report.md")),
    ("axes.svg", include_str!("templates/axes.svg")),
    ("sheet.svg", include_str!("templates/sheet.svg")),
    ("figure.svg", include_str!("templates/figure.svg")),
    ("curves.svg", include_str!("templates/curves.svg")),
    ("scaling.svg", include_str!("templates/scaling.svg")),
    ("regress.md", include_str!("templates/regress.md")),
    ("ratios.svg", include_str!("templates/ratios.svg")),
];

pub(crate) fn render(name: &str, context: impl Serialize) -> Result<String> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|name| match name.rsplit('.').next() {
        Some("md") => MARKDOWN,
        _ => AutoEscape::Html,
    });
    environment.set_formatter(formatter);
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    for (name, source) in TEMPLATES {
        environment.add_template(name, source)?;
    }
    let text = environment.get_template(name)?.render(Serde(context))?;
    Ok(text.trim_end().to_owned() + "\n")
}

fn formatter(
    out: &mut Output<'_>,
    state: &mut State<'_, '_>,
    value: &Value,
) -> Result<(), minijinja::Error> {
    let text = match value.as_str() {
        Some(text) if value.is_safe() => text.to_owned(),
        Some(text) if *state.auto_escape() == MARKDOWN => markdown(text),
        Some(text) => HtmlEscape(&printable(text)).to_string(),
        None if value.is_undefined() => String::new(),
        None => coordinate(f64::try_from(value.clone())?),
    };
    Ok(out.write_str(&text)?)
}

/// At most two decimals.
fn coordinate(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// Without the control characters that XML does not allow, and those that turn the direction of writing.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !is_hidden(*c) || *c == '\n').collect()
}

/// One line without any character that means something in Markdown or starts HTML.
fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in format::line(text).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '[' | ']' | '|' => out.extend(['\\', c]),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_is_inert() {
        assert_eq!(markdown("a|b <i>*x*\n[y](z)"), r"a\|b &lt;i&gt;\*x\* \[y\](z)");
    }

    #[test]
    fn coordinates_are_short() {
        assert_eq!([1.0, 0.126, -0.001, 12.5].map(coordinate), ["1", "0.13", "0", "12.5"]);
    }
}
