//! The network's arithmetic by libtorch's own operations, on any device.
//!
//! Messages are products with dense tiles of the matrix of edges, with the mask applied. Gradients of what is neither
//! a product nor a message are libtorch's own, by automatic differentiation of that piece alone.

use modality_methods::GROUPS;
use tch::{Device, Kind, Tensor};

use super::{
    activation::EPSILON,
    arithmetic::{Along, Normed, Ready, Scales},
    mask::Mask,
};
use crate::Result;

/// Values of a dense tile, at most.
const TILE: usize = if cfg!(test) { 1 << 6 } else { 1 << 26 };

pub(super) fn product(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    Ok(x.f_mm(&weight.f_tr()?)?)
}

pub(super) fn by_input(gradient: &Tensor, weight: &Tensor) -> Result<Tensor> {
    Ok(gradient.f_mm(weight)?)
}

pub(super) fn add_by_input(out: &mut Tensor, gradient: &Tensor, weight: &Tensor) -> Result<()> {
    let _ = out.f_addmm_(gradient, weight)?;
    Ok(())
}

pub(super) fn by_weight(gradient: &Tensor, x: &Tensor) -> Result<Tensor> {
    Ok(gradient.f_tr()?.f_mm(x)?)
}

pub(super) fn column_sums(gradient: &Tensor) -> Result<Tensor> {
    Ok(gradient.f_sum_dim_intlist([0_i64].as_slice(), false, None)?)
}

pub(super) fn gather(along: Along<'_>, h: &Tensor, out: &mut Tensor) -> Result<()> {
    let h = match along.scales {
        Scales::Rows(_) => h.shallow_clone(),
        Scales::Columns(scales) => h.f_mul(scales)?,
    };
    for tile in tiles(along, h.device()) {
        let (first, tile) = tile?;
        let height = tile.size()[0];
        let mut sum = tile.f_mm(&h)?;
        if let Scales::Rows(scales) = along.scales {
            sum = sum.f_mul_(&scales.f_narrow(0, first, height)?)?;
        }
        let _ = out.f_narrow(0, first, height)?.f_add_(&sum)?;
    }
    Ok(())
}

pub(super) fn scatter(along: Along<'_>, h: &Tensor, out: &mut Tensor) -> Result<()> {
    let h = match along.scales {
        Scales::Rows(scales) => h.f_mul(scales)?,
        Scales::Columns(_) => h.shallow_clone(),
    };
    let mut sum = out.f_zeros_like()?;
    for tile in tiles(along, h.device()) {
        let (first, tile) = tile?;
        sum = sum.f_addmm_(&tile.f_tr()?, &h.f_narrow(0, first, tile.size()[0])?)?;
    }
    if let Scales::Columns(scales) = along.scales {
        sum = sum.f_mul_(scales)?;
    }
    let _ = out.f_add_(&sum)?;
    Ok(())
}

/// Dense pieces of the matrix of edges, masked, and the first row of each.
fn tiles(along: Along<'_>, device: Device) -> impl Iterator<Item = Result<(i64, Tensor)>> {
    let Along { edges, rows, ready, mask, .. } = along;
    let Ready::Device(entries) = ready else {
        unreachable!("edges are uploaded where libtorch computes")
    };
    let height = (TILE / edges.width().max(1)).max(1);
    rows.chunks(height).enumerate().map(move |(index, rows)| {
        let size = [rows.len() as i64, edges.width() as i64];
        let mut tile = Tensor::f_empty(size, (Kind::Float, device))?;
        let factors = |indices: &Tensor| mask.map(|mask| mask.factors(indices)).transpose();
        entries.scatter(rows.iter().map(|&row| edges.range(row)), factors, &mut tile)?;
        Ok(((index * height) as i64, tile))
    })
}

pub(super) fn norm_gelu(inputs: &Normed<'_>, mask: Option<Mask>) -> Result<Tensor> {
    let mut sum = norm(inputs[0].0, inputs[0].1)?;
    for &(x, weights) in &inputs[1..] {
        sum = sum.f_add(&norm(x, weights)?)?;
    }
    left_out(sum.f_div_scalar(inputs.len() as f64)?.f_gelu("none")?, mask)
}

pub(super) fn norm_gelu_backward(
    inputs: &Normed<'_>,
    mask: Option<Mask>,
    by_out: &Tensor,
) -> Result<Vec<[Tensor; 3]>> {
    let leaves: Vec<Tensor> =
        inputs.iter().flat_map(|(x, [weight, bias])| [leaf(x), leaf(weight), leaf(bias)]).collect();
    let gradients = differentiated(&leaves, by_out, || {
        let inputs: Vec<_> =
            leaves.chunks_exact(3).map(|one| (&one[0], [&one[1], &one[2]])).collect();
        norm_gelu(&inputs, mask)
    })?;
    let mut gradients = gradients.into_iter();
    let mut three = || [(); 3].map(|()| gradients.next().expect("three an input"));
    Ok(inputs.iter().map(|_| three()).collect())
}

pub(super) fn gelu_norm(x: &Tensor, weights: [&Tensor; 2], mask: Option<Mask>) -> Result<Tensor> {
    left_out(norm(&x.f_gelu("none")?, weights)?, mask)
}

pub(super) fn gelu_norm_backward(
    x: &Tensor,
    [weight, bias]: [&Tensor; 2],
    mask: Option<Mask>,
    by_out: &Tensor,
) -> Result<[Tensor; 3]> {
    let leaves = [leaf(x), leaf(weight), leaf(bias)];
    let [x, weight, bias] = &leaves;
    let gradients = differentiated(&leaves, by_out, || gelu_norm(x, [weight, bias], mask))?;
    Ok(gradients.try_into().expect("one a leaf"))
}

/// A norm over groups, as a layer norm of rows of groups, whose gradient is much faster than that of libtorch's own.
fn norm(x: &Tensor, [weight, bias]: [&Tensor; 2]) -> Result<Tensor> {
    let (rows, width) = x.size2()?;
    let (groups, size) = (GROUPS as i64, width / GROUPS as i64);
    let none = None::<Tensor>;
    let x = x.f_reshape([rows * groups, size])?;
    let x = x.f_layer_norm([size], none.as_ref(), none.as_ref(), f64::from(EPSILON), false)?;
    Ok(x.f_reshape([rows, width])?.f_mul(weight)?.f_add(bias)?)
}

fn leaf(tensor: &Tensor) -> Tensor {
    tensor.detach().set_requires_grad(true)
}

/// The gradients by `leaves`, for `by_out` by what `forward` makes of them.
fn differentiated(
    leaves: &[Tensor],
    by_out: &Tensor,
    forward: impl FnOnce() -> Result<Tensor>,
) -> Result<Vec<Tensor>> {
    tch::with_grad(|| {
        let out = forward()?;
        let along = out.f_mul(by_out)?.f_sum(None)?;
        Ok(Tensor::f_run_backward(&[along], leaves, false, false)?)
    })
}

pub(super) fn left_out(x: Tensor, mask: Option<Mask>) -> Result<Tensor> {
    let Some(mask) = mask else { return Ok(x) };
    let indices = Tensor::f_arange(x.numel() as i64, (Kind::Int64, x.device()))?;
    Ok(x.f_mul(&mask.factors(&indices)?.f_view_as(&x)?)?)
}
