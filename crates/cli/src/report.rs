//! `cargo xtask report`: from the records of a study to what people read.

use std::path::Path;

use modality_harness::{bench::Output, plan::Plan, record::RunRecord};
use modality_protocol::words::print;
use modality_report::{Heading, Report};

use modality_toolchain::UserError;

pub(crate) fn run(folder: &Path) -> anyhow::Result<()> {
    let output = Output::new(folder);
    if !output.plan().exists() {
        let what =
            format!("{}: no plan.json here; name the output folder of a study", folder.display());
        return Err(UserError(what).into());
    }
    let plan = Plan::load(&output.plan())?;
    write(&output, &plan)
}

/// Writes the report of the records in `output` and prints its table.
pub(crate) fn write(output: &Output, plan: &Plan) -> anyhow::Result<()> {
    let records = RunRecord::load_all(&output.records())?;
    let Plan { title, description, command, .. } = plan;
    let heading = Heading { title, description, command };
    let report = Report::new(&heading, &records)?;
    report.write(output.root())?;
    Ok(print(report.table())?)
}
