//! TSVD and kernel ridge regression on NVIDIA GPUs.
//!
//! [`CudaStages`] computes the recipe's stages ([`modality_recipe::Stages`]) with the kernels of `kernels/*.cu`, cuBLAS and
//! cuSOLVER, all loaded at run time: the program builds and starts on machines that have none of these, and says what is
//! missing. `backend-cuda` is the runner.
//!
//! The kernels are compiled by nvcc when the crate is built, where there is an nvcc, and by NVRTC when it starts otherwise.
//! The tests run on any machine: `modality-emulator` compiles the same kernels for the host.
//!
//! ```
//! use backend_cuda::{CudaStages, Device};
//! use modality_methods::KernelEntries;
//! use modality_recipe::{Linalg as _, Rbf as _};
//! use ndarray::array;
//!
//! match Device::open(0) {
//!     Ok(device) => {
//!         let room = device.free_memory()?;
//!         let mut stages = CudaStages::new(device, room, KernelEntries::Kept);
//!         let x = stages.upload(array![[0.0, 1.0], [1.0, 1.0]].view())?;
//!         let kernel = stages.kernel(&x, 0.5)?;
//!         let c = stages.solve(kernel, 0.2, &x)?;
//!         println!("{}", stages.download(&c)?);
//!     }
//!     // There is no NVIDIA driver here, for instance.
//!     Err(reason) => println!("{reason}"),
//! }
//! # Ok::<(), backend_cuda::Error>(())
//! ```

mod algebra;
#[cfg(test)]
mod apart;
mod beside;
pub mod check;
mod columns;
mod device;
mod error;
mod halves;
mod images;
mod kernels;
mod libraries;
mod matrix;
mod memory;
mod meter;
mod parts;
mod pool;
mod rbf;
mod run;
mod shared;
mod solver;
mod stages;
mod svd;
mod upload;
#[cfg(test)]
mod vast;
mod warm;
mod ways;

pub use columns::Scalars;
pub use device::{Device, Facts};
pub use error::{Error, Result};
pub use matrix::Matrix;
pub use run::{expect, hello, run};
pub use shared::SharedKernel;
pub use stages::CudaStages;
pub use svd::Rows;
pub use ways::{WAYS, Ways};
