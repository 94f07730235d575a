//! The memory of libtorch's tensors on the CPU, as slices.

use std::ptr::NonNull;

use tch::{Device, Kind, Tensor};

use crate::{Error, Result};

/// The values of `tensor`, in C order.
pub(crate) fn values(tensor: &Tensor) -> Result<&[f32]> {
    let (data, length) = memory(tensor)?;
    // SAFETY: `memory` has checked that so many float32 values lie there, and the tensor, borrowed for as long as
    // the slice, keeps them. libtorch writes to them only when it is called, which no caller does while it holds the
    // slice.
    Ok(unsafe { std::slice::from_raw_parts(data, length) })
}

/// The values of `tensor`, in C order, to be changed. Views of the same memory may exist, but nothing may be computed
/// with them while the slice is held.
pub(crate) fn values_mut(tensor: &mut Tensor) -> Result<&mut [f32]> {
    let (data, length) = memory(tensor)?;
    // SAFETY: as in `values`; each caller holds the only slice of the memory.
    Ok(unsafe { std::slice::from_raw_parts_mut(data, length) })
}

/// A pointer that is fit for a slice, and the slice's length.
fn memory(tensor: &Tensor) -> Result<(*mut f32, usize)> {
    let plain = tensor.device() == Device::Cpu
        && tensor.f_kind()? == Kind::Float
        && !tensor.is_mkldnn()
        && !tensor.is_sparse()
        && tensor.is_contiguous();
    if !plain {
        let what = "a float32 tensor in C order on the CPU was expected";
        return Err(Error::Torch(what.to_owned()));
    }
    // A tensor without numbers may have no memory.
    let data = match NonNull::new(tensor.data_ptr().cast()) {
        Some(data) => data,
        None => {
            assert_eq!(tensor.numel(), 0, "a tensor with numbers has memory");
            NonNull::dangling()
        }
    };
    Ok((data.as_ptr(), tensor.numel()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_are_seen_by_libtorch() {
        let mut tensor = Tensor::zeros([2, 3], (Kind::Float, Device::Cpu));
        values_mut(&mut tensor).unwrap()[4] = 7.0;
        assert_eq!(tensor.double_value(&[1, 1]), 7.0);
        assert_eq!(values(&tensor).unwrap(), [0.0, 0.0, 0.0, 0.0, 7.0, 0.0]);
        let mut empty = Tensor::zeros([0, 3], (Kind::Float, Device::Cpu));
        assert!(values_mut(&mut empty).unwrap().is_empty());
    }

    #[test]
    fn other_memory_is_refused() {
        let tensor = Tensor::zeros([2, 3], (Kind::Float, Device::Cpu));
        assert!(values(&tensor.tr()).is_err());
        assert!(values(&tensor.to_mkldnn()).is_err());
        assert!(values(&tensor.to_kind(Kind::Double)).is_err());
    }
}
