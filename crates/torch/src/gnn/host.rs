//! The network's arithmetic on the CPU: products by the library that all dense products here go to, everything between them by
//! kernels of our own, on the memory of libtorch's tensors.

use modality_dense as dense;
use modality_methods::GROUPS;
use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis};
use rayon::prelude::*;
use tch::{Device, Kind, Tensor};

use super::{
    activation::{self, ByNorm, Norm},
    arithmetic::{Along, Normed, Ready, Scales},
    mask::Mask,
    messages::Messages,
};
use crate::{Result, host};

/// Calls the function of `activation` that is made for the width's groups.
macro_rules! by_group {
    ($width:expr, $function:ident($($argument:expr),*)) => {
        match $width / GROUPS as i64 {
            12 => activation::$function::<12>($($argument),*),
            _ => activation::$function::<0>($($argument),*),
        }
    };
}

/// Rows whose products are added up on their own, where the sum over rows is long.
const PART: usize = 4096;

/// rows x columns, not yet written.
fn empty(rows: usize, columns: usize) -> Result<Tensor> {
    Ok(Tensor::f_empty([rows as i64, columns as i64], (Kind::Float, Device::Cpu))?)
}

fn view(tensor: &Tensor) -> Result<ArrayView2<'_, f32>> {
    Ok(ArrayView2::from_shape(size(tensor), host::values(tensor)?).expect("it has that shape"))
}

fn view_mut(tensor: &mut Tensor) -> Result<ArrayViewMut2<'_, f32>> {
    let size = size(tensor);
    Ok(ArrayViewMut2::from_shape(size, host::values_mut(tensor)?).expect("it has that shape"))
}

fn size(tensor: &Tensor) -> (usize, usize) {
    let (rows, columns) = tensor.size2().expect("a matrix");
    (rows as usize, columns as usize)
}

/// x W^T.
pub(super) fn product(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    let mut out = empty(size(x).0, size(weight).0)?;
    dense::product_into(view(x)?, view(weight)?.t(), view_mut(&mut out)?);
    Ok(out)
}

/// g W.
pub(super) fn by_input(gradient: &Tensor, weight: &Tensor) -> Result<Tensor> {
    let mut out = empty(size(gradient).0, size(weight).1)?;
    dense::product_into(view(gradient)?, view(weight)?, view_mut(&mut out)?);
    Ok(out)
}

/// `out` += g W.
pub(super) fn add_by_input(out: &mut Tensor, gradient: &Tensor, weight: &Tensor) -> Result<()> {
    dense::add_product(view(gradient)?, view(weight)?, view_mut(out)?);
    Ok(())
}

/// g^T x.
pub(super) fn by_weight(gradient: &Tensor, x: &Tensor) -> Result<Tensor> {
    let (gradient, x) = (view(gradient)?, view(x)?);
    let parts: Vec<Array2<f32>> = gradient
        .axis_chunks_iter(Axis(0), PART)
        .into_par_iter()
        .zip(x.axis_chunks_iter(Axis(0), PART))
        .map(|(gradient, x)| {
            let mut part = Array2::zeros((gradient.ncols(), x.ncols()));
            dense::product_into_here(gradient.t(), x, part.view_mut());
            part
        })
        .collect();
    let mut out = empty(gradient.ncols(), x.ncols())?;
    host::values_mut(&mut out)?.fill(0.0);
    for part in &parts {
        let mut sum = view_mut(&mut out)?;
        sum += part;
    }
    Ok(out)
}

/// The sum of the rows.
pub(super) fn column_sums(gradient: &Tensor) -> Result<Tensor> {
    let mut sums = vec![0.0; size(gradient).1];
    for row in host::values(gradient)?.chunks_exact(sums.len().max(1)) {
        sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
    Ok(Tensor::f_from_slice(&sums)?)
}

pub(super) fn gather(along: Along<'_>, h: &Tensor, out: &mut Tensor) -> Result<()> {
    let width = size(h).1;
    match along.scales {
        Scales::Rows(scales) => {
            let messages = messages(along, Some(host::values(scales)?));
            messages.gather(host::values(h)?, host::values_mut(out)?, width);
        }
        Scales::Columns(scales) => {
            let h = h.f_mul(scales)?;
            messages(along, None).gather(host::values(&h)?, host::values_mut(out)?, width);
        }
    }
    Ok(())
}

pub(super) fn scatter(along: Along<'_>, h: &Tensor, out: &mut Tensor) -> Result<()> {
    let width = size(h).1;
    let (scales, out_scales) = match along.scales {
        Scales::Rows(scales) => (Some(host::values(scales)?), None),
        Scales::Columns(scales) => (None, Some(host::values(scales)?)),
    };
    let (h, out) = (host::values(h)?, host::values_mut(out)?);
    messages(along, scales).scatter(h, out, out_scales, width);
    Ok(())
}

fn messages<'a>(along: Along<'a>, scales: Option<&'a [f32]>) -> Messages<'a> {
    match along.ready {
        Ready::Host(tiles) => Messages { tiles, mask: along.mask, scales },
        Ready::Device(_) => unreachable!("edges are tiled where the CPU computes"),
    }
}

fn norms<'a>(inputs: &[(&'a Tensor, [&'a Tensor; 2])]) -> Result<Vec<(&'a [f32], Norm<'a>)>> {
    let norm = |&(x, norm): &(&'a Tensor, [&'a Tensor; 2])| Ok((host::values(x)?, of(norm)?));
    inputs.iter().map(norm).collect()
}

fn of<'a>([weight, bias]: [&'a Tensor; 2]) -> Result<Norm<'a>> {
    Ok(Norm { weight: host::values(weight)?, bias: host::values(bias)? })
}

pub(super) fn norm_gelu(inputs: &Normed<'_>, mask: Option<Mask>) -> Result<Tensor> {
    let mut out = inputs[0].0.f_empty_like()?;
    let (width, norms) = (out.size()[1], norms(inputs)?);
    by_group!(width, norm_gelu(&norms, mask, host::values_mut(&mut out)?));
    Ok(out)
}

pub(super) fn norm_gelu_backward(
    inputs: &Normed<'_>,
    mask: Option<Mask>,
    by_out: &Tensor,
) -> Result<Vec<[Tensor; 3]>> {
    let (width, norms, by_out_values) = (by_out.size()[1], norms(inputs)?, host::values(by_out)?);
    let by = by_group!(width, norm_gelu_backward(&norms, mask, by_out_values));
    by.into_iter().map(|by| tensors(by, by_out)).collect()
}

pub(super) fn gelu_norm(x: &Tensor, norm: [&Tensor; 2], mask: Option<Mask>) -> Result<Tensor> {
    let mut out = x.f_empty_like()?;
    let (width, values, norm) = (x.size()[1], host::values(x)?, of(norm)?);
    by_group!(width, gelu_norm(values, norm, mask, host::values_mut(&mut out)?));
    Ok(out)
}

pub(super) fn gelu_norm_backward(
    x: &Tensor,
    norm: [&Tensor; 2],
    mask: Option<Mask>,
    by_out: &Tensor,
) -> Result<[Tensor; 3]> {
    let (x, by, norm) = (host::values(x)?, host::values(by_out)?, of(norm)?);
    let width = by_out.size()[1];
    tensors(by_group!(width, gelu_norm_backward(x, norm, mask, by)), by_out)
}

fn tensors(by: ByNorm, like: &Tensor) -> Result<[Tensor; 3]> {
    let input = Tensor::f_from_slice(&by.input)?.f_view_as(like)?;
    Ok([input, Tensor::f_from_slice(&by.weight)?, Tensor::f_from_slice(&by.bias)?])
}

/// `x` with what the mask leaves out.
pub(super) fn left_out(mut x: Tensor, mask: Option<Mask>) -> Result<Tensor> {
    let width = size(&x).1;
    activation::leave_out_all(mask, host::values_mut(&mut x)?, width);
    Ok(x)
}
