//! Two measurements on one machine: their records say so, and neither writes into the other's folder.

#![cfg(target_os = "linux")]

use std::{path::Path, process::Stdio, thread, time::Duration};

use end_to_end::{
    arena::{Arena, whole_records},
    hostile::{BRIEF, Mode},
    modality_bench,
};

/// Where nothing hangs, nothing should be stopped, however slow the machine.
const LONG: u32 = 600;

#[test]
fn two_measurements_know_of_one_another_and_keep_apart() {
    let modes: Vec<&Mode> = BRIEF.iter().collect();
    let program = modality_bench();
    let backend = Path::new(env!("CARGO_BIN_EXE_hostile-backend"));
    let arena = Arena::new(Path::new(program.get_program()), backend, &modes).unwrap();
    arena.study("long", &modes, 30, LONG).unwrap();
    arena.study("short", &modes, 1, LONG).unwrap();
    let out = |name| arena.folder().join(name);

    let mut long = arena.reproduce("long", &out("long"));
    let mut long = long.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while whole_records(&out("long")).unwrap().is_empty() {
        assert!(long.try_wait().unwrap().is_none(), "it ended before it had a record");
        thread::sleep(Duration::from_millis(5));
    }
    let refused = arena.reproduce("long", &out("long")).arg("--resume").output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("error: another process measures into "), "{said}");

    let short = arena.reproduce("short", &out("short")).output().unwrap();
    assert_eq!(short.status.code(), Some(0), "{}", String::from_utf8_lossy(&short.stderr));
    assert!(long.wait().unwrap().success());

    let beside =
        |study: &str| format!("another measurement ran on this machine: study `{study}` (process ");
    let notes = |name: &'static str| {
        let records = whole_records(&out(name)).unwrap();
        records.into_iter().map(|record| record.note).collect::<Vec<_>>()
    };
    assert!(
        notes("short").iter().all(|note| note.contains(&beside("long"))),
        "{:?}",
        notes("short")
    );
    let told = notes("long").iter().filter(|note| note.contains(&beside("short"))).count();
    assert!((1..30).contains(&told), "{told} of 30 runs had company");
    arena.is_left().unwrap();
}
