//! The figure of validation curves, read back as XML and as laid out text.

#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
mod drawing;
#[allow(dead_code)]
mod samples;

use drawing::{Area, laid_out, number, of_class};
use modality_harness::record::{RunRecord, Status};
use modality_report::{Heading, Report};
use resvg::usvg::roxmltree::{Document, Node};
use samples::{
    missing, scored, study,
    trained::{full_graph, side_by_side, sweep, validated, validated_study},
    with_variant,
};

fn svg(records: &[RunRecord]) -> String {
    let heading = Heading { title: "A title", description: "", command: "cargo xtask reproduce" };
    Report::new(&heading, records).unwrap().curves_svg().unwrap().unwrap()
}

fn titles(svg: &str) -> Vec<String> {
    let document = Document::parse(svg).unwrap();
    let panels = of_class(document.root(), "fig-panel");
    let title = |panel: Node<'_, '_>| of_class(panel, "fig-ink")[0].text().unwrap().to_owned();
    panels.into_iter().map(title).collect()
}

/// Points of the path of one line.
fn points(path: Node<'_, '_>) -> Vec<(f64, f64)> {
    let pairs = path.attribute("d").unwrap().split(['M', 'L']).skip(1);
    let point = |pair: &str| {
        let (x, y) = pair.split_once(' ').unwrap();
        (x.parse().unwrap(), y.parse().unwrap())
    };
    pairs.map(point).collect()
}

fn assert_legible(svg: &str) {
    let document = Document::parse(svg).unwrap();
    let page = Area { left: 0.0, top: 0.0, right: 960.0, bottom: 600.0 };
    let mut texts = laid_out(svg, "curves-name-");
    texts.extend(laid_out(svg, "curves-fold-"));
    for (i, (id, area)) in texts.iter().enumerate() {
        assert!(page.holds(area), "{id} leaves the page: {area:?}");
        for (other, taken) in &texts[..i] {
            assert!(!area.overlaps(taken), "{id} and {other} overlap");
        }
        for dot in of_class(document.root(), "fig-kept") {
            let dot = Area::around((number(&dot, "cx"), number(&dot, "cy")), 3.0);
            assert!(!area.overlaps(&dot), "{id} covers a dot");
        }
    }
    for panel in of_class(document.root(), "fig-panel") {
        let frame = Area::of_frame(&of_class(panel, "fig-frame")[0]);
        for dot in of_class(panel, "fig-kept") {
            assert!(frame.holds(&Area::around((number(&dot, "cx"), number(&dot, "cy")), 3.0)));
        }
    }
}

#[test]
fn each_dot_is_the_lowest_point_of_its_line() {
    let svg = svg(&sweep());
    let document = Document::parse(&svg).unwrap();
    let panels = of_class(document.root(), "fig-panel");
    assert_eq!(panels.len(), 5);
    for (panel, epochs) in panels.into_iter().zip([1, 3, 5, 10, 20]) {
        let (lines, dots) = (of_class(panel, "fig-curve"), of_class(panel, "fig-kept"));
        assert_eq!((lines.len(), dots.len()), (9, 9));
        for (line, dot) in lines.into_iter().zip(dots) {
            assert_eq!(line.attribute("data-fold"), dot.attribute("data-fold"));
            let points = points(line);
            assert_eq!(points.len(), epochs);
            assert!(points.is_sorted_by(|a, b| a.0 < b.0));
            let (x, y) = (number(&dot, "cx"), number(&dot, "cy"));
            let lowest = points.iter().map(|point| point.1).fold(0.0, f64::max);
            let at = points.iter().position(|&point| point == (x, y)).unwrap();
            assert!((y - lowest).abs() < 1e-9);
            assert_eq!(at + 1, epochs.min(11));
        }
    }
    assert_legible(&svg);
}

#[test]
fn panels_share_their_axes() {
    let svg = svg(&validated_study());
    assert_eq!(titles(&svg), ["gnn \u{b7} torch", "mlp \u{b7} burn", "mlp \u{b7} torch"]);
    let document = Document::parse(&svg).unwrap();
    let lines = of_class(document.root(), "fig-curve");
    let (burn, torch) = lines[9..].split_at(9);
    for (burn, torch) in burn.iter().zip(torch) {
        let heights = |line: &Node<'_, '_>| points(*line).iter().map(|p| p.1).collect::<Vec<_>>();
        assert_eq!(heights(burn), heights(torch));
    }
    assert_legible(&svg);
}

#[test]
fn a_sweep_is_in_numeric_order_and_says_once_what_is_common() {
    let svg = svg(&sweep());
    assert_eq!(titles(&svg), ["epochs=1", "epochs=3", "epochs=5", "epochs=10", "epochs=20"]);
    assert!(svg.contains("All panels are mlp on torch."));
}

#[test]
fn rows_without_a_panel_are_counted() {
    let mut records = Vec::new();
    for (i, size) in [1024, 64, 128, 256].into_iter().enumerate() {
        for (j, backend) in ["torch", "torch-cuda"].into_iter().enumerate() {
            let record = scored("mlp", backend, 0, 0.39 - 0.001 * (2 * i + j) as f64, 60.0);
            records.push(validated(with_variant(record, &format!("batch_size={size}")), 10));
        }
    }
    let svg = svg(&records);
    assert_eq!(
        titles(&svg),
        [
            "batch_size=64 \u{b7} torch",
            "batch_size=128 \u{b7} torch",
            "batch_size=256 \u{b7} torch",
            "batch_size=64 \u{b7} torch-cuda",
            "batch_size=128 \u{b7} torch-cuda",
            "batch_size=256 \u{b7} torch-cuda"
        ]
    );
    assert!(svg.contains("Shown: the 6 of 8 rows with the lowest test RMSE."));
    assert!(svg.contains("A line is one model,"), "there is one repeat");
    assert_legible(&svg);
}

#[test]
fn a_line_that_runs_away_is_cut_aloud() {
    let mut records = validated_study();
    let calm = svg(&records);
    assert!(!calm.contains("leave a panel"));
    let mlp = records.iter_mut().find(|record| record.run.method == "mlp").unwrap();
    mlp.epochs[3].validation_rmse = 2.5;
    mlp.epochs[4].validation_rmse = f64::NAN;
    let svg = svg(&records);
    assert!(svg.contains("Lines that leave a panel go up to an RMSE of 2.5000."));
    assert!(!svg.contains("NaN"));
    assert_legible(&svg);
}

#[test]
fn there_is_no_figure_without_epochs() {
    let heading = Heading { title: "", description: "", command: "" };
    let failed = validated(missing("mlp", "torch", 0, Status::Failed, "it broke"), 2);
    for records in [study(), vec![failed]] {
        let report = Report::new(&heading, &records).unwrap();
        assert!(report.curves_svg().unwrap().is_none() && report.curves_png().unwrap().is_none());
        assert!(report.epochs_csv().unwrap().is_none());
    }
}

#[test]
fn epochs_without_a_finite_error_are_said_to_be_so() {
    let mut record = validated(scored("mlp", "torch", 0, 0.4, 9.0), 1);
    record.epochs.iter_mut().for_each(|epoch| epoch.validation_rmse = f64::INFINITY);
    let svg = svg(&[record]);
    assert!(svg.contains("No finite value.") && !svg.contains("fig-kept"));
    assert!(!svg.contains("NaN") && !svg.contains("inf"));
}

#[test]
fn many_close_folds_stay_legible() {
    let mut records = validated_study();
    for record in &mut records {
        for epoch in &mut record.epochs {
            epoch.fold = format!("a site with a very long name, {}", epoch.fold);
            epoch.validation_rmse = 0.4 + 0.001 * epoch.validation_rmse;
        }
        for i in 0..5 {
            let first = record.epochs.first().map(|epoch| epoch.fold.clone());
            let of_it = record.epochs.iter().filter(|epoch| Some(&epoch.fold) == first.as_ref());
            let mut more: Vec<_> = of_it.take(10).cloned().collect();
            more.iter_mut().for_each(|epoch| epoch.fold = format!("s{i}"));
            record.epochs.extend(more);
        }
    }
    let svg = svg(&records);
    assert_eq!(laid_out(&svg, "curves-fold-0-").len(), 8);
    assert_legible(&svg);
}

#[test]
fn equal_records_give_equal_bytes_in_any_order() {
    let mut reversed = sweep();
    reversed.reverse();
    assert_eq!(svg(&sweep()), svg(&reversed));
}

#[test]
fn a_panel_is_as_wide_as_its_epochs() {
    let svg = svg(&full_graph());
    let document = Document::parse(&svg).unwrap();
    for panel in of_class(document.root(), "fig-panel") {
        let frame = Area::of_frame(&of_class(panel, "fig-frame")[0]);
        for line in of_class(panel, "fig-curve") {
            let points = points(line);
            let width = points[points.len() - 1].0 - points[0].0;
            assert!(width > 0.55 * (frame.right - frame.left), "{width}");
        }
    }
    assert_legible(&svg);
}

#[test]
fn ten_thousand_epochs_make_a_small_file_that_keeps_what_counts() {
    let svg = svg(&full_graph());
    assert!(svg.len() < 100_000, "{} bytes", svg.len());
    let document = Document::parse(&svg).unwrap();
    let gnn = of_class(document.root(), "fig-panel")[0];
    let (lines, dots) = (of_class(gnn, "fig-curve"), of_class(gnn, "fig-kept"));
    assert_eq!((lines.len(), dots.len()), (8, 8));
    let [from] = of_class(gnn, "fig-keeps-from")[..] else {
        panic!("no line where epochs may be kept")
    };
    let from = from.attribute("d").unwrap()[1..].split_once(' ').unwrap().0.parse().unwrap();
    for (line, dot) in lines.into_iter().zip(dots) {
        let (x, y) = (number(&dot, "cx"), number(&dot, "cy"));
        let points = points(line);
        assert!(points.contains(&(x, y)) && x >= from);
        let later = points.iter().filter(|point| point.0 > x);
        assert!(
            later.fold(0.0, |lowest, point| point.1.max(lowest)) <= y,
            "the lowest that may be kept"
        );
        assert!(points.iter().any(|point| point.0 < x && point.1 > y), "a lower one may not be");
    }
    assert!(svg.contains("No epoch before the dashed line may be kept."));
    assert!(!self::svg(&sweep()).contains("dashed line"));
}

#[test]
fn models_of_one_fold_are_told_apart_however_they_were_trained() {
    let named = |record: RunRecord| -> RunRecord {
        let mut record = record;
        for epoch in &mut record.epochs {
            epoch.fold = if epoch.fold == "donors 2/3" { "own" } else { "shared" }.to_owned();
        }
        record
    };
    let one_by_one = named(validated(scored("gnn", "torch", 0, 0.4, 9.0), 30));
    let alternating = side_by_side(one_by_one.clone());
    assert_ne!(one_by_one.epochs, alternating.epochs);
    let svg = svg(&[one_by_one]);
    assert_eq!(svg, self::svg(&[alternating]));
    let document = Document::parse(&svg).unwrap();
    let lines = of_class(document.root(), "fig-curve");
    let folds: Vec<&str> = lines.iter().map(|line| line.attribute("data-fold").unwrap()).collect();
    assert_eq!(folds, ["shared, model 1", "own", "shared, model 2"]);
    assert!(lines.iter().all(|line| points(*line).len() == 30));
    for name in [">shared #1</text>", ">own</text>", ">shared #2</text>"] {
        assert!(svg.contains(name), "{name}");
    }
    assert!(svg.contains("#1, #2: models with the same validation cells."));
}
