//! Time and memory against the number of training cells, read back from the figure, the pages and the table.

#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
mod drawing;
#[allow(dead_code)]
mod samples;

use drawing::{Area, laid_out, number, of_class};
use modality_harness::record::{RunRecord, Status};
use modality_protocol::Stage;
use modality_report::{Heading, Quantity, Report};
use resvg::usvg::roxmltree::{Document, Node};
use samples::{missing, scaling, scored, study, synthetic, trained::sweep, with_variant};

fn report(records: &[RunRecord]) -> Report {
    let heading = Heading { title: "A title", description: "", command: "cargo xtask reproduce" };
    Report::new(&heading, records).unwrap()
}

fn svg(records: &[RunRecord]) -> String {
    report(records).scaling_svg().unwrap().unwrap()
}

/// Runs whose stages and memory are exact powers of the number of cells, the last three exponents.
fn powers(numbers: &[usize], rest: &str, [kernel, solve, memory]: [f64; 3]) -> Vec<RunRecord> {
    let record = |&cells: &usize| {
        let n = cells as f64;
        let record = scored("tsvd-krr", "linfa", 0, 0.4, 1.0);
        let mut record = with_variant(record, format!("cells={cells} {rest}").trim());
        record.cells = Some(cells);
        record.stages.retain(|time| [Stage::Kernel, Stage::Solve].contains(&time.stage));
        for (time, exponent) in record.stages.iter_mut().zip([kernel, solve]) {
            time.seconds = 3e-5 * n.powf(exponent);
            time.peak_rss_mb = Some(0.5 * n.powf(memory));
        }
        record.usage.peak_rss_mb = Some(2.0 * n.powf(memory));
        record
    };
    numbers.iter().map(record).collect()
}

fn names(svg: &str) -> Vec<String> {
    let document = Document::parse(svg).unwrap();
    let names = of_class(document.root(), "fig-series");
    names.iter().map(|node| node.text().unwrap().to_owned()).collect()
}

fn dots(line: Node<'_, '_>) -> Vec<(f64, f64)> {
    of_class(line, "fig-dot").iter().map(|dot| (number(dot, "cx"), number(dot, "cy"))).collect()
}

fn assert_legible(svg: &str) {
    let document = Document::parse(svg).unwrap();
    let root = document.root_element();
    let page = Area {
        left: 0.0,
        top: 0.0,
        right: number(&root, "width"),
        bottom: number(&root, "height"),
    };
    let mut texts = laid_out(svg, "scaling-name-");
    texts.extend(laid_out(svg, "scaling-label-"));
    let dots: Vec<Area> = of_class(document.root(), "fig-dot")
        .iter()
        .map(|dot| Area::around((number(dot, "cx"), number(dot, "cy")), number(dot, "r")))
        .collect();
    for (i, (id, area)) in texts.iter().enumerate() {
        assert!(page.holds(area), "{id} leaves the page: {area:?}");
        for (other, taken) in &texts[..i] {
            assert!(!area.overlaps(taken), "{id} and {other} overlap: {area:?} {taken:?}");
        }
        assert!(!dots.iter().any(|dot| dot.overlaps(area)), "{id} covers a dot");
    }
    for (i, panel) in of_class(document.root(), "fig-panel").into_iter().enumerate() {
        let frame = Area::of_frame(&of_class(panel, "fig-frame")[0]);
        for dot in of_class(panel, "fig-dot") {
            assert!(frame.holds(&Area::around((number(&dot, "cx"), number(&dot, "cy")), 4.0)));
        }
        for (id, area) in laid_out(svg, &format!("scaling-label-{i}-")) {
            assert!(frame.left < area.left && area.right <= frame.right, "{id} leaves its frame");
        }
    }
    for axis in ["fig-x-tick", "fig-y-tick"] {
        for panel in of_class(document.root(), "fig-panel") {
            assert!(of_class(panel, axis).len() > 1, "an axis without values");
        }
    }
}

#[test]
fn exponents_of_power_laws_are_exact() {
    let records = powers(&[500, 1000, 3000, 9000], "kernel=kept", [1.25, 2.0, 1.5]);
    let report = report(&records);
    let [series] = report.summary().series.as_slice() else { panic!("one series") };
    assert_eq!(series.name(), "tsvd-krr kernel=kept/linfa");
    let found: Vec<(Quantity, &str, f64)> = series
        .lines
        .iter()
        .map(|line| (line.quantity, line.name(), (line.fit.exponent * 1e9).round() / 1e9))
        .filter(|(_, name, _)| *name != "training")
        .collect();
    let (seconds, memory) = (Quantity::Seconds, Quantity::PeakMemory);
    let wanted = [
        (seconds, "kernel", 1.25),
        (seconds, "solve", 2.0),
        (memory, "kernel", 1.5),
        (memory, "solve", 1.5),
        (memory, "process", 1.5),
    ];
    assert_eq!(found, wanted);
    let training = series.lines.iter().find(|line| line.name() == "training").unwrap();
    assert!(1.25 < training.fit.exponent && training.fit.exponent < 2.0);
    let markdown = report.markdown().unwrap();
    let line =
        "| tsvd-krr kernel=kept | linfa | solve, time | 2.00 | 500..9,000 | 7.5 s | 40 min 30 s |";
    assert!(markdown.contains(line), "{markdown}");
    assert!(markdown.contains("](scaling.png)](scaling.svg)") && markdown.contains("scaling.csv"));
    let csv = String::from_utf8(report.scaling_csv().unwrap().unwrap()).unwrap();
    assert_eq!(csv.lines().count(), 1 + 6 * 4);
    assert!(csv.starts_with(
        "study,dataset,synthetic,method,variant,backend,quantity,of,cells,repeats,median,min,max,fitted,exponent\n\
         liu,liu-covid-cite,false,tsvd-krr,kernel=kept,linfa,seconds,kernel,500,1,"
    ));
}

#[test]
fn a_line_of_dots_is_straight_where_the_law_is() {
    let svg = svg(&powers(&[500, 1000, 2000, 4000], "", [1.5, 2.0, 1.0]));
    let document = Document::parse(&svg).unwrap();
    assert_eq!(names(&svg), ["tsvd-krr/linfa"]);
    let lines = of_class(document.root(), "fig-line");
    let of = |name| lines.iter().find(|line| line.attribute("data-name") == Some(name)).unwrap();
    let slopes = ["kernel", "solve"].map(|name| {
        let dots = dots(*of(name));
        let steps: Vec<f64> =
            dots.windows(2).map(|p| (p[0].1 - p[1].1) / (p[1].0 - p[0].0)).collect();
        assert!(steps.iter().all(|step| (step / steps[0] - 1.0).abs() < 1e-3), "{steps:?}");
        steps[0]
    });
    assert!((slopes[1] / slopes[0] - 4.0 / 3.0).abs() < 1e-3);
    assert!(svg.contains("solve n<tspan dy=\"-4\" font-size=\"9\">2.00</tspan>"));
    assert_legible(&svg);
}

#[test]
fn a_series_is_a_row_of_two_panels_on_common_axes() {
    let svg = svg(&scaling());
    assert_eq!(names(&svg), ["tsvd-krr kernel=formed/linfa", "tsvd-krr kernel=kept/linfa"]);
    let document = Document::parse(&svg).unwrap();
    let panels = of_class(document.root(), "fig-panel");
    assert_eq!(panels.len(), 4);
    let ticks = |panel: &Node<'_, '_>, class| -> Vec<String> {
        of_class(*panel, class).iter().map(|tick| tick.text().unwrap().to_owned()).collect()
    };
    for pair in panels.chunks(2) {
        for class in ["fig-x-tick", "fig-y-tick"] {
            assert_eq!(ticks(&pair[0], class), ticks(&pair[1], class));
        }
    }
    let heights = |panel: &Node<'_, '_>| -> f64 {
        let frame = Area::of_frame(&of_class(*panel, "fig-frame")[0]);
        let lines = of_class(*panel, "fig-line");
        let predict = lines.iter().find(|line| line.attribute("data-name") == Some("predict"));
        frame.bottom - dots(*predict.unwrap())[0].1
    };
    assert!((heights(&panels[0]) - heights(&panels[1])).abs() < 0.05, "equal times at one height");
    assert!(
        svg.replace("&#x2f;", "/")
            .contains("Missing: tsvd-krr cells=66175 kernel=kept/linfa (failed).")
    );
    let kernel = of_class(panels[0], "fig-line");
    assert!(
        !kernel.iter().any(|line| line.attribute("data-name") == Some("kernel")),
        "a stage that takes no time is drawn"
    );
    assert_legible(&svg);
}

#[test]
fn many_series_stay_legible_and_are_counted() {
    let mut records = Vec::new();
    for i in 0..8 {
        let mut some = powers(&[500, 1000, 4000], &format!("m={i}"), [1.0, 2.0, 1.0]);
        some.iter_mut().for_each(|record| {
            record.metrics.as_mut().unwrap().rmse = 0.4 - 0.001 * f64::from(i);
        });
        records.extend(some);
    }
    let all = svg(&records);
    assert_eq!(names(&all), [2, 3, 4, 5, 6, 7].map(|i| format!("tsvd-krr m={i}/linfa")));
    assert!(all.contains("Shown: the 6 of 8 series"));
    assert_legible(&all);
    assert_legible(&svg(&synthetic(records[..9].to_vec())));
}

#[test]
fn without_memory_there_are_times_alone() {
    let mut records = powers(&[500, 510, 520], "", [1.0, 2.0, 1.0]);
    for record in &mut records {
        record.usage.peak_rss_mb = None;
        record.stages.iter_mut().for_each(|time| time.peak_rss_mb = None);
    }
    let svg = svg(&records);
    assert!(svg.contains("Seconds, logarithmic") && !svg.contains("GiB, log"));
    assert_legible(&svg);
}

#[test]
fn lines_without_a_time_or_far_too_short_are_left_out() {
    let mut records = powers(&[500, 1000, 4000], "", [1.0, 2.0, 1.0]);
    for record in &mut records {
        record.stages[0].seconds = 0.0;
    }
    let svg = svg(&records);
    assert!(!svg.contains("NaN") && !svg.contains("inf\"") && !svg.contains("inf "));
    assert_legible(&svg);
    let report = report(&records);
    let timed = report.summary().series[0].lines.iter();
    let timed = timed.filter(|line| line.quantity == Quantity::Seconds);
    assert_eq!(timed.map(|line| line.name()).collect::<Vec<_>>(), ["solve", "training"]);
}

#[test]
fn there_is_no_figure_of_fewer_than_three_numbers_of_cells() {
    let mut two = powers(&[500, 1000, 4000], "", [1.0, 2.0, 1.0]);
    let failed = missing("tsvd-krr", "linfa", 0, Status::Failed, "out of memory");
    two[2] = RunRecord { cells: Some(4000), ..with_variant(failed, "cells=4000") };
    let mut baseline = powers(&[500, 1000, 4000], "", [1.0, 2.0, 1.0]);
    baseline.iter_mut().for_each(|record| record.run.method = "mean".to_owned());
    for records in [two, baseline, study(), sweep()] {
        let report = report(&records);
        assert!(report.scaling_svg().unwrap().is_none() && report.scaling_png().unwrap().is_none());
        assert!(report.scaling_csv().unwrap().is_none());
        for page in [report.markdown().unwrap(), report.html().unwrap()] {
            assert!(!page.contains("Scaling") && !page.contains("scaling"));
        }
    }
}

#[test]
fn names_cannot_break_out() {
    let mut records = scaling();
    for record in &mut records {
        record.run.variant += "=\"<b>|\u{7}";
        record.run.backend += "\"</text>&";
    }
    let svg = svg(&records);
    assert_eq!(names(&svg)[0], "tsvd-krr kernel=formed=\"<b>|\\u{7}/linfa\"</text>&");
    assert_legible(&svg);
    let page = report(&records).html().unwrap();
    assert!(!page.contains("<b>") && !page.contains('\u{7}'));
}

#[test]
fn equal_records_give_equal_bytes_in_any_order() {
    let mut reversed = scaling();
    reversed.reverse();
    assert_eq!(svg(&scaling()), svg(&reversed));
    let csv = |records: &[RunRecord]| report(records).scaling_csv().unwrap();
    assert_eq!(csv(&scaling()), csv(&reversed));
}
