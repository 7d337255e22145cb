//! One call of the cloud API, and whoever answers it.

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

/// What is asked, without what a signature adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiRequest {
    /// Which part of the cloud API.
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

    /// A parameter; empty if it was not given.
    pub fn parameter(&self, name: &str) -> &str {
        let found = self.parameters.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    }
}

/// Why a call gave no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// The cloud answered with an error. Said as CCM 2.14 says it (`util/helper.go`).
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
        /// What it says.
        message: String,
    },
    /// There was no answer, or one that cannot be read.
    #[error("{action}: {why}")]
    NoAnswer {
        /// The action that was asked for.
        action: &'static str,
        /// What went wrong.
        why: String,
    },
}

/// Whoever answers calls: the cloud over HTTP, or a cloud in this process.
pub trait Transport: Debug + Send + Sync {
    /// Answers one call with the JSON object that the cloud API documents for its action.
    fn call(&self, call: ApiRequest) -> BoxFuture<'_, Result<Value, ApiError>>;
}
