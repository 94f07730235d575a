//! `gpu-check` on kernels of which one is wrong.

#![allow(clippy::unwrap_used)]

use backend_cuda::check::{self, Options};
use modality_emulator::Emulator;

#[test]
fn a_wrong_kernel_is_a_wrong_line() {
    let emulator = Emulator::start(Some("wrong-index")).unwrap();
    emulator.seed(0);
    let options = Options { device: 0, quick: true, only: None };
    let record = check::run(&options, &mut |_| ()).unwrap();
    assert!(!record.passed());
    let text = record.to_string();
    println!("{text}");
    assert!(text.contains("WRONG") && text.contains(&format!("{} of ", record.failed())), "{text}");
    assert!(record.kernels.iter().any(|line| line.passed()), "{text}");
    assert!(record.kernels.iter().any(|line| !line.passed()), "{text}");
}
