//! What went through the gate.

use std::sync::{Mutex, MutexGuard, PoisonError};

use http::StatusCode;

use crate::Request;

/// A request and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// As the client sent it.
    pub request: Request,
    /// What the client was told; nothing as long as it waits, and when its connection was cut.
    pub status: Option<u16>,
    /// What the API server said; nothing as long as it has not been asked.
    pub upstream_status: Option<u16>,
}

/// All requests in the order they arrived.
#[derive(Debug, Default)]
pub(crate) struct Log(Mutex<Vec<Logged>>);

/// The place of a request in the log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry(usize);

impl Log {
    pub(crate) fn arrived(&self, request: Request) -> Entry {
        let mut log = self.lock();
        log.push(Logged { request, status: None, upstream_status: None });
        Entry(log.len() - 1)
    }

    pub(crate) fn told(&self, entry: Entry, status: StatusCode) {
        if let Some(logged) = self.lock().get_mut(entry.0) {
            logged.status = Some(status.as_u16());
        }
    }

    pub(crate) fn heard(&self, entry: Entry, status: StatusCode) {
        if let Some(logged) = self.lock().get_mut(entry.0) {
            logged.upstream_status = Some(status.as_u16());
        }
    }

    pub(crate) fn all(&self) -> Vec<Logged> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Logged>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
