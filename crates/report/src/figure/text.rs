//! Text as the rasteriser lays it out, in the font that is built in.

use std::sync::{Arc, LazyLock};

use resvg::usvg::{self, fontdb};

use crate::{Error, Result, format};

/// Font weight.
#[derive(Clone, Copy)]
pub(super) enum Weight {
    Regular,
    SemiBold,
}

static FONTS: LazyLock<Arc<fontdb::Database>> = LazyLock::new(|| {
    let mut fonts = fontdb::Database::new();
    fonts.load_font_data(include_bytes!("../../assets/Inter-Regular.otf").to_vec());
    fonts.load_font_data(include_bytes!("../../assets/Inter-SemiBold.otf").to_vec());
    fonts.set_sans_serif_family("Inter");
    Arc::new(fonts)
});

/// Parsing options that know the built-in font and no other.
pub(super) fn options() -> usvg::Options<'static> {
    usvg::Options {
        font_family: "Inter".to_owned(),
        fontdb: Arc::clone(&FONTS),
        ..usvg::Options::default()
    }
}

/// Advance width of one line.
pub(super) fn width(text: &str, size: f64, weight: Weight) -> Result<f64> {
    let weight = match weight {
        Weight::Regular => 400,
        Weight::SemiBold => 600,
    };
    let escaped = minijinja::HtmlEscape(text);
    let svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg"><text font-size="{size}" font-weight="{weight}">{escaped}</text></svg>"#
    );
    let tree =
        usvg::Tree::from_str(&svg, &options()).map_err(|error| Error::Figure(error.to_string()))?;
    Ok(f64::from(tree.root().bounding_box().width()))
}

/// One line of at most `room`, its end cut where it is longer.
pub(super) fn fit(text: &str, size: f64, weight: Weight, room: f64) -> Result<String> {
    let mut text = format::line(text);
    if width(&text, size, weight)? <= room {
        return Ok(text);
    }
    while text.pop().is_some() {
        let cut = format!("{}\u{2026}", text.trim_end());
        if width(&cut, size, weight)? <= room {
            return Ok(cut);
        }
    }
    Ok(text)
}

/// Lines of at most `room`.
pub(super) fn wrap(text: &str, size: f64, room: f64) -> Result<Vec<String>> {
    let mut lines: Vec<String> = Vec::new();
    for word in format::line(text).split(' ') {
        let longer = lines.last().map(|last| format!("{last} {word}"));
        match (longer, lines.last_mut()) {
            (Some(longer), Some(last)) if width(&longer, size, Weight::Regular)? <= room => {
                *last = longer
            }
            _ => lines.push(fit(word, size, Weight::Regular, room)?),
        }
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_weights_are_found_and_measured() {
        let regular = width("tsvd-krr", 13.0, Weight::Regular).unwrap();
        let bold = width("tsvd-krr", 13.0, Weight::SemiBold).unwrap();
        assert!(30.0 < regular && regular < bold && bold < 70.0, "{regular} {bold}");
    }

    #[test]
    fn long_text_is_cut_or_wrapped() {
        let text = "a rather long sentence that does not fit ".repeat(3);
        let cut = fit(&text, 12.0, Weight::Regular, 100.0).unwrap();
        assert!(cut.ends_with('\u{2026}') && width(&cut, 12.0, Weight::Regular).unwrap() <= 100.0);
        let lines = wrap(&text, 12.0, 200.0).unwrap();
        assert!(lines.len() > 1);
        assert!(lines.iter().all(|line| width(line, 12.0, Weight::Regular).unwrap() <= 200.0));
    }
}
