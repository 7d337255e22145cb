//! The metrics of the audit. Only the replica that leads shows what it has found, so that sums over all
//! replicas are right.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use clbmigrate_core::finding::Severity;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Unit,
};

/// What a scan has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRun {
    /// How many findings there are, by rule and severity.
    pub findings: BTreeMap<(&'static str, Severity), u64>,
    /// How many objects were judged.
    pub objects: u64,
    /// When it ended.
    pub ended: SystemTime,
    /// How long it took.
    pub duration: Duration,
}

/// The metrics of the audit, read when they are scraped.
#[derive(Debug, Clone, Default)]
pub struct AuditMetrics(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    leads: bool,
    last_run: Option<AuditRun>,
    failures: u64,
    warnings: u64,
    normals: u64,
}

impl AuditMetrics {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows whether this replica leads. What another one may find now is not shown any more.
    pub fn set_leads(&self, leads: bool) {
        let mut state = self.lock();
        state.leads = leads;
        state.last_run = None;
    }

    /// Shows a scan that has ended.
    pub fn set_last_run(&self, run: AuditRun) {
        self.lock().last_run = Some(run);
    }

    /// Counts a scan that could not be carried out.
    pub fn count_failure(&self) {
        self.lock().failures += 1;
    }

    /// Counts an Event that was posted: a `Warning`, or a `Normal` one.
    pub fn count_event(&self, is_warning: bool) {
        let mut state = self.lock();
        if is_warning {
            state.warnings += 1;
        } else {
            state.normals += 1;
        }
    }
}

impl Collector for AuditMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let state = self.lock();
        let out = &mut encoder;
        let leads = ConstGauge::new(i64::from(state.leads));
        let help = "Whether this replica audits the cluster";
        leads.encode(out.encode_descriptor("audit_leader", help, None, MetricType::Gauge)?)?;
        if let Some(run) = &state.last_run {
            run.encode(out)?;
        }
        let failures = ConstCounter::new(state.failures);
        let help = "Scans that could not be carried out";
        failures.encode(out.encode_descriptor(
            "audit_failures",
            help,
            None,
            MetricType::Counter,
        )?)?;
        let help = "Events that were posted on objects";
        let mut events = out.encode_descriptor("audit_events", help, None, MetricType::Counter)?;
        for (kind, count) in [("Warning", state.warnings), ("Normal", state.normals)] {
            ConstCounter::new(count).encode(events.encode_family(&[("type", kind)])?)?;
        }
        Ok(())
    }
}

impl AuditRun {
    fn encode(&self, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let seconds = Some(&Unit::Seconds);
        let ended = self.ended.duration_since(UNIX_EPOCH).unwrap_or_default();
        let ended = ConstGauge::new(number(ended.as_secs()));
        let (name, help) = ("audit_last_run_timestamp", "When the last scan ended, since 1970");
        ended.encode(out.encode_descriptor(name, help, seconds, MetricType::Gauge)?)?;
        let duration = ConstGauge::new(self.duration.as_secs_f64());
        let help = "How long the last scan took";
        duration.encode(out.encode_descriptor(
            "audit_duration",
            help,
            seconds,
            MetricType::Gauge,
        )?)?;
        let objects = ConstGauge::new(number(self.objects));
        let help = "Objects that the last scan has judged";
        objects.encode(out.encode_descriptor("audit_objects", help, None, MetricType::Gauge)?)?;
        let help = "What the last scan has found";
        let mut findings =
            out.encode_descriptor("audit_findings", help, None, MetricType::Gauge)?;
        for ((rule, severity), count) in &self.findings {
            let labels = [("rule", *rule), ("severity", severity.as_str())];
            ConstGauge::new(number(*count)).encode(findings.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

/// A number as gauges have them.
fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn only_the_replica_that_leads_shows_what_the_audit_has_found() {
        let metrics = Metrics::default();
        let run = AuditRun {
            findings: [(("CLB001", Severity::Error), 3)].into(),
            objects: 40,
            ended: UNIX_EPOCH + Duration::from_secs(1_800_000_000),
            duration: Duration::from_millis(1500),
        };
        let of_leader = [
            r#"audit_findings{rule="CLB001",severity="error"} 3"#,
            "audit_objects 40",
            "audit_last_run_timestamp_seconds 1800000000",
            "audit_duration_seconds 1.5",
        ];
        let has = |line: &str| {
            let text = metrics.text().expect("text");
            text.contains(&format!("\nclbmigrate_webhook_{line}\n"))
        };
        assert!(has("audit_leader 0"), "{:?}", metrics.text());
        metrics.audit().set_leads(true);
        assert!(has("audit_leader 1") && !of_leader.iter().any(|line| has(line)));
        metrics.audit().set_last_run(run);
        metrics.audit().count_event(true);
        metrics.audit().count_failure();
        for line in of_leader {
            assert!(has(line), "no {line} in {:?}", metrics.text());
        }
        metrics.audit().set_leads(false);
        assert!(!of_leader.iter().any(|line| has(line)), "{:?}", metrics.text());
        assert!(has(r#"audit_events_total{type="Warning"} 1"#) && has("audit_failures_total 1"));
    }
}
