use tch::TchError;

/// Shorthand for this crate's results.
pub type Result<T> = std::result::Result<T, Error>;

/// Why there is no model.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The problem or the hyperparameters make no sense together.
    #[error("{0}")]
    Invalid(String),
    /// Training went wrong.
    #[error("fold {fold}, epoch {epoch}: {what}")]
    Training {
        /// Name of the fold.
        fold: String,
        /// Counted from one.
        epoch: usize,
        /// What is wrong and what would be right.
        what: String,
    },
    /// The device is not there.
    #[error("{0}")]
    Unavailable(String),
    /// libtorch refused.
    #[error("libtorch: {0}")]
    Torch(String),
}

impl From<TchError> for Error {
    /// The first line; the others are a trace of libtorch's own calls.
    fn from(error: TchError) -> Self {
        let text = match error {
            TchError::Torch(text) => text,
            other => other.to_string(),
        };
        Self::Torch(text.lines().next().unwrap_or_default().to_owned())
    }
}
