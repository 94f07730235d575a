//! Backends with bad manners: each costs its own row, with a sentence that is true, and nothing of it is left.

#![cfg(target_os = "linux")]

use std::{fs, path::Path, sync::OnceLock};

use end_to_end::{
    arena::{Arena, whole_records},
    hostile::{self, Mode},
    modality_bench,
};
use modality_harness::record::RunRecord;
use modality_protocol::text::is_hidden;

/// Where nothing hangs, nothing should be stopped, however slow the machine.
const LONG: u32 = 600;

fn arena() -> &'static Arena {
    static ARENA: OnceLock<Arena> = OnceLock::new();
    ARENA.get_or_init(|| {
        let modes: Vec<&Mode> = hostile::all().collect();
        let program = modality_bench();
        let backend = Path::new(env!("CARGO_BIN_EXE_hostile-backend"));
        Arena::new(Path::new(program.get_program()), backend, &modes).unwrap()
    })
}

fn find(name: &str) -> &'static Mode {
    hostile::all().find(|mode| mode.name == name).unwrap()
}

/// Runs a study of good manners, these, and good manners again; holds each record against what its mode must come to.
fn run(study: &str, modes: &'static [Mode], timeout: u32) -> Vec<RunRecord> {
    let out = arena().folder().join(study);
    let [first, last] = ["good", "zeros"].map(find);
    let others = modes.iter().filter(|mode| ![first.name, last.name].contains(&mode.name));
    let rows: Vec<&Mode> = [first].into_iter().chain(others).chain([last]).collect();
    arena().study(study, &rows, 1, timeout).unwrap();
    let output = arena().reproduce(study, &out).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "some rows failed: {said}");
    assert!(!said.contains("panicked"), "{said}");
    let acts = |c: char| is_hidden(c) && c != '\n';
    assert!(!said.contains(acts), "{said:?}");

    let records = whole_records(&out).unwrap();
    assert_eq!(records.len(), rows.len());
    for mode in rows {
        let record = of(&records, mode.name);
        mode.judge(record).unwrap();
        assert!(record.note.chars().count() < 30_000, "{}", mode.name);
    }
    check_files(&out);
    records
}

fn of<'r>(records: &'r [RunRecord], mode: &str) -> &'r RunRecord {
    records.iter().find(|record| record.run.backend == mode).unwrap()
}

/// Nothing but files of a sensible size, and no formula in a table.
fn check_files(out: &Path) {
    for folder in ["", "records", "predictions", "logs"] {
        for entry in fs::read_dir(out.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let found = fs::symlink_metadata(&path).unwrap();
            assert!(found.is_file() || (folder.is_empty() && found.is_dir()), "{}", path.display());
            let is_sparse = path.ends_with("zeros-a-huge-file-r0.npy");
            assert!(found.len() < 16 << 20 || is_sparse, "{}", path.display());
        }
    }
    let mut table = csv::Reader::from_path(out.join("results.csv")).unwrap();
    for cell in
        table.records().flat_map(|line| line.unwrap().iter().map(str::to_owned).collect::<Vec<_>>())
    {
        let is_formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
        assert!(!is_formula || cell.parse::<f64>().is_ok(), "{cell}");
    }
}

#[test]
fn what_hangs_is_stopped_in_its_own_time() {
    let records = run("endless", &hostile::ENDLESS, hostile::LITTLE);
    let endless = of(&records, "progress-without-end");
    assert!(
        ["it said more than 500000 events", "it was stopped after 1.0 s"]
            .iter()
            .any(|sentence| endless.note.starts_with(sentence)),
        "{}",
        endless.note
    );
}

#[test]
fn what_is_said_is_bounded_and_fit_to_be_shown() {
    let records = run("talking", &hostile::TALKING, LONG);
    let long = &of(&records, "fail-at-length").note;
    // Other studies of these tests run beside it, which is noted too.
    let reason = long.split("; another measurement").next().unwrap();
    assert_eq!(reason.chars().count(), 1001, "{long}");
    let escapes = of(&records, "fail-in-escapes");
    assert_eq!(escapes.device, r"\u{1b}[31m\u{202e}");
    assert_eq!(escapes.versions[r"\u{1b}[2J"], r"\u{7}");
    let log = arena().folder().join("talking/logs/zeros-a-long-log-r0.log");
    let log = fs::read_to_string(log).unwrap();
    let cut = 200 * 100_000 + "the end of it\n".len() - (1 << 20) - (64 << 10);
    assert!(log.contains(&format!("\n[{cut} bytes of this log are left out here]\n")));
    assert!(log.ends_with("e\nthe end of it\n"));
    let of_a_formula = of(&records, "formula");
    assert_eq!(of_a_formula.device, "@SUM(A1)");
}

#[test]
fn what_is_left_for_predictions_is_looked_at_before_it_is_believed() {
    let records = run("leaving", &hostile::LEAVING, LONG);
    let huge = of(&records, "huge-numbers").metrics.unwrap();
    assert!((2.9e38..3.1e38).contains(&huge.rmse), "{}", huge.rmse);
    let page = fs::read_to_string(arena().folder().join("leaving/report.md")).unwrap();
    assert!(page.contains("3.00e38") && !page.contains("000000000000"), "{page}");
}

#[test]
fn what_lives_on_is_ended_and_counted() {
    let records = run("living-on", &hostile::LIVING_ON, LONG);
    for mode in ["child-that-works", "child-that-is-waited-for"] {
        let cpu_s = of(&records, mode).usage.cpu_s;
        assert!(cpu_s > 0.15, "{mode}: {cpu_s} s of CPU time");
    }
    let flood = &of(&records, "flood-left-by-the-dead").note;
    let wanted =
        ["ended with exit code 3", "it wrote more than 64 MiB", "it said more than 500000"];
    assert!(wanted.iter().any(|sentence| flood.contains(sentence)), "{flood}");
    // Other tests of this file run beside it: what is looked for is what this study started.
    let is_here = |id: &u32| {
        let line = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        line.starts_with(b"sleep\x003600")
    };
    assert!(!arena().processes().iter().any(is_here), "a child is left");
}
