//! The metrics that say when the next step of `mode` is safe.

use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use crate::{Webhook, config::Enforcement};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WouldRefuseLabels {
    hook: &'static str,
    rule: &'static str,
    mode: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ModeLabels {
    mode: &'static str,
}

/// What was let through only because of the mode, and the mode itself.
#[derive(Debug, Default)]
pub(super) struct ModeMetrics {
    would_refuse: Family<WouldRefuseLabels, Counter>,
    last: Gauge,
    mode: Family<ModeLabels, Gauge>,
}

impl ModeMetrics {
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "would_refuse",
            "Findings that were let through only because of mode: enforce would have refused the review",
            self.would_refuse.clone(),
        );
        registry.register(
            "would_refuse_last_timestamp_seconds",
            "When the last of them was, in seconds since 1970; 0 where there was none",
            self.last.clone(),
        );
        registry.register("mode", "1 for the mode in force, 0 for the others", self.mode.clone());
    }

    pub fn count(&self, webhook: Webhook, rule: &'static str, mode: Enforcement) {
        let labels = WouldRefuseLabels { hook: webhook.name(), rule, mode: mode.as_str() };
        self.would_refuse.get_or_create(&labels).inc();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        self.last.set(i64::try_from(now).unwrap_or(i64::MAX));
    }

    pub fn show(&self, mode: Enforcement) {
        for known in Enforcement::ALL {
            let labels = ModeLabels { mode: known.as_str() };
            self.mode.get_or_create(&labels).set(i64::from(known == mode));
        }
    }
}
