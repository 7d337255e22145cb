use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::SECONDS;

/// The annotation of pod templates that carries the [`InjectionRecord`]. It is in the template so
/// that Pods carry it and `kubectl rollout undo` takes it along.
pub const INJECTED: &str = "clbmigrate.io/injected";

/// What was added to a pod template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InjectionRecord {
    /// The containers that were given a hook, in the template's order. Empty where their authors
    /// have put hooks of their own in place, and only the longer grace period is left.
    pub containers: Vec<String>,
    /// How long each of the hooks sleeps, in seconds, within [`SECONDS`].
    pub seconds: u32,
    /// `terminationGracePeriodSeconds` as the client sent it, or Kubernetes' default.
    pub grace_before: i64,
    /// `terminationGracePeriodSeconds` with the hooks' time added.
    pub grace: i64,
}

/// Why a record cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InjectionRecordError {
    /// It is no JSON of this form. Holds the parser's message.
    #[error("it cannot be read: {0}")]
    Syntax(String),
    /// Its seconds are not within [`SECONDS`].
    #[error("its seconds are {0}, not 1 to 3600")]
    Seconds(u32),
    /// Its grace period is shorter than the one before.
    #[error("its grace is smaller than its graceBefore")]
    Grace,
}

impl InjectionRecord {
    /// Reads the annotation's value and checks it.
    pub fn parse(text: &str) -> Result<Self, InjectionRecordError> {
        let record: Self = serde_json::from_str(text)
            .map_err(|error| InjectionRecordError::Syntax(error.to_string()))?;
        if !SECONDS.contains(&record.seconds) {
            return Err(InjectionRecordError::Seconds(record.seconds));
        }
        if record.grace < record.grace_before {
            return Err(InjectionRecordError::Grace);
        }
        Ok(record)
    }

    /// The annotation's value.
    pub fn to_text(&self) -> String {
        // Strings and numbers always have a JSON form.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Whether the container of that name was given a hook.
    pub fn names(&self, container: &str) -> bool {
        self.containers.iter().any(|name| name == container)
    }
}
