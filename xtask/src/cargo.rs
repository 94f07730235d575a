//! Cargo, and the selections of packages that it builds.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, bail};
use serde_json::Value;

/// What links libtorch, and is built by itself.
pub(crate) const LINKS_LIBTORCH: &str = "backend-torch";

/// All other packages, which share what they are made of: cargo compiles it with the features that all packages of a selection
/// ask for, so a smaller selection would compile much of it once more. The default members of the workspace are the same.
const USUAL: [&str; 3] = ["--workspace", "--exclude", LINKS_LIBTORCH];

/// Has cargo count the features that tests ask for, so that what is built is shared with them.
pub(crate) const AS_TESTS: &str = "--examples";

/// The root of the checkout.
pub(crate) fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Cargo in the root of the checkout.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root());
    forget_package(&mut cargo);
    cargo
}

/// Takes out of a command's environment what cargo tells this program of its own package: builds that look at it (ring's does) would be
/// made anew whenever another program of this workspace has cargo build.
pub(crate) fn forget_package(command: &mut Command) {
    let is_of_package =
        |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(is_of_package) {
            command.env_remove(name);
        }
    }
}

/// Builds by a command that is otherwise complete, and returns its messages; `None` where that fails, and cargo says why.
///
/// # Errors
/// If cargo cannot be started.
pub(crate) fn messages(cargo: &mut Command) -> anyhow::Result<Option<Vec<Value>>> {
    cargo.args(["--message-format", "json-render-diagnostics"]);
    let output = cargo.stderr(Stdio::inherit()).output().context("cargo cannot be started")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let messages = said.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    Ok(output.status.success().then_some(messages))
}

/// Builds a program of the usual packages, by cargo with these arguments more, and returns its path.
///
/// # Errors
/// If it does not build.
pub(crate) fn build(mut cargo: Command, name: &str, arguments: &[&str]) -> anyhow::Result<PathBuf> {
    cargo.arg("build").args(USUAL).args(["--bin", name]).args(arguments);
    let Some(messages) = messages(&mut cargo)? else { bail!("{name} does not build") };
    let mut of_it = messages.iter().filter(|message| message["target"]["name"] == name);
    let executable = of_it.find_map(|message| message["executable"].as_str());
    executable.map(PathBuf::from).with_context(|| format!("cargo named no program {name}"))
}
