//! What the webhook counts, for Prometheus: everything is named `clbmigrate_webhook_…`.

mod caches;
mod words;

pub use words::{Outcome, Shed, Verdict};

use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::{Registry, Unit},
};

use self::caches::Caches;

use crate::{
    Hook,
    config::{Mode, Reload},
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
struct Request {
    hook: &'static str,
    verdict: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Finding {
    rule: &'static str,
    mode: &'static str,
    verdict: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Hooked {
    hook: &'static str,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfHook {
    hook: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TurnedAway {
    hook: &'static str,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reloaded {
    result: &'static str,
}

/// All counters. Those of every request are found without a lookup.
pub struct Metrics {
    registry: Mutex<Registry>,
    hooks: [OneHook; 4],
    findings: Family<Finding, Counter>,
    hooked: Family<Hooked, Counter>,
    suppressed: Counter,
    reloads: Family<Reloaded, Counter>,
    expiry: Gauge,
    published: Counter,
    connections: Gauge,
    panics: Counter,
    caches: Caches,
}

/// The counters of one hook.
struct OneHook {
    verdicts: [Counter; 6],
    shed: [Counter; 2],
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
        let requests = Family::<Request, Counter>::default();
        let shed = Family::<TurnedAway, Counter>::default();
        let in_flight = Family::<OfHook, Gauge>::default();
        let latency = Family::<OfHook, Histogram, fn() -> Histogram>::new_with_constructor(|| {
            Histogram::new(LATENCY)
        });
        let hooks = Hook::ALL.map(|hook| {
            let name = hook.name();
            let of_hook = OfHook { hook: name };
            OneHook {
                verdicts: Verdict::ALL.map(|verdict| {
                    let verdict = verdict.as_str();
                    requests.get_or_create_owned(&Request { hook: name, verdict })
                }),
                shed: Shed::ALL.map(|reason| {
                    let reason = reason.as_str();
                    shed.get_or_create_owned(&TurnedAway { hook: name, reason })
                }),
                in_flight: in_flight.get_or_create_owned(&of_hook),
                latency: latency.get_or_create_owned(&of_hook),
            }
        });
        registry.register("requests", "Reviews answered, by hook and verdict", requests);
        registry.register("shed", "Reviews turned away for load, by hook and reason", shed);
        registry.register("in_flight", "Reviews being answered", in_flight);
        registry.register_with_unit(
            "latency",
            "Time from a review's head to its answer",
            Unit::Seconds,
            latency,
        );
        let metrics = Self {
            hooks,
            findings: Family::default(),
            hooked: Family::default(),
            suppressed: Counter::default(),
            reloads: Family::default(),
            expiry: Gauge::default(),
            published: Counter::default(),
            connections: Gauge::default(),
            panics: Counter::default(),
            caches: Caches::default(),
            registry: Mutex::default(),
        };
        let of = &metrics;
        registry.register("findings", "What rules found", of.findings.clone());
        registry.register(
            "pre_stop_hooks",
            "Workloads and Pods looked at: patched, or why not",
            of.hooked.clone(),
        );
        registry.register(
            "log_suppressed",
            "Refusals not logged because there were too many",
            of.suppressed.clone(),
        );
        registry.register(
            "config_reloads",
            "Changes of the configuration file, taken or refused",
            of.reloads.clone(),
        );
        registry.register(
            "certificate_expiry_timestamp_seconds",
            "When the certificate at hand ends, in seconds since 1970; 0 without one",
            of.expiry.clone(),
        );
        registry.register(
            "ca_published",
            "Times the CA was written into a webhook configuration",
            of.published.clone(),
        );
        registry.register("connections", "Open connections", of.connections.clone());
        registry.register("panics", "Handlers that broke; each is a bug", of.panics.clone());
        registry.register(
            "build",
            "The version that runs",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
        registry.register_collector(Box::new(metrics.caches.clone()));
        for result in ["taken", "refused"] {
            let _ = metrics.reloads.get_or_create(&Reloaded { result });
        }
        Self { registry: Mutex::new(registry), ..metrics }
    }
}

impl Metrics {
    /// A review was answered.
    pub fn answered(&self, hook: Hook, verdict: Verdict) {
        let [allowed, warned, patched, denied, exempt, failed] = &self.of(hook).verdicts;
        let counter = match verdict {
            Verdict::Allowed => allowed,
            Verdict::Warned => warned,
            Verdict::Patched => patched,
            Verdict::Denied => denied,
            Verdict::Exempt => exempt,
            Verdict::Failed => failed,
        };
        counter.inc();
    }

    /// A workload or Pod was given its preStop hook, or was not for that reason.
    pub fn hooked(&self, hook: Hook, result: &'static str) {
        self.hooked.get_or_create(&Hooked { hook: hook.name(), result }).inc();
    }

    /// A rule found something. `rule` is its id.
    pub fn found(&self, rule: &'static str, mode: Mode, outcome: Outcome) {
        let labels = Finding { rule, mode: mode.as_str(), verdict: outcome.as_str() };
        self.findings.get_or_create(&labels).inc();
    }

    /// So many refusals were not logged.
    pub fn suppressed(&self, lines: u64) {
        self.suppressed.inc_by(lines);
    }

    /// The configuration file has changed.
    pub fn reloaded(&self, reload: &Reload) {
        let result = match reload {
            Reload::Taken => "taken",
            Reload::Refused(_) => "refused",
        };
        self.reloads.get_or_create(&Reloaded { result }).inc();
    }

    /// The certificate at hand ends then.
    pub fn certificate_ends(&self, at: SystemTime) {
        let seconds = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        self.expiry.set(i64::try_from(seconds).unwrap_or(i64::MAX));
    }

    /// The CA was written into a configuration.
    pub fn published(&self) {
        self.published.inc();
    }

    /// A handler broke.
    pub(crate) fn panicked(&self) {
        self.panics.inc();
    }

    /// Shows the age of a cache: the time since it last heard from the API server, none before it
    /// has. `kind` is a plural, as `services`.
    pub fn watch_cache(
        &self,
        kind: &'static str,
        age: impl Fn() -> Option<Duration> + Send + Sync + 'static,
    ) {
        self.caches.lock().insert(kind, Box::new(age));
    }

    /// Adds what other parts count.
    pub fn register(&self, add: impl FnOnce(&mut Registry)) {
        add(&mut self.registry.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Everything, in the text format of the `OpenMetrics` standard.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.registry.lock().unwrap_or_else(PoisonError::into_inner))?;
        Ok(text)
    }

    pub(crate) fn turned_away(&self, hook: Hook, why: Shed) {
        let [busy, late] = &self.of(hook).shed;
        match why {
            Shed::Busy => busy.inc(),
            Shed::Late => late.inc(),
        };
    }

    pub(crate) fn begun(&self, hook: Hook) {
        self.of(hook).in_flight.inc();
    }

    pub(crate) fn ended(&self, hook: Hook, after: Duration) {
        let hook = self.of(hook);
        hook.in_flight.dec();
        hook.latency.observe(after.as_secs_f64());
    }

    pub(crate) fn connections(&self) -> &Gauge {
        &self.connections
    }

    fn of(&self, hook: Hook) -> &OneHook {
        let [services, workloads, hooks, pods] = &self.hooks;
        match hook {
            Hook::ValidateServices => services,
            Hook::ValidateWorkloads => workloads,
            Hook::MutateWorkloads => hooks,
            Hook::MutatePods => pods,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_was_counted_is_shown() {
        let metrics = Metrics::default();
        metrics.answered(Hook::ValidateServices, Verdict::Denied);
        metrics.found("CLB001", Mode::Deny, Outcome::Denied);
        metrics.turned_away(Hook::MutatePods, Shed::Busy);
        metrics.begun(Hook::ValidateServices);
        metrics.begun(Hook::ValidateServices);
        metrics.ended(Hook::ValidateServices, Duration::from_micros(70));
        metrics.reloaded(&Reload::Refused(String::new()));
        metrics.certificate_ends(UNIX_EPOCH + Duration::from_secs(1_800_000_000));
        metrics.watch_cache("services", || Some(Duration::from_millis(1500)));
        metrics.watch_cache("nodes", || None);
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
