//! `cargo xtask list`: what can be named on the command line.

use std::fmt::Write as _;

use modality_harness::study::{self, Backends, Row, Study};
use modality_methods::Method;
use modality_protocol::words::print;
use modality_toolchain::World;

use crate::{datasets::Catalogue, root::CONFIGS};

pub(crate) fn run(world: &World) -> anyhow::Result<()> {
    let configs = world.root.join(CONFIGS);
    let backends = study::load_backends(&configs)?;
    let mut text = String::from("Studies (cargo xtask reproduce --study NAME)\n");
    for name in study::names(&configs)? {
        let study = Study::load(&configs, &name, None, &backends);
        writeln!(text, "  {name}\n    {}", about(study))?;
    }
    text += "\nData sets (cargo xtask fetch NAME)\n";
    let catalogue = Catalogue::load(&world.root)?;
    for name in catalogue.names() {
        let entry = catalogue.get(name)?;
        let tasks = entry.tasks().map(|task| task.to_string()).collect::<Vec<_>>().join(", ");
        writeln!(text, "  {name}\n    {}\n    {tasks}", entry.about)?;
    }
    text += &of_methods();
    text += &of_backends(&backends);
    Ok(print(text.trim_end())?)
}

/// One study that is wrong says so in its own place.
fn about(study: modality_harness::Result<Study>) -> String {
    match study {
        Ok(study) => {
            let rows = study.rows.iter().map(Row::to_string).collect::<Vec<_>>().join(", ");
            format!("{}\n    {}: {rows}", study.title, study.task)
        }
        Err(error) => format!("cannot be run: {error}"),
    }
}

fn of_methods() -> String {
    let line = |method: &&Method| {
        let Method { name, about, source, .. } = method;
        format!("  {name}\n    {about}\n    {source}\n")
    };
    format!("\nMethods\n{}", modality_methods::ALL.iter().map(line).collect::<String>())
}

fn of_backends(backends: &Backends) -> String {
    let line = |(name, backend): (&String, &study::Backend)| {
        format!("  {name:<16} {}\n", backend.methods.join(", "))
    };
    format!("\nBackends\n{}", backends.iter().map(line).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_study_that_is_wrong_says_so_in_its_own_place() {
        let folder = tempfile::tempdir().unwrap();
        let studies = folder.path().join(study::STUDIES);
        std::fs::create_dir(&studies).unwrap();
        std::fs::write(studies.join("bad.toml"), "title = 1\n").unwrap();
        let study = Study::load(folder.path(), "bad", None, &Backends::new());
        let about = about(study);
        assert!(about.starts_with("cannot be run: ") && about.contains("bad.toml"), "{about}");
    }
}
