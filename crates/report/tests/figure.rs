//! The figure, read back as XML, as laid out text and as pixels.

#![allow(clippy::unwrap_used)]

mod drawing;
#[allow(dead_code)]
mod samples;

use std::collections::BTreeMap;

use drawing::{Area, laid_out, number, of_class};
use modality_harness::record::{RunRecord, Status};
use modality_report::{Heading, Report};
use resvg::{tiny_skia, usvg::roxmltree};
use samples::{
    crowd, missing, scored, study, synthetic,
    trained::{sweep, validated_study},
    with_variant,
};

fn report(records: &[RunRecord]) -> Report {
    Report::new(
        &Heading {
            title: "A title",
            description: "",
            command: "cargo xtask reproduce --study <x>",
        },
        records,
    )
    .unwrap()
}

/// What a reader of the file finds in it.
struct Seen {
    frame: Area,
    marks: BTreeMap<String, (f64, f64)>,
    hollow: BTreeMap<String, (f64, f64)>,
    lines: Vec<String>,
    labels: Vec<(String, Area)>,
}

fn see(svg: &str) -> Seen {
    let document = roxmltree::Document::parse(svg).unwrap();
    let root = document.root();
    let row = |node: &roxmltree::Node<'_, '_>| node.attribute("data-row").unwrap().to_owned();
    let place = |node: &roxmltree::Node<'_, '_>| (number(node, "data-x"), number(node, "data-y"));
    Seen {
        frame: Area::of_frame(&of_class(root, "fig-frame")[0]),
        marks: of_class(root, "fig-mark").iter().map(|node| (row(node), place(node))).collect(),
        hollow: of_class(root, "fig-validation")
            .iter()
            .map(|node| (row(node), place(node)))
            .collect(),
        lines: of_class(root, "fig-reference").iter().map(row).collect(),
        labels: labels(svg, &document),
    }
}

/// Labels by row; the lines of one label are one area.
fn labels(svg: &str, document: &roxmltree::Document<'_>) -> Vec<(String, Area)> {
    let mut areas: BTreeMap<String, (String, Area)> = BTreeMap::new();
    for (id, area) in laid_out(svg, "fig-label-") {
        let whole = format!("fig-label-{id}");
        let node =
            document.descendants().find(|node| node.attribute("id") == Some(&whole)).unwrap();
        let (label, _) = id.split_once('-').unwrap();
        areas
            .entry(label.to_owned())
            .and_modify(|(_, all)| {
                all.left = all.left.min(area.left);
                all.top = all.top.min(area.top);
                all.right = all.right.max(area.right);
                all.bottom = all.bottom.max(area.bottom);
            })
            .or_insert((node.attribute("data-row").unwrap().to_owned(), area));
    }
    areas.into_values().collect()
}

fn assert_legible(seen: &Seen) {
    for (i, (row, area)) in seen.labels.iter().enumerate() {
        assert!(seen.frame.holds(area), "the label of {row} leaves the frame: {area:?}");
        for (other, taken) in &seen.labels[..i] {
            assert!(!area.overlaps(taken), "the labels of {row} and {other} overlap");
        }
        for (other, (x, y)) in seen.marks.iter().chain(&seen.hollow) {
            let mark = Area::around((*x, *y), 6.0);
            assert!(!area.overlaps(&mark), "the label of {row} covers the mark of {other}");
        }
    }
    for (row, (x, y)) in seen.marks.iter().chain(&seen.hollow) {
        assert!(seen.frame.holds(&Area::around((*x, *y), 0.0)), "{row} is outside the frame");
    }
}

#[test]
fn places_follow_time_and_error() {
    let report = report(&study());
    let seen = see(&report.figure_svg().unwrap());
    assert_eq!(seen.marks.len(), 6);
    assert_eq!(seen.labels.len(), 7);
    assert_legible(&seen);
    for a in &report.summary().rows {
        for b in &report.summary().rows {
            let (Some(at_a), Some(at_b)) = (seen.marks.get(&a.name()), seen.marks.get(&b.name()))
            else {
                continue;
            };
            if a.train_s.median < b.train_s.median {
                assert!(at_a.0 < at_b.0, "{} is right of {}", a.name(), b.name());
            }
            if a.scores.rmse.median + 1e-4 < b.scores.rmse.median {
                assert!(at_a.1 > at_b.1, "{} is above {}", a.name(), b.name());
            }
        }
    }
}

/// What stands at the vertical axis.
fn y_ticks(svg: &str) -> Vec<String> {
    let document = roxmltree::Document::parse(svg).unwrap();
    let ticks = of_class(document.root(), "fig-y-tick");
    ticks.iter().map(|tick| tick.text().unwrap().to_owned()).collect()
}

#[test]
fn validation_errors_are_hollow_marks_over_or_under_the_others() {
    let svg = report(&validated_study()).figure_svg().unwrap();
    let seen = see(&svg);
    assert_legible(&seen);
    let rows: Vec<&str> = seen.hollow.keys().map(String::as_str).collect();
    assert_eq!(rows, ["gnn/torch", "mlp/burn", "mlp/torch"]);
    for (row, (x, y)) in &seen.hollow {
        let mark = seen.marks[row];
        assert!(mark.0 == *x && mark.1 > *y, "the validation error of {row} is larger");
    }
    assert_eq!(svg.matches(">validation 0.3813</text>").count(), 3);
    assert!(svg.contains("Hollow marks: validation error") && !svg.contains("fig-beyond"));
    assert!(!report(&study()).figure_svg().unwrap().contains("alidation"));
}

#[test]
fn a_far_validation_error_leaves_the_axis_to_the_test_errors() {
    let mut records = validated_study();
    let without: Vec<RunRecord> =
        records.iter().cloned().map(|record| RunRecord { epochs: Vec::new(), ..record }).collect();
    for epoch in records.iter_mut().flat_map(|record| &mut record.epochs) {
        epoch.validation_rmse -= 0.13;
    }
    let svg = report(&records).figure_svg().unwrap();
    let seen = see(&svg);
    assert_legible(&seen);
    assert_eq!(svg.matches("fig-beyond").count(), 3);
    assert!(seen.hollow.iter().all(|(row, (_, y))| *y > seen.marks[row].1));
    assert!(svg.contains(">validation 0.2513</text>"), "{svg}");
    assert_eq!(y_ticks(&svg), y_ticks(&report(&without).figure_svg().unwrap()));
}

#[test]
fn baselines_are_lines_and_a_far_one_is_left_out_aloud() {
    let svg = report(&study()).figure_svg().unwrap();
    assert_eq!(see(&svg).lines, ["mean/linfa"]);
    assert!(svg.contains("Left out: zeros (RMSE 1.1870"));
    let mut near = study();
    near.iter_mut().filter(|record| record.run.method == "zeros").for_each(|record| {
        record.metrics.as_mut().unwrap().rmse = 0.6;
    });
    let svg = report(&near).figure_svg().unwrap();
    assert_eq!(see(&svg).lines, ["mean/linfa", "zeros/linfa"]);
    assert!(!svg.contains("Left out"));
}

#[test]
fn a_crowd_stays_legible() {
    let records = crowd();
    let seen = see(&report(&records).figure_svg().unwrap());
    assert_eq!(seen.labels.len(), records.len());
    assert_legible(&seen);
}

#[test]
fn a_sweep_is_named_by_what_it_changes() {
    let svg = report(&sweep()).figure_svg().unwrap();
    let seen = see(&svg);
    assert_eq!((seen.marks.len(), seen.labels.len()), (5, 10));
    assert_legible(&seen);
    for epochs in [1, 3, 5, 10, 20] {
        assert!(seen.marks.contains_key(&format!("mlp epochs={epochs}/torch")));
        assert!(svg.contains(&format!(">epochs={epochs}</text>")));
    }
    assert!(svg.contains("All marks are mlp on torch."));
    assert_eq!(svg.matches("fig-whisker").count(), 10, "whiskers in both directions");
}

#[test]
fn a_sweep_beside_other_rows_is_named_in_full() {
    let mut records = sweep();
    let alone = report(&records[..3]).figure_svg().unwrap();
    assert!(alone.contains(">mlp epochs=1 \u{b7} torch</text>"));
    records.push(with_variant(scored("mlp", "burn", 0, 0.38, 40.0), "epochs=3"));
    let swept = report(&records).figure_svg().unwrap();
    assert!(swept.contains(">epochs=3 \u{b7} burn</text>") && swept.contains("All marks are mlp."));
    records.push(scored("tsvd-krr", "linfa", 0, 0.36, 12.0));
    let mixed = report(&records).figure_svg().unwrap();
    assert!(mixed.contains(">mlp epochs=3 \u{b7} burn</text>") && !mixed.contains("All marks are"));
    assert_legible(&see(&mixed));
}

#[test]
fn spreads_are_drawn_only_where_there_is_one() {
    assert!(report(&study()).figure_svg().unwrap().contains("fig-whisker"));
    let once: Vec<RunRecord> =
        study().into_iter().filter(|record| record.run.repeat == 0).collect();
    let svg = report(&once).figure_svg().unwrap();
    assert!(!svg.contains("fig-whisker") && svg.contains("One run each."));
    assert_legible(&see(&svg));
}

#[test]
fn small_studies_have_a_figure_too() {
    let one = [scored("tsvd-krr", "linfa", 0, 0.36, 12.0)];
    let baseline = [scored("mean", "linfa", 0, 0.44, 0.0)];
    let failed = [missing("knn", "linfa", 0, Status::Failed, "it broke")];
    for (records, marks, lines) in [(&one, 1, 0), (&baseline, 0, 1), (&failed, 0, 0)] {
        let svg = report(records).figure_svg().unwrap();
        let seen = see(&svg);
        assert_eq!((seen.marks.len(), seen.lines.len()), (marks, lines));
        assert_eq!(svg.contains("No run was scored."), marks + lines == 0);
        assert!(!svg.contains("NaN") && !svg.contains("inf\"") && !svg.contains("inf "));
        assert_legible(&seen);
        assert!(report(records).figure_png().is_ok());
    }
}

#[test]
fn long_names_stay_inside() {
    let mut records = synthetic(study());
    records.iter_mut().for_each(|record| {
        record.dataset.name = "a-data-set-with-a-very-long-name-".repeat(5);
        record.run.backend =
            format!("a-backend-with-a-very-long-name-{}", record.run.backend).repeat(3);
    });
    let svg = report(&records).figure_svg().unwrap();
    assert_legible(&see(&svg));
    assert!(svg.contains('\u{2026}'));
}

#[test]
fn equal_records_give_equal_bytes_in_any_order() {
    let mut reversed = study();
    reversed.reverse();
    assert_eq!(report(&study()).figure_svg().unwrap(), report(&reversed).figure_svg().unwrap());
}

#[test]
fn the_png_is_the_figure_at_twice_its_size() {
    let png = tiny_skia::Pixmap::decode_png(&report(&study()).figure_png().unwrap()).unwrap();
    assert_eq!((png.width(), png.height()), (1920, 1200));
    let has = |r: u8, g: u8, b: u8| {
        png.pixels()
            .iter()
            .filter(|pixel| (pixel.red(), pixel.green(), pixel.blue()) == (r, g, b))
            .count()
    };
    assert!(has(0xff, 0xff, 0xff) > 1_000_000, "no paper");
    assert!(has(0x00, 0x72, 0xb2) > 200, "no mark of tsvd-krr");
    assert!(has(0xd5, 0x5e, 0x00) > 100, "no mark of mlp");
    assert!(has(0x1b, 0x23, 0x30) > 500, "no text");
}
