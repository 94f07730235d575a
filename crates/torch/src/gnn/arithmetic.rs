//! Who computes: kernels of our own on the CPU, libtorch's operations elsewhere.

use tch::{Device, Tensor};

use super::{edges::Edges, host, libtorch, mask::Mask, messages::Tiles};
use crate::{Result, rows::Entries};

/// The network's arithmetic on matrices in C order: cells x width, genes x width, outputs x inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Host,
    Libtorch,
}

/// Rows of a matrix of edges, along which messages go, in either direction and there and back.
#[derive(Clone, Copy)]
pub(super) struct Along<'a> {
    pub(super) edges: &'a Edges,
    pub(super) rows: &'a [u32],
    pub(super) ready: Ready<'a>,
    pub(super) scales: Scales<'a>,
    pub(super) mask: Option<Mask>,
}

/// The edges where they are needed.
#[derive(Clone, Copy)]
pub(super) enum Ready<'a> {
    Host(&'a Tiles),
    Device(&'a Entries),
}

impl<'a> Ready<'a> {
    /// On the device where they were uploaded, in tiles where not.
    pub(super) fn new(uploaded: Option<&'a Entries>, tiles: Option<&'a Tiles>) -> Self {
        match uploaded {
            Some(entries) => Self::Device(entries),
            None => Self::Host(tiles.expect("edges are tiled where the CPU computes")),
        }
    }
}

/// What rows or columns of a matrix of edges are multiplied by, whichever are sent to: a column of numbers.
#[derive(Clone, Copy)]
pub(super) enum Scales<'a> {
    Rows(&'a Tensor),
    Columns(&'a Tensor),
}

/// Matrices, each with the weight and bias of a norm of it.
pub(super) type Normed<'a> = [(&'a Tensor, [&'a Tensor; 2])];

/// Calls the same function of whichever computes.
macro_rules! by_either {
    ($self:ident.$function:ident($($argument:expr),*)) => {
        match $self {
            Self::Host => host::$function($($argument),*),
            Self::Libtorch => libtorch::$function($($argument),*),
        }
    };
}

impl Arithmetic {
    pub(super) fn on(device: Device) -> Self {
        if device == Device::Cpu { Self::Host } else { Self::Libtorch }
    }

    /// x W^T.
    pub(super) fn product(self, x: &Tensor, weight: &Tensor) -> Result<Tensor> {
        by_either!(self.product(x, weight))
    }

    /// g W, the gradient by x.
    pub(super) fn by_input(self, gradient: &Tensor, weight: &Tensor) -> Result<Tensor> {
        by_either!(self.by_input(gradient, weight))
    }

    /// `out` += g W.
    pub(super) fn add_by_input(
        self,
        out: &mut Tensor,
        gradient: &Tensor,
        weight: &Tensor,
    ) -> Result<()> {
        by_either!(self.add_by_input(out, gradient, weight))
    }

    /// g^T x, the gradient by W.
    pub(super) fn by_weight(self, gradient: &Tensor, x: &Tensor) -> Result<Tensor> {
        by_either!(self.by_weight(gradient, x))
    }

    /// The sum of the rows, the gradient by a bias.
    pub(super) fn column_sums(self, gradient: &Tensor) -> Result<Tensor> {
        by_either!(self.column_sums(gradient))
    }

    /// GELU of the mean of the norms of `inputs`, with what the mask leaves out.
    pub(super) fn norm_gelu(self, inputs: &Normed<'_>, mask: Option<Mask>) -> Result<Tensor> {
        by_either!(self.norm_gelu(inputs, mask))
    }

    /// Its gradients by each input, weight and bias.
    pub(super) fn norm_gelu_backward(
        self,
        inputs: &Normed<'_>,
        mask: Option<Mask>,
        by_out: &Tensor,
    ) -> Result<Vec<[Tensor; 3]>> {
        by_either!(self.norm_gelu_backward(inputs, mask, by_out))
    }

    /// The norm of GELU of `x`, with what the mask leaves out.
    pub(super) fn gelu_norm(
        self,
        x: &Tensor,
        norm: [&Tensor; 2],
        mask: Option<Mask>,
    ) -> Result<Tensor> {
        by_either!(self.gelu_norm(x, norm, mask))
    }

    /// Its gradients by input, weight and bias.
    pub(super) fn gelu_norm_backward(
        self,
        x: &Tensor,
        norm: [&Tensor; 2],
        mask: Option<Mask>,
        by_out: &Tensor,
    ) -> Result<[Tensor; 3]> {
        by_either!(self.gelu_norm_backward(x, norm, mask, by_out))
    }

    /// `x` with what the mask leaves out.
    pub(super) fn left_out(self, x: Tensor, mask: Option<Mask>) -> Result<Tensor> {
        by_either!(self.left_out(x, mask))
    }

    /// `out` += what `along`'s rows are sent of `h`, a row a column.
    pub(super) fn gather(self, along: Along<'_>, h: &Tensor, out: &mut Tensor) -> Result<()> {
        by_either!(self.gather(along, h, out))
    }

    /// `out` += what `along`'s columns are sent of `h`, a row a row: the transpose of [`Arithmetic::gather`].
    pub(super) fn scatter(self, along: Along<'_>, h: &Tensor, out: &mut Tensor) -> Result<()> {
        by_either!(self.scatter(along, h, out))
    }
}
