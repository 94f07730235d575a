//! What a backend has to compute.

use crate::{Rbf, Rows};

/// The arithmetic of the recipe on one backend: [`Linalg`](crate::Linalg), [`Rows`] and [`Rbf`].
pub trait Stages: Rows + Rbf {}

impl<S: Rows + Rbf> Stages for S {}
