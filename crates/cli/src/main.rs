//! `modality-bench`: what a user types, by way of `cargo xtask` or as it is.

use std::process::ExitCode;

fn main() -> ExitCode {
    modality_cli::main()
}
