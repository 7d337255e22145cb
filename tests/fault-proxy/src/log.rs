//! The log of requests.

use std::sync::{Mutex, MutexGuard, PoisonError};

use http::StatusCode;

use crate::Request;

/// A request and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedRequest {
    /// The request as the client sent it.
    pub request: Request,
    /// The status that the client got; `None` while it waits, and if its connection was cut.
    pub status: Option<u16>,
    /// The status of the API server's answer; `None` as long as there is none.
    pub upstream_status: Option<u16>,
}

/// All requests in the order they arrived.
#[derive(Debug, Default)]
pub(crate) struct Log(Mutex<Vec<LoggedRequest>>);

/// The position of a request in the log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogIndex(usize);

impl Log {
    pub(crate) fn add(&self, request: Request) -> LogIndex {
        let mut log = self.lock();
        log.push(LoggedRequest { request, status: None, upstream_status: None });
        LogIndex(log.len() - 1)
    }

    pub(crate) fn set_status(&self, entry: LogIndex, status: StatusCode) {
        if let Some(logged) = self.lock().get_mut(entry.0) {
            logged.status = Some(status.as_u16());
        }
    }

    pub(crate) fn set_upstream_status(&self, entry: LogIndex, status: StatusCode) {
        if let Some(logged) = self.lock().get_mut(entry.0) {
            logged.upstream_status = Some(status.as_u16());
        }
    }

    pub(crate) fn requests(&self) -> Vec<LoggedRequest> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<LoggedRequest>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
