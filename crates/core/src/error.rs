//! One opaque error with a stable code, so that callers in any language can tell causes apart.

use std::fmt;

/// What kind of failure this is. [`ErrorKind::code`] is stable across releases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// A handle (store, database, shape) that was never given out or has been released.
    UnknownHandle,
    /// Facts, changes or images that are not of the documented shape.
    InvalidInput,
    /// Encoded parameters that do not follow the encoding of [`crate::value`].
    InvalidParameters,
    /// A bug of this crate that was caught before it could do harm.
    Internal,
}

impl ErrorKind {
    /// The stable code of this kind.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::UnknownHandle => "CACHEOPS_UNKNOWN_HANDLE",
            Self::InvalidInput => "CACHEOPS_INVALID_INPUT",
            Self::InvalidParameters => "CACHEOPS_INVALID_PARAMETERS",
            Self::Internal => "CACHEOPS_INTERNAL",
        }
    }
}

/// The error of this crate.
#[derive(Clone, Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
}

/// A result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Makes an error of a kind with a message that says what to do.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    /// What kind of failure this is.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.code(), self.message)
    }
}

impl std::error::Error for Error {}
