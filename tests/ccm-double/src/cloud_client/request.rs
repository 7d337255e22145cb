//! A request of the cloud API, the errors it may end with, and the trait of what sends it.

use std::fmt::Debug;

use futures::future::BoxFuture;
use serde_json::Value;

/// A part of the cloud API, with its own version and endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ApiProduct {
    /// Load balancers (CLB).
    Slb,
    /// Machines and their network interfaces.
    Ecs,
    /// Networks and elastic addresses.
    Vpc,
}

impl ApiProduct {
    /// The version that CCM 2.14 asks for.
    pub fn version(self) -> &'static str {
        match self {
            Self::Slb => "2014-05-15",
            Self::Ecs => "2014-05-26",
            Self::Vpc => "2016-04-28",
        }
    }
}

/// A request without the parameters that the signature adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiRequest {
    /// The part of the cloud API.
    pub product: ApiProduct,
    /// The action's name, `DescribeVServerGroups`.
    pub action: &'static str,
    /// Parameters by name, in the order in which they were set.
    pub parameters: Vec<(String, String)>,
}

impl ApiRequest {
    pub(crate) fn new(product: ApiProduct, action: &'static str) -> Self {
        Self { product, action, parameters: Vec::new() }
    }

    pub(crate) fn slb(action: &'static str) -> Self {
        Self::new(ApiProduct::Slb, action)
    }

    pub(crate) fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.parameters.push((name.into(), value.into()));
        self
    }

    /// Adds a parameter unless it is empty, as the SDK does.
    pub(crate) fn with_any(self, name: &str, value: &str) -> Self {
        if value.is_empty() { self } else { self.with(name, value) }
    }

    /// The value of a parameter; empty if the request has none of that name.
    pub fn parameter(&self, name: &str) -> &str {
        let found = self.parameters.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    }
}

/// Why a request has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// The cloud answered with an error. The text is that of CCM 2.14 (`util/helper.go`).
    #[error(
        "[SDKError] API: {action}, ErrorCode: {code}, RequestId: {request_id}, Message: {message}"
    )]
    ErrorAnswer {
        /// The action that was asked for.
        action: &'static str,
        /// The cloud's error code, `Throttling.User`.
        code: String,
        /// The cloud's name for the request.
        request_id: String,
        /// The cloud's message.
        message: String,
    },
    /// There was no answer, or one that cannot be parsed. The text is that of Go's HTTP client, to which CCM adds
    /// nothing.
    #[error("{why}")]
    NoAnswer {
        /// What went wrong.
        why: String,
    },
}

/// Sends requests to the cloud API.
pub trait Transport: Debug + Send + Sync {
    /// Sends a request and returns the JSON object that the cloud API documents for its action.
    fn call(&self, call: ApiRequest) -> BoxFuture<'_, Result<Value, ApiError>>;
}
