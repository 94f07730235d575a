//! `cargo xtask gpu-check`, as far as it goes without building anything.

use std::fs;

use end_to_end::modality_bench;

fn refused(arguments: &[&str]) -> String {
    let output =
        modality_bench().arg("gpu-check").args(arguments).assert().code(2).get_output().clone();
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn mistakes_are_told_before_any_work() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().to_str().unwrap();
    let said = refused(&["--studies", "gpu,nope", "--out", place]);
    assert!(said.contains("--studies nope: there are adt-to-gex,"), "{said}");
    let said = refused(&["--only", "everything"]);
    assert!(said.contains("checks, sanitizer, studies"), "{said}");
    let said = refused(&["--limit", "0"]);
    assert!(said.contains("--limit <SECONDS>"), "{said}");
    let said = refused(&["--bundle", place, "--quick"]);
    assert!(said.contains("cannot be used with"), "{said}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);

    fs::write(folder.path().join("summary.txt"), "earlier results\n").unwrap();
    let said = refused(&["--out", place]);
    assert!(said.contains("already holds results; name another --out"), "{said}");
    let said = refused(&["--bundle", place]);
    assert!(said.contains("name a folder that is empty or new"), "{said}");
}
