//! One Service on an API server.

use std::{collections::BTreeMap, time::Duration};

use clbmigrate_core::{
    history::{self, History},
    object::Service,
    patch::{FieldEdit, TYPE_FIELD},
};
use http::Method;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

use super::{connect::Connection, error::Error, request::ApiResponse};

/// The field manager of everything that is written here.
pub const FIELD_MANAGER: &str = "kubectl-clbmigrate";

/// How long the API server may take to tell who the user is. A change does not wait for longer.
const LONGEST_REVIEW: Duration = Duration::from_secs(5);

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

impl LiveService {
    /// A Service that no API server has yet, from its manifest.
    pub fn planned(manifest: Value) -> Self {
        Self { raw: manifest, date: None, warnings: Vec::new() }
    }

    /// The object with all its fields.
    pub fn object(&self) -> &Value {
        &self.raw
    }

    /// The Service's namespace.
    pub fn namespace(&self) -> &str {
        self.text("/metadata/namespace")
    }

    /// The Service's name.
    pub fn name(&self) -> &str {
        self.text("/metadata/name")
    }

    /// The Service's UID.
    pub fn uid(&self) -> &str {
        self.text("/metadata/uid")
    }

    /// An annotation's value; `None` where it is not set.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.raw.get("metadata")?.get("annotations")?.get(key)?.as_str()
    }

    /// The value of a field of an edit: an annotation, or [`TYPE_FIELD`].
    pub fn value(&self, field: &str) -> Option<&str> {
        if field == TYPE_FIELD {
            return self.raw.pointer("/spec/type").and_then(Value::as_str);
        }
        self.annotation(field)
    }

    /// Whether a field of an edit has the value that the edit read.
    pub fn has_old(&self, edit: FieldEdit<'_>) -> bool {
        self.value(edit.field) == edit.old
    }

    /// Whether a field of an edit has the value that the edit writes.
    pub fn has_new(&self, edit: FieldEdit<'_>) -> bool {
        self.value(edit.field) == edit.new
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

    /// A label's value; `None` where it is not set.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.raw.get("metadata")?.get("labels")?.get(key)?.as_str()
    }

    /// The field managers that own a field of an edit (an annotation, or [`TYPE_FIELD`]), the latest
    /// writer first.
    pub fn field_managers_of(&self, field: &str) -> Vec<FieldManager> {
        let (map, field) = match field {
            TYPE_FIELD => ("/fieldsV1/f:spec", "f:type".to_owned()),
            key => ("/fieldsV1/f:metadata/f:annotations", format!("f:{key}")),
        };
        self.managers(|entry| entry.pointer(map).is_some_and(|fields| fields.get(&field).is_some()))
    }

    /// The field managers of all fields, the latest writer first.
    pub fn field_managers(&self) -> Vec<FieldManager> {
        self.managers(|_| true)
    }

    fn managers(&self, is_wanted: impl Fn(&Value) -> bool) -> Vec<FieldManager> {
        let entries = self.raw.pointer("/metadata/managedFields").and_then(Value::as_array);
        let text = |entry: &Value, name: &str| {
            entry.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let wanted = entries.into_iter().flatten().filter(|entry| is_wanted(entry));
        let managers = wanted.map(|entry| FieldManager {
            name: text(entry, "manager"),
            operation: text(entry, "operation"),
            time: text(entry, "time"),
        });
        let mut managers: Vec<FieldManager> = managers.collect();
        managers.sort_by(|a, b| b.time.cmp(&a.time));
        managers
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

    pub(super) fn of(answer: ApiResponse, connection: &Connection) -> Result<Self, Error> {
        let raw = answer.parse(connection)?;
        Ok(Self { raw, date: answer.date, warnings: answer.warnings })
    }

    pub(super) fn has_annotations(&self) -> bool {
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

pub(super) fn path_of(namespace: &str, name: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/services/{name}")
}

impl Connection {
    /// Reads a Service; `None` where it does not exist.
    pub async fn service(&self, namespace: &str, name: &str) -> Result<Option<LiveService>, Error> {
        let answer = self.get_optional(&path_of(namespace, name)).await?;
        answer.map(|answer| LiveService::of(answer, self)).transpose()
    }

    /// The user's name by the API server (`SelfSubjectReview`). Where that fails, or takes more than
    /// 5 seconds, the kubeconfig's user, or `unknown`.
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
        let connection = self.until(Instant::now() + LONGEST_REVIEW);
        let review = match connection.send(Method::POST, path, body).await {
            Ok(answer) => answer.parse::<Review>(self).ok(),
            Err(_) => None,
        };
        match review {
            Some(review) => review.status.user.username,
            None => self.user.clone().unwrap_or_else(|| "unknown".to_owned()),
        }
    }
}
