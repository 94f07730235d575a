//! `cargo xtask faults`: what becomes of a study whose processes are killed and whose disk is full.

use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};

use crate::{cargo, cli::Faults};

pub(crate) fn run(arguments: &Faults) -> Result<ExitCode> {
    let build = |name| cargo::build(cargo::cargo(), name, &[]);
    let (program, backend, faults) =
        (build("modality-bench")?, build("hostile-backend")?, build("faults")?);
    let mut command = Command::new(&faults);
    command.args([program, backend]);
    command.args([u64::from(arguments.kills), arguments.seed].map(|number| number.to_string()));
    let status = command.arg(&arguments.out).current_dir(cargo::root()).status();
    let status = status.with_context(|| faults.display().to_string())?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
