//! Data sets by name: found, fetched or generated, checked by sum, normalised once, and kept as a folder that
//! runners read.

mod catalogue;
mod choice;
mod prepare;
mod remote;
mod wheel;

use std::{
    fmt,
    path::{Path, PathBuf},
};

use anyhow::Result;
use modality_data::{
    FileSum,
    prepared::{self, Manifest},
};
use modality_protocol::words::print;

pub(crate) use catalogue::Catalogue;
use choice::Choice;
pub(crate) use choice::Request;
use prepare::Material;

use crate::cli;
use modality_protocol::{Modality, Task};
use modality_toolchain::{
    UserError, World,
    cache::Cache,
    fetch::Network,
    progress::{Progress, megabytes},
};

/// Whatever making a data set ready takes.
struct Workshop<'a> {
    root: &'a Path,
    catalogue: &'a Catalogue,
    cache: &'a Cache,
    data_folder: Option<PathBuf>,
    network: &'a Network,
    progress: &'a Progress,
}

/// A data set that runners can read.
#[derive(Debug, Clone)]
pub(crate) struct Ready {
    /// The prepared folder.
    pub(crate) folder: PathBuf,
    /// What it holds.
    pub(crate) manifest: Manifest,
}

/// What `fetch` has to tell.
struct Fetched {
    ready: Ready,
    /// The folders and files that were read; none where the data was generated.
    origins: Vec<PathBuf>,
}

/// Makes a data set ready; at once where it has been before.
///
/// # Errors
/// [`UserError`](modality_toolchain::UserError) for a wrong request, configuration or file of the user's;
/// [`NotReachable`](modality_toolchain::NotReachable) where the data cannot be had from here.
pub(crate) fn ready(
    world: &World,
    catalogue: &Catalogue,
    request: &Request<'_>,
    cache: &Cache,
) -> Result<Ready> {
    Workshop::new(world, catalogue, cache).ready(request)
}

/// The folder or file that a data set is read from, with everything in it, fetched if need be.
///
/// # Errors
/// As [`ready`]; [`UserError`](modality_toolchain::UserError) for generated data.
pub(crate) fn published(
    world: &World,
    catalogue: &Catalogue,
    request: &Request<'_>,
    cache: &Cache,
) -> Result<PathBuf> {
    let workshop = Workshop::new(world, catalogue, cache);
    let choice = workshop.choose(request)?;
    let material = Material::new(&choice, cache);
    let _lock = cache.lock(&choice.name, &world.progress)?;
    material.obtain(&world.network, &world.progress)?;
    let mut places = material.places();
    places
        .pop()
        .ok_or_else(|| UserError(format!("`{}` is generated; it has no files", choice.name)).into())
}

/// `cargo xtask fetch`: makes a data set ready, checks the published files even where nothing had to be made,
/// and prints what there is now.
///
/// # Errors
/// As [`ready`].
pub(crate) fn fetch(world: &World, arguments: &cli::Fetch) -> Result<()> {
    let (catalogue, cache) = (Catalogue::load(&world.root)?, Cache::from_env()?);
    let request = Request {
        name: &arguments.name,
        size: arguments.size.as_deref(),
        own: arguments.own.given(),
        task: arguments.task,
        usual: Task::default(),
    };
    Ok(print(Workshop::new(world, &catalogue, &cache).fetch(&request)?)?)
}

impl<'a> Workshop<'a> {
    fn new(world: &'a World, catalogue: &'a Catalogue, cache: &'a Cache) -> Self {
        let data_folder = std::env::var_os("MODALITY_BENCH_DATA")
            .filter(|value| !value.is_empty())
            .map(PathBuf::from);
        let World { root, progress, network, .. } = world;
        Self { root, catalogue, cache, data_folder, network, progress }
    }

    fn ready(&self, request: &Request<'_>) -> Result<Ready> {
        let choice = self.choose(request)?;
        let material = Material::new(&choice, self.cache);
        if let Some(ready) = material.find_ready()? {
            return Ok(ready);
        }
        let _lock = self.cache.lock(&choice.name, self.progress)?;
        self.make_ready(&material)
    }

    fn fetch(&self, request: &Request<'_>) -> Result<Fetched> {
        let choice = self.choose(request)?;
        let material = Material::new(&choice, self.cache);
        let _lock = self.cache.lock(&choice.name, self.progress)?;
        material.obtain(self.network, self.progress)?;
        let ready = self.make_ready(&material)?;
        Ok(Fetched { ready, origins: material.places() })
    }

    fn choose(&self, request: &Request<'_>) -> Result<Choice> {
        request.choose(self.catalogue, self.root, self.data_folder.as_deref())
    }

    /// Under the lock; another process may have been faster.
    fn make_ready(&self, material: &Material<'_>) -> Result<Ready> {
        if let Some(ready) = material.find_ready()? {
            return Ok(ready);
        }
        material.obtain(self.network, self.progress)?;
        material.prepare(self.progress)
    }
}

impl fmt::Display for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let manifest = &self.ready.manifest;
        let (input, target) = (&manifest.input.features, &manifest.target.features);
        writeln!(f, "{}: {}", manifest.name, manifest.provenance.source)?;
        writeln!(
            f,
            "  {} training cells, {} test cells, {} to predict {} from{}",
            manifest.train_cells,
            manifest.test_cells,
            counted(input.names.len(), input.modality),
            counted(target.names.len(), target.modality),
            if manifest.provenance.synthetic { ", synthetic" } else { "" }
        )?;
        writeln!(f, "  normalisation: {}", manifest.provenance.normalisation)?;
        for remark in &manifest.provenance.remarks {
            writeln!(f, "  {remark}")?;
        }
        for origin in &self.origins {
            writeln!(f, "  read from {}", origin.display())?;
        }
        for FileSum { name, sha256 } in &manifest.provenance.files {
            write!(f, "    {sha256}  {name}")?;
            match self.origins.iter().find_map(|origin| size(origin, name)) {
                Some(bytes) => writeln!(f, ", {}", megabytes(bytes))?,
                None => writeln!(f)?,
            }
        }
        writeln!(
            f,
            "  ready in {}, {}",
            self.ready.folder.display(),
            megabytes(prepared::size(&self.ready.folder, manifest).unwrap_or(0))
        )?;
        write!(f, "    {}  sum over its files", manifest.sha256)
    }
}

/// Bytes of the file of that name, which is the origin or stands in it.
fn size(origin: &Path, name: &str) -> Option<u64> {
    let path = if origin.ends_with(name) { origin.to_owned() } else { origin.join(name) };
    std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file).map(|meta| meta.len())
}

/// `1 protein`, `2 proteins`.
fn counted(number: usize, of: Modality) -> String {
    format!("{number} {}", if number == 1 { of.feature() } else { of.features() })
}

#[cfg(test)]
mod tests;
