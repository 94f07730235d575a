//! nvcc, which compiles the kernels: found, or fetched into the cache; nothing is installed.

mod published;

use std::{ffi::OsString, fmt, path::PathBuf, process::Command};

use anyhow::{Context as _, Result};
use modality_nvcc::Nvcc;
use modality_protocol::words::print;
use published::Published;

use crate::{
    cache::Cache,
    error::{UserError, sentence},
    kept::{Check, Keeper},
    world::World,
};

/// Variables that name an nvcc, the user's own and the one that builds listen to.
const VARIABLES: [&str; 2] = ["NVCC", modality_nvcc::VARIABLE];
const ADVICE: &str = "set $NVCC to the program";

/// An nvcc, and where it is from.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    nvcc: Nvcc,
    origin: Origin,
}

#[derive(Debug, PartialEq, Eq)]
enum Origin {
    /// This variable.
    Variable(&'static str),
    Installed,
    /// The cache, and what the copy there was made from.
    Cache(String),
}

/// Where nvcc is looked for.
struct Search<'a> {
    variable: Option<(&'static str, OsString)>,
    /// Where it may be installed.
    candidates: Vec<PathBuf>,
    published: Published,
    keeper: Keeper<'a>,
}

/// `cargo xtask setup nvcc`: makes nvcc ready, checks the whole copy in the cache, and prints the program's path.
///
/// # Errors
/// [`UserError`] where `$NVCC` names no usable nvcc; [`NotReachable`](crate::NotReachable) where none is here and
/// none can be fetched.
pub fn setup(world: &World) -> Result<()> {
    let found = Search::new(world, &Cache::from_env()?).find(Check::Sums)?;
    world.progress.say(&found.to_string());
    Ok(print(found.nvcc.program().display())?)
}

/// An nvcc that works, fetched if need be.
///
/// # Errors
/// As those of [`setup`].
pub fn ready(world: &World) -> Result<Nvcc> {
    Ok(Search::new(world, &Cache::from_env()?).find(Check::Lengths)?.nvcc)
}

/// An nvcc that is here already; where none works, kernels are compiled when they are run.
pub fn at_hand(world: &World) -> Option<Nvcc> {
    let found = Cache::from_env().and_then(|cache| Search::new(world, &cache).at_hand());
    found.unwrap_or_else(|error| {
        world
            .progress
            .say(&format!("{}; kernels will be compiled when they are run", sentence(&error)));
        None
    })
}

/// Has cargo build kernels by this nvcc, or by none that a variable names.
pub fn offer(nvcc: Option<&Nvcc>, cargo: &mut Command) {
    match nvcc {
        Some(nvcc) => cargo.env(modality_nvcc::VARIABLE, nvcc.program()),
        None => cargo.env_remove(modality_nvcc::VARIABLE),
    };
}

impl<'a> Search<'a> {
    fn new(world: &'a World, cache: &'a Cache) -> Self {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        Self {
            variable: VARIABLES.into_iter().find_map(|name| Some((name, variable(name)?))),
            candidates: modality_nvcc::places(|name| std::env::var_os(name)),
            published: Published::here(),
            keeper: Keeper::new(world, cache),
        }
    }

    fn find(&self, check: Check) -> Result<Found> {
        let found = match self.elsewhere()? {
            Some(found) => found,
            None => {
                let copy = self.keeper.ready(&self.published, check)?;
                Found { nvcc: copy.facts, origin: Origin::Cache(copy.source) }
            }
        };
        found.compiles()
    }

    fn at_hand(&self) -> Result<Option<Nvcc>> {
        let found = self.elsewhere()?.or_else(|| {
            let copy = self.keeper.at_hand(&self.published)?;
            Some(Found { nvcc: copy.facts, origin: Origin::Cache(copy.source) })
        });
        Ok(found.map(Found::compiles).transpose()?.map(|found| found.nvcc))
    }

    /// Out of the cache: what a variable names, and nothing else then; or what is installed.
    fn elsewhere(&self) -> Result<Option<Found>> {
        let Some((name, program)) = &self.variable else {
            let nvcc = Nvcc::first(self.candidates.iter().cloned());
            return Ok(nvcc.map(|nvcc| Found { nvcc, origin: Origin::Installed }));
        };
        let nvcc = Nvcc::at(program).map_err(|error| {
            UserError(format!("${name}: {error}; it must name nvcc 13, or not be set"))
        })?;
        Ok(Some(Found { nvcc, origin: Origin::Variable(name) }))
    }
}

impl Found {
    /// The same, if it has all that it takes.
    fn compiles(self) -> Result<Self> {
        let scratch = tempfile::tempdir().context("cannot make a folder to compile in")?;
        self.nvcc.check(scratch.path())?;
        Ok(self)
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nvcc {}, ", self.nvcc.version())?;
        match &self.origin {
            Origin::Variable(name) => write!(f, "named by ${name}"),
            Origin::Installed => write!(f, "installed here"),
            Origin::Cache(source) => write!(f, "kept in the cache, from {source}"),
        }
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
