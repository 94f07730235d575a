//! Writes the report of made-up records into the folder that is named, to look at.

#[allow(dead_code)]
#[path = "../tests/samples/mod.rs"]
mod samples;

use std::path::Path;

use modality_report::{Heading, Report};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("name a folder to write into")?;
    let description =
        "Surface proteins predicted from gene expression of the same cells: made-up records.";
    let variants = [
        ("real", samples::study()),
        ("synthetic", samples::synthetic(samples::study())),
        ("crowd", samples::crowd()),
        ("sweep", samples::trained::sweep()),
        ("validated", samples::trained::validated_study()),
        ("full-graph", samples::trained::full_graph()),
        ("scaling", samples::scaling()),
        ("accelerated", samples::accelerated()),
    ];
    for (name, records) in variants {
        let report = Report::new(
            &Heading {
                title: "Sample report",
                description,
                command: "cargo xtask reproduce --study <x>",
            },
            &records,
        )?;
        report.write(&Path::new(&folder).join(name))?;
        println!("{}", report.table());
    }
    Ok(())
}
