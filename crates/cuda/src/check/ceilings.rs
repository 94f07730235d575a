//! What a device reaches at best: the rates that kernels are held against.

use std::ffi::c_void;

use cudarc::{
    cublas::{
        result::gemm_ex,
        sys::{cublasComputeType_t, cublasGemmAlgo_t, cublasOperation_t, cudaDataType},
    },
    driver::{DevicePtr as _, DevicePtrMut as _},
};

use super::trial::mixed;
use super::{Ceilings, trial};
use crate::{Device, Result};

const COPIED_BYTES: u64 = 1 << 30;
/// Rows and columns of the matrices whose product is timed.
const ROWS: usize = 8192;

pub(super) fn measure(device: &Device) -> Result<Ceilings> {
    Ok(Ceilings {
        copy_gb_s: copy_rate(device, COPIED_BYTES)?,
        float32_gflop_s: device.product_rate()?,
        matrix_units_gflop_s: matrix_unit_rate(device)?,
    })
}

/// Products of float16 matrices with float32 sums, in 10^9 operations a second.
pub(crate) fn matrix_unit_rate(device: &Device) -> Result<f64> {
    rate_of_halves(device, ROWS)
}

fn copy_rate(device: &Device, most: u64) -> Result<f64> {
    let bytes = most.min(device.free_memory()? / 8) as usize;
    let from = device.stream.alloc_zeros::<u8>(bytes)?;
    let mut to = device.allocate::<u8>(bytes)?;
    let taken = trial::time(device, || Ok(device.stream.memcpy_dtod(&from, &mut to)?))?;
    Ok(2.0 * bytes as f64 / (taken.milliseconds * 1e6))
}

/// For matrices of `rows` rows and columns. Of random numbers, as zeros take less power and so are multiplied faster.
fn rate_of_halves(device: &Device, rows: usize) -> Result<f64> {
    // 0.5 to 1, with either sign.
    let half = |bits: u64| (bits as u16 & 0x83ff) | 0x3800;
    let halves: Vec<u16> = (0..(rows * rows) as u64).map(|i| half(mixed(1, i))).collect();
    let a = device.send(&halves)?;
    let mut c = device.allocate::<f32>(rows * rows)?;
    let taken = trial::time(device, || {
        let (a, _a) = a.device_ptr(&device.stream);
        let (c, _c) = c.device_ptr_mut(&device.stream);
        let (n, operation) = (rows as i32, cublasOperation_t::CUBLAS_OP_N);
        let (one, zero) = (1.0_f32, 0.0_f32);
        let [one, zero] = [&raw const one, &raw const zero].map(|number| number.cast::<c_void>());
        // SAFETY: all three matrices are rows x rows, of the types that are named; the factors live until the call is over.
        unsafe {
            gemm_ex(
                *device.blas.handle(),
                operation,
                operation,
                n,
                n,
                n,
                one,
                a as _,
                cudaDataType::CUDA_R_16F,
                n,
                a as _,
                cudaDataType::CUDA_R_16F,
                n,
                zero,
                c as _,
                cudaDataType::CUDA_R_32F,
                n,
                cublasComputeType_t::CUBLAS_COMPUTE_32F,
                cublasGemmAlgo_t::CUBLAS_GEMM_DFALT,
            )
        }?;
        Ok(())
    })?;
    Ok(2.0 * (rows as f64).powi(3) / (taken.milliseconds * 1e6))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device() -> Device {
        modality_emulator::Emulator::start(None).unwrap();
        Device::open(0).unwrap()
    }

    #[test]
    fn a_copy_can_be_timed() {
        assert!(copy_rate(&device(), 1 << 16).unwrap() > 0.0);
    }

    #[test]
    fn a_product_of_halves_can_be_timed() {
        assert!(rate_of_halves(&device(), 64).unwrap() > 0.0);
    }
}
