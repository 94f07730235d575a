use modality_compare::{Interval, Outcome, Quantity, Rules, SideFacts, Verdict};
use modality_harness::{
    conditions::{Conditions, GpuConditions},
    environment::Environment,
    record::DatasetId,
};
use modality_protocol::{Stage, Task};

use super::*;

fn finding(row: &str, quantity: Quantity, ratio: f64, verdict: Verdict) -> Finding {
    Finding {
        row: row.to_owned(),
        quantity,
        pairs: 14,
        base: 1.25,
        head: 1.25 * ratio,
        ratio,
        interval: Some(Interval { low: ratio - 0.01, high: ratio + 0.01 }),
        at_most: Some(ratio + 0.008),
        p_worse: 1.0,
        p_better: 1.0,
        verdict: Some(verdict),
    }
}

fn regression(findings: Vec<Finding>) -> Regression {
    let side = |name: &str, throttled: &[&str]| SideFacts {
        name: name.to_owned(),
        commit: format!("{}-dirty", "0123456789".repeat(4)),
        conditions: Conditions {
            load: Some(1.5),
            stolen: Some(0.031),
            gpu: Some(GpuConditions {
                sm_mhz: Some(1980.0),
                throttled: throttled.iter().map(|reason| (*reason).to_owned()).collect(),
                ..GpuConditions::default()
            }),
            ..Conditions::default()
        },
    };
    Regression {
        format: modality_compare::FORMAT,
        study: "regress".to_owned(),
        dataset: DatasetId {
            name: "bmmc-synthetic".to_owned(),
            synthetic: true,
            sha256: "ab".repeat(32),
            train_cells: 3,
            test_cells: 2,
            task: Task::default(),
            inputs: 5,
            targets: 4,
            remarks: Vec::new(),
        },
        base: side("main|x", &[]),
        head: side("working tree", &["sw power cap"]),
        environment: Environment { cpu: "A Processor".to_owned(), ..Environment::default() },
        threads: 2,
        rules: Rules::default(),
        outcome: Outcome::of(&findings),
        findings,
        remarks: vec!["the 60 s of --limit were over in pair 9".to_owned()],
        planted: None,
        seconds: 600.0,
        measured_s: 120.0,
        devices: [].into(),
        samples: Vec::new(),
    }
}

const SOLVE: Quantity = Quantity::Stage(Stage::Solve);

fn slower() -> Regression {
    regression(vec![
        finding("tsvd-krr/linfa", Quantity::Stage(Stage::Kernel), 1.0, Verdict::Same),
        finding("tsvd-krr/linfa", SOLVE, 1.1, Verdict::Worse),
        finding("tsvd-krr/linfa", Quantity::Rmse, 1.002, Verdict::Worse),
        finding("mlp/torch", Quantity::Total, 1.02, Verdict::Ambiguous),
        finding("mlp/torch", Quantity::Operations(Stage::Fit), 1.0, Verdict::Same),
    ])
}

#[test]
fn the_verdict_names_what_is_worse_and_what_is_not_known() {
    assert_eq!(
        verdict(&slower()),
        "Less accurate and slower: solve of tsvd-krr/linfa (1.100 times, 1.090 to 1.110) and RMSE of tsvd-krr/linfa (1.0020 \
         times, 0.9920 to 1.0120). Not known: total of mlp/torch (1.020 times, 1.010 to 1.030)."
    );
    let same = regression(vec![finding("a/b", SOLVE, 1.0, Verdict::Same)]);
    assert_eq!(
        verdict(&same),
        "Same: no time is known to be longer by 3 %, and that any is by 10 % is ruled out."
    );
    let better = regression(vec![finding("a/b", SOLVE, 0.5, Verdict::Better)]);
    let wanted = "Better: solve of a/b (0.500 times, 0.490 to 0.510). Nothing is worse.";
    assert_eq!(verdict(&better), wanted);
    let open = regression(vec![finding("a/b", SOLVE, 1.02, Verdict::Ambiguous)]);
    assert!(verdict(&open).starts_with("Ambiguous: it cannot be told of solve of a/b"));
}

#[test]
fn the_table_fits_a_terminal() {
    let table = table(&slower());
    assert!(table.lines().all(|line| line.chars().count() <= 100), "{table}");
    assert!(table.contains("1.100 (1.090 to 1.110)") && table.contains("less accurate"), "{table}");
    assert!(table.contains("--limit were over"), "{table}");
}

#[test]
fn the_summary_is_one_table_of_findings_and_one_of_facts() {
    let page = markdown(&slower()).unwrap();
    assert!(page.starts_with("## working tree against main\\|x\n"), "{page}");
    let lines = page.lines().filter(|line| line.starts_with('|'));
    let columns: Vec<usize> = lines.map(|line| line.matches('|').count()).collect();
    let is_findings = |columns: &&usize| **columns == 8;
    assert_eq!(columns.iter().filter(is_findings).count(), 2 + 4, "{page}");
    assert!(page.contains("| Commit | 012345678901-dirty | 012345678901-dirty |"), "{page}");
    assert!(page.contains("| GPU slowed down by | nothing | sw power cap |"), "{page}");
    assert!(!page.contains("Clock, median"), "what no side tells is not there: {page}");
}

#[test]
fn worse_has_failed_and_open_is_skipped() {
    let xml = junit::xml(&slower()).unwrap();
    assert!(xml.contains("tests=\"5\" skipped=\"1\" failures=\"2\""), "{xml}");
    assert_eq!((xml.matches("<failure").count(), xml.matches("<skipped").count()), (2, 1));
    assert!(
        xml.contains("slower: 1.100 times (1.090 to 1.110), 1.25 s to 1.38 s after 14 pairs"),
        "{xml}"
    );
}

#[test]
fn the_figure_shows_what_may_have_changed() {
    let svg = svg(&slower()).unwrap();
    assert_eq!(svg.matches("class=\"fig-ratio\"").count(), 4, "what is counted has not changed");
    assert_eq!(svg.matches("data-verdict=\"worse\"").count(), 2);
    assert!(!drawing::png(&svg).unwrap().is_empty());
}
