//! The Events by which the audit tells changes on the objects themselves.

use clbmigrate_core::rules::{self, Language};
use serde_json::{Value, json};

use super::record::{Change, ToldFinding, digits};
use crate::{
    admission::{problem_text, truncated},
    api_call::{ApiCallError, Seconds},
};

/// Whom Events are from.
pub const COMPONENT: &str = "clbmigrate-webhook";

/// The longest message, in bytes. Kubernetes: `pkg/apis/core/validation/events.go`, `NoteLengthLimit`.
const MAX_MESSAGE: usize = 1024;

/// The most characters of the object's name that are in an Event's: names have 253 at most.
const MAX_NAME: usize = 200;

/// The object that an Event is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventObject {
    /// Its API group and version.
    pub api_version: &'static str,
    /// Its kind.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
}

/// An Event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    /// Its name. A change has the same one when it is told again by a process that did not know of it.
    pub name: String,
    /// The object.
    pub object: EventObject,
    /// `Warning` for a finding that appeared, `Normal` for one that went.
    pub event_type: &'static str,
    /// The rule with a word, as `CLB001Found`.
    pub reason: String,
    /// What is wrong, as in a denial.
    pub message: String,
}

impl AuditEvent {
    /// The Event that tells a change. `since` is the version of the record that the change was seen against.
    pub fn new(object: EventObject, change: &Change, since: &str, language: Language) -> Self {
        let (event_type, reason, message, what) = match change {
            Change::Appeared(finding) => (
                "Warning",
                format!("{}Found", finding.rule),
                problem_text(finding, language),
                ToldFinding::from(&**finding).to_string(),
            ),
            Change::Went(rule) => {
                let title = rules::find(rule)
                    .map_or("", |rule| language.pick(rule.en.title, rule.zh.title));
                let message = language.pick(
                    format!("{rule} is not found any more: {title}"),
                    format!("{rule} 已不存在：{title}"),
                );
                ("Normal", format!("{rule}Resolved"), message, (*rule).to_owned())
            }
        };
        let hash = digits(&[&object.uid, &reason, &what, since], 8);
        let shown: String = object.name.chars().take(MAX_NAME).collect();
        let shown = shown.trim_end_matches(['.', '-']);
        let name = format!("{shown}.{hash}");
        Self { name, object, event_type, reason, message: truncated(message, MAX_MESSAGE) }
    }

    /// The Event as it is posted at that time.
    ///
    /// # Errors
    /// When the time is none that there can be.
    pub fn to_json(&self, now: Seconds) -> Result<Value, ApiCallError> {
        let time = jiff::Timestamp::from_second(now).map_err(|error| ApiCallError::Malformed {
            what: "the API server's time".to_owned(),
            why: error.to_string(),
        })?;
        let (time, object) = (time.to_string(), &self.object);
        Ok(json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": self.name, "namespace": object.namespace},
            "involvedObject": {
                "apiVersion": object.api_version,
                "kind": object.kind,
                "namespace": object.namespace,
                "name": object.name,
                "uid": object.uid,
            },
            "type": self.event_type,
            "reason": self.reason,
            "message": self.message,
            "source": {"component": COMPONENT},
            "reportingComponent": COMPONENT,
            "firstTimestamp": time,
            "lastTimestamp": time,
            "count": 1,
        }))
    }
}
