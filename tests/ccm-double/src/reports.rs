//! What the double tells about itself: every Service's rounds.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use crate::outcome::Outcome;
use crate::service::Key;

/// How the last round of a Service ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What became of it.
    pub outcome: Outcome,
    /// Why, if it is not applied.
    pub reason: String,
    /// The CLB, if it is known.
    pub clb: String,
    /// The hash of the Service that the round looked at; empty if it is over.
    pub hash: String,
}

impl Report {
    /// A round that the API server stood against.
    pub(crate) fn failed(reason: String) -> Self {
        Self { outcome: Outcome::Failed, reason, clb: String::new(), hash: String::new() }
    }
}

/// A Service that had a round.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServiceReport {
    /// Rounds since the start, also of Services of the same name before.
    pub rounds: u64,
    /// The last round.
    #[serde(flatten)]
    pub last: Report,
}

/// All Services that had a round.
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
