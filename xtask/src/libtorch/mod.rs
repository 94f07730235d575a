//! libtorch, for the backends that link it: found, or fetched into the cache; nothing is installed.

mod compiler;
mod inspect;
mod kept;
mod make;
mod published;
mod python;
mod unpack;

use std::{
    ffi::{OsStr, OsString},
    fmt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};
use inspect::Facts;
use kept::{Check, Kept, State};
use published::Published;

use crate::{
    cache::Cache,
    error::{NotReachable, UserError},
    fetch::{Network, Tools},
    progress::{Progress, megabytes},
    world::World,
};

/// The version that the backends are written for.
const VERSION: &str = "2.11.0";
const VARIABLE: &str = "LIBTORCH";
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
pub(crate) struct Libtorch {
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
pub(crate) struct Kit {
    pub(crate) libtorch: Libtorch,
    /// Where it is not the usual one.
    compiler: Option<&'static str>,
}

/// Where libtorch is looked for.
struct Search<'a> {
    variable: Option<OsString>,
    /// Instead of the process's own `PATH`.
    path: Option<&'a OsStr>,
    cache: &'a Cache,
    published: Published,
    network: &'a Network,
    progress: &'a Progress,
}

/// `cargo xtask setup libtorch`: makes libtorch ready, checks the whole copy in the cache, and prints the folder.
///
/// # Errors
/// [`UserError`] where `$LIBTORCH` names no usable libtorch; [`NotReachable`] where none is here and none can be
/// fetched.
pub(crate) fn setup(world: &World) -> Result<()> {
    let libtorch = Search::new(world, &Cache::from_env()?).find(Check::Sums)?;
    world.progress.say(&libtorch.to_string());
    println!("{}", libtorch.folder.display());
    Ok(())
}

/// Makes ready whatever building against libtorch takes, or says in a sentence what is missing.
pub(crate) fn kit(world: &World) -> Result<Kit, String> {
    let sentence = |error: anyhow::Error| format!("{error:#}");
    let compiler = compiler::find(std::env::var("CXX").ok().as_deref(), None)?;
    let cache = Cache::from_env().map_err(sentence)?;
    let libtorch = Search::new(world, &cache).find(Check::Lengths).map_err(sentence)?;
    Ok(Kit { libtorch, compiler })
}

impl Kit {
    /// Has cargo build against this libtorch, whatever the environment says.
    pub(crate) fn offer_to(&self, cargo: &mut Command) {
        hide_from(cargo);
        cargo.env(VARIABLE, &self.libtorch.folder);
        if let Some(compiler) = self.compiler {
            cargo.env("CXX", compiler);
        }
    }
}

/// Has cargo build without libtorch, whatever the environment says.
pub(crate) fn hide_from(cargo: &mut Command) {
    for variable in [VARIABLE].iter().chain(&OTHER_VARIABLES) {
        cargo.env_remove(variable);
    }
}

impl<'a> Search<'a> {
    fn new(world: &'a World, cache: &'a Cache) -> Self {
        Self {
            variable: std::env::var_os(VARIABLE),
            path: None,
            cache,
            published: Published::here(),
            network: &world.network,
            progress: &world.progress,
        }
    }

    fn find(&self, check: Check) -> Result<Libtorch> {
        if let Some(folder) = self.variable.as_deref().filter(|value| !value.is_empty()) {
            return named(Path::new(folder));
        }
        match python::find(self.path) {
            Some(libtorch) => Ok(libtorch),
            None => self.in_cache(check),
        }
    }

    /// The copy in the cache, made if need be.
    fn in_cache(&self, check: Check) -> Result<Libtorch> {
        let kept = Kept::new(self.cache.libtorch(VERSION));
        if check == Check::Lengths
            && let State::Sound(libtorch) = kept.state(check)
        {
            return Ok(libtorch);
        }
        let lock = self.cache.lock("libtorch", self.progress)?;
        let trouble = match kept.state(check) {
            State::Sound(libtorch) => return Ok(libtorch),
            State::Absent => format!("libtorch {VERSION} is not here"),
            State::Damaged(what) => format!("the copy of libtorch in the cache is damaged: {what}"),
        };
        let tools = self.may_fetch(&trouble)?;
        self.progress.say(&format!(
            "{trouble}; fetching it ({} as Python packages) into {}",
            megabytes(self.published.bytes()),
            kept.folder().display()
        ));
        if lock.excludes_others() {
            kept.sweep();
        }
        make::make(&kept, &self.published, tools, self.progress)
    }

    fn may_fetch(&self, trouble: &str) -> Result<&Tools, NotReachable> {
        if !self.published.is_for_here {
            return Err(NotReachable(format!(
                "{trouble}, and it can be fetched for Linux on x86-64 alone; set ${VARIABLE} to the folder of one"
            )));
        }
        self.network.tools(
            trouble,
            &format!("run `cargo xtask setup libtorch` with a network, or set ${VARIABLE} to the folder of one"),
        )
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
