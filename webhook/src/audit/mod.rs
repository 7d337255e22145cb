//! The audit: a periodic look at what the cluster holds already, by the rules that reviews are judged by.
//!
//! One replica at a time scans: the one that holds a Lease. What it finds it tells in metrics, and each
//! change once by an Event on the object.

pub mod backend;
pub mod election;
pub mod event;
mod leadership;
mod lease;
pub mod record;
pub mod scan;

pub use backend::{ApiServer, AuditBackend};
pub use lease::LEASE_NAME;

use std::{sync::Arc, time::Duration};

use kube::Client;
use tokio::time::{Instant, sleep};

use self::{
    leadership::Leadership,
    scan::{Record, ScanSummary, Scanner},
};
use crate::{
    cache::Cache,
    config::SharedConfig,
    metrics::{AuditRun, Metrics},
};

/// How soon a scan that failed is tried again.
const RETRY: Duration = Duration::from_secs(30);

/// How often is looked whether the next scan is due: its interval can change.
const TICK: Duration = Duration::from_secs(1);

/// The audit of a cluster.
pub struct Audit {
    leadership: Leadership,
    scanner: Scanner<ApiServer>,
}

impl Audit {
    /// The audit of what the API server lists and `cache` shows. Lease and record are in `namespace`, the
    /// webhook's own.
    pub fn new(
        client: Client,
        namespace: &str,
        cache: Arc<Cache>,
        config: SharedConfig,
        metrics: Arc<Metrics>,
    ) -> Self {
        let leadership = Leadership::new(client.clone(), namespace);
        let backend = ApiServer::new(client, namespace);
        Self { leadership, scanner: Scanner::new(backend, cache, config, metrics, namespace) }
    }

    /// Scans the cluster again and again while this replica leads, and never ends.
    pub async fn run(&self) {
        let is_wanted =
            || self.scanner.cache.is_synced() && self.scanner.config.load().audit.enabled;
        tokio::join!(self.leadership.run(is_wanted), self.follow());
    }

    /// Ends scans, and lets another replica lead.
    pub async fn stop(&self) {
        self.leadership.stop().await;
    }

    /// Scans while this replica leads.
    async fn follow(&self) {
        let mut leads = self.leadership.leads();
        let metrics = self.scanner.metrics.audit();
        loop {
            // The sender lives as long as this audit.
            if leads.wait_for(|leads| *leads).await.is_err() {
                return std::future::pending::<()>().await;
            }
            metrics.set_leads(true);
            tokio::select! {
                _ = leads.wait_for(|leads| !*leads) => {}
                () = self.scan_repeatedly() => {}
            }
            metrics.set_leads(false);
        }
    }

    async fn scan_repeatedly(&self) {
        let mut record = Record::new();
        loop {
            let begun = Instant::now();
            let longest = match self.scanner.scan(&mut record).await {
                Ok(summary) => {
                    log(&summary);
                    self.scanner.metrics.audit().set_last_run(summary.run);
                    Duration::MAX
                }
                Err(error) => {
                    tracing::warn!(%error, "the cluster cannot be audited; this is tried again");
                    self.scanner.metrics.audit().count_failure();
                    RETRY
                }
            };
            while begun.elapsed() < self.scanner.config.load().audit.interval.min(longest) {
                sleep(TICK).await;
            }
        }
    }
}

/// Writes the line about a scan.
fn log(ScanSummary { run, events, left_out }: &ScanSummary) {
    use clbmigrate_core::finding::Severity;

    let AuditRun { findings, objects, duration, .. } = run;
    let count = |severity: Severity| -> u64 {
        findings.iter().filter(|((_, of), _)| *of == severity).map(|(_, count)| count).sum()
    };
    let [errors, warnings, infos] = Severity::ALL.map(count);
    let seconds = duration.as_secs_f64();
    tracing::info!(objects, errors, warnings, infos, events, seconds, "audited the cluster");
    if *left_out > 0 {
        tracing::warn!(left_out, "changes are not told by Events yet; the next scan goes on");
    }
}
