//! The figure, read back as XML, as laid out text and as pixels.

#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
mod samples;

use std::collections::BTreeMap;

use modality_harness::record::{RunRecord, Status};
use modality_report::{Heading, Report};
use resvg::{
    tiny_skia,
    usvg::{self, fontdb, roxmltree},
};
use samples::{crowd, missing, scored, study, synthetic};

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

#[derive(Debug, Clone, Copy)]
struct Area {
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
}

impl Area {
    fn overlaps(&self, other: &Self) -> bool {
        self.left < other.right
            && other.left < self.right
            && self.top < other.bottom
            && other.top < self.bottom
    }

    fn holds(&self, other: &Self) -> bool {
        self.left <= other.left
            && other.right <= self.right
            && self.top <= other.top
            && other.bottom <= self.bottom
    }
}

/// What a reader of the file finds in it.
struct Seen {
    frame: Area,
    marks: BTreeMap<String, (f64, f64)>,
    lines: Vec<String>,
    labels: Vec<(String, Area)>,
}

fn see(svg: &str) -> Seen {
    let document = roxmltree::Document::parse(svg).unwrap();
    let number = |node: &roxmltree::Node<'_, '_>, name: &str| {
        node.attribute(name).unwrap().parse::<f64>().unwrap()
    };
    let of_class = |class: &'static str| {
        document
            .descendants()
            .filter(move |node| node.attribute("class").is_some_and(|names| names.contains(class)))
    };
    let frame = of_class("fig-frame").next().unwrap();
    let row = |node: &roxmltree::Node<'_, '_>| node.attribute("data-row").unwrap().to_owned();
    Seen {
        frame: Area {
            left: number(&frame, "data-left"),
            top: number(&frame, "data-top"),
            right: number(&frame, "data-right"),
            bottom: number(&frame, "data-bottom"),
        },
        marks: of_class("fig-mark")
            .map(|node| (row(&node), (number(&node, "data-x"), number(&node, "data-y"))))
            .collect(),
        lines: of_class("fig-reference").map(|node| row(&node)).collect(),
        labels: labels(svg, &document),
    }
}

/// Labels by row, laid out by the rasteriser; the lines of one label are one area.
fn labels(svg: &str, document: &roxmltree::Document<'_>) -> Vec<(String, Area)> {
    let mut fonts = fontdb::Database::new();
    fonts.load_font_data(include_bytes!("../assets/Inter-Regular.otf").to_vec());
    fonts.load_font_data(include_bytes!("../assets/Inter-SemiBold.otf").to_vec());
    let options = usvg::Options {
        fontdb: fonts.into(),
        font_family: "Inter".to_owned(),
        ..Default::default()
    };
    let tree = usvg::Tree::from_str(svg, &options).unwrap();
    let mut areas: BTreeMap<String, (String, Area)> = BTreeMap::new();
    for node in document.descendants() {
        let Some((label, _)) =
            node.attribute("id").and_then(|id| id.strip_prefix("fig-label-")?.split_once('-'))
        else {
            continue;
        };
        let area = tree.node_by_id(node.attribute("id").unwrap()).unwrap().abs_bounding_box();
        let [left, top, right, bottom] =
            [area.left(), area.top(), area.right(), area.bottom()].map(f64::from);
        areas
            .entry(label.to_owned())
            .and_modify(|(_, all)| {
                all.left = all.left.min(left);
                all.top = all.top.min(top);
                all.right = all.right.max(right);
                all.bottom = all.bottom.max(bottom);
            })
            .or_insert((
                node.attribute("data-row").unwrap().to_owned(),
                Area { left, top, right, bottom },
            ));
    }
    areas.into_values().collect()
}

fn assert_legible(seen: &Seen) {
    for (i, (row, area)) in seen.labels.iter().enumerate() {
        assert!(seen.frame.holds(area), "the label of {row} leaves the frame: {area:?}");
        for (other, taken) in &seen.labels[..i] {
            assert!(!area.overlaps(taken), "the labels of {row} and {other} overlap");
        }
        for (other, (x, y)) in &seen.marks {
            let mark = Area { left: x - 6.0, top: y - 6.0, right: x + 6.0, bottom: y + 6.0 };
            assert!(!area.overlaps(&mark), "the label of {row} covers the mark of {other}");
        }
    }
    for (row, (x, y)) in &seen.marks {
        assert!(
            seen.frame.holds(&Area { left: *x, top: *y, right: *x, bottom: *y }),
            "{row} is outside the frame"
        );
    }
}

#[test]
fn places_follow_time_and_error() {
    let report = report(&study());
    let seen = see(&report.figure_svg().unwrap());
    assert_eq!(seen.marks.len(), 5);
    assert_eq!(seen.labels.len(), 6);
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
