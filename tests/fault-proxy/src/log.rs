//! What went through the proxy.

use std::sync::{Mutex, MutexGuard, PoisonError};

use http::StatusCode;

use crate::Request;

/// A request and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedRequest {
    /// As the client sent it.
    pub request: Request,
    /// What the client was told; nothing as long as it waits, and when its connection was cut.
    pub status: Option<u16>,
    /// What the API server said; nothing as long as it has not been asked.
    pub upstream_status: Option<u16>,
}

/// All requests in the order they arrived.
#[derive(Debug, Default)]
pub(crate) struct Log(Mutex<Vec<LoggedRequest>>);

/// The place of a request in the log.
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
