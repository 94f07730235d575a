//! What readers see, as text.

#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
mod samples;

use modality_harness::record::{RunRecord, Status};
use modality_report::{Error, Heading, Report};
use samples::{missing, scored, study, synthetic};

fn report(records: &[RunRecord]) -> Report {
    Report::new(
        &Heading {
            title: "A title",
            description: "A description.",
            command: "cargo xtask reproduce --study <x>",
        },
        records,
    )
    .unwrap()
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

fn all(report: &Report) -> [(&'static str, String); 5] {
    [
        ("table", report.table()),
        ("results.csv", text(report.results_csv().unwrap())),
        ("report.md", report.markdown().unwrap()),
        ("report.html", report.html().unwrap()),
        ("figure.svg", report.figure_svg().unwrap()),
    ]
}

#[test]
fn csv_of_two_records() {
    let mut ok = scored("knn", "linfa", 0, 0.5, 2.0);
    ok.note = "one, \"two\"".to_owned();
    ok.stages.truncate(2);
    let report = report(&[missing("tsvd-krr", "cuda", 1, Status::Unavailable, "no driver"), ok]);
    assert_eq!(
        text(report.results_csv().unwrap()),
        "study,dataset,synthetic,method,backend,device,repeat,status,rmse,mae,pearson_cell,pearson_protein,\
         spearman_cell,spearman_protein,train_s,predict_s,total_s,cpu_s,peak_rss_mb,peak_gpu_mb,note\n\
         liu,liu-covid-cite,false,knn,linfa,CPU,0,ok,0.5,0.35,0.75,0.5625,0.7124999999999999,0.44999999999999996,\
         2.0,0.0,3.6,4.8,418.0,,\"one, \"\"two\"\"\"\n\
         liu,liu-covid-cite,false,tsvd-krr,cuda,,1,unavailable,,,,,,,,,,,,,no driver\n"
    );
    assert_eq!(
        text(report.stages_csv().unwrap()),
        "study,dataset,synthetic,method,backend,device,repeat,stage,seconds\n\
         liu,liu-covid-cite,false,knn,linfa,CPU,0,load,0.31\n\
         liu,liu-covid-cite,false,knn,linfa,CPU,0,fit,2.0\n"
    );
}

#[test]
fn rows_are_summarised_and_ranked() {
    let report = report(&study());
    let summary = report.summary();
    let names: Vec<String> = summary.rows.iter().map(|row| row.name()).collect();
    assert_eq!(names[..3], ["tsvd-krr/linfa", "tsvd-krr/sklearn", "linear/linfa"]);
    assert_eq!(names.last().map(String::as_str), Some("zeros/linfa"));
    let linear = &summary.rows[2];
    assert_eq!(linear.repeats, 3);
    let spread = linear.train_s;
    assert!(
        (spread.median - 3.4).abs() < 1e-9
            && (spread.min - 3.162).abs() < 1e-9
            && (spread.max - 3.808).abs() < 1e-9
    );
    assert_eq!(summary.missing.len(), 1);
    assert_eq!(summary.missing[0].repeats, [0, 1, 2]);
}

#[test]
fn missing_rows_are_everywhere_with_their_reason() {
    for (name, page) in all(&report(&study())) {
        assert!(page.contains("cuda"), "{name} does not name the missing row");
        assert!(page.contains("unavailable"), "{name} does not say how the row is missing");
        let reason = "no CUDA driver was found";
        assert!(
            name == "figure.svg" || page.contains(reason),
            "{name} does not say why the row is missing"
        );
    }
}

#[test]
fn a_failed_repeat_is_named_beside_the_ones_that_count() {
    let records = [
        scored("knn", "linfa", 0, 0.4, 2.0),
        scored("knn", "linfa", 1, 0.4, 3.0),
        missing("knn", "linfa", 2, Status::Failed, "killed: out of memory"),
    ];
    let report = report(&records);
    assert_eq!(report.summary().rows[0].repeats, 2);
    assert!(
        report
            .table()
            .contains("Missing: knn/linfa, 1 of 3 repeats (failed): killed: out of memory")
    );
}

#[test]
fn synthetic_data_are_called_so_everywhere_and_only_then() {
    for ((name, made_up), (_, real)) in
        all(&report(&synthetic(study()))).into_iter().zip(all(&report(&study())))
    {
        let label = if name == "results.csv" { "bmmc-synthetic,true," } else { "synthetic data" };
        assert!(made_up.to_lowercase().contains(label), "{name} does not say {label}");
        assert!(!real.to_lowercase().contains(label), "{name} calls real data {label}");
    }
}

#[test]
fn names_cannot_break_out_of_a_page() {
    let mut records = study();
    for record in &mut records {
        record.dataset.name = "<script>alert(1)</script> | `x`\u{7}".to_owned();
        record.run.backend += "\"<b>&";
    }
    let report = report(&records);
    let html = report.html().unwrap();
    assert!(!html.contains("<script") && !html.contains("<b>") && !html.contains('\u{7}'));
    assert!(html.contains("&lt;script&gt;"));
    let markdown = report.markdown().unwrap();
    assert!(!markdown.contains("<script") && markdown.contains(r"\| \`x\`"));
    assert!(resvg::usvg::roxmltree::Document::parse(&report.figure_svg().unwrap()).is_ok());
}

#[test]
fn the_html_page_needs_nothing_else() {
    let html = report(&study()).html().unwrap();
    for foreign in ["<script", "<link", "<img", "@import", "url(", "src="] {
        assert!(!html.contains(foreign), "the page holds {foreign}");
    }
    let addresses = html.matches("http").count();
    assert_eq!(addresses, html.matches("http://www.w3.org/2000/svg").count());
    assert!(html.contains("prefers-color-scheme: dark") && html.contains("<svg"));
    assert_eq!(
        html.matches("<td").count() + html.matches("<th ").count(),
        html.matches("</td>").count() + html.matches("</th>").count()
    );
}

#[test]
fn markdown_tables_are_square() {
    let markdown = report(&study()).markdown().unwrap();
    let pipes = |line: &str| line.replace("\\|", "").matches('|').count();
    let lines: Vec<&str> = markdown.lines().collect();
    let mut tables = 0;
    for block in lines.split(|line| line.is_empty()).filter(|block| block[0].starts_with('|')) {
        let width = block
            .iter()
            .filter(|line| line.starts_with('|'))
            .map(|line| pipes(line))
            .collect::<Vec<_>>();
        assert!(width.len() > 2 && width.iter().all(|&w| w == width[0]), "{block:?}");
        tables += 1;
    }
    assert_eq!(tables, 8);
    assert!(
        markdown.contains("](figure.png)")
            && markdown.contains("cargo xtask reproduce --study <x>")
    );
}

#[test]
fn the_page_says_what_training_time_is() {
    let html = report(&study()).html().unwrap();
    assert!(html.contains("stages tsvd-gex, tsvd-adt, standardize, kernel, solve and fit."));
    assert!(html.contains("leaves out load, setup, write and predict."));
    assert!(html.contains("Best RMSE: tsvd-krr on linfa, 0.3595 after 1 min 14 s of training; fastest: linear on linfa"));
    assert!(
        html.contains("AMD EPYC 9R45")
            && html.contains("0123456789ab")
            && html.contains("998bac96dfa2")
    );
    assert!(html.contains("alpha = 0.2"));
    let markdown = report(&synthetic(study())).markdown().unwrap();
    assert!(markdown.contains("On bmmc-synthetic (synthetic data), median of 3 repeats"));
}

#[test]
fn the_table_fits_a_terminal() {
    let mut records = study();
    for record in &mut records {
        record.device = "A Rather Long Accelerator Name 9000 SXM 141 GB".to_owned();
        record.usage.peak_gpu_mb = Some(12_345.0);
    }
    for records in [study(), records] {
        let table = report(&records).table();
        assert!(table.lines().all(|line| line.chars().count() <= 100), "{table}");
        assert!(table.contains("0.3741..0.3763"), "{table}");
    }
}

#[test]
fn a_study_without_any_score_is_still_reported() {
    let records = [
        missing("knn", "linfa", 0, Status::Failed, "it broke"),
        missing("tsvd-krr", "cuda", 0, Status::Unavailable, "no driver"),
    ];
    let report = report(&records);
    let (table, markdown, html) =
        (report.table(), report.markdown().unwrap(), report.html().unwrap());
    for page in [&table, &markdown, &html] {
        assert!(
            page.contains("No run was scored")
                && page.contains("it broke")
                && page.contains("no driver")
        );
    }
}

#[test]
fn records_that_do_not_belong_together_are_refused() {
    assert!(matches!(
        Report::new(
            &Heading { title: "", description: "", command: "cargo xtask reproduce --study <x>" },
            &[]
        ),
        Err(Error::NoRecords)
    ));
    let one = scored("knn", "linfa", 0, 0.4, 2.0);
    let mut other = scored("knn", "linfa", 1, 0.4, 2.0);
    other.dataset.sha256 = "0".repeat(64);
    let error = Report::new(
        &Heading { title: "", description: "", command: "cargo xtask reproduce --study <x>" },
        &[one.clone(), other],
    )
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the records are of more than one data set, liu-covid-cite (SHA-256 998bac96dfa2) and liu-covid-cite \
         (SHA-256 000000000000); report each on its own"
    );
    let error = Report::new(
        &Heading { title: "", description: "", command: "cargo xtask reproduce --study <x>" },
        &[one.clone(), one],
    )
    .unwrap_err();
    assert_eq!(error.to_string(), "there are two records of knn/linfa, repeat 0; keep one of them");
}

#[test]
fn everything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("new/report");
    report(&study()).write(&target).unwrap();
    let mut names: Vec<String> = std::fs::read_dir(&target)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(
        names,
        ["figure.png", "figure.svg", "report.html", "report.md", "results.csv", "stages.csv"]
    );
}
