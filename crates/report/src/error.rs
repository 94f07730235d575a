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
    #[error("there are two records of {row}, repeat {repeat}; keep one of them")]
    Twice {
        /// Name of the row.
        row: String,
        /// Counted from zero.
        repeat: usize,
    },
    /// The report's folder cannot be made, or a file of an earlier report not be removed.
    #[error("{path}: {cause}", path = path.display())]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// A file cannot be written.
    #[error(transparent)]
    Write(#[from] modality_protocol::files::Error),
    /// Delimited text cannot be made.
    #[error("the CSV files cannot be made")]
    Csv(#[from] csv::Error),
    /// A page or a figure cannot be filled in.
    #[error("a template of the report cannot be filled in")]
    Template(#[from] minijinja::Error),
    /// A comparison cannot be kept.
    #[error(transparent)]
    Compare(#[from] modality_compare::Error),
    /// JUnit XML cannot be made.
    #[error("the JUnit file cannot be made: {0}")]
    Junit(String),
    /// A figure cannot be measured or rasterised.
    #[error("a figure cannot be drawn: {0}")]
    Figure(String),
}
