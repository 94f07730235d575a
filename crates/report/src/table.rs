//! The table for a terminal.

use comfy_table::{Cell, CellAlignment, ColumnConstraint, ContentArrangement, Table, presets};

use crate::{
    SideBySide, Summary, format,
    grid::{self, Grid},
    words,
};

const WIDTH: usize = 100;

pub(crate) fn render(title: &str, summary: &Summary) -> String {
    let mut out = heading(title, summary);
    if !summary.rows.is_empty() {
        out += &table(summary);
        out.push('\n');
    }
    out += &wrap(&words::answer(summary), 0);
    for missing in words::missing(summary) {
        out += &wrap(
            &format!("Missing: {} ({}): {}", missing.name, missing.status, missing.reason),
            2,
        );
    }
    out
}

/// Rows side by side; what is to be known of all of them stands once.
pub(crate) fn comparisons(sides: &[SideBySide]) -> String {
    let Some((first, others)) = sides.split_first() else { return String::new() };
    let is_of_all = |note: &&String| others.iter().all(|side| side.notes.contains(note));
    let of_all: Vec<&String> = first.notes.iter().filter(is_of_all).collect();
    let each = |side: &SideBySide| comparison(side, &of_all);
    let mut out: String = sides.iter().map(each).collect();
    let notes = of_all.into_iter().map(String::as_str);
    out.extend(notes.chain([first.how().as_str()]).map(|note| wrap(note, 0)));
    out
}

/// One row beside another, without what is told elsewhere.
fn comparison(side: &SideBySide, told: &[&String]) -> String {
    let (costs, left_out) = side.costs();
    let mut out =
        wrap(&side.rows(), 2) + &wrap(&side.sentence(), 0) + "\n" + &lay_out_plain(&costs);
    out.extend(left_out.map(|left_out| wrap(&left_out, 0)));
    out = out + "\nRMSE by seed\n" + &lay_out_plain(&side.errors());
    out.extend(side.errors_say().map(|said| wrap(&said, 0)));
    out.push('\n');
    out.extend(side.notes.iter().filter(|note| !told.contains(note)).map(|note| wrap(note, 0)));
    out
}

fn heading(title: &str, summary: &Summary) -> String {
    let synthetic = if summary.dataset.synthetic { " (synthetic data)" } else { "" };
    let dataset = &summary.dataset.name;
    wrap(&format!("{title} \u{b7} {dataset}{synthetic} \u{b7} {}", words::repeats(summary)), 0)
}

/// Spreads stand beside their values or, where that is too wide, under them. Validation errors are shown where there is
/// room for them without another cell being wrapped.
fn table(summary: &Summary) -> String {
    let fits = |table: &String| table.lines().all(|line| line.chars().count() <= WIDTH);
    let beside = |grid: &Grid| lay_out(grid, ContentArrangement::Disabled, |cell| cell.one_line());
    let under = |grid: &Grid, arrangement| {
        lay_out(grid, arrangement, |cell| match &cell.aside {
            None => cell.text.clone(),
            Some(aside) => format!("{}\n{aside}", cell.text),
        })
    };
    let plain = grid::results(summary, 4);
    let validated = grid::validated_results(summary, 4).and_then(|grid| {
        let table = Some(beside(&grid)).filter(fits);
        table.or_else(|| Some(under(&grid, ContentArrangement::Disabled)).filter(fits))
    });
    validated
        .or_else(|| Some(beside(&plain)).filter(fits))
        .unwrap_or_else(|| under(&plain, ContentArrangement::Dynamic))
}

/// A grid as wide as it may be, spreads beside their values.
pub(crate) fn lay_out_plain(grid: &Grid) -> String {
    lay_out(grid, ContentArrangement::Dynamic, grid::Cell::one_line)
}

fn lay_out(
    grid: &Grid,
    arrangement: ContentArrangement,
    show: impl Fn(&grid::Cell) -> String,
) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_HORIZONTAL_ONLY)
        .force_no_tty()
        .set_width(WIDTH as u16)
        .set_content_arrangement(arrangement)
        .set_header(grid.columns.iter().map(|column| column.name.as_ref()));
    for row in &grid.rows {
        table.add_row(row.iter().map(|cell| Cell::new(show(cell))));
    }
    for (column, shown) in grid.columns.iter().zip(table.column_iter_mut()) {
        shown.set_padding((0, 1));
        if column.numeric {
            shown.set_cell_alignment(CellAlignment::Right);
        }
        if column.numeric && column.name != grid::MEMORY {
            shown.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    let text = table.to_string();
    let kept = text.lines().filter(|line| !line.starts_with('\u{2500}')).map(str::trim_end);
    kept.map(|line| format!("{line}\n")).collect()
}

/// Lines of at most [`WIDTH`] characters, the later ones indented; a longer word stays whole.
pub(crate) fn wrap(text: &str, indent: usize) -> String {
    let mut lines = vec![String::new()];
    for word in format::line(text).split(' ') {
        let Some(last) = lines.last_mut() else { continue };
        if !last.is_empty() && last.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(" ".repeat(indent) + word);
        } else {
            if !last.is_empty() {
                last.push(' ');
            }
            last.push_str(word);
        }
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wraps_at_the_width() {
        let text = wrap(&"word ".repeat(50), 2);
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH));
        assert_eq!(text.lines().nth(1).map(|line| line.starts_with("  word")), Some(true));
        assert_eq!(text.matches("word").count(), 50);
    }
}
