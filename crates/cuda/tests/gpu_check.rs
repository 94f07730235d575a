//! `gpu-check` on the emulated device, and where there is none.

#![allow(clippy::unwrap_used)]

mod common;

use std::process::{Command, Output};

use backend_cuda::check::{self, FORMAT, Options, Part, Record, Said};
use common::emulator;
use modality_emulator::Failure;

fn gpu_check(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gpu-check")).args(arguments).output().unwrap()
}

#[test]
fn everything_is_as_it_should_be_and_nothing_is_timed() {
    let (_emulator, _guard) = emulator();
    let options = Options { device: 0, quick: false, only: None };
    let mut told = Vec::new();
    let record = check::run(&options, &mut |said| {
        if let Said::Found(line, record) = said {
            told.push((line.to_owned(), record.clone()));
        }
    });
    let record = record.unwrap();
    println!("{record}");
    assert!(record.passed(), "{record}");
    assert!(record.device.name.starts_with("emulated") && record.format == FORMAT);
    assert!(record.ceilings.is_none() && record.kernels.iter().all(|line| line.timing.is_none()));
    assert_eq!(
        record.conformance.iter().filter(|part| part.entries == "formed").count() * 2,
        record.conformance.len()
    );
    let text = record.to_string();
    assert!(text.ends_with("All is as it should be.") && !text.contains("GB/s"), "{text}");
    let json = serde_json::to_string(&record).unwrap();
    let again: Record = serde_json::from_str(&json).unwrap();
    // Numbers may differ in their last bit.
    assert_eq!(again.to_string(), text);

    // What is told line by line is all of it, and each line comes with all before it.
    let (last, before) = told.split_last().unwrap();
    let lines: Vec<&str> = told.iter().map(|(line, _)| line.as_str()).collect();
    assert_eq!(lines.join("\n"), text);
    assert_eq!(last.1, record);
    for (lines, (_, so_far)) in (1..).zip(before) {
        assert!(so_far.unfinished && !so_far.passed());
        assert!(so_far.to_string().contains("Unfinished: "));
        assert!(so_far.kernels.len() + so_far.conformance.len() <= lines);
    }
    let known = |found: &Record| found.kernels.len() + found.conformance.len();
    assert!(told.windows(2).all(|pair| known(&pair[1].1) - known(&pair[0].1) <= 1));
}

#[test]
fn each_part_can_be_checked_alone() {
    let (_emulator, _guard) = emulator();
    for part in [Part::Conformance, Part::Kernels] {
        let options = Options { device: 0, quick: true, only: Some(part) };
        let record = check::run(&options, &mut |_| ()).unwrap();
        assert!(record.passed(), "{record}");
        assert_eq!(record.conformance.is_empty(), part == Part::Kernels);
        assert_eq!(record.kernels.is_empty(), part == Part::Conformance);
    }
}

#[test]
fn a_lost_device_is_not_blamed_on_what_comes_after() {
    let (emulator, _guard) = emulator();
    let options = Options { device: 0, quick: true, only: None };
    let mut begun = 0;
    let record = check::run(&options, &mut |said| {
        begun += usize::from(matches!(said, Said::Begins(_)));
        if begun == 2 {
            emulator.fail(Failure::Launch);
        }
    });
    let record = record.unwrap();
    let [first, second, others @ ..] = record.kernels.as_slice() else { panic!("{record}") };
    assert!(first.passed() && !second.passed(), "{record}");
    let after = format!("can do nothing more after: {}", second.kernels);
    let failures = others.iter().map(|line| &line.failure);
    for failure in failures.chain(record.conformance.iter().map(|part| &part.failure)) {
        assert!(failure.as_ref().is_some_and(|text| text.ends_with(&after)), "{record}");
    }
    assert!(second.failure.as_ref().is_some_and(|text| !text.contains("nothing more")), "{record}");
}

#[test]
fn a_device_that_is_not_there_is_a_sentence_and_a_code_of_its_own() {
    for more in [&[][..], &["--facts"], &["--hold"], &["--only", "conformance"]] {
        let arguments = &[&["--device", "cuda:99"][..], more].concat();
        let output = gpu_check(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), said.lines().count()), (Some(3), 1), "{said}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn mistakes_are_told_before_any_work() {
    for (arguments, wanted) in [
        (["--device", "gpu"], "write `cuda` or `cuda:N`"),
        (["--out", "/no/such/folder/x.json"], "name a file in a folder that exists"),
        (["--out", "/"], "name a file in a folder that exists"),
        (["--speed", "fast"], "unexpected argument"),
    ] {
        let output = gpu_check(&arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(wanted), "{said}");
    }
}
