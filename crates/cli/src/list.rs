//! `cargo xtask list`: what can be named on the command line.

use modality_harness::study::{self, Row, Study};

use crate::{datasets::Catalogue, root::CONFIGS};
use modality_toolchain::World;

pub(crate) fn run(world: &World) -> anyhow::Result<()> {
    let configs = world.root.join(CONFIGS);
    let backends = study::load_backends(&configs)?;
    println!("Studies (cargo xtask reproduce --study NAME)");
    for name in study::names(&configs)? {
        let study = Study::load(&configs, &name, &backends)?;
        let rows = study.rows.iter().map(Row::to_string).collect::<Vec<_>>().join(", ");
        println!("  {name:<14} {}\n  {:<14} {rows}", study.title, "");
    }
    println!("\nData sets (cargo xtask fetch NAME)");
    let catalogue = Catalogue::load(&world.root)?;
    for name in catalogue.names() {
        println!("  {name:<18} {}", catalogue.get(name)?.about);
    }
    println!("\nBackends");
    for (name, backend) in &backends {
        println!("  {name:<14} {}", backend.methods.join(", "));
    }
    Ok(())
}
