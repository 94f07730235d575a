//! What can go wrong between a study and its records, as sentences.

use std::path::PathBuf;

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A study, plan, record or prediction that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused.
    #[error("{path}: {cause}", path = path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// A JSON file that does not hold what it should.
    #[error("{path}: {cause}", path = path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What and where.
        cause: serde_json::Error,
    },
    /// A TOML file that does not hold what it should.
    #[error("{path}: {cause}", path = path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// What and where.
        cause: Box<toml::de::Error>,
    },
    /// A setting outside its range, an unknown name, or predictions of the wrong shape.
    #[error("{0}")]
    Invalid(String),
    /// A hyperparameter that is unknown or out of range.
    #[error(transparent)]
    Method(#[from] modality_methods::Error),
    /// The prepared data set cannot be read.
    #[error(transparent)]
    Data(#[from] modality_data::Error),
}

impl From<modality_protocol::files::Error> for Error {
    fn from(error: modality_protocol::files::Error) -> Self {
        use modality_protocol::files::Error as File;
        match error {
            File::Io { path, cause } => Self::Io { path, cause },
            File::Json { path, cause } => Self::Json { path, cause },
        }
    }
}
