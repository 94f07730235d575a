//! `cargo xtask list`: what can be named on the command line.

use modality_harness::study::{self, Row, Study};

use crate::{datasets::Catalogue, root::CONFIGS};
use modality_toolchain::World;

pub(crate) fn run(world: &World) -> anyhow::Result<()> {
    let configs = world.root.join(CONFIGS);
    let backends = study::load_backends(&configs)?;
    println!("Studies (cargo xtask reproduce --study NAME)");
    for name in study::names(&configs)? {
        // One study that is wrong says so in its own place.
        let (title, rows) = match Study::load(&configs, &name, None, &backends) {
            Ok(study) => (
                format!("{} [{}]", study.title, study.task),
                study.rows.iter().map(Row::to_string).collect::<Vec<_>>().join(", "),
            ),
            Err(error) => ("cannot be run".to_owned(), error.to_string()),
        };
        println!("  {name:<14} {title}\n  {:<14} {rows}", "");
    }
    println!("\nData sets (cargo xtask fetch NAME)");
    let catalogue = Catalogue::load(&world.root)?;
    for name in catalogue.names() {
        let entry = catalogue.get(name)?;
        let tasks = entry.tasks().map(|task| task.to_string()).collect::<Vec<_>>().join(", ");
        println!("  {name:<18} {}\n  {:<18} {tasks}", entry.about, "");
    }
    println!("\nBackends");
    for (name, backend) in &backends {
        println!("  {name:<14} {}", backend.methods.join(", "));
    }
    Ok(())
}
