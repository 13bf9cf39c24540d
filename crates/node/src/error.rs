//! Errors cross as `CODE: text`; the JavaScript side splits them.

use cacheops_core::error::Error as CoreError;
use napi::{Error, Status};

/// A core error as one that is thrown.
#[expect(clippy::needless_pass_by_value, reason = "it is what map_err calls")]
pub fn thrown(error: CoreError) -> Error {
    Error::new(Status::GenericFailure, error.to_string())
}

/// An error of arguments.
pub fn invalid(text: &str) -> Error {
    Error::new(
        Status::InvalidArg,
        format!("CACHEOPS_INVALID_INPUT: {text}"),
    )
}
