//! What the API answers when it does not do what it was asked.

use std::borrow::Cow;

/// An error of the API.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{status} {code}: {message}")]
pub(crate) struct ApiError {
    /// HTTP status, 4xx or 5xx.
    pub(crate) status: u16,
    /// Such as `InvalidLoadBalancerId.NotFound`.
    pub(crate) code: Cow<'static, str>,
    /// In the cloud's words where they are known.
    pub(crate) message: String,
}

impl ApiError {
    pub(crate) fn new(
        status: u16,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        Self { status, code: code.into(), message: message.into() }
    }

    /// The SLB's answer to most of what it cannot use.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "InvalidParameter", message)
    }

    pub(crate) fn missing(parameter: &str) -> Self {
        let message = format!(
            "The input parameter \"{parameter}\" that is mandatory for processing this request is \
             not supplied."
        );
        Self::new(400, "MissingParameter", message)
    }
}
