use std::io::Write as _;

use sha2::{Digest as _, Sha256};
use zip::{ZipWriter, write::SimpleFileOptions};

use super::*;

const CONTENT: &[u8] = b"cells and genes";

fn wheel() -> Wheel {
    let sum: String = Sha256::digest(CONTENT).iter().map(|byte| format!("{byte:02x}")).collect();
    let layout = modality_data::CiteLayout::liu_covid();
    let (package, version, member) =
        ("pkg".to_owned(), "1.0".to_owned(), "pkg/data/f.h5ad".to_owned());
    Wheel { package, version, member, bytes: CONTENT.len() as u64, sha256: sum, layout }
}

/// A folder of programs, and one for what they bring.
struct Scene {
    programs: tempfile::TempDir,
    cache: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        Self { programs: tempfile::tempdir().unwrap(), cache: tempfile::tempdir().unwrap() }
    }

    /// Written by a child: a file that this process holds open for writing cannot be run by another thread.
    fn program(self, name: &str, script: &str) -> Self {
        let path = self.programs.path().join(name);
        let write = r#"printf '#!/bin/sh\n%s\n' "$1" > "$2" && chmod 755 "$2""#;
        let status =
            Command::new("/bin/sh").args(["-c", write, "sh", script]).arg(path).status().unwrap();
        assert!(status.success());
        self
    }

    /// A `python3` whose pip brings a wheel with this file.
    fn bringing(self, member: &str, content: &[u8]) -> Self {
        let archive = self.programs.path().join("pkg-1.0-py3-none-any.whl");
        let mut zip = ZipWriter::new(File::create(&archive).unwrap());
        zip.start_file(member, SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
        zip.finish().unwrap();
        let copy = format!("for last; do :; done; /bin/cp '{}' \"$last\"", archive.display());
        self.program("python3", &copy)
    }

    fn fetch(&self) -> Result<Vec<u8>> {
        self.fetch_within(Duration::from_secs(60))
    }

    fn fetch_within(&self, patience: Duration) -> Result<Vec<u8>> {
        let pip = Pip { path: Some(self.programs.path().into()), patience };
        let path = self.cache.path().join("f.h5ad");
        let result = pip.fetch(&wheel(), &path, &Progress::stderr(true));
        let kept = fs::read_dir(self.cache.path()).unwrap().count();
        assert_eq!(kept, usize::from(result.is_ok()), "whole or not at all, and nothing beside it");
        result.map(|()| fs::read(path).unwrap())
    }
}

fn unreachable(result: Result<Vec<u8>>) -> String {
    let error = result.unwrap_err();
    assert!(error.is::<NotReachable>(), "{error:#}");
    error.to_string()
}

fn wrong(result: Result<Vec<u8>>) -> String {
    let error = result.unwrap_err();
    assert!(!error.is::<NotReachable>(), "{error:#}");
    format!("{error:#}")
}

#[test]
fn the_file_is_taken_out_of_the_wheel() {
    assert_eq!(Scene::new().bringing("pkg/data/f.h5ad", CONTENT).fetch().unwrap(), CONTENT);
}

#[test]
fn pip_is_asked_to_download_and_to_do_nothing_else() {
    let scene = Scene::new().program("python3", "echo \"$@\" >&2; exit 1");
    let said = unreachable(scene.fetch());
    assert!(said.contains("-m pip download --no-deps") && said.contains("pkg==1.0 -d "), "{said}");
    assert!(!said.contains("install "), "{said}");
}

#[test]
fn without_any_pip_the_sentence_says_what_to_install() {
    let message = unreachable(Scene::new().fetch());
    assert!(
        message.contains("`python3 -m pip`, `pip3`, `pip`") && message.contains("install Python 3"),
        "{message}"
    );
}

#[test]
fn a_python_without_pip_leaves_it_to_the_next() {
    let scene =
        Scene::new().program("python3", "echo '/usr/bin/python3: No module named pip' >&2; exit 1");
    assert!(unreachable(scene.fetch()).contains("no pip was found"));
    let scene = scene.program("pip3", "echo 'network is down' >&2; exit 1");
    let message = unreachable(scene.fetch());
    assert!(message.contains("`pip3` could not download pkg==1.0: network is down"), "{message}");
}

#[test]
fn a_failure_is_quoted_by_its_last_lines() {
    let script =
        "for i in 1 2 3 4 5 6 7 8; do echo line $i; echo >&2; done; echo 'ERROR: no' >&2; exit 1";
    let message = unreachable(Scene::new().program("python3", script).fetch());
    assert!(message.contains("line 8 / ERROR: no") && !message.contains("line 4"), "{message}");
    let message = unreachable(Scene::new().program("python3", "exit 3").fetch());
    assert!(message.contains("exit status: 3"), "{message}");
}

#[test]
fn a_pip_that_never_ends_is_stopped() {
    let scene = Scene::new().program("python3", "exec /bin/sleep 600");
    assert!(unreachable(scene.fetch_within(Duration::from_millis(100))).contains("was stopped"));
}

#[test]
fn a_wheel_that_is_not_as_expected_is_refused_with_what_is_wrong() {
    let cases = [
        (Scene::new().program("python3", "exit 0"), "left no wheel"),
        (
            Scene::new().program("python3", "for last; do :; done; echo no > \"$last/a.whl\""),
            "the wheel of pkg 1.0",
        ),
        (Scene::new().bringing("pkg/data/g.h5ad", CONTENT), "`pkg/data/f.h5ad`"),
        (Scene::new().bringing("pkg/data/f.h5ad", b"short"), "has 5 bytes where 15 are expected"),
        (Scene::new().bringing("pkg/data/f.h5ad", b"cells and genez"), "has the sum"),
    ];
    for (scene, what) in cases {
        let message = wrong(scene.fetch());
        assert!(message.contains(what), "{message}");
    }
}
