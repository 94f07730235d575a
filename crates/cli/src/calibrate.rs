//! `cargo xtask calibrate`: how close generated data comes to the competition's published figures.

use std::{path::Path, process::ExitCode, time::Duration};

use comfy_table::{CellAlignment, Table, presets};
use modality_data::prepared;
use modality_harness::{
    bench::Patience,
    plan::Plan,
    record::RunRecord,
    study::{self, Row, Study},
};
use modality_protocol::words::print;

use crate::{
    cli::Calibrate,
    datasets::{self, Catalogue, Request},
    output, reproduce,
    root::CONFIGS,
};
use modality_toolchain::{World, cache::Cache};

/// The study whose data set, rows and hyperparameters are used.
const STUDY: &str = "paper-scale";

/// Rows of the study in the order of their published RMSE on the competition's phase-2 test set, and how far
/// generated data of paper size may be from it.
const PUBLISHED: [(&str, f64, Option<f64>); 5] = [
    ("zeros", 1.18698, Some(0.05)),
    ("mean", 0.65700, Some(0.10)),
    ("linear", 0.47161, None),
    ("knn", 0.42693, None),
    ("tsvd-krr", 0.38531, Some(0.10)),
];

/// Mean of the competition's test ADT.
const ADT_MEAN: (f64, f64) = (0.8680, 0.05);

/// Share of GEX entries that are not zero.
const GEX_DENSITY: std::ops::RangeInclusive<f64> = 0.09..=0.13;

pub(crate) fn run(world: &World, arguments: &Calibrate) -> anyhow::Result<ExitCode> {
    let configs = world.root.join(CONFIGS);
    let backends = study::load_backends(&configs)?;
    let study = Study::load(&configs, STUDY, None, &backends)?;
    let is_published = |row: &&Row| PUBLISHED.iter().any(|(method, ..)| *method == row.method);
    let rows: Vec<Row> = study.rows.iter().filter(is_published).cloned().collect();
    let request = Request {
        name: &study.dataset.name,
        size: Some(&arguments.size),
        own: None,
        task: None,
        usual: study.task,
    };
    let catalogue = Catalogue::load(&world.root)?;
    let data = datasets::ready(world, &catalogue, &request, &Cache::from_env()?)?;
    let (output, _claim) = output::choose(&world.root, "calibrate", None, false)?.claim()?;
    let plan = Plan::draw(&study, &rows, &data.folder, reproduce::all_of_the_machine())?;
    let command = format!("cargo xtask calibrate --size {}", arguments.size);
    let plan = Plan { command, ..plan };
    reproduce::settle(&plan, &output, false)?;
    let each = Some(Duration::from_secs(study.timeout.into()));
    let patience = Patience { each, until: None };
    let records = reproduce::measure(world, plan, &data.folder, &output, &backends, patience)?;

    let mut lines = data_lines(&data.folder)?;
    lines.extend(rmse_lines(&records));
    print(format_args!(
        "Generated data ({}) beside the competition's test set:\n{}",
        arguments.size,
        table(&lines)
    ))?;
    Ok(if lines.iter().all(|line| line.good != Some(false)) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// A quantity, its value here and there, what is asked of it and whether it is so.
struct Line {
    what: String,
    published: String,
    here: String,
    wanted: String,
    good: Option<bool>,
}

fn data_lines(folder: &Path) -> anyhow::Result<Vec<Line>> {
    let answers = prepared::read_answers(folder)?;
    let sum = answers.stored().iter().map(|&value| f64::from(value)).sum::<f64>();
    let mean = sum / (answers.rows() * answers.columns()) as f64;
    let gex = prepared::read_inputs(&prepared::inputs(folder), None)?.train_input;
    let density = gex.stored().len() as f64 / (gex.rows() as f64 * gex.columns() as f64);
    Ok(vec![
        near("mean of test ADT", mean, ADT_MEAN.0, Some(ADT_MEAN.1)),
        Line {
            what: "density of training GEX".to_owned(),
            published: String::new(),
            here: format!("{:.1} %", 100.0 * density),
            wanted: format!(
                "{:.0} to {:.0} %",
                100.0 * GEX_DENSITY.start(),
                100.0 * GEX_DENSITY.end()
            ),
            good: Some(GEX_DENSITY.contains(&density)),
        },
    ])
}

fn rmse_lines(records: &[RunRecord]) -> Vec<Line> {
    let found = PUBLISHED.map(|(method, ..)| {
        let record = records.iter().find(|record| record.run.method == method);
        record.and_then(|record| record.metrics).map_or(f64::NAN, |metrics| metrics.rmse)
    });
    let mut lines: Vec<Line> = PUBLISHED
        .iter()
        .zip(found)
        .map(|(&(method, published, tolerance), here)| {
            near(&format!("RMSE of {method}"), here, published, tolerance)
        })
        .collect();
    lines.push(Line {
        what: "RMSE falls in this order".to_owned(),
        published: "yes".to_owned(),
        here: String::new(),
        wanted: "yes".to_owned(),
        good: Some(found.is_sorted_by(|before, after| before > after)),
    });
    lines
}

fn near(what: &str, here: f64, published: f64, tolerance: Option<f64>) -> Line {
    Line {
        what: what.to_owned(),
        published: format!("{published:.4}"),
        here: format!("{here:.4}"),
        wanted: tolerance
            .map(|tolerance| format!("within {:.0} %", 100.0 * tolerance))
            .unwrap_or_default(),
        good: tolerance.map(|tolerance| (here / published - 1.0).abs() <= tolerance),
    }
}

fn table(lines: &[Line]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(["", "competition", "generated", "wanted", ""]);
    for line in lines {
        let verdict = line.good.map(|good| if good { "yes" } else { "no" }).unwrap_or_default();
        table.add_row([&line.what, &line.published, &line.here, &line.wanted, verdict]);
    }
    for column in 1..=2 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tolerance_is_relative_and_missing_values_are_not_near() {
        assert_eq!(near("x", 0.96, 1.0, Some(0.05)).good, Some(true));
        assert_eq!(near("x", 1.06, 1.0, Some(0.05)).good, Some(false));
        assert_eq!(near("x", f64::NAN, 1.0, Some(0.05)).good, Some(false));
        assert_eq!(near("x", 2.0, 1.0, None).good, None);
    }

    #[test]
    fn a_missing_row_breaks_the_order() {
        let lines = rmse_lines(&[]);
        assert_eq!(lines.last().and_then(|line| line.good), Some(false));
    }
}
