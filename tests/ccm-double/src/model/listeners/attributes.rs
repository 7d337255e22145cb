//! The annotations of a listener: which have to be numbers, and what each is called in the cloud API.

use crate::annotations::Annotations;
use crate::model::Stopped;
use crate::number::atoi;

/// Annotations that have to be integers, in the order in which CCM reads them, with its names for them.
const BEFORE_FORWARDING: &[(&str, &str)] = &[
    ("persistence-timeout", "persistence timeout"),
    ("established-timeout", "EstablishedTimeout"),
];
const AFTER_FORWARDING: &[(&str, &str)] = &[
    ("idle-timeout", "IdleTimeout"),
    ("request-timeout", "RequestTimeout"),
    ("connection-drain-timeout", "ConnectionDrainTimeout"),
    ("cookie-timeout", "CookieTimeout"),
    ("healthy-threshold", "HealthyThreshold"),
    ("unhealthy-threshold", "UnhealthyThreshold"),
    ("health-check-connect-timeout", "HealthCheckConnectTimeout"),
    ("health-check-connect-port", "HealthCheckConnectPort"),
    ("health-check-interval", "HealthCheckInterval"),
    ("health-check-timeout", "HealthCheckTimeout"),
];

/// Protocols that an attribute is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    All,
    Tcp,
    /// TCP and UDP.
    Connections,
    /// HTTP and HTTPS.
    Requests,
    Https,
}

/// Annotations by suffix, and the parameters they become.
const PARAMETERS: &[(&str, &str, Of)] = &[
    ("scheduler", "Scheduler", Of::All),
    ("persistence-timeout", "PersistenceTimeout", Of::Tcp),
    ("established-timeout", "EstablishedTimeout", Of::Tcp),
    ("connection-drain", "ConnectionDrain", Of::Connections),
    ("connection-drain-timeout", "ConnectionDrainTimeout", Of::Connections),
    ("cert-id", "ServerCertificateId", Of::Https),
    ("tls-cipher-policy", "TLSCipherPolicy", Of::Https),
    ("http2-enabled", "EnableHttp2", Of::Https),
    ("idle-timeout", "IdleTimeout", Of::Requests),
    ("request-timeout", "RequestTimeout", Of::Requests),
    ("sticky-session", "StickySession", Of::Requests),
    ("sticky-session-type", "StickySessionType", Of::Requests),
    ("cookie", "Cookie", Of::Requests),
    ("cookie-timeout", "CookieTimeout", Of::Requests),
    ("acl-status", "AclStatus", Of::All),
    ("acl-type", "AclType", Of::All),
    ("acl-id", "AclId", Of::All),
    ("healthy-threshold", "HealthyThreshold", Of::All),
    ("unhealthy-threshold", "UnhealthyThreshold", Of::All),
    ("health-check-connect-port", "HealthCheckConnectPort", Of::All),
    ("health-check-interval", "HealthCheckInterval", Of::All),
    ("health-check-domain", "HealthCheckDomain", Of::All),
    ("health-check-uri", "HealthCheckURI", Of::All),
    ("health-check-httpcode", "HealthCheckHttpCode", Of::All),
    ("health-check-type", "HealthCheckType", Of::Tcp),
    ("health-check-connect-timeout", "HealthCheckConnectTimeout", Of::Connections),
    ("health-check-switch", "HealthCheckSwitch", Of::Connections),
    ("health-check-flag", "HealthCheck", Of::Requests),
    ("health-check-timeout", "HealthCheckTimeout", Of::Requests),
    ("health-check-method", "HealthCheckMethod", Of::Requests),
];

impl Of {
    fn includes(self, protocol: &str) -> bool {
        match self {
            Self::All => true,
            Self::Tcp => protocol == "tcp",
            Self::Connections => matches!(protocol, "tcp" | "udp"),
            Self::Requests => matches!(protocol, "http" | "https"),
            Self::Https => protocol == "https",
        }
    }
}

pub(super) fn check_before_forwarding(notes: Annotations<'_>) -> Result<(), Stopped> {
    check(notes, BEFORE_FORWARDING)
}

pub(super) fn check_after_forwarding(notes: Annotations<'_>) -> Result<(), Stopped> {
    check(notes, AFTER_FORWARDING)
}

fn check(notes: Annotations<'_>, keys: &[(&str, &str)]) -> Result<(), Stopped> {
    keys.iter().try_for_each(|(suffix, name)| {
        let value = notes.get(suffix);
        let read = if value.is_empty() { Ok(0) } else { atoi(value) };
        read.map(drop).map_err(|error| {
            Stopped(format!(
                "Annotation {name} must be integer, but got [{value}]. message=[{error}] "
            ))
        })
    })
}

/// The parameters of a listener of this protocol that the annotations set. Numbers have been checked.
pub(super) fn of(notes: Annotations<'_>, protocol: &str) -> Vec<(&'static str, String)> {
    let is_number = |suffix: &str| {
        [BEFORE_FORWARDING, AFTER_FORWARDING].concat().iter().any(|(key, _)| *key == suffix)
    };
    let set = PARAMETERS.iter().filter(|(_, _, of)| of.includes(protocol));
    set.filter_map(|(suffix, name, _)| match notes.get(suffix) {
        "" => None,
        value if is_number(suffix) => Some((*name, atoi(value).ok()?.to_string())),
        value => Some((*name, value.to_owned())),
    })
    .collect()
}
