//! Where there are two ways to compute something, which one is taken.

use crate::error::{Error, Result};

/// Names ways that are to be taken, or with `no-` before them not to be taken, with commas between.
pub const WAYS: &str = "MODALITY_BENCH_CUDA_WAYS";

/// What a device may know better than whoever reads the code. Results are the same within what float32 rounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ways {
    /// Blocks of a truncated SVD are made orthonormal by Cholesky factorisations, for which the host does not wait; otherwise by
    /// eigenvectors, which the host computes.
    pub cholesky_qr: bool,
    /// Preconditioners multiply with sums of two float16 numbers on matrix units; otherwise with float32 numbers. Off: matrix units cut
    /// off what their sums cannot hold, with one sign in all rows along the leading direction, of which the preconditioner leaves 4e-5.
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
        Self { cholesky_qr: true, halves: false, part: true, streams: true }
    }
}

impl Ways {
    /// The usual ones, but for what [`WAYS`] says in the environment.
    ///
    /// # Errors
    /// [`Error::Way`] for a name that there is not.
    pub fn from_env() -> Result<Self> {
        Self::of(&std::env::var(WAYS).unwrap_or_default())
    }

    /// The usual ones, but for what `list` says, as `halves,no-streams`.
    ///
    /// # Errors
    /// As [`Ways::from_env`].
    pub fn of(list: &str) -> Result<Self> {
        let mut ways = Self::default();
        for text in list.split(',').map(str::trim).filter(|text| !text.is_empty()) {
            let (name, is_taken) = match text.strip_prefix("no-") {
                Some(name) => (name, false),
                None => (text, true),
            };
            let way = NAMED.iter().find(|(known, _)| *known == name);
            let (_, field) = way.ok_or_else(|| Error::Way(text.to_owned()))?;
            *field(&mut ways) = is_taken;
        }
        Ok(ways)
    }

    /// What is not as usual, as [`WAYS`] would name it; empty where nothing is.
    pub fn unusual(mut self) -> String {
        let differs = |(name, field): &Way| match (*field(&mut self), *field(&mut Self::default()))
        {
            (true, false) => Some((*name).to_owned()),
            (false, true) => Some(format!("no-{name}")),
            _ => None,
        };
        NAMED.iter().filter_map(differs).collect::<Vec<_>>().join(",")
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
    fn ways_are_taken_or_not_by_name() {
        let ways = Ways::of(" halves,no-streams,part,").unwrap();
        assert_eq!(ways, Ways { halves: true, streams: false, ..Ways::default() });
        assert_eq!(ways.unusual(), "halves,no-streams");
        assert_eq!(Ways::of("").unwrap(), Ways::default());
        assert!(Ways::default().unusual().is_empty());
        let refused = Ways::of("halves,no-tensor").unwrap_err().to_string();
        let wanted = "MODALITY_BENCH_CUDA_WAYS names `no-tensor`; there are cholesky-qr, halves, part, streams, each with `no-` before it \
                      where it is not to be taken";
        assert_eq!(refused, wanted);
    }
}
