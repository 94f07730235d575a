//! TSVD + kernel ridge regression, written once.
//!
//! [`tsvd_krr()`] is the method: the first-place entry of the NeurIPS 2021 Open Problems competition, for any
//! of its tasks. A backend implements the arithmetic, [`Stages`], and nothing else; so backends differ in how a
//! stage is computed and in no other way. Truncated SVDs are [`krylov`]'s, preconditioners [`Nystrom`]'s. [`Exact`] is the reference in float64, and [`conformance`] holds
//! any other implementation against it.

pub mod conformance;
mod dual;
mod exact;
mod groups;
pub mod krylov;
mod linalg;
mod nystrom;
mod pcg;
mod problem;
mod rbf;
mod rows;
mod stages;
mod tsvd_krr;

pub use dual::{MORE_LANDMARKS, distinct};
pub use exact::Exact;
pub use groups::{Block, Group, Groups, Part, Side, Wide};
pub use linalg::{Linalg, Step, Stepped, ratio};
pub use nystrom::{LowRank, Nystrom};
pub use problem::{Error, Outcome, Problem};
pub use rbf::Rbf;
pub use rows::{Rows, Tsvd};
pub use stages::Stages;
pub use tsvd_krr::{input_scores, tsvd_krr};
