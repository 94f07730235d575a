//! The programs that can be named in a study.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use modality_protocol::DeviceId;
use serde::Deserialize;

use super::read_toml;
use crate::{Error, Result};

const BACKENDS: &str = "backends.toml";

/// A program that speaks the protocol.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backend {
    /// Methods that it can run.
    pub methods: Vec<String>,
    /// Workspace package whose binary of the same name is the runner.
    pub package: Option<String>,
    /// Command line of the runner, started in the root of the checkout.
    pub command: Option<Vec<String>>,
    /// Where it computes.
    #[serde(default)]
    pub device: DeviceId,
    /// What is made ready before the package is built: `libtorch` or `nvcc`.
    pub needs: Option<String>,
}

/// Backends by name.
pub type Backends = BTreeMap<String, Backend>;

/// Reads `folder/backends.toml`.
///
/// # Errors
/// [`Error::Io`] or [`Error::Toml`] naming the file; [`Error::Invalid`] for a backend that has not exactly
/// one of `package` and `command`.
pub fn load_backends(folder: &Path) -> Result<Backends> {
    let path: PathBuf = folder.join(BACKENDS);
    let backends: Backends = read_toml(&path)?;
    for (name, backend) in &backends {
        let command_is_empty = backend.command.as_ref().is_some_and(Vec::is_empty);
        if backend.package.is_some() == backend.command.is_some() || command_is_empty {
            return Err(Error::Invalid(format!(
                "{}: backend `{name}` needs either `package` or a `command` that is not empty",
                path.display()
            )));
        }
    }
    Ok(backends)
}
