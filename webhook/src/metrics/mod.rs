//! The metrics for Prometheus: all names begin with `clbmigrate_webhook_`.

mod audit;
mod cache_age;
mod certificates;
#[cfg(test)]
mod charted;
mod findings;
mod labels;
mod modes;

pub use audit::{AuditMetrics, AuditRun};
pub use labels::{ClaimOutcome, EnforcementAction, ReviewResult, ShedReason};

use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::{Registry, Unit},
};

use self::{
    cache_age::CacheAges, certificates::CertificateMetrics, findings::FindingCounters,
    modes::ModeMetrics,
};

use crate::{
    Webhook,
    config::{Enforcement, Mode, Reload},
};

/// The content type of [`Metrics::text`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds of the latency buckets, in seconds: an answer from memory takes microseconds, one
/// that reads from the API server up to two seconds, and API servers wait ten at most.
const LATENCY: [f64; 16] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
    1.0, 2.5, 10.0,
];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    hook: &'static str,
    verdict: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InjectionLabels {
    hook: &'static str,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WebhookLabels {
    hook: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ShedLabels {
    hook: &'static str,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ClaimLabels {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReloadLabels {
    result: &'static str,
}

/// All metrics. The ones that every review changes are found without a lookup.
pub struct Metrics {
    registry: Mutex<Registry>,
    webhooks: [WebhookMetrics; Webhook::ALL.len()],
    findings: FindingCounters,
    injections: Family<InjectionLabels, Counter>,
    claims: [Counter; ClaimOutcome::ALL.len()],
    suppressed: Counter,
    reloads: Family<ReloadLabels, Counter>,
    certificates: CertificateMetrics,
    connections: Gauge,
    panics: Counter,
    caches: CacheAges,
    modes: ModeMetrics,
    audit: AuditMetrics,
}

/// The metrics of one webhook.
struct WebhookMetrics {
    results: [Counter; 6],
    shed: [Counter; 3],
    refused_clients: Counter,
    in_flight: Gauge,
    latency: Histogram,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("clbmigrate_webhook");
        let requests = Family::<RequestLabels, Counter>::default();
        let shed = Family::<ShedLabels, Counter>::default();
        let refused_clients = Family::<WebhookLabels, Counter>::default();
        let in_flight = Family::<WebhookLabels, Gauge>::default();
        let latency =
            Family::<WebhookLabels, Histogram, fn() -> Histogram>::new_with_constructor(|| {
                Histogram::new(LATENCY)
            });
        let webhooks = Webhook::ALL.map(|webhook| {
            let name = webhook.name();
            let labels = WebhookLabels { hook: name };
            WebhookMetrics {
                results: ReviewResult::ALL.map(|result| {
                    let verdict = result.as_str();
                    requests.get_or_create_owned(&RequestLabels { hook: name, verdict })
                }),
                shed: ShedReason::ALL.map(|reason| {
                    let reason = reason.as_str();
                    shed.get_or_create_owned(&ShedLabels { hook: name, reason })
                }),
                refused_clients: refused_clients.get_or_create_owned(&labels),
                in_flight: in_flight.get_or_create_owned(&labels),
                latency: latency.get_or_create_owned(&labels),
            }
        });
        registry.register("requests", "Reviews answered, by hook and verdict", requests);
        registry.register("shed", "Reviews turned away unjudged, by hook and reason", shed);
        registry.register(
            "refused_clients",
            "Reviews refused because of the client's certificate, by hook",
            refused_clients,
        );
        registry.register("in_flight", "Reviews being answered", in_flight);
        registry.register_with_unit(
            "latency",
            "Time from a review's head to its answer",
            Unit::Seconds,
            latency,
        );
        let claims = Family::<ClaimLabels, Counter>::default();
        let metrics = Self {
            webhooks,
            findings: FindingCounters::default(),
            injections: Family::default(),
            claims: ClaimOutcome::ALL.map(|outcome| {
                claims.get_or_create_owned(&ClaimLabels { result: outcome.as_str() })
            }),
            suppressed: Counter::default(),
            reloads: Family::default(),
            certificates: CertificateMetrics::default(),
            connections: Gauge::default(),
            panics: Counter::default(),
            caches: CacheAges::default(),
            modes: ModeMetrics::default(),
            audit: AuditMetrics::default(),
            registry: Mutex::default(),
        };
        registry.register("findings", "What rules found", metrics.findings.family());
        registry.register(
            "pre_stop_hooks",
            "Workloads and Pods looked at: patched, or why not",
            metrics.injections.clone(),
        );
        registry.register(
            "claims",
            "Claims on the vServer groups that Services join, by result",
            claims,
        );
        registry.register(
            "log_suppressed",
            "Log lines about reviews not written because there were too many",
            metrics.suppressed.clone(),
        );
        registry.register(
            "config_reloads",
            "Changes of the configuration file, taken or refused",
            metrics.reloads.clone(),
        );
        metrics.register_process(&mut registry);
        for result in ["taken", "refused"] {
            let _ = metrics.reloads.get_or_create(&ReloadLabels { result });
        }
        Self { registry: Mutex::new(registry), ..metrics }
    }
}

impl Metrics {
    /// Registers what is told of the process, and what is read when metrics are scraped.
    fn register_process(&self, registry: &mut Registry) {
        self.certificates.register(registry);
        self.modes.register(registry);
        registry.register("connections", "Open connections", self.connections.clone());
        registry.register("panics", "Handlers that broke; each is a bug", self.panics.clone());
        registry.register(
            "build",
            "The version that runs",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
        registry.register_collector(Box::new(self.caches.clone()));
        registry.register_collector(Box::new(self.audit.clone()));
    }

    /// Counts a review that was answered.
    pub fn count_review(&self, webhook: Webhook, result: ReviewResult) {
        let [allowed, warned, patched, denied, exempt, failed] = &self.for_webhook(webhook).results;
        let counter = match result {
            ReviewResult::Allowed => allowed,
            ReviewResult::Warned => warned,
            ReviewResult::Patched => patched,
            ReviewResult::Denied => denied,
            ReviewResult::Exempt => exempt,
            ReviewResult::Failed => failed,
        };
        counter.inc();
    }

    /// Counts a workload or Pod that was reviewed for its preStop hook. `result` is `patched`, or the
    /// reason why there was no patch.
    pub fn count_injection(&self, webhook: Webhook, result: &'static str) {
        self.injections.get_or_create(&InjectionLabels { hook: webhook.name(), result }).inc();
    }

    /// Counts a finding of the rule with this id.
    pub fn count_finding(&self, rule: &'static str, mode: Mode, action: EnforcementAction) {
        self.findings.count(rule, mode, action);
    }

    /// Counts a finding of the rule with this id that would have denied a review, but for the mode.
    pub fn count_would_refuse(&self, webhook: Webhook, rule: &'static str, mode: Enforcement) {
        self.modes.count(webhook, rule, mode);
    }

    /// Shows the mode in force.
    pub fn show_mode(&self, mode: Enforcement) {
        self.modes.show(mode);
    }

    /// Counts a claim on the vServer groups that a Service joins.
    pub fn count_claim(&self, outcome: ClaimOutcome) {
        let [granted, held, unsettled] = &self.claims;
        match outcome {
            ClaimOutcome::Granted => granted.inc(),
            ClaimOutcome::Held => held.inc(),
            ClaimOutcome::Unsettled => unsettled.inc(),
        };
    }

    /// Counts log lines about reviews that were not written, because there were too many a second.
    pub fn count_suppressed_lines(&self, lines: u64) {
        self.suppressed.inc_by(lines);
    }

    /// Counts a change of the configuration file, applied or rejected.
    pub fn count_config_reload(&self, reload: &Reload) {
        let result = match reload {
            Reload::Applied => "taken",
            Reload::Rejected(_) => "refused",
        };
        self.reloads.get_or_create(&ReloadLabels { result }).inc();
    }

    /// Shows when the serving certificate expires.
    pub fn set_certificate_expiry(&self, at: SystemTime) {
        self.certificates.set_expiry(at);
    }

    /// Shows when the webhook's own authority expires.
    pub fn set_authority_expiry(&self, at: SystemTime) {
        self.certificates.set_authority_expiry(at);
    }

    /// Counts a write of the CA bundle into a webhook configuration.
    pub fn count_ca_publication(&self) {
        self.certificates.count_publication();
    }

    /// Counts a handler that panicked.
    pub(crate) fn count_panic(&self) {
        self.panics.inc();
    }

    /// Shows the age of a cache: the time since it last heard from the API server. While `age` returns
    /// `None` nothing is shown. `kind` is a plural, such as `services`.
    pub fn register_cache_age(
        &self,
        kind: &'static str,
        age: impl Fn() -> Option<Duration> + Send + Sync + 'static,
    ) {
        self.caches.lock().insert(kind, Box::new(age));
    }

    /// The metrics of the audit.
    pub fn audit(&self) -> &AuditMetrics {
        &self.audit
    }

    /// Adds metrics of other parts of the program.
    pub fn register(&self, add: impl FnOnce(&mut Registry)) {
        add(&mut self.registry.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// All metrics in the text format of the `OpenMetrics` standard.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.registry.lock().unwrap_or_else(PoisonError::into_inner))?;
        Ok(text)
    }

    pub(crate) fn count_shed(&self, webhook: Webhook, why: ShedReason) {
        let [busy, late, unsynced] = &self.for_webhook(webhook).shed;
        match why {
            ShedReason::Busy => busy.inc(),
            ShedReason::Late => late.inc(),
            ShedReason::Unsynced => unsynced.inc(),
        };
    }

    pub(crate) fn count_refused_client(&self, webhook: Webhook) {
        self.for_webhook(webhook).refused_clients.inc();
    }

    pub(crate) fn review_started(&self, webhook: Webhook) {
        self.for_webhook(webhook).in_flight.inc();
    }

    pub(crate) fn review_finished(&self, webhook: Webhook, after: Duration) {
        let webhook = self.for_webhook(webhook);
        webhook.in_flight.dec();
        webhook.latency.observe(after.as_secs_f64());
    }

    pub(crate) fn connections(&self) -> &Gauge {
        &self.connections
    }

    fn for_webhook(&self, webhook: Webhook) -> &WebhookMetrics {
        let [services, workloads, cascading_deletion, mutate_workloads, pods] = &self.webhooks;
        match webhook {
            Webhook::ValidateServices => services,
            Webhook::ValidateWorkloads => workloads,
            Webhook::ValidateCascadingDeletion => cascading_deletion,
            Webhook::MutateWorkloads => mutate_workloads,
            Webhook::MutatePods => pods,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn everything_that_was_counted_is_shown() {
        let metrics = Metrics::default();
        metrics.count_review(Webhook::ValidateServices, ReviewResult::Denied);
        metrics.count_finding("CLB001", Mode::Deny, EnforcementAction::Denied);
        metrics.count_shed(Webhook::MutatePods, ShedReason::Busy);
        metrics.review_started(Webhook::ValidateServices);
        metrics.review_started(Webhook::ValidateServices);
        metrics.review_finished(Webhook::ValidateServices, Duration::from_micros(70));
        metrics.count_config_reload(&Reload::Rejected(String::new()));
        metrics.set_certificate_expiry(UNIX_EPOCH + Duration::from_secs(1_800_000_000));
        metrics.set_authority_expiry(UNIX_EPOCH + Duration::from_secs(2_000_000_000));
        metrics.register_cache_age("services", || Some(Duration::from_millis(1500)));
        metrics.register_cache_age("nodes", || None);
        let text = metrics.text().expect("text");
        for line in [
            r#"requests_total{hook="validate-services",verdict="denied"} 1"#,
            r#"requests_total{hook="validate-services",verdict="allowed"} 0"#,
            r#"findings_total{rule="CLB001",mode="deny",verdict="denied"} 1"#,
            r#"shed_total{hook="mutate-pods",reason="busy"} 1"#,
            r#"in_flight{hook="validate-services"} 1"#,
            r#"latency_seconds_bucket{le="0.00005",hook="validate-services"} 0"#,
            r#"latency_seconds_bucket{le="0.0001",hook="validate-services"} 1"#,
            r#"config_reloads_total{result="refused"} 1"#,
            r#"config_reloads_total{result="taken"} 0"#,
            "certificate_expiry_timestamp_seconds 1800000000",
            "ca_expiry_timestamp_seconds 2000000000",
            r#"cache_age_seconds{kind="services"} 1.5"#,
            concat!(r#"build_info{version=""#, env!("CARGO_PKG_VERSION"), r#""} 1"#),
        ] {
            let line = format!("\nclbmigrate_webhook_{line}\n");
            assert!(text.contains(&line), "no {line} in\n{text}");
        }
        assert!(!text.contains(r#"kind="nodes""#), "{text}");
        assert!(text.ends_with("# EOF\n"));
    }
}
