//! Two sides, measured in pairs: how much slower, larger or less accurate one is than the other, and whether that can be told.
//!
//! [`Paired`] is what pairs say of one ratio, by exact tests that assume nothing of the noise but that it is as likely to favour
//! either side. [`Comparison`] is of two rows that were run with the same seeds, [`Gate`] the decision about a change.
//! Within-run variance is nowhere an error term: a pair of processes is one observation.
//!
//! ```
//! use modality_compare::Paired;
//!
//! let seconds = [(1.00, 1.09), (1.02, 1.13), (0.99, 1.10), (1.05, 1.14), (1.01, 1.12), (1.00, 1.11)];
//! let paired = Paired::of(seconds).expect("there are pairs");
//! let interval = paired.interval(0.95).expect("six pairs are enough");
//! assert!((paired.ratio() - 1.1).abs() < 0.01);
//! assert!(interval.low > 1.08 && interval.high < 1.12);
//! assert_eq!(paired.p_larger(), 1.0 / 64.0);
//! ```

mod calibration;
mod comparison;
mod gate;
mod paired;
mod quantity;
mod regression;
mod samples;
mod verdict;

pub use calibration::{Tally, replay};
pub use comparison::{Comparison, Line, Mismatch, SeedErrors};
pub use gate::{Decided, Finding, Gate, Outcome, RowPairs, Rules};
pub use paired::{Interval, Paired};
pub use quantity::{Kind, Measured, Pair, Quantity, median};
pub use regression::{FORMAT, Regression, SideFacts};
pub use samples::Error;
pub use verdict::{Least, Verdict};
