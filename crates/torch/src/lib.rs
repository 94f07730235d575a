//! Neural networks on libtorch, as ensembles: one model a fold, trained on the cells outside it, kept at the epoch with the best
//! error on the cells inside it; the models' predictions are averaged.
//!
//! [`mlp()`] is the fourth-place entry of the NeurIPS 2021 Open Problems competition, by team AXX:
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
//!
//! [`gnn()`] is the second-place entry, by team DANCE. It also looks at the batches of cells, and at sets of genes if there are
//! some:
//!
//! ```
//! # use backend_torch::{Annotations, Problem, device, gnn};
//! # use modality_data::{Csr, Labels};
//! # use modality_methods::GnnParams;
//! # use modality_protocol::{DeviceId, Fold, StageClock};
//! # use ndarray::Array2;
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (train, test) = (Csr::eye(90), Csr::eye(90));
//! # let target = Array2::<f32>::ones((90, 4));
//! # let folds = [Fold { name: "s1".to_owned(), cells: (0..30).collect(), ..Fold::default() }];
//! # let problem = Problem {
//! #     train_input: (&train).into(),
//! #     train_target: target.view().into(),
//! #     test_input: (&test).into(),
//! #     folds: &folds,
//! #     seed: 0,
//! # };
//! let batches = Labels::constant("b1", 90);
//! let annotations = Annotations {
//!     train_batches: &batches,
//!     test_batches: &batches,
//!     gene_sets: &[vec![0, 1, 2]],
//! };
//! let params = GnnParams { hidden: 16, epochs: 2, batch_size: 20, ..GnnParams::default() };
//! let device = device::choose(DeviceId::Cpu)?;
//! let predicted = gnn(&problem, &annotations, &params, &device, &mut StageClock::silent())?;
//! assert_eq!(predicted.dim(), (90, 4));
//! # Ok(())
//! # }
//! ```

mod adam;
pub mod device;
mod dropout;
mod error;
mod folds;
mod frozen;
mod gnn;
mod host;
mod mlp;
mod problem;
mod rows;
mod vectorised;

pub use error::{Error, Result};
pub use gnn::{Annotations, gnn};
pub use mlp::mlp;
pub use problem::Problem;
