//! The fault campaign, cut short: processes killed at any moment, disks full at any write.

#![cfg(target_os = "linux")]

use std::path::Path;

use end_to_end::{
    faults::{self, Campaign},
    modality_bench,
};

#[test]
fn nothing_is_lost_or_left_whatever_is_killed_and_however_full_the_disk_is() {
    let program = modality_bench();
    let campaign = Campaign {
        program: Path::new(program.get_program()),
        backend: Path::new(env!("CARGO_BIN_EXE_hostile-backend")),
        seed: modality_testing::seed(),
        kills: 5,
        sizes: 2,
    };
    let found = faults::run(&campaign, |_| ()).unwrap();
    assert_eq!(found.iter().map(|group| group.trials.len()).sum::<usize>(), 7);
    let wrong: Vec<String> = found.iter().flat_map(|group| group.wrong()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
