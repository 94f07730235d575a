//! TSVD + kernel ridge regression, written once.
//!
//! [`tsvd_krr()`] is the method: the first-place entry of the NeurIPS 2021 Open Problems competition, for any
//! of its tasks. A backend implements [`Stages`], the arithmetic, and nothing else; so backends differ in how a
//! stage is computed and in no other way. [`Exact`] is the reference in float64, and [`conformance`] holds
//! any other implementation against it.

pub mod conformance;
mod dual;
pub mod eigen;
mod exact;
mod groups;
mod pcg;
mod stages;
mod tsvd_krr;

pub use dual::{MORE_LANDMARKS, distinct};
pub use exact::Exact;
pub use groups::{Block, Group, Groups, Part, Side, Wide};
pub use stages::{Stages, Step, Stepped, Tsvd, ratio};
pub use tsvd_krr::{Error, Outcome, Problem, input_scores, tsvd_krr};
