//! One Service on an API server: reading it, and writing its annotations.

use std::{collections::BTreeMap, time::Duration};

use clbmigrate_core::{
    history::{self, History},
    object::Service,
    patch::{AnnotationEdit, guarded},
};
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use thiserror::Error as ThisError;
use tokio::time::{Instant, sleep};

use super::{
    connect::Connection,
    error::{Error, ErrorKind},
};

/// The field manager of everything that is written here.
pub const FIELD_MANAGER: &str = "kubectl-clbmigrate";

/// How long the Service is read for the result of a write whose answer was lost.
const RECOVERY: Duration = Duration::from_secs(60);

/// The pause between two such reads.
const PAUSE: Duration = Duration::from_millis(500);

/// A Service as the API server returned it, with all its fields.
#[derive(Debug, Clone)]
pub struct LiveService {
    pub(super) raw: Value,
    /// The header `Date` of the response: the API server's clock.
    pub date: Option<String>,
    /// The warnings of the response, by the API server or admission webhooks.
    pub warnings: Vec<String>,
}

/// A field manager that owns a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldManager {
    /// The field manager's name.
    pub name: String,
    /// `Apply` or `Update`.
    pub operation: String,
    /// When it last wrote, as RFC 3339.
    pub time: String,
}

/// The result of a write.
#[derive(Debug)]
pub struct WrittenService {
    /// The Service after the write.
    pub service: LiveService,
    /// Whether the answer was lost, and the change was found by reading the Service.
    pub recovered: bool,
}

/// Why a change was not written.
#[derive(Debug, ThisError)]
pub enum WriteError {
    /// The API server refused the write, or cannot be reached; nothing is written.
    #[error(transparent)]
    Request(#[from] Error),
    /// Another client has changed an annotation since the Service was read; nothing is written.
    #[error("{key} was changed meanwhile")]
    Conflict {
        /// The annotation's key.
        key: String,
        /// The Service as it is now.
        now: Box<LiveService>,
        /// Whether an answer was lost: then the change may have been written and overwritten.
        is_lost: bool,
    },
    /// The answer was lost, and whether the change is written is unknown.
    #[error("nobody knows whether the change was written: {0}")]
    Unknown(Error),
}

impl LiveService {
    /// The Service's UID.
    pub fn uid(&self) -> &str {
        self.text("/metadata/uid")
    }

    /// An annotation's value; `None` where it is not set.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.raw.get("metadata")?.get("annotations")?.get(key)?.as_str()
    }

    /// All annotations whose values are strings.
    pub fn annotations(&self) -> BTreeMap<String, String> {
        let map = self.raw.pointer("/metadata/annotations").and_then(Value::as_object);
        let pairs = map.into_iter().flatten();
        pairs.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
    }

    /// The history of changes that the Service's annotation holds; empty without one.
    ///
    /// # Errors
    /// The annotation is malformed.
    pub fn history(&self) -> Result<History, history::HistoryError> {
        History::parse(self.annotation(history::KEY))
    }

    /// The Service in the type of the core.
    ///
    /// # Errors
    /// A field has another type than Kubernetes has for it.
    pub fn service(&self) -> Result<Service, serde_json::Error> {
        Service::deserialize(&self.raw)
    }

    /// The IP addresses and host names of its status (`loadBalancer.ingress`).
    pub fn addresses(&self) -> Vec<&str> {
        let ingress = self.raw.pointer("/status/loadBalancer/ingress").and_then(Value::as_array);
        let ingress = ingress.into_iter().flatten();
        ingress
            .filter_map(|entry| entry.get("ip").or_else(|| entry.get("hostname"))?.as_str())
            .collect()
    }

    /// The field managers that own an annotation, the latest writer first.
    pub fn field_managers_of(&self, key: &str) -> Vec<FieldManager> {
        let field = format!("f:{key}");
        let entries = self.raw.pointer("/metadata/managedFields").and_then(Value::as_array);
        let owns = |entry: &&Value| {
            entry
                .pointer("/fieldsV1/f:metadata/f:annotations")
                .is_some_and(|annotations| annotations.get(&field).is_some())
        };
        let text = |entry: &Value, name: &str| {
            entry.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let owners = entries.into_iter().flatten().filter(owns).map(|entry| FieldManager {
            name: text(entry, "manager"),
            operation: text(entry, "operation"),
            time: text(entry, "time"),
        });
        let mut owners: Vec<FieldManager> = owners.collect();
        owners.sort_by(|a, b| b.time.cmp(&a.time));
        owners
    }

    /// When it was read, as RFC 3339 in whole seconds: by the API server's clock, or by this
    /// machine's where the response had no `Date`.
    pub fn now(&self) -> String {
        let date = self.date.as_deref().and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
        let time = date.map_or_else(jiff::Timestamp::now, |date| date.timestamp());
        let seconds = jiff::Timestamp::from_second(time.as_second()).unwrap_or(time);
        seconds.to_string()
    }

    pub(super) fn text(&self, pointer: &str) -> &str {
        self.raw.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    fn has_annotations(&self) -> bool {
        self.raw.pointer("/metadata/annotations").is_some_and(Value::is_object)
    }
}

/// A random id for a change: 12 hexadecimal digits.
pub fn new_change_id() -> String {
    let mut bytes = [0; 8];
    // Without randomness from the system, the clock tells changes apart well enough.
    if getrandom::fill(&mut bytes).is_err() {
        let now = jiff::Timestamp::now().as_nanosecond().to_le_bytes();
        bytes.iter_mut().zip(now).for_each(|(byte, of_now)| *byte = of_now);
    }
    format!("{:012x}", u64::from_le_bytes(bytes) >> 16)
}

fn path_of(namespace: &str, name: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/services/{name}")
}

impl Connection {
    /// Reads a Service; `None` where it does not exist.
    pub async fn service(&self, namespace: &str, name: &str) -> Result<Option<LiveService>, Error> {
        let Some(answer) = self.get_optional(&path_of(namespace, name)).await? else {
            return Ok(None);
        };
        Ok(Some(LiveService {
            raw: answer.parse(self)?,
            date: answer.date,
            warnings: answer.warnings,
        }))
    }

    /// Sends a change as a dry run (`dryRun=All`). Nothing is written.
    ///
    /// # Errors
    /// The API server or an admission webhook refuses the change, or an annotation has another
    /// value than the one that was read.
    pub async fn dry_run(
        &self,
        service: &LiveService,
        edits: &[AnnotationEdit],
    ) -> Result<(), Error> {
        self.patch(service, edits, true).await.map(drop)
    }

    /// Writes a change in one JSON Patch, which fails as a whole if an annotation has another value
    /// than the one that was read. After a lost answer the Service is read for up to 60 s: it holds
    /// the history entry of `change`, or it does not.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub async fn write(
        &self,
        service: &LiveService,
        edits: &[AnnotationEdit],
        change: &str,
    ) -> Result<WrittenService, WriteError> {
        let deadline = Instant::now() + RECOVERY;
        let mut present = service.clone();
        let mut is_lost = false;
        loop {
            let error = match self.patch(&present, edits, false).await {
                Ok(service) => return Ok(WrittenService { service, recovered: false }),
                Err(error) => error,
            };
            let was_lost = error.is_lost_answer();
            is_lost |= was_lost;
            if !was_lost && error.kind != ErrorKind::Precondition {
                return Err(error.into());
            }
            let now = self.ask_again(service, deadline, &error).await?;
            if now.history().is_ok_and(|history| history.contains(change)) {
                return Ok(WrittenService { service: now, recovered: true });
            }
            if let Some(edit) = edits.iter().find(|e| now.annotation(&e.key) != e.old.as_deref()) {
                let key = edit.key.clone();
                return Err(WriteError::Conflict { key, now: Box::new(now), is_lost });
            }
            // The map of annotations itself came or went; or the request has not arrived yet. Sent
            // again it cannot be written twice: its record would be there, and fail the test.
            let is_same = now.has_annotations() == present.has_annotations();
            if Instant::now() >= deadline {
                return Err(if is_lost { WriteError::Unknown(error) } else { error.into() });
            }
            if is_same && !was_lost {
                return Err(error.into());
            }
            if is_same {
                sleep(PAUSE).await;
            }
            present = now;
        }
    }

    /// Reads the Service again, repeated until the deadline while the API server does not answer.
    async fn ask_again(
        &self,
        service: &LiveService,
        deadline: Instant,
        cause: &Error,
    ) -> Result<LiveService, WriteError> {
        let (namespace, name) =
            (service.text("/metadata/namespace"), service.text("/metadata/name"));
        loop {
            match self.service(namespace, name).await {
                Ok(Some(now)) if now.uid() == service.uid() => return Ok(now),
                Ok(_) => {
                    let message = format!("Service {namespace}/{name} is gone, or made anew");
                    return Err(self.in_context(Error::new(ErrorKind::NotFound, message)).into());
                }
                Err(error) if error.is_transient() && Instant::now() < deadline => {
                    sleep(PAUSE).await;
                }
                Err(_) if cause.kind == ErrorKind::Precondition => {
                    return Err(cause.clone().into());
                }
                Err(error) => return Err(WriteError::Unknown(error)),
            }
        }
    }

    async fn patch(
        &self,
        service: &LiveService,
        edits: &[AnnotationEdit],
        is_dry: bool,
    ) -> Result<LiveService, Error> {
        let (namespace, name) =
            (service.text("/metadata/namespace"), service.text("/metadata/name"));
        let dry = if is_dry { "&dryRun=All" } else { "" };
        let path = format!("{}?fieldManager={FIELD_MANAGER}{dry}", path_of(namespace, name));
        // A Service of the same name that was made since is another one.
        let mut operations =
            vec![json!({"op": "test", "path": "/metadata/uid", "value": service.uid()})];
        operations.extend(guarded(service.has_annotations(), edits));
        let body = Some(("application/json-patch+json", Value::Array(operations).to_string()));
        let answer = self.send(Method::PATCH, &path, body).await?;
        Ok(LiveService { raw: answer.parse(self)?, date: answer.date, warnings: answer.warnings })
    }

    /// The user's name by the API server (`SelfSubjectReview`). Where that fails, the kubeconfig's
    /// user, or `unknown`.
    pub async fn whoami(&self) -> String {
        #[derive(Deserialize)]
        struct Review {
            status: Status,
        }
        #[derive(Deserialize)]
        struct Status {
            #[serde(rename = "userInfo")]
            user: User,
        }
        #[derive(Deserialize)]
        struct User {
            username: String,
        }
        let body = r#"{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}"#;
        let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
        let body = Some(("application/json", body.to_owned()));
        let review = match self.send(Method::POST, path, body).await {
            Ok(answer) => answer.parse::<Review>(self).ok(),
            Err(_) => None,
        };
        match review {
            Some(review) => review.status.user.username,
            None => self.user.clone().unwrap_or_else(|| "unknown".to_owned()),
        }
    }
}
