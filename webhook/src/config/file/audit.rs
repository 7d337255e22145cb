//! The section `audit`.

use std::time::Duration;

use jiff::SignedDuration;
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::{super::AuditConfig, Validator};

/// How often the cluster may be scanned.
const INTERVAL: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(10)..=Duration::from_secs(24 * 60 * 60);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct AuditSection {
    #[serde(default)]
    enabled: Option<bool>,
    #[serde(default)]
    interval: Option<Spanned<String>>,
}

impl Validator {
    pub(super) fn audit(&mut self, audit: &AuditSection) -> AuditConfig {
        let default = AuditConfig::default();
        AuditConfig {
            enabled: audit.enabled.unwrap_or(default.enabled),
            interval: audit
                .interval
                .as_ref()
                .and_then(|interval| self.interval(interval))
                .unwrap_or(default.interval),
        }
    }

    fn interval(&mut self, interval: &Spanned<String>) -> Option<Duration> {
        let text = interval.value.as_str();
        if text.is_empty() {
            return None;
        }
        let read = text.parse::<SignedDuration>().ok().and_then(|it| Duration::try_from(it).ok());
        let read = read.filter(|interval| INTERVAL.contains(interval));
        if read.is_none() {
            let message = format!(
                "audit.interval is {text:?}; write a time with its unit, 10s to 24h, as 10m, \
                 or audit: {{enabled: false}} for no scans"
            );
            self.report(interval, message);
        }
        read
    }
}
