//! Why a setting was refused.

/// A setting that cannot be used; the text says what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ConfigError {
    message: String,
}

/// Result of a configuration step.
pub type Result<T> = std::result::Result<T, ConfigError>;

impl ConfigError {
    /// An error with this text: what was wrong, and what to write instead.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
        }
    }
}
