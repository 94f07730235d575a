//! Loops compiled for the widest vectors of the processor that they run on.

use pulp::{Arch, NullaryFnOnce};

/// Runs `work`, a closure marked `#[inline(always)]`, as code for this processor's vectors; so is all that is inlined into it.
#[inline(always)]
pub(crate) fn vectorised<R>(work: impl FnMut() -> R) -> R {
    Arch::new().dispatch(Inlined(work))
}

/// A closure handed over as such is called by way of a function that is not inlined, and left as it was compiled for any
/// processor.
struct Inlined<F>(F);

impl<R, F: FnMut() -> R> NullaryFnOnce for Inlined<F> {
    type Output = R;

    #[inline(always)]
    fn call(mut self) -> R {
        (self.0)()
    }
}
