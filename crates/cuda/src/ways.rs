//! Where there are two ways to compute something, which one is taken.

use crate::error::{Error, Result};

/// Names ways that are not to be taken, as a list with commas.
pub const WITHOUT: &str = "MODALITY_BENCH_CUDA_WITHOUT";

/// Ways that should be the faster ones; a device may know better. Results are the same within what float32 rounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ways {
    /// Blocks of a truncated SVD are made orthonormal by Cholesky factorisations, for which the host does not wait; otherwise by
    /// eigenvectors, which the host computes.
    pub cholesky_qr: bool,
    /// Preconditioners multiply with sums of two float16 numbers on matrix units; otherwise with float32 numbers.
    pub halves: bool,
    /// As many rows of the kernel are kept as there is room for; otherwise all or none.
    pub part: bool,
    /// The preconditioners of several fits are factorised side by side, on streams of their own; otherwise one after the other.
    pub streams: bool,
}

type Way = (&'static str, fn(&mut Ways) -> &mut bool);

const NAMED: [Way; 4] = [
    ("cholesky-qr", |ways| &mut ways.cholesky_qr),
    ("halves", |ways| &mut ways.halves),
    ("part", |ways| &mut ways.part),
    ("streams", |ways| &mut ways.streams),
];

impl Default for Ways {
    fn default() -> Self {
        Self { cholesky_qr: true, halves: true, part: true, streams: true }
    }
}

impl Ways {
    /// All but those that [`WITHOUT`] names in the environment.
    ///
    /// # Errors
    /// [`Error::Way`] for a name that there is not.
    pub fn from_env() -> Result<Self> {
        Self::without(&std::env::var(WITHOUT).unwrap_or_default())
    }

    /// All but those that `list` names, separated by commas.
    ///
    /// # Errors
    /// As [`Ways::from_env`].
    pub fn without(list: &str) -> Result<Self> {
        let mut ways = Self::default();
        for name in list.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            let way = NAMED.iter().find(|(known, _)| *known == name);
            let (_, field) = way.ok_or_else(|| Error::Way(name.to_owned()))?;
            *field(&mut ways) = false;
        }
        Ok(ways)
    }

    /// What is not done, as [`WITHOUT`] would name it; empty where nothing is left out.
    pub fn missing(mut self) -> String {
        let missing = NAMED.iter().filter(|(_, field)| !*field(&mut self)).map(|(name, _)| *name);
        missing.collect::<Vec<_>>().join(",")
    }

    /// All names.
    pub(crate) fn names() -> String {
        NAMED.map(|(name, _)| name).join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_are_left_out_by_name() {
        let ways = Ways::without(" halves,streams,").unwrap();
        assert_eq!(ways, Ways { halves: false, streams: false, ..Ways::default() });
        assert_eq!(ways.missing(), "halves,streams");
        assert_eq!(Ways::without("").unwrap(), Ways::default());
        assert!(Ways::default().missing().is_empty());
        let refused = Ways::without("halves,tensor").unwrap_err().to_string();
        let wanted = "MODALITY_BENCH_CUDA_WITHOUT names `tensor`; there are cholesky-qr, halves, part, streams";
        assert_eq!(refused, wanted);
    }
}
