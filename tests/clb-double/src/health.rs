//! The health of backends, as the health checks found it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::state::{BackendKey, HealthCheck};

/// What `DescribeHealthStatus` says of a backend.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// It answers.
    Normal,
    /// It does not.
    Abnormal,
    /// Not known: no check, or not enough of them yet.
    #[default]
    Unavailable,
}

/// The checks of one backend so far.
#[derive(Debug, Clone, Copy, Default)]
struct CheckHistory {
    health: Health,
    last: bool,
    /// As often in a row as now.
    run: u32,
}

impl CheckHistory {
    fn record(&mut self, well: bool, check: &HealthCheck) {
        self.run = if self.run > 0 && self.last == well { self.run.saturating_add(1) } else { 1 };
        self.last = well;
        let (threshold, health) = if well {
            (check.healthy_threshold, Health::Normal)
        } else {
            (check.unhealthy_threshold, Health::Abnormal)
        };
        if self.run >= threshold {
            self.health = health;
        }
    }
}

/// A listener's CLB and port.
type ListenerId = (String, u16);

/// The health of all backends, by listener and backend.
#[derive(Debug, Default)]
pub(crate) struct HealthTable(Mutex<HashMap<ListenerId, HashMap<BackendKey, CheckHistory>>>);

impl HealthTable {
    pub(crate) fn status(&self, load_balancer: &str, port: u16, backend: &BackendKey) -> Health {
        self.with(|board| {
            let records = board.get(&(load_balancer.to_owned(), port));
            let record = records.and_then(|records| records.get(backend));
            record.map(|record| record.health).unwrap_or_default()
        })
    }

    /// Takes note of a round of checks. Backends that were not in it are forgotten.
    pub(crate) fn record(
        &self,
        load_balancer: &str,
        port: u16,
        check: &HealthCheck,
        round: Vec<(BackendKey, bool)>,
    ) {
        self.with(|board| {
            let old = board.remove(&(load_balancer.to_owned(), port)).unwrap_or_default();
            let new = round
                .into_iter()
                .map(|(key, well)| {
                    let mut record = old.get(&key).copied().unwrap_or_default();
                    record.record(well, check);
                    (key, record)
                })
                .collect();
            board.insert((load_balancer.to_owned(), port), new);
        });
    }

    /// Forgets a listener.
    pub(crate) fn forget(&self, load_balancer: &str, port: u16) {
        self.with(|board| board.remove(&(load_balancer.to_owned(), port)));
    }

    fn with<T>(
        &self,
        work: impl FnOnce(&mut HashMap<ListenerId, HashMap<BackendKey, CheckHistory>>) -> T,
    ) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(checks: &[bool]) -> Health {
        let check =
            HealthCheck { healthy_threshold: 2, unhealthy_threshold: 3, ..HealthCheck::default() };
        let mut record = CheckHistory::default();
        for well in checks {
            record.record(*well, &check);
        }
        record.health
    }

    #[test]
    fn a_new_backend_is_unknown_until_a_threshold_is_reached() {
        assert_eq!(after(&[]), Health::Unavailable);
        assert_eq!(after(&[true]), Health::Unavailable);
        assert_eq!(after(&[true, true]), Health::Normal);
        assert_eq!(after(&[false, false]), Health::Unavailable);
        assert_eq!(after(&[false, false, false]), Health::Abnormal);
    }

    #[test]
    fn only_a_run_of_failures_makes_it_unwell() {
        assert_eq!(after(&[true, true, false, false, true, false, false]), Health::Normal);
        assert_eq!(after(&[true, true, false, false, false]), Health::Abnormal);
    }

    #[test]
    fn only_a_run_of_successes_makes_it_well_again() {
        assert_eq!(after(&[false, false, false, true, false, true]), Health::Abnormal);
        assert_eq!(after(&[false, false, false, true, true]), Health::Normal);
    }

    #[test]
    fn a_backend_that_was_away_begins_anew() {
        let board = HealthTable::default();
        let check = HealthCheck { healthy_threshold: 2, ..HealthCheck::default() };
        let key = BackendKey { server_id: "i-1".to_owned(), server_ip: String::new(), port: 80 };
        let seen = |board: &HealthTable| board.status("lb-1", 80, &key);
        board.record("lb-1", 80, &check, vec![(key.clone(), true)]);
        board.record("lb-1", 80, &check, vec![(key.clone(), true)]);
        assert_eq!(seen(&board), Health::Normal);
        board.record("lb-1", 80, &check, vec![]);
        board.record("lb-1", 80, &check, vec![(key.clone(), true)]);
        assert_eq!(seen(&board), Health::Unavailable);
    }
}
