//! Reads a data set and prints what it holds.
//!
//! ```bash
//! cargo run --release -p modality-data --example describe -- FOLDER_OF_FOUR_FILES
//! cargo run --release -p modality-data --example describe -- FILE.h5ad LAYOUT.toml
//! cargo run --release -p modality-data --example describe -- liu_demo.h5ad liu-covid
//! ```

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use modality_data::{CiteLayout, Dataset, Split, read_cite_file, read_four_files};
use modality_protocol::Task;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let path = arguments.next().ok_or("usage: describe PATH [LAYOUT.toml | liu-covid]")?;
    let start = Instant::now();
    let dataset = match arguments.next() {
        None => read_four_files(&path, "described", &CiteLayout::default(), None)?,
        Some(layout) if layout.as_os_str() == "liu-covid" => {
            read_cite_file(&path, "described", &CiteLayout::liu_covid(), Task::default())?
        }
        Some(layout) => {
            let layout: CiteLayout = toml::from_str(&std::fs::read_to_string(layout)?)?;
            read_cite_file(&path, "described", &layout, Task::default())?
        }
    };
    print(&dataset);
    println!("read in {:.3} s", start.elapsed().as_secs_f64());
    Ok(())
}

fn print(dataset: &Dataset) {
    println!(
        "{}: {} {}, {} {}",
        dataset.provenance.source,
        dataset.input.names.len(),
        dataset.input.modality.features(),
        dataset.target.names.len(),
        dataset.target.modality.features()
    );
    println!("normalisation: {}", dataset.provenance.normalisation);
    for remark in &dataset.provenance.remarks {
        println!("  {remark}");
    }
    for (half, split) in [("training", &dataset.train), ("test", &dataset.test)] {
        describe(half, split);
    }
    for file in &dataset.provenance.files {
        println!("{}  {}", file.sha256, file.name);
    }
}

fn describe(half: &str, split: &Split) {
    let sum =
        |values: &mut dyn Iterator<Item = &f32>| values.map(|&value| f64::from(value)).sum::<f64>();
    let Split { input, target, cells } = split;
    println!(
        "{half}: {} cells of {} batches, {} donors, {} sites",
        input.rows(),
        cells.batch.names.len(),
        cells.donor.names.len(),
        cells.site.names.len()
    );
    println!(
        "  input: {} numbers, sum {:.3}; target: {} numbers, sum {:.3}",
        input.stored().len(),
        sum(&mut input.stored().iter()),
        target.stored().len(),
        sum(&mut target.stored().iter())
    );
}
