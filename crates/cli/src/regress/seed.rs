//! A folder of its own for what cargo builds of another commit, which begins with what both have in common.
//!
//! Cargo calls the packages of a workspace by their place within it, and takes them for unchanged by their files' times: two checkouts
//! that shared a folder would be taken for one another. What comes from registries is called by its name and version, and is
//! the same for both, so links to it save building it again.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context as _, Result};
use modality_toolchain::World;
use serde::Deserialize;

/// What cargo keeps of each package, in the folder of a profile.
const PARTS: [&str; 3] = ["deps", "build", ".fingerprint"];
/// Of what this program is built, and so the runners.
pub(super) const PROFILE: &str = if cfg!(debug_assertions) { "debug" } else { "release" };

/// Links what `from` has of packages that are not of this workspace into `to`, unless there is something already.
pub(super) fn seed(world: &World, from: &Path, to: &Path) -> Result<()> {
    let (from, to) = (from.join(PROFILE), to.join(PROFILE));
    if to.exists() || !from.is_dir() {
        return Ok(());
    }
    let own = own(world)?;
    for part in PARTS {
        let context = || to.join(part).display().to_string();
        fs::create_dir_all(to.join(part)).with_context(context)?;
        for entry in fs::read_dir(from.join(part)).into_iter().flatten() {
            let name = entry.with_context(context)?.file_name();
            if !is_of(&name.to_string_lossy(), &own) {
                // What cannot be linked is built again.
                let _ = link(&from.join(part).join(&name), &to.join(part).join(&name));
            }
        }
    }
    Ok(())
}

/// Whether cargo gave the name to a file of one of these packages or targets: `libNAME-SUM.rlib`, `NAME-SUM`.
fn is_of(file: &str, own: &BTreeSet<String>) -> bool {
    let stem = file.split('.').next().unwrap_or_default();
    let name = stem.rsplit_once('-').map_or(stem, |(name, _)| name).replace('-', "_");
    own.contains(&name) || name.strip_prefix("lib").is_some_and(|name| own.contains(name))
}

fn link(from: &Path, to: &Path) -> std::io::Result<()> {
    if !from.is_dir() {
        return fs::hard_link(from, to);
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let name = entry?.file_name();
        link(&from.join(&name), &to.join(&name))?;
    }
    Ok(())
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
    #[serde(default)]
    targets: Vec<Named>,
}

/// Names of this workspace's packages and of what they are built into, as files have them.
fn own(world: &World) -> Result<BTreeSet<String>> {
    let arguments = ["metadata", "--no-deps", "--format-version", "1"];
    let output = world.cargo().args(arguments).output().context("cargo cannot be started")?;
    let metadata: Metadata =
        serde_json::from_slice(&output.stdout).context("cargo does not tell of its packages")?;
    let names = metadata.packages.into_iter().flat_map(|package| {
        let targets = package.targets.into_iter().map(|target| target.name);
        targets.chain([package.name])
    });
    Ok(names.map(|name| name.replace('-', "_")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_of_the_workspace_are_known_by_their_files() {
        let own = BTreeSet::from(["modality_cli".to_owned(), "gpu_check".to_owned()]);
        for file in
            ["modality-cli-0a1b", "libmodality_cli-0a1b.rlib", "gpu_check-0a1b.d", "gpu_check-0a1b"]
        {
            assert!(is_of(file, &own), "{file}");
        }
        for file in ["clap-0a1b", "libclap_builder-0a1b.rmeta", "modality_cli_extra-0a1b"] {
            assert!(!is_of(file, &own), "{file}");
        }
    }
}
