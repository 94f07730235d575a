//! What can go wrong between records and a report, as sentences.

use std::path::PathBuf;

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Records that do not make one report, or a report that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing to report.
    #[error("there are no records to report; run the study first")]
    NoRecords,
    /// Records that cannot stand in one table.
    #[error("the records are of more than one {what}, {first} and {other}; report each on its own")]
    Mixed {
        /// `study` or `data set`.
        what: &'static str,
        /// The first one.
        first: String,
        /// One that differs.
        other: String,
    },
    /// Two records of one run.
    #[error("there are two records of {method}/{backend}, repeat {repeat}; keep one of them")]
    Twice {
        /// Name of the method.
        method: String,
        /// Name of the backend.
        backend: String,
        /// Counted from zero.
        repeat: usize,
    },
    /// The report's folder cannot be made.
    #[error("{path}: {source}", path = path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file cannot be written.
    #[error(transparent)]
    Write(#[from] modality_harness::Error),
    /// Delimited text cannot be made.
    #[error("the CSV files cannot be made: {0}")]
    Csv(#[from] csv::Error),
    /// A page or the figure cannot be filled in.
    #[error("a template of the report cannot be filled in: {0:#}")]
    Template(#[from] minijinja::Error),
    /// The figure cannot be measured or rasterised.
    #[error("the figure cannot be drawn: {0}")]
    Figure(String),
}
