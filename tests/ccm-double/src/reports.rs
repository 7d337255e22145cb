//! What `GET /state` answers: how the last round of every Service ended.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use crate::outcome::Outcome;
use crate::service::Key;

/// How the last round of a Service ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The outcome.
    pub outcome: Outcome,
    /// Why the outcome is not `applied`; empty if it is.
    pub reason: String,
    /// The id of the CLB; empty if the round did not find one.
    pub clb: String,
    /// The hash of the Service that the round looked at; empty after a clean-up.
    pub hash: String,
}

impl Report {
    /// A round in which the API server refused a read or a write.
    pub(crate) fn failed(reason: String) -> Self {
        Self { outcome: Outcome::Failed, reason, clb: String::new(), hash: String::new() }
    }
}

/// A Service that had a round.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServiceReport {
    /// Rounds since the start. Services of one name that followed each other count as one.
    pub rounds: u64,
    /// How the last round ended.
    #[serde(flatten)]
    pub last: Report,
}

/// The reports of all Services that had a round.
#[derive(Debug, Default)]
pub struct Reports(Mutex<BTreeMap<Key, ServiceReport>>);

impl Reports {
    pub(crate) fn record(&self, key: &Key, report: Report) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let rounds = entries.get(key).map_or(1, |entry| entry.rounds + 1);
        entries.insert(key.clone(), ServiceReport { rounds, last: report });
    }

    /// All reports so far, by Service.
    pub fn entries(&self) -> BTreeMap<Key, ServiceReport> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
