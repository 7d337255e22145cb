//! The metrics of certificates.

use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge},
    registry::Registry,
};

/// When certificates end, and how often their authorities were published.
#[derive(Debug, Default)]
pub(super) struct CertificateMetrics {
    expiry: Gauge,
    authority_expiry: Gauge,
    published: Counter,
}

impl CertificateMetrics {
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "certificate_expiry_timestamp_seconds",
            "When the certificate at hand ends, in seconds since 1970; 0 without one",
            self.expiry.clone(),
        );
        registry.register(
            "ca_expiry_timestamp_seconds",
            "When the webhook's own authority ends, in seconds since 1970; 0 without one",
            self.authority_expiry.clone(),
        );
        registry.register(
            "ca_published",
            "Times the CA was written into a webhook configuration",
            self.published.clone(),
        );
    }

    pub fn set_expiry(&self, at: SystemTime) {
        self.expiry.set(seconds_since_1970(at));
    }

    pub fn set_authority_expiry(&self, at: SystemTime) {
        self.authority_expiry.set(seconds_since_1970(at));
    }

    pub fn count_publication(&self) {
        self.published.inc();
    }
}

fn seconds_since_1970(at: SystemTime) -> i64 {
    let seconds = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    i64::try_from(seconds).unwrap_or(i64::MAX)
}
