//! The multi-layer perceptron on libtorch.
//!
//! [`mlp()`] is the method: the fourth-place entry of the NeurIPS 2021 Open Problems competition,
//! by team AXX. One model a fold, trained on the cells outside it, kept at the epoch with the best
//! error on the cells inside it; the models' predictions are averaged.
//!
//! ```
//! use backend_torch::{Problem, device, mlp};
//! use modality_data::Csr;
//! use modality_methods::MlpParams;
//! use modality_protocol::{DeviceId, Fold, StageClock};
//! use ndarray::Array2;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (train, test) = (Csr::eye(90), Csr::eye(90));
//! let target = Array2::<f32>::ones((90, 4));
//! let fold = |name: &str, cells: std::ops::Range<u32>| Fold { name: name.to_owned(), cells: cells.collect(), ..Fold::default() };
//! let folds = [fold("s1", 0..30), fold("s2", 30..60), fold("s3", 60..90)];
//! let problem = Problem {
//!     train_input: (&train).into(),
//!     train_target: target.view().into(),
//!     test_input: (&test).into(),
//!     folds: &folds,
//!     seed: 0,
//! };
//! let params = MlpParams { hidden: [16, 8], batch_size: 10, ..MlpParams::default() };
//! let device = device::choose(DeviceId::Cpu)?;
//! let predicted = mlp(&problem, &params, &device, &mut StageClock::silent())?;
//! assert_eq!(predicted.dim(), (90, 4));
//! # Ok(())
//! # }
//! ```

mod adam;
pub mod device;
mod dropout;
mod error;
mod folds;
mod host;
mod mlp;
mod problem;
mod rows;

pub use error::{Error, Result};
pub use mlp::mlp;
pub use problem::Problem;
