//! libtorch, for the backends that link it: found, or fetched into the cache; nothing is installed.

mod archive;
mod inspect;
mod published;
mod python;

use std::{
    ffi::{OsStr, OsString},
    fmt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};
use inspect::Facts;
use modality_protocol::words::print;
use published::{FOLDER, Published};

use crate::{
    cache::Cache,
    compiler,
    error::{UserError, sentence},
    kept::{self, Check, Keeper},
    world::World,
};

/// The version that the backends are written for.
const VERSION: &str = "2.11.0";
const VARIABLE: &str = "LIBTORCH";
/// Where a program's libraries are looked for before the places that it was linked with.
const LOADER: &str =
    if cfg!(target_os = "macos") { "DYLD_LIBRARY_PATH" } else { "LD_LIBRARY_PATH" };
/// What else the build of the bindings listens to.
const OTHER_VARIABLES: [&str; 5] = [
    "LIBTORCH_INCLUDE",
    "LIBTORCH_LIB",
    "LIBTORCH_USE_PYTORCH",
    "LIBTORCH_STATIC",
    "LIBTORCH_CXX11_ABI",
];

/// A libtorch that can be linked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Libtorch {
    /// The folder with `include` and `lib`.
    folder: PathBuf,
    facts: Facts,
    origin: Origin,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Origin {
    /// `$LIBTORCH`.
    Variable,
    /// The package torch of this Python.
    Python(&'static str),
    /// The cache, and what the copy there was made from.
    Cache(String),
}

/// What building against libtorch takes.
pub struct Kit {
    libtorch: Libtorch,
    /// Where it is not the usual one.
    compiler: Option<&'static str>,
}

/// Where libtorch is looked for.
struct Search<'a> {
    variable: Option<OsString>,
    /// Instead of the process's own `PATH`.
    path: Option<&'a OsStr>,
    published: Published,
    keeper: Keeper<'a>,
}

/// `cargo xtask setup libtorch`: makes libtorch ready, checks the whole copy in the cache, and prints the folder.
///
/// # Errors
/// [`UserError`] where `$LIBTORCH` names no usable libtorch; [`NotReachable`](crate::NotReachable) where none is here and none can be
/// fetched.
pub fn setup(world: &World) -> Result<()> {
    let libtorch = Search::new(world, &Cache::from_env()?).find(Check::Sums)?;
    world.progress.say(&libtorch.to_string());
    Ok(print(libtorch.folder.display())?)
}

/// Makes ready whatever building against libtorch takes, or says in a sentence what is missing.
pub fn kit(world: &World) -> Result<Kit, String> {
    let sentence = |error: anyhow::Error| sentence(&error);
    let compiler = compiler::find(std::env::var("CXX").ok().as_deref(), None)?;
    let cache = Cache::from_env().map_err(sentence)?;
    let libtorch = Search::new(world, &cache).find(Check::Lengths).map_err(sentence)?;
    Ok(Kit { libtorch, compiler })
}

/// A libtorch that is here, for a program that was linked elsewhere; nothing is fetched.
pub fn at_hand(world: &World) -> Result<Libtorch, String> {
    let sentence = |error: anyhow::Error| sentence(&error);
    let cache = Cache::from_env().map_err(sentence)?;
    let found = Search::new(world, &cache).at_hand().map_err(sentence)?;
    found.ok_or_else(|| {
        format!(
            "libtorch {VERSION} is not here; set ${VARIABLE} to the folder of one, or have Python's torch {VERSION}"
        )
    })
}

impl Libtorch {
    /// The environment variable with which a program loads this libtorch, whichever it was linked with, and its value.
    pub fn loaded_by(&self) -> Result<(&'static str, OsString), String> {
        let libraries = self.folder.join("lib");
        let others = std::env::var_os(LOADER).filter(|others| !others.is_empty());
        let others = others.iter().flat_map(std::env::split_paths);
        let path = std::env::join_paths(std::iter::once(libraries).chain(others));
        path.map(|path| (LOADER, path)).map_err(|error| format!("${LOADER}: {error}"))
    }

    /// Has a program find this libtorch, whatever the environment says.
    pub fn offer_to(&self, command: &mut Command) {
        hide_from(command);
        command.env(VARIABLE, &self.folder);
    }
}

impl Kit {
    /// Has cargo build against this libtorch, whatever the environment says.
    pub fn offer_to(&self, cargo: &mut Command) {
        self.libtorch.offer_to(cargo);
        if let Some(compiler) = self.compiler {
            cargo.env("CXX", compiler);
        }
    }
}

/// Has cargo build without libtorch, whatever the environment says.
pub fn hide_from(cargo: &mut Command) {
    for variable in [VARIABLE].iter().chain(&OTHER_VARIABLES) {
        cargo.env_remove(variable);
    }
}

impl<'a> Search<'a> {
    fn new(world: &'a World, cache: &'a Cache) -> Self {
        Self {
            variable: std::env::var_os(VARIABLE),
            path: None,
            published: Published::here(),
            keeper: Keeper::new(world, cache),
        }
    }

    fn find(&self, check: Check) -> Result<Libtorch> {
        match self.installed()? {
            Some(libtorch) => Ok(libtorch),
            None => Ok(self.keeper.ready(&self.published, check)?.into()),
        }
    }

    fn at_hand(&self) -> Result<Option<Libtorch>> {
        let kept = || self.keeper.at_hand(&self.published).map(Libtorch::from);
        Ok(self.installed()?.or_else(kept))
    }

    /// What the user has.
    fn installed(&self) -> Result<Option<Libtorch>> {
        match self.variable.as_deref().filter(|value| !value.is_empty()) {
            Some(folder) => named(Path::new(folder)).map(Some),
            None => Ok(python::find(self.path)),
        }
    }
}

impl From<kept::Copy<Facts>> for Libtorch {
    fn from(copy: kept::Copy<Facts>) -> Self {
        let kept::Copy { folder, facts, source } = copy;
        Self { folder: folder.join(FOLDER), facts, origin: Origin::Cache(source) }
    }
}

/// What `$LIBTORCH` names; nothing else will do then.
fn named(folder: &Path) -> Result<Libtorch> {
    let wrong = |what: &str| {
        UserError(format!(
            "${VARIABLE} is {}, which {what}; it must be the folder of a libtorch {VERSION}, with `include` and `lib` \
             in it, or not be set",
            folder.display()
        ))
    };
    let facts = inspect::inspect(folder).map_err(|what| wrong(&what))?;
    let folder = std::path::absolute(folder).with_context(|| folder.display().to_string())?;
    Ok(Libtorch { folder, facts, origin: Origin::Variable })
}

impl fmt::Display for Libtorch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Facts { version, has_cuda } = &self.facts;
        let devices = if *has_cuda { "with CUDA" } else { "CPU only" };
        write!(f, "libtorch {version}, {devices}, {}", self.origin)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable => write!(f, "named by ${VARIABLE}"),
            Self::Python(program) => write!(f, "of the package torch of `{program}`"),
            Self::Cache(source) => write!(f, "kept in the cache, from {source}"),
        }
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
