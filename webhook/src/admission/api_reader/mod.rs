//! What is read from the API server while a review waits: only what a denial hangs on, and never for
//! long.

mod live;
mod past;
mod service_lists;

pub use live::LiveApiReader;
pub(super) use past::stored_selector;
pub(super) use service_lists::ServiceLists;

use std::time::Duration;

use clbmigrate_core::object::{EndpointSlice, PodTemplate, Service, WorkloadKind};
use futures::future::BoxFuture;
use thiserror::Error;

use crate::api_path::InvalidName;

/// Why something could not be read from the API server. Rules that need it are silent.
#[derive(Debug, Error)]
pub enum ApiReadError {
    /// The API server did not answer within this time.
    #[error("the API server gave no answer within {} s", .0.as_secs())]
    Timeout(Duration),
    /// The API server refuses the request, or cannot be reached.
    #[error(transparent)]
    Client(#[from] kube::Error),
    /// The answer is no list in JSON.
    #[error("the API server's answer cannot be read: {0}")]
    Malformed(#[from] serde_json::Error),
    /// There can be no such object, so nothing was asked.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// Reading the answer has met a bug, or the program ends.
    #[error("the API server's answer was not read to its end: {0}")]
    Ended(#[from] tokio::task::JoinError),
    /// There is no API server to ask.
    #[error("there is no API server to ask")]
    Unavailable,
}

/// Names a workload.
#[derive(Debug, Clone, Copy)]
pub struct WorkloadRef<'w> {
    /// The workload's kind.
    pub kind: WorkloadKind,
    /// The workload's namespace.
    pub namespace: &'w str,
    /// The workload's name.
    pub name: &'w str,
    /// The selector of its pods, as a label selector in a query; empty where it is not known.
    pub selector: &'w str,
}

/// Reads from the API server what the cache does not hold.
pub trait ApiReader: Send + Sync + 'static {
    /// The EndpointSlices of a Service.
    fn endpoint_slices<'r>(
        &'r self,
        namespace: &'r str,
        service: &'r str,
    ) -> BoxFuture<'r, Result<Vec<EndpointSlice>, ApiReadError>>;

    /// The pod templates that a workload had before, as its `ReplicaSets` or `ControllerRevisions`
    /// keep them.
    fn past_templates<'r>(
        &'r self,
        workload: WorkloadRef<'r>,
    ) -> BoxFuture<'r, Result<Vec<PodTemplate>, ApiReadError>>;

    /// All Services of a namespace.
    fn services<'r>(
        &'r self,
        namespace: &'r str,
    ) -> BoxFuture<'r, Result<Vec<Service>, ApiReadError>>;
}

/// Reads nothing: every question ends with [`ApiReadError::Unavailable`].
#[derive(Debug, Clone, Copy, Default)]
pub struct NoApiReader;

impl ApiReader for NoApiReader {
    fn endpoint_slices<'r>(
        &'r self,
        _: &'r str,
        _: &'r str,
    ) -> BoxFuture<'r, Result<Vec<EndpointSlice>, ApiReadError>> {
        Box::pin(async { Err(ApiReadError::Unavailable) })
    }

    fn past_templates<'r>(
        &'r self,
        _: WorkloadRef<'r>,
    ) -> BoxFuture<'r, Result<Vec<PodTemplate>, ApiReadError>> {
        Box::pin(async { Err(ApiReadError::Unavailable) })
    }

    fn services<'r>(&'r self, _: &'r str) -> BoxFuture<'r, Result<Vec<Service>, ApiReadError>> {
        Box::pin(async { Err(ApiReadError::Unavailable) })
    }
}
