//! What readers see, as text.

#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
mod samples;

use modality_harness::record::{RunRecord, Status};
use modality_protocol::Epoch;
use modality_report::{Error, Heading, Report};
use samples::{
    missing, scaling, scored, study, synthetic,
    trained::{full_graph, sweep, validated_study},
    with_variant,
};

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
fn variables_that_steer_libraries_are_told() {
    let report = report(&study());
    let pages = [report.markdown().unwrap(), report.html().unwrap()];
    assert!(pages.iter().all(|page| page.contains("CORETYPE=Haswell")), "{}", pages[0]);
}

fn said(records: &[RunRecord]) -> String {
    report(records).table().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Runs of one row, by error and seconds of training.
fn runs(method: &str, backend: &str, runs: &[(f64, f64)]) -> Vec<RunRecord> {
    let run = |(repeat, &(rmse, train_s))| scored(method, backend, repeat, rmse, train_s);
    runs.iter().enumerate().map(run).collect()
}

#[test]
fn where_no_method_beats_the_training_mean_the_answer_says_so() {
    let of = |method: &str, rmse: f64| scored(method, "linfa", 0, rmse, 1.0);
    let (mean, knn, krr) = (of("mean", 0.3283), of("knn", 0.3314), of("tsvd-krr", 0.3305));
    let floors = [mean.clone(), of("zeros", 0.3783)];
    let table = said(&[&floors[..], &[knn.clone(), krr.clone()]].concat());
    let wanted = "No method beats the training mean (0.3283), which does not look at the input; the best of the others: \
                  tsvd-krr on linfa, 0.3305. Each was run once, so what another seed changes is not known.";
    assert!(table.contains(wanted) && !table.contains("Best RMSE"), "{table}");
    // An error within the mean's own is no better, and no worse.
    let table =
        said(&[&floors[..], &runs("mlp", "torch", &[(0.3282, 1.0), (0.329, 1.0)])].concat());
    let wanted = "which does not look at the input; as accurate as that: mlp on torch, 0.3286.";
    assert!(table.contains(wanted), "{table}");
    let table = said(&[&floors[..], &[knn, of("mlp", 0.3)]].concat());
    let wanted = "Best RMSE, and fastest of those that beat the training mean: mlp on linfa, 0.3000 after 1.0 s of training. \
                  No better than the training mean (0.3283), which does not look at the input: knn on linfa.";
    assert!(table.contains(wanted), "{table}");
    let table = said(&floors);
    assert!(
        table.contains(
            "Nothing but baselines was scored; the best of them is the training mean (0.3283)."
        ),
        "{table}"
    );
    let table = said(&[krr]);
    assert!(table.contains("Best RMSE, and fastest: tsvd-krr on linfa, 0.3305"), "{table}");
    assert!(!table.contains("run once"), "{table}");
}

#[test]
fn rows_whose_ranges_overlap_share_places() {
    let records = [
        runs("a", "x", &[(0.30, 5.0), (0.34, 5.2)]),
        runs("b", "x", &[(0.33, 1.0), (0.36, 4.0)]),
        runs("c", "x", &[(0.31, 3.0), (0.32, 9.0)]),
        runs("d", "x", &[(0.50, 20.0), (0.60, 30.0)]),
        // In the digits that are shown, the same.
        runs("e", "x", &[(0.700_001, 20.0)]),
        runs("f", "x", &[(0.700_002, 20.0)]),
    ]
    .concat();
    let report = report(&records);
    let page = report.markdown().unwrap();
    for (row, place) in
        [("a", "1-3"), ("b", "2-3"), ("c", "1-2"), ("d", "4"), ("e", "5-6"), ("f", "5-6")]
    {
        assert!(page.contains(&format!("\n| {place} | {row} | x |")), "{row}: {page}");
    }
    let table = said(&records);
    let wanted = "Best RMSE: c on x, 0.3150 after 6.0 s of training, as accurate as a on x, 0.3200 after 5.1 s of training; \
                  fastest: b on x, 2.5 s of training for an RMSE of 0.3450, as fast as c on x, 6.0 s of training for an RMSE \
                  of 0.3150.";
    assert!(table.contains(wanted), "{table}");
}

#[test]
fn csv_of_two_records() {
    let mut ok = scored("knn", "linfa", 0, 0.5, 2.0);
    ok.note = "one, \"two\"".to_owned();
    ok.stages.truncate(2);
    ok.stages[1].peak_rss_mb = Some(390.25);
    ok.stages[1].flops = Some(1.5e12);
    ok.usage.expected_rss_mb = Some(450.5);
    ok.usage.product_gflops = Some(352.0);
    (ok.memory_mb, ok.captured, ok.cells) = (Some(4096), Some(0.931_742), Some(400));
    let report = report(&[missing("tsvd-krr", "cuda", 1, Status::Unavailable, "no driver"), ok]);
    assert_eq!(
        text(report.results_csv().unwrap()),
        "study,dataset,synthetic,method,variant,backend,device,repeat,status,rmse,mae,pearson_cell,pearson_feature,\
         spearman_cell,spearman_feature,train_s,predict_s,total_s,cpu_s,peak_rss_mb,peak_gpu_mb,note,\
         expected_rss_mb,memory_mb,product_gflops,captured,cells,expected_gpu_mb,gpu_energy_j,gpu_energy_s,\
         pearson_all,spearman_all,pearson_cell_with_zeros,pearson_feature_with_zeros,spearman_cell_with_zeros,\
         spearman_feature_with_zeros,task,validation_rmse\n\
         liu,liu-covid-cite,false,knn,,linfa,CPU,0,ok,0.5,0.35,0.75,0.5625,0.7124999999999999,0.44999999999999996,\
         2.0,0.0,3.6,4.8,418.0,,\"one, \"\"two\"\"\",450.5,4096,352.0,0.931742,400,,,,0.675,0.6375,0.75,0.5625,\
         0.7124999999999999,0.44999999999999996,gex-to-adt,\n\
         liu,liu-covid-cite,false,tsvd-krr,,cuda,,1,unavailable,,,,,,,,,,,,,no driver,,,,,,,,,,,,,,,gex-to-adt,\n"
    );
    assert_eq!(
        text(report.stages_csv().unwrap()),
        "study,dataset,synthetic,method,variant,backend,device,repeat,stage,seconds,peak_rss_mb,flops\n\
         liu,liu-covid-cite,false,knn,,linfa,CPU,0,load,0.31,,\n\
         liu,liu-covid-cite,false,knn,,linfa,CPU,0,fit,2.0,390.25,1500000000000.0\n"
    );
}

#[test]
fn no_cell_of_text_is_a_formula() {
    let mut record = with_variant(scored("mlp", "torch", 0, 0.5, 2.0), "-1");
    record.note = "=cmd|'/c calc'!A1".to_owned();
    record.device = "@SUM(A1)".to_owned();
    record.epochs = ["+1", "\tx", "a=b", "\rx"]
        .map(|fold| Epoch { fold: fold.to_owned(), epoch: 1, loss: -0.25, validation_rmse: 0.5 })
        .to_vec();
    let report = report(&[record]);
    let results = text(report.results_csv().unwrap());
    assert!(results.contains(",mlp,'-1,torch,'@SUM(A1),0,ok,"), "{results}");
    assert!(results.contains(",'=cmd|'/c calc'!A1,"), "{results}");
    let epochs = text(report.epochs_csv().unwrap().unwrap());
    for line in [",'+1,1,-0.25,0.5,1\n", ",'\tx,1,", ",a=b,1,", ",\"'\rx\",1,"] {
        assert!(epochs.contains(line), "{epochs}");
    }
}

#[test]
fn what_hides_its_time_is_not_the_fastest() {
    let (mut quick, slow) =
        (scored("knn", "own", 0, 0.5, 0.001), scored("mlp", "torch", 0, 0.4, 2.0));
    let fastest = |records: &[RunRecord]| {
        let table = report(records).table();
        let words: Vec<&str> = table.split_whitespace().collect();
        words.join(" ").split_once("fastest: ").unwrap().1.to_owned()
    };
    assert!(fastest(&[quick.clone(), slow.clone()]).starts_with("knn on own"));
    quick.usage.total_s = 60.0;
    assert!(fastest(&[quick.clone(), slow]).starts_with("mlp on torch"));
    assert!(fastest(&[quick]).starts_with("knn on own"), "there is no other");
}

#[test]
fn csv_of_epochs() {
    let mut record = with_variant(scored("mlp", "torch", 2, 0.5, 2.0), "epochs=2");
    record.epochs = ["s1", "a, b", "s1"]
        .map(|fold| Epoch { fold: fold.to_owned(), epoch: 1, loss: 0.25, validation_rmse: 0.5 })
        .to_vec();
    let report = report(&[record]);
    assert_eq!(
        text(report.epochs_csv().unwrap().unwrap()),
        "study,dataset,synthetic,method,variant,backend,device,repeat,fold,epoch,loss,validation_rmse,model\n\
         liu,liu-covid-cite,false,mlp,epochs=2,torch,CPU,2,s1,1,0.25,0.5,1\n\
         liu,liu-covid-cite,false,mlp,epochs=2,torch,CPU,2,\"a, b\",1,0.25,0.5,1\n\
         liu,liu-covid-cite,false,mlp,epochs=2,torch,CPU,2,s1,1,0.25,0.5,2\n"
    );
}

#[test]
fn variants_are_rows_of_their_own_everywhere() {
    let mut records = sweep();
    let broken = missing("mlp", "torch", 0, Status::Failed, "out of memory");
    records.push(with_variant(broken, "epochs=100"));
    let report = report(&records);
    let names: Vec<String> = report.summary().rows.iter().map(|row| row.name()).collect();
    assert_eq!(names[0], "mlp epochs=10/torch");
    assert_eq!(names.len(), 5);
    assert!(report.summary().rows.iter().all(|row| row.repeats == 3));
    for (name, page) in all(&report) {
        for epochs in [1, 3, 5, 10, 20, 100] {
            let wanted = format!("epochs={epochs}");
            assert!(page.contains(&wanted), "{name} does not hold {wanted}");
        }
    }
    assert!(report.table().contains("Missing: mlp epochs=100/torch (failed): out of memory"));
    assert!(report.table().contains("Best RMSE: mlp epochs=10 on torch, 0.3749"));
    let markdown = report.markdown().unwrap();
    assert!(markdown.contains("| mlp epochs=3 | torch | 0.37810 (0.37730..0.37910) |"));
    assert!(markdown.contains("| mlp epochs=3 (torch) | epochs = \"3\" |"));
    let csv = text(report.results_csv().unwrap());
    let column: Vec<&str> =
        csv.lines().skip(1).map(|line| line.split(',').nth(4).unwrap()).collect();
    let mut runs = column.clone();
    runs.dedup();
    assert_eq!(runs, ["epochs=1", "epochs=3", "epochs=5", "epochs=10", "epochs=20", "epochs=100"]);
}

#[test]
fn folds_are_summarised_over_repeats() {
    let mut records = validated_study();
    let second = records.iter_mut().find(|r| r.run.backend == "torch" && r.run.repeat == 1);
    second.unwrap().epochs[4].validation_rmse = 0.3;
    let markdown = report(&records).markdown().unwrap();
    let wanted = "| mlp | torch | donors 1/3 | 10 | 10 (5..10) | 0.38760 (0.30000..0.38912) |";
    assert!(markdown.contains(wanted), "{markdown}");
    assert!(
        markdown.contains("| mlp | burn | donors 1/3 | 10 | 10 | 0.38836 (0.38760..0.38912) |")
    );
    assert_eq!(markdown.matches("| donors ").count(), 9);
    assert!(markdown.contains("[stages.csv](stages.csv), [epochs.csv](epochs.csv)."));
    assert!(markdown.contains("](curves.png)](curves.svg)"));
    let html = report(&records).html().unwrap();
    for page in [&markdown, &html] {
        assert!(page.contains("or cells drawn at random), not of the test cells"));
    }
    assert!(html.contains("<a href=\"epochs.csv\">") && html.contains("id=\"curves-title\""));
    let without = report(&study());
    for page in [without.markdown().unwrap(), without.html().unwrap()] {
        assert!(
            !page.contains("Folds") && !page.contains("epochs.csv") && !page.contains("curves")
        );
    }
}

/// The mean over folds of the lowest validation RMSE from `min_epoch` on.
fn validation_rmse(record: &RunRecord, min_epoch: usize) -> f64 {
    let of = |fold: &str| {
        let epochs = record.epochs.iter().filter(|epoch| epoch.fold == fold);
        let late = epochs.filter(|epoch| epoch.epoch >= min_epoch);
        late.map(|epoch| epoch.validation_rmse).fold(f64::INFINITY, f64::min)
    };
    ["donors 1/3", "donors 2/3", "donors 3/3"].map(of).iter().sum::<f64>() / 3.0
}

#[test]
fn validation_errors_stand_beside_test_errors() {
    let mut records = validated_study();
    let is_gnn = |record: &&mut RunRecord| record.run.method == "gnn";
    for record in records.iter_mut().filter(is_gnn) {
        record.params.insert("min_epoch".to_owned(), 20.into());
    }
    let gnn: Vec<&RunRecord> = records.iter().filter(|r| r.run.method == "gnn").collect();
    let [first, second, third] = [0, 1, 2].map(|i| validation_rmse(gnn[i], 20));
    assert!(first < second && second < third && validation_rmse(gnn[0], 1) < first - 1e-4);
    let report = report(&records);
    let (markdown, html) = (report.markdown().unwrap(), report.html().unwrap());
    assert!(markdown.contains("| RMSE | Validation | Train s |"), "{markdown}");
    let wanted = format!("(0.36408..0.36712) | {second:.5} ({first:.5}..{third:.5}) | 640 ");
    assert!(markdown.contains(&wanted), "{wanted}: {markdown}");
    assert!(markdown.contains("| linear | linfa | 0.36763 |  | 3.40 "), "{markdown}");
    for page in [&markdown, &html] {
        assert!(page.contains("test cells may come from another batch"), "{page}");
    }
    let table = report.table();
    let row = table.lines().find(|line| line.contains("gnn")).unwrap();
    assert!(row.contains(&format!("0.3652      {second:.4}")), "{table}");
    let results = text(report.results_csv().unwrap());
    let value = |method: &str| {
        let line = results.lines().find(|line| line.contains(&format!(",{method},"))).unwrap();
        line.rsplit_once(',').unwrap().1.to_owned()
    };
    assert!((value("gnn").parse::<f64>().unwrap() - first).abs() < 1e-9, "{results}");
    assert_eq!(value("linear"), "");
}

#[test]
fn without_an_epoch_to_keep_in_each_fold_there_is_no_validation_error() {
    for page in all(&report(&study())) {
        assert!(page.0 == "results.csv" || !page.1.to_lowercase().contains("validation"));
    }
    let mut records = validated_study();
    for record in records.iter_mut().filter(|record| record.run.method == "gnn") {
        let lost = record.epochs.iter_mut().filter(|epoch| epoch.fold == "donors 2/3");
        lost.for_each(|epoch| epoch.validation_rmse = f64::NAN);
    }
    let report = report(&records);
    let markdown = report.markdown().unwrap();
    assert!(markdown.contains("(0.36408..0.36712) |  | 640 "), "{markdown}");
    assert!(markdown.contains("| gnn | torch | donors 2/3 | 30 |  |  |"), "{markdown}");
}

#[test]
fn models_with_the_same_validation_cells_are_numbered() {
    let report = report(&full_graph());
    let markdown = report.markdown().unwrap();
    for model in 1..=3 {
        let wanted = format!("| gnn | torch | s1d2 + s3d7, model {model} | 10,000 | 4,0");
        assert!(markdown.contains(&wanted), "{wanted}: {markdown}");
    }
    assert!(markdown.contains("| gnn | torch | a random 15 % | 10,000 | 4,0"), "{markdown}");
    let epochs = text(report.epochs_csv().unwrap().unwrap());
    let of_model = |model: &str| {
        let of = |line: &&str| line.contains(",s1d2 + s3d7,") && line.ends_with(model);
        epochs.lines().filter(of).count()
    };
    assert_eq!([",1", ",2", ",3", ",4"].map(of_model), [20_000, 20_000, 20_000, 0]);
}

#[test]
fn a_row_is_named_by_its_method_and_not_by_its_place() {
    let html = report(&study()).html().unwrap();
    assert!(
        html.contains("<td class=\"number\">1-2</td><th scope=\"row\">tsvd-krr</th>"),
        "{html}"
    );
    assert!(html.contains("<tr><th scope=\"row\">gnn</th><td>torch</td>"), "{html}");
}

#[test]
fn rows_are_summarised_and_ranked() {
    let report = report(&study());
    let summary = report.summary();
    let names: Vec<String> = summary.rows.iter().map(|row| row.name()).collect();
    assert_eq!(names[..4], ["tsvd-krr/linfa", "tsvd-krr/sklearn", "gnn/torch", "linear/linfa"]);
    assert_eq!(names.last().map(String::as_str), Some("zeros/linfa"));
    let linear = &summary.rows[3];
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
fn what_was_read_is_told() {
    let mut records = study();
    let remark = "Test cells are those with `d3` in column `donor`.";
    records.iter_mut().for_each(|record| record.dataset.remarks = vec![remark.to_owned()]);
    let report = report(&records);
    for page in [report.markdown().unwrap(), report.html().unwrap()] {
        assert!(page.contains("Test cells are those with"), "{page}");
    }
}

#[test]
fn names_cannot_break_out_of_a_page() {
    let mut records = validated_study();
    for record in &mut records {
        record.dataset.name = "<script>alert(1)</script> | `x`\u{7}".to_owned();
        record.run.variant = "a=\"<b>|".to_owned();
        record.epochs.iter_mut().for_each(|epoch| epoch.fold += "\"<b>|\u{7}");
        record.run.backend += "\"<b>&";
    }
    let report = report(&records);
    let html = report.html().unwrap();
    assert!(!html.contains("<script") && !html.contains("<b>") && !html.contains('\u{7}'));
    assert!(html.contains("&lt;script&gt;"));
    let markdown = report.markdown().unwrap();
    assert!(!markdown.contains("<script") && markdown.contains(r"\| \`x\`"));
    for svg in [report.figure_svg().unwrap(), report.curves_svg().unwrap().unwrap()] {
        assert!(resvg::usvg::roxmltree::Document::parse(&svg).is_ok());
    }
    assert_square(&markdown);
}

#[test]
fn the_html_page_needs_nothing_else() {
    let mut records = scaling();
    records.extend(validated_study().into_iter().filter(|r| r.run.method == "mlp"));
    let html = report(&records).html().unwrap();
    let without_own = html.replace("url(#", "");
    for foreign in ["<script", "<link", "<img", "@import", "url(", "src="] {
        assert!(!without_own.contains(foreign), "the page holds {foreign}");
    }
    let mut ids: Vec<&str> = html.split(" id=\"").skip(1).collect();
    let count = ids.len();
    ids.iter_mut().for_each(|rest| *rest = rest.split_once('"').unwrap().0);
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "an id is there twice");
    let addresses = html.matches("http").count();
    assert_eq!(addresses, html.matches("http://www.w3.org/2000/svg").count());
    assert!(html.contains("prefers-color-scheme: dark") && html.contains("<svg"));
    assert_eq!(
        html.matches("<td").count() + html.matches("<th ").count(),
        html.matches("</td>").count() + html.matches("</th>").count()
    );
}

/// Every row of a table has as many cells as its head; the number of tables.
fn assert_square(markdown: &str) -> usize {
    let pipes = |line: &&str| line.replace("\\|", "").matches('|').count();
    let lines: Vec<&str> = markdown.lines().collect();
    let mut tables = 0;
    for block in lines.split(|line| line.is_empty()).filter(|block| block[0].starts_with('|')) {
        let width: Vec<usize> =
            block.iter().filter(|line| line.starts_with('|')).map(pipes).collect();
        assert!(width.len() > 2 && width.iter().all(|&w| w == width[0]), "{block:?}");
        tables += 1;
    }
    tables
}

#[test]
fn markdown_tables_are_square() {
    let markdown = report(&study()).markdown().unwrap();
    assert_eq!(assert_square(&markdown), 10);
    assert!(
        markdown.contains("](figure.png)")
            && markdown.contains("cargo xtask reproduce --study <x>")
    );
    assert_eq!(assert_square(&report(&validated_study()).markdown().unwrap()), 13);
    assert_eq!(assert_square(&report(&scaling()).markdown().unwrap()), 13);
}

#[test]
fn the_page_says_what_training_time_is() {
    let html = report(&study()).html().unwrap();
    assert!(html.contains("stages tsvd-input, tsvd-target, standardize, kernel, solve and fit."));
    assert!(html.contains("leaves out load, setup, write and predict."));
    assert!(html.contains("Best RMSE: tsvd-krr on linfa, 0.3595 after 1 min 14 s of training, as accurate as tsvd-krr on sklearn, 0.3595 after 6 min 52 s of training; fastest of those that beat the training mean: linear on linfa"));
    assert!(
        html.contains("AMD EPYC 9R45")
            && html.contains("0123456789ab")
            && html.contains("998bac96dfa2")
    );
    assert!(html.contains("alpha = 0.2") && html.contains("<p>A description.</p>"));
    let markdown = report(&synthetic(study())).markdown().unwrap();
    assert!(markdown.contains("On bmmc-synthetic (synthetic data), median of 3 repeats"));
}

#[test]
fn the_table_fits_a_terminal() {
    let mut records = study();
    for record in &mut records {
        samples::move_to(record, "A Rather Long Accelerator Name 9000 SXM 141 GB");
        record.usage.peak_gpu_mb = Some(12_345.0);
    }
    let mut swept = sweep();
    swept.iter_mut().for_each(|record| record.run.variant += " batch_size=512 learning_rate=0.001");
    for (records, spread) in
        [(study(), "0.3741..0.3763"), (records, "0.3741..0.3763"), (swept, "0.3741..0.3759")]
    {
        let table = report(&records).table();
        assert!(table.lines().all(|line| line.chars().count() <= 100), "{table}");
        assert!(table.contains(spread), "{table}");
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
        &[with_variant(one.clone(), "n=3"), one.clone(), with_variant(one, "n=3")],
    )
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "there are two records of knn n=3/linfa, repeat 0; keep one of them"
    );
}

#[test]
fn everything_is_written_and_nothing_stale_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("new/report");
    let names = || {
        let mut names: Vec<String> = std::fs::read_dir(&target)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    let always =
        ["figure.png", "figure.svg", "report.html", "report.md", "results.csv", "stages.csv"];
    report(&study()).write(&target).unwrap();
    assert_eq!(names(), always);
    report(&validated_study()).write(&target).unwrap();
    assert_eq!(names()[..3], ["curves.png", "curves.svg", "epochs.csv"]);
    assert_eq!(names()[3..], always);
    report(&scaling()).write(&target).unwrap();
    assert_eq!(names()[..5], always[..5]);
    assert_eq!(names()[5..], ["scaling.csv", "scaling.png", "scaling.svg", "stages.csv"]);
    report(&study()).write(&target).unwrap();
    assert_eq!(names(), always);
}
