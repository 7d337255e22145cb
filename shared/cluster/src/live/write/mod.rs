//! Guarded writes to Services, and what became of one whose answer was lost.

mod fate;

#[cfg(test)]
mod tests;

use std::time::Duration;

use clbmigrate_core::patch::ServiceEdit;
use http::Method;
use serde_json::{Value, json};
use thiserror::Error as ThisError;
use tokio::time::{Instant, sleep};

use self::fate::Fate;
use super::{
    connect::Connection,
    error::{Error, ErrorKind},
    request::Patience,
    service::{FIELD_MANAGER, LiveService, path_of},
};

/// The annotation that is edited to make CCM write a Service's groups once more. Any value will do;
/// the id of the change tells whose it is.
pub const RESYNC: &str = "clbmigrate.io/resync";

/// How long a write is repeated and looked for, where nothing else sets a time.
pub const WRITE_PATIENCE: Duration = Duration::from_secs(60);

/// The pause between two looks, and between two requests where the API server does not say how long.
const PAUSE: Duration = Duration::from_millis(500);

/// How often a write is sent again that was refused because of a value, while all values are as they
/// were read.
const MOST_REFUSALS: u32 = 3;

/// The result of a write.
#[derive(Debug)]
pub struct WrittenService {
    /// The Service after the write.
    pub service: LiveService,
    /// Whether the answer was lost, and the change was found by reading the Service.
    pub recovered: bool,
}

/// Why a change was not written, or does not stand.
#[derive(Debug, ThisError)]
pub enum WriteError {
    /// The API server refused the write, or cannot be reached; nothing is written. Its kind is
    /// [`ErrorKind::TooLarge`] where the annotations would be too large: the change may pass without
    /// its record.
    #[error(transparent)]
    Request(#[from] Error),
    /// Another client has changed a value since the Service was read.
    #[error("{key} was changed meanwhile")]
    Conflict {
        /// The annotation's key, or `spec.type`.
        key: String,
        /// The Service as it is now.
        now: Box<LiveService>,
        /// Whether an answer was lost: then the change may have been written and overwritten. Where
        /// none was, nothing is written.
        is_lost: bool,
    },
    /// The change was written, as its record shows, and another client has overwritten it since.
    #[error("{key} was written, and changed again since")]
    Overwritten {
        /// The annotation's key, or `spec.type`.
        key: String,
        /// The Service as it is now.
        now: Box<LiveService>,
    },
    /// A Service of that name is there already, and does not hold the record of the change.
    #[error("Service {}/{} is there already, made by somebody else", now.namespace(), now.name())]
    Exists {
        /// The Service as it is.
        now: Box<LiveService>,
        /// Whether an answer was lost: then the Service may have been made, and written to.
        is_lost: bool,
    },
    /// The answer was lost, and whether the change is written is unknown.
    #[error("nobody knows whether the change was written: {0}")]
    Unknown(Error),
}

/// What is known of requests that were sent for one change.
struct Attempts {
    /// When they end; `None` for never.
    deadline: Option<Instant>,
    /// Whether the answer to one of them was lost, so that it may still arrive.
    is_lost: bool,
    /// How often a request was refused for no reason that is to be seen.
    refusals: u32,
}

impl Attempts {
    fn until(deadline: Option<Instant>) -> Self {
        Self { deadline, is_lost: false, refusals: 0 }
    }

    fn is_over(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Waits before the next request. False where there is no time for that.
    async fn wait(&self, pause: Duration) -> bool {
        let end = Instant::now() + pause;
        let has_time = self.deadline.is_none_or(|deadline| end < deadline);
        if has_time {
            sleep(pause).await;
        }
        has_time
    }

    /// The end, where nothing of the change is to be seen.
    fn failure(&self, error: Error) -> WriteError {
        if self.is_lost { WriteError::Unknown(error) } else { error.into() }
    }
}

/// Whether a write may have been carried out. An answer that cannot be read does not say that it
/// was not.
fn is_lost(error: &Error) -> bool {
    error.is_lost_answer() || error.kind == ErrorKind::Malformed
}

/// How long to wait after a failed request: as long as the API server wants, if it says so.
fn pause_after(error: &Error) -> Duration {
    error.retry_after.unwrap_or(PAUSE).max(PAUSE)
}

impl Connection {
    /// Sends a change as a dry run (`dryRun=All`). Nothing is written.
    ///
    /// # Errors
    /// The API server or an admission webhook refuses the change, or a value is another one than the
    /// one that was read.
    pub async fn dry_run(&self, service: &LiveService, edit: &ServiceEdit) -> Result<(), Error> {
        let mut patience = Patience::new(self.request_limit());
        loop {
            let Err(error) = self.patch(service, edit, true).await else { return Ok(()) };
            match patience.pause_after(&error) {
                Some(pause) if error.kind == ErrorKind::Throttled => sleep(pause).await,
                _ => return Err(error),
            }
        }
    }

    /// Writes a change in one JSON Patch, which fails as a whole if a value is another one than the
    /// one that was read.
    ///
    /// A request that was answered 429 is sent again when the API server wants it, until `deadline`;
    /// without one, without limit. After a lost answer, or a value that is not as it was read, the
    /// Service is read, until then as well:
    ///
    /// - Every field shows its new value: the change is written. One of the values is unique to the
    ///   change, the record with its id or the id as the value of [`RESYNC`], so it is nobody else's.
    /// - The record shows the change, another field another value: it was written and overwritten.
    /// - A field shows neither the change nor what was read: somebody else was faster.
    /// - All is as it was read: the request has not arrived, or not yet. It is sent again. It cannot
    ///   be written twice, for its record would be there and fail the test.
    ///
    /// A change without a record has no value that is unique. Then new values that are there after
    /// the request count as written: whoever wrote them, they are what was wanted. If somebody puts
    /// the old values back before they are seen, the request is sent once more and writes the new
    /// ones again.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub async fn write(
        &self,
        service: &LiveService,
        edit: &ServiceEdit,
        change: &str,
        deadline: Option<Instant>,
    ) -> Result<WrittenService, WriteError> {
        let mut attempts = Attempts::until(deadline);
        let mut present = service.clone();
        loop {
            let error = match self.patch(&present, edit, false).await {
                Ok(service) => return Ok(WrittenService { service, recovered: false }),
                Err(error) => error,
            };
            if error.kind == ErrorKind::Throttled {
                if attempts.wait(pause_after(&error)).await {
                    continue;
                }
                return Err(attempts.failure(error));
            }
            let was_refused = error.kind == ErrorKind::Precondition;
            attempts.is_lost |= is_lost(&error);
            if !attempts.is_lost && !was_refused {
                return Err(error.into());
            }
            let now = self.ask_again(service, &attempts, &error).await?;
            match fate::of(edit, change, service, &now) {
                Fate::Written => return Ok(WrittenService { service: now, recovered: true }),
                Fate::Overwritten(key) => {
                    return Err(WriteError::Overwritten { key, now: Box::new(now) });
                }
                Fate::Taken(key) => {
                    let (now, is_lost) = (Box::new(now), attempts.is_lost);
                    return Err(WriteError::Conflict { key, now, is_lost });
                }
                Fate::Absent => {}
            }
            if !is_lost(&error) && !was_refused {
                return Err(attempts.failure(error));
            }
            // The map of annotations itself came or went, which another patch takes into account.
            let is_same = now.has_annotations() == present.has_annotations();
            if was_refused && is_same {
                attempts.refusals += 1;
            }
            let is_hopeless = attempts.refusals > MOST_REFUSALS;
            if is_hopeless || attempts.is_over() || (is_same && !attempts.wait(PAUSE).await) {
                return Err(attempts.failure(error));
            }
            present = now;
        }
    }

    /// Makes a Service of a manifest, which carries the record of `change` already. With `is_dry`
    /// nothing is written.
    ///
    /// A request that was answered 429 is sent again, until `deadline`; without one, without limit.
    /// After a lost answer, or where the name is taken, the Service is read: one that holds the
    /// record of `change` is the one that was to be made.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub async fn create_service(
        &self,
        manifest: &Value,
        change: &str,
        is_dry: bool,
        deadline: Option<Instant>,
    ) -> Result<WrittenService, WriteError> {
        let text = |pointer| manifest.pointer(pointer).and_then(Value::as_str);
        let namespace = text("/metadata/namespace").unwrap_or(&self.namespace);
        let name = text("/metadata/name").unwrap_or_default();
        let mut attempts = Attempts::until(deadline);
        loop {
            let error = match self.post(namespace, manifest, is_dry).await {
                Ok(service) => return Ok(WrittenService { service, recovered: false }),
                Err(error) => error,
            };
            if error.kind == ErrorKind::Throttled {
                if attempts.wait(pause_after(&error)).await {
                    continue;
                }
                return Err(attempts.failure(error));
            }
            let is_taken = error.kind == ErrorKind::Precondition;
            attempts.is_lost |= is_lost(&error) && !is_dry;
            if !attempts.is_lost && !is_taken {
                return Err(error.into());
            }
            if let Some(now) = self.look(namespace, name, &attempts, &error).await? {
                if now.history().is_ok_and(|history| history.contains(change)) {
                    return Ok(WrittenService { service: now, recovered: true });
                }
                let (now, is_lost) = (Box::new(now), attempts.is_lost);
                return Err(WriteError::Exists { now, is_lost });
            }
            if !is_lost(&error) && !is_taken {
                return Err(attempts.failure(error));
            }
            if is_taken {
                attempts.refusals += 1;
            }
            let is_hopeless = attempts.refusals > MOST_REFUSALS;
            if is_hopeless || attempts.is_over() || !attempts.wait(PAUSE).await {
                return Err(attempts.failure(error));
            }
        }
    }

    /// Reads the Service that was written to.
    async fn ask_again(
        &self,
        service: &LiveService,
        attempts: &Attempts,
        cause: &Error,
    ) -> Result<LiveService, WriteError> {
        let (namespace, name) = (service.namespace(), service.name());
        match self.look(namespace, name, attempts, cause).await? {
            Some(now) if now.uid() == service.uid() => Ok(now),
            _ => {
                let message = format!("Service {namespace}/{name} is gone, or made anew");
                Err(self.in_context(Error::new(ErrorKind::NotFound, message)).into())
            }
        }
    }

    /// Reads a Service, repeated until the deadline while the API server does not answer.
    async fn look(
        &self,
        namespace: &str,
        name: &str,
        attempts: &Attempts,
        cause: &Error,
    ) -> Result<Option<LiveService>, WriteError> {
        loop {
            let error = match self.service(namespace, name).await {
                Ok(now) => return Ok(now),
                Err(error) => error,
            };
            if !error.is_transient() || !attempts.wait(pause_after(&error)).await {
                return Err(attempts.failure(if attempts.is_lost { error } else { cause.clone() }));
            }
        }
    }

    async fn patch(
        &self,
        service: &LiveService,
        edit: &ServiceEdit,
        is_dry: bool,
    ) -> Result<LiveService, Error> {
        let path = path_of(service.namespace(), service.name());
        // A Service of the same name that was made since is another one.
        let mut operations =
            vec![json!({"op": "test", "path": "/metadata/uid", "value": service.uid()})];
        operations.extend(edit.guarded(service.has_annotations()));
        let body = ("application/json-patch+json", Value::Array(operations).to_string());
        self.send_service(Method::PATCH, &path, body, is_dry).await
    }

    async fn post(
        &self,
        namespace: &str,
        manifest: &Value,
        is_dry: bool,
    ) -> Result<LiveService, Error> {
        let path = format!("/api/v1/namespaces/{namespace}/services");
        let body = ("application/json", manifest.to_string());
        self.send_service(Method::POST, &path, body, is_dry).await
    }

    async fn send_service(
        &self,
        method: Method,
        path: &str,
        body: (&str, String),
        is_dry: bool,
    ) -> Result<LiveService, Error> {
        let dry = if is_dry { "&dryRun=All" } else { "" };
        let path = format!("{path}?fieldManager={FIELD_MANAGER}{dry}");
        LiveService::of(self.send(method, &path, Some(body)).await?, self)
    }
}
