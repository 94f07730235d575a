//! Operations, what they are held against, memory, and what a truncated SVD holds.

#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
mod samples;

use modality_harness::record::{RunRecord, Status};
use modality_protocol::Stage;
use modality_report::{Heading, Report};
use samples::{accelerated, missing, scored, study};

fn report(records: &[RunRecord]) -> Report {
    let heading = Heading { title: "A title", description: "", command: "cargo xtask reproduce" };
    Report::new(&heading, records).unwrap()
}

/// A run that counted 40 * 10^9 operations a second in its solve stage.
fn counted(backend: &str, repeat: usize, product: Option<f64>) -> RunRecord {
    let mut record = scored("tsvd-krr", backend, repeat, 0.36, 10.0);
    record.usage.product_gflops = product;
    for time in record.stages.iter_mut().filter(|time| time.stage == Stage::Solve) {
        time.flops = Some(40e9 * time.seconds);
    }
    record
}

fn share(report: &Report, backend: &str) -> Option<f64> {
    let row = report.summary().rows.iter().find(|row| row.backend == backend).unwrap();
    let share = row.work[&Stage::Solve].share.map(|share| share.median);
    share.map(|share| (share * 1e9).round() / 1e9)
}

#[test]
fn the_fastest_product_of_any_row_is_what_all_are_held_against() {
    let mut failed = missing("tsvd-krr", "other", 0, Status::Failed, "it broke");
    samples::move_to(&mut failed, "CPU");
    failed.usage.product_gflops = Some(400.0);
    let slow = [counted("linfa", 0, Some(100.0)), counted("linfa", 1, Some(80.0))];
    let alone = report(&slow);
    assert_eq!(share(&alone, "linfa"), Some(0.4));
    let mut records = slow.to_vec();
    records.extend([counted("sklearn", 0, Some(200.0)), counted("bare", 0, None), failed]);
    let report = report(&records);
    for backend in ["linfa", "sklearn", "bare"] {
        assert_eq!(share(&report, backend), Some(0.1));
    }
    let [rate] = report.summary().product_rates.as_slice() else { panic!("one rate") };
    assert_eq!((rate.gflops, rate.row.as_str()), (400.0, "tsvd-krr/other"));
    let html = report.html().unwrap().replace("&#x2f;", "/");
    for page in [report.markdown().unwrap(), html] {
        assert!(page.contains(
            "400 Gflop/s on CPU, AMD EPYC 9R45, 2 threads, measured by tsvd-krr/other in repeat 0."
        ));
        assert!(page.contains("a multiplication and an addition as two"));
        assert!(page.contains("Exponentials and other work on single elements are not counted"));
    }
    let markdown = report.markdown().unwrap();
    let line = "| tsvd-krr | sklearn | solve | 320 | 8.00 | 40.0 | 10.0 |";
    assert!(markdown.contains(line), "{markdown}");
}

#[test]
fn devices_machines_and_threads_are_not_mixed() {
    let mut records = vec![counted("linfa", 0, Some(100.0))];
    for (i, backend) in ["cuda", "far", "wide"].into_iter().enumerate() {
        let mut record = counted(backend, 0, Some(1000.0 * (i + 1) as f64));
        match backend {
            "cuda" => samples::move_to(&mut record, "NVIDIA H200"),
            "far" => record.environment.cpu = "Another".to_owned(),
            _ => record.threads = 16,
        }
        records.push(record);
    }
    let report = report(&records);
    assert_eq!(report.summary().product_rates.len(), 4);
    let shares = ["linfa", "cuda", "far", "wide"].map(|backend| share(&report, backend).unwrap());
    assert_eq!(shares, [0.4, 0.04, 0.02, 0.013_333_333]);
    let markdown = report.markdown().unwrap();
    let cuda = "1,000 Gflop/s on NVIDIA H200, measured by tsvd-krr/cuda in repeat 0;";
    assert!(markdown.contains(cuda), "{markdown}");
    assert!(!markdown.contains("matrix units"), "{markdown}");
}

#[test]
fn a_row_on_matrix_units_is_held_against_theirs_and_others_are_not() {
    let mut records: Vec<RunRecord> =
        ["cuda", "peer", "linfa"].map(|backend| counted(backend, 0, Some(20.0))).to_vec();
    records.push(counted("cuda", 1, Some(20.0)));
    for (record, gflops) in [(0, 200.0), (3, 400.0)] {
        records[record].usage.matrix_unit_gflops = Some(gflops);
    }
    for record in [0, 1, 3] {
        samples::move_to(&mut records[record], "NVIDIA H200");
    }
    let report = report(&records);
    let shares = ["cuda", "peer", "linfa"].map(|backend| share(&report, backend));
    assert_eq!(shares, [Some(0.1), Some(2.0), Some(2.0)]);
    let markdown = report.markdown().unwrap();
    let rate =
        "400 Gflop/s on the matrix units of NVIDIA H200, measured by tsvd-krr/cuda in repeat 1";
    assert!(markdown.contains(rate), "{markdown}");
    assert!(markdown.contains("A row that computes on matrix units is held against theirs"));
}

#[test]
fn an_accelerator_is_the_same_beside_any_processor() {
    let mut records: Vec<RunRecord> = ["cuda", "peer", "torch-cuda", "linfa"]
        .map(|backend| counted(backend, 0, (backend == "peer").then_some(2000.0)))
        .to_vec();
    for record in &mut records[..3] {
        samples::move_to(record, "NVIDIA H200");
    }
    records[0].threads = 16;
    records[2].environment.cpu = "Another".to_owned();
    let report = report(&records);
    let [rate] = report.summary().product_rates.as_slice() else { panic!("one rate") };
    assert_eq!((rate.device.as_str(), rate.row.as_str()), ("NVIDIA H200", "tsvd-krr/peer"));
    for (backend, wanted) in
        [("cuda", Some(0.02)), ("peer", Some(0.02)), ("torch-cuda", Some(0.02)), ("linfa", None)]
    {
        assert_eq!(share(&report, backend), wanted, "{backend}");
    }
}

#[test]
fn rows_on_accelerators_show_device_memory_energy_and_setup() {
    let report = report(&accelerated());
    let markdown = report.markdown().unwrap();
    for wanted in [
        "| Predict s | Total s | CPU s | GPU J | Memory | Device | Repeats |",
        "| 1.76 | 186 (176..204) | 404 MiB (+ 5.1 GiB GPU) | NVIDIA H200 | 3 |",
        "| tsvd-krr | cuda | NVIDIA H200 | 5,400 | 5,210 | 96.5 |",
        "| tsvd-krr | cuml-peer | NVIDIA H200 |  | 5,217 |  |",
        "51,000 Gflop/s on NVIDIA H200, measured by tsvd-krr/cuda in repeat 0.",
        "fastest of those that beat the training mean: tsvd-krr on cuda, 400 ms of training (not counting 1.6 s of setup) for an RMSE of 0.3595.",
        "Training time leaves it out; the total holds it.",
        "by its own counter",
        "| mlp/torch-cuda | unavailable | this libtorch cannot use CUDA; set $LIBTORCH to one that can |",
    ] {
        assert!(markdown.contains(wanted), "{wanted} is not in\n{markdown}");
    }
    let figure = report.figure_svg().unwrap();
    for wanted in ["accelerators is without setup.", "15.5 GiB, NVIDIA H200."] {
        assert!(figure.contains(wanted), "{wanted} is not in\n{figure}");
    }
    let csv = String::from_utf8(report.results_csv().unwrap()).unwrap();
    let line = csv.lines().find(|line| line.contains(",cuda,NVIDIA H200,0,")).unwrap();
    assert!(line.contains(",51000.0,,,5400.0,186.48") && line.split(",").count() == 38, "{line}");
}

#[test]
fn without_a_measured_product_no_share_is_claimed() {
    let report = report(&[counted("linfa", 0, None), counted("sklearn", 0, Some(f64::NAN))]);
    assert_eq!(share(&report, "linfa"), None);
    let markdown = report.markdown().unwrap();
    assert!(markdown.contains("| tsvd-krr | linfa | solve | 320 | 8.00 | 40.0 |  |"));
    assert!(markdown.contains("so no share is known"));
}

#[test]
fn rates_are_medians_over_repeats() {
    let mut records: Vec<RunRecord> =
        (0..3).map(|repeat| counted("linfa", repeat, Some(100.0))).collect();
    for (record, factor) in records.iter_mut().zip([1.0, 0.5, 4.0]) {
        record.stages.iter_mut().for_each(|time| time.seconds *= factor);
    }
    let markdown = report(&records).markdown().unwrap();
    let line = "| tsvd-krr | linfa | solve | 320 | 8.00 | 40.0 (10.0..80.0) | 40.0 |";
    assert!(markdown.contains(line), "{markdown}");
}

#[test]
fn a_small_difference_in_what_the_svd_holds_is_seen() {
    let mut records = [counted("linfa", 0, None), counted("sklearn", 0, None)];
    records[0].captured = Some(0.931_742);
    records[1].captured = Some(0.931_742 * (1.0 - 1e-4));
    let markdown = report(&records).markdown().unwrap();
    assert!(markdown.contains("| tsvd-krr | linfa | 0.931742 |"));
    assert!(markdown.contains("| tsvd-krr | sklearn | 0.931649 |"));
}

#[test]
fn expected_memory_stands_beside_what_was_taken() {
    let mut record = counted("linfa", 0, None);
    record.memory_mb = Some(13_312);
    record.usage.expected_rss_mb = Some(1000.0);
    record.usage.peak_rss_mb = Some(955.0);
    record.stages[1].peak_rss_mb = Some(612.4);
    let markdown = report(&[record]).markdown().unwrap();
    assert!(markdown.contains("| Allowed | Expected | Peak | % | tsvd-input |"));
    assert!(markdown.contains("| tsvd-krr | linfa | 13,312 | 1,000 | 955 | 95.5 | 612 |"));
}

#[test]
fn what_was_not_measured_has_no_section() {
    let report = report(&study());
    for page in [report.markdown().unwrap(), report.html().unwrap()] {
        for section in [
            "Efficiency",
            "Gflop",
            "Truncated SVD",
            "Expected",
            "product rate",
            "GPU memory",
            "GPU J",
            "accelerator",
        ] {
            assert!(!page.contains(section), "{section}");
        }
    }
}
