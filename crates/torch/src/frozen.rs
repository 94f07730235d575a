//! Tensors that are only read, by several threads.

use std::ops::Deref;

use tch::Tensor;

/// A tensor that nothing is written to any more.
pub(crate) struct Frozen(Tensor);

// SAFETY: libtorch's tensors may be read by several threads at once, and count their references atomically. In this crate no
// view of a frozen tensor is written to: all that is computed in place is computed in a tensor that was made for it.
unsafe impl Sync for Frozen {}

impl Frozen {
    pub(crate) fn new(tensor: Tensor) -> Self {
        Self(tensor)
    }
}

impl Deref for Frozen {
    type Target = Tensor;

    fn deref(&self) -> &Tensor {
        &self.0
    }
}
