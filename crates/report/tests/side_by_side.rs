//! Rows side by side, in pages and in a terminal.

#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
mod samples;

use modality_compare::{Least, Mismatch};
use modality_harness::record::RunRecord;
use modality_report::{Heading, Report, SideBySide};
use samples::{scored, with_variant};

/// Runs of a row, by error and seconds of training.
fn runs(method: &str, backend: &str, runs: &[(f64, f64)]) -> Vec<RunRecord> {
    let run = |(repeat, &(rmse, train_s))| {
        let mut record = scored(method, backend, repeat, rmse, train_s);
        record.seed = 40 + repeat as u64;
        record
    };
    runs.iter().enumerate().map(run).collect()
}

fn fast() -> Vec<RunRecord> {
    runs("tsvd-krr", "sklearn", &[(0.36, 10.0), (0.37, 11.0), (0.38, 12.0)])
}

/// 2, 2.1 and 2 times as long.
fn slow() -> Vec<RunRecord> {
    runs("tsvd-krr", "linfa", &[(0.3599, 20.0), (0.37, 23.1), (0.380_01, 24.0)])
}

fn pages(records: &[RunRecord]) -> [String; 2] {
    let heading = Heading { title: "t", description: "", command: "c" };
    let report = Report::new(&heading, records).unwrap();
    [report.markdown().unwrap(), report.html().unwrap()]
}

fn of(base: &[RunRecord], head: &[RunRecord]) -> SideBySide {
    SideBySide::of(base, head, &Least::default()).unwrap()
}

#[test]
fn backends_of_a_method_stand_beside_the_fastest_in_the_pages() {
    // The estimate is the root of 2 x sqrt(2 x 2.1); the interval, Student's of ln 2, ln 2.1 and ln 2: 0.70941 +- 4.30265 x 0.01626.
    let sentence = "tsvd-krr on linfa takes 2.02 times (1.90 to 2.18) the training time of tsvd-krr on sklearn, longer in 3 of 3 pairs.";
    let [markdown, html] = pages(&[slow(), fast()].concat());
    for page in [&markdown, &html] {
        assert!(page.contains(sentence), "{page}");
        assert!(
            page.contains("beyond 3 % in times, 5 % in memory, 0.1 % in RMSE and 0.01 % in"),
            "{page}"
        );
        assert!(page.contains("3 pairs of runs with the same seeds."), "{page}");
    }
    for line in [
        "## Side by side\n\n### tsvd-krr on linfa beside sklearn\n",
        "| What | sklearn | linfa | Ratio | Pairs won | Verdict |",
        "| solve | 8.80 s | 18.5 s | 2.02 (1.90 to 2.18) | 0 of 3 | slower |",
        "| training | 11.0 s | 23.1 s | 2.02 (1.90 to 2.18) | 0 of 3 | slower |",
        "| load | 0.310 s | 0.310 s | 1.00 (1.00 to 1.00) | 0 of 3 | same |",
        "| Repeat | Seed | sklearn | linfa | Difference |",
        "| 0 | 40 | 0.360000 | 0.359900 | -0.000100 |",
        "| 1 | 41 | 0.370000 | 0.370000 | 0.000000 |",
        "| 2 | 42 | 0.380000 | 0.380010 | +0.000010 |",
        "Seed by seed, the RMSE differs by at most 0.000100; that of linfa is 0.99994 times (0.99950 to 1.00033) that of sklearn: same.",
    ] {
        assert!(markdown.contains(line), "{line}: {markdown}");
    }
    assert!(
        html.contains("<h2>Side by side</h2>") && html.contains("<th scope=\"row\">solve</th>")
    );
}

#[test]
fn what_has_one_backend_or_fits_nothing_has_no_section() {
    let mean = |backend| runs("mean", backend, &[(0.43, 0.001), (0.43, 0.001)]);
    let swept = fast().into_iter().map(|record| with_variant(record, "alpha=1"));
    let records = [slow(), swept.collect(), mean("linfa"), mean("sklearn")].concat();
    for page in pages(&records) {
        assert!(!page.contains("Side by side") && !page.contains("Pairs won"), "{page}");
    }
}

#[test]
fn more_backends_are_each_held_against_the_fastest() {
    let mut hiding = runs("tsvd-krr", "hiding", &[(0.36, 0.1); 3]);
    hiding.iter_mut().for_each(|record| record.usage.total_s = 45.0);
    let other = runs("tsvd-krr", "other", &[(0.36, 30.0); 3]);
    let [markdown, _] = pages(&[slow(), other, fast(), hiding].concat());
    let titles: Vec<&str> = markdown.lines().filter(|line| line.contains(" beside ")).collect();
    let wanted = ["linfa", "other", "hiding"];
    assert_eq!(titles, wanted.map(|head| format!("### tsvd-krr on {head} beside sklearn")));
    assert!(markdown.contains("tsvd-krr on hiding takes 3.45 times (2.83 to 4.22) the time of tsvd-krr on sklearn, longer in 3"), "{markdown}");
    assert!(
        markdown.contains("- hiding spends 45 s of its life outside its stages: only its total"),
        "{markdown}"
    );
}

#[test]
fn one_pair_decides_nothing() {
    let side = of(&fast()[..1], &slow());
    let said = side.sentence();
    assert_eq!(said, "B takes 2.00 times the training time of A in the one pair there is.");
    let text = SideBySide::text(&[side]);
    assert!(
        text.contains("so no interval is known and nothing is decided; 2 runs have no"),
        "{text}"
    );
    assert!(text.contains("ambiguous") && !text.contains("slower"), "{text}");
}

#[test]
fn the_least_that_matters_is_asked_for() {
    let said = |time| {
        let least = Least { time, ..Least::default() };
        SideBySide::of(&fast(), &slow(), &least).unwrap().sentence()
    };
    assert!(said(0.8).ends_with("longer in 3 of 3 pairs."));
    assert!(said(1.0).ends_with("; whether they differ by more than 100 % cannot be told."));
    assert!(said(1.25).ends_with("; they differ by less than 125 %."));
    let back = of(&slow(), &fast()).sentence();
    assert!(
        back.contains("0.494 times (0.459 to 0.528)") && back.contains("shorter in 3 of 3"),
        "{back}"
    );
}

#[test]
fn what_else_differs_is_told() {
    let (base, mut head) = (fast(), slow());
    for record in &mut head {
        record.environment.cpu = "Xeon".to_owned();
        record.environment.git_commit = "abc-dirty".to_owned();
        record.params.insert("alpha".to_owned(), 0.3.into());
        record.params.remove("gamma");
        record.note = "slow today".to_owned();
        record.stages.remove(1);
    }
    head.last_mut().unwrap().seed = 7;
    let side = of(&base, &head);
    let notes = side.notes.join("\n");
    for wanted in [
        "2 pairs of runs with the same seeds; 2 runs have no partner of the same repeat and seed, and do not count.",
        "The two were measured on different machines: times say nothing about the code alone (A AMD EPYC 9R45 with 2 cores and \
         2 threads, B Xeon with 2 cores and 2 threads).",
        "Commit differs: A 0123456789ab, B abc-dirty.",
        "Hyperparameters differ: alpha (A 0.2, B 0.3), gamma (A 0.005, B none told).",
        "Only A has the stage tsvd-input (550 ms).",
        "B notes: slow today.",
    ] {
        assert!(notes.contains(wanted), "{wanted}: {notes}");
    }
    assert_eq!(side.notes.len(), 6, "{notes}");
    let json = serde_json::to_value(&side).unwrap();
    assert_eq!(
        (&json["base"], &json["head"]),
        (&"tsvd-krr/sklearn".into(), &"tsvd-krr/linfa".into())
    );
    let training =
        json["lines"].as_array().unwrap().iter().find(|line| line["quantity"] == "training");
    assert_eq!(training.unwrap()["larger"], 2);
    assert_eq!(json["notes"].as_array().unwrap().len(), 6);
    assert_eq!(json["errors"][1]["seed"], 41);
    head.iter_mut().for_each(|record| record.dataset.sha256 = "0".repeat(64));
    let refused = SideBySide::of(&base, &head, &Least::default());
    assert!(matches!(refused, Err(Mismatch::Data { .. })), "{refused:?}");
}

#[test]
fn a_terminal_has_what_is_known_of_all_once_and_no_wide_line() {
    let renamed = |mut records: Vec<RunRecord>| {
        records
            .iter_mut()
            .for_each(|record| record.run.backend = "a-backend-of-a-long-name".repeat(3));
        records
    };
    let mut quick = renamed(slow());
    for record in &mut quick {
        record.stages[1].seconds = 0.000_2;
        record.captured = Some(0.961_234);
    }
    let (mut base, others) = (fast(), of(&fast(), &slow()));
    base.iter_mut().for_each(|record| {
        record.stages[1].seconds = 0.000_9;
        record.captured = Some(0.961_233);
    });
    let text = SideBySide::text(&[of(&base, &quick), others]);
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    assert_eq!(text.matches("3 pairs of runs with the same seeds.").count(), 1, "{text}");
    let left_out = "Left out, as both took less than a millisecond for it: tsvd-input.";
    assert_eq!(text.matches(left_out).count(), 1, "{text}");
    assert_eq!(text.lines().filter(|line| line.starts_with("tsvd-input ")).count(), 1, "{text}");
    let line = text.lines().find(|line| line.starts_with("captured ")).unwrap();
    assert!(line.ends_with("3 of 3  same"), "more of it is better: {line}");
}
