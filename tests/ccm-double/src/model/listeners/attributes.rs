//! The annotations of a listener: which have to be numbers, and what each is called in the cloud API.

use crate::annotations::Annotations;
use crate::model::BuildError;
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
enum AppliesTo {
    All,
    Tcp,
    /// TCP and UDP.
    Connections,
    /// HTTP and HTTPS.
    Requests,
    /// All but UDP.
    AllButUdp,
    Https,
}

/// Annotations by suffix, and the parameters they become.
const PARAMETERS: &[(&str, &str, AppliesTo)] = &[
    ("scheduler", "Scheduler", AppliesTo::All),
    ("persistence-timeout", "PersistenceTimeout", AppliesTo::Tcp),
    ("established-timeout", "EstablishedTimeout", AppliesTo::Tcp),
    ("connection-drain", "ConnectionDrain", AppliesTo::Connections),
    ("connection-drain-timeout", "ConnectionDrainTimeout", AppliesTo::Connections),
    ("cert-id", "ServerCertificateId", AppliesTo::Https),
    ("tls-cipher-policy", "TLSCipherPolicy", AppliesTo::Https),
    ("http2-enabled", "EnableHttp2", AppliesTo::Https),
    ("idle-timeout", "IdleTimeout", AppliesTo::Requests),
    ("request-timeout", "RequestTimeout", AppliesTo::Requests),
    ("sticky-session", "StickySession", AppliesTo::Requests),
    ("sticky-session-type", "StickySessionType", AppliesTo::Requests),
    ("cookie", "Cookie", AppliesTo::Requests),
    ("cookie-timeout", "CookieTimeout", AppliesTo::Requests),
    ("acl-status", "AclStatus", AppliesTo::All),
    ("acl-type", "AclType", AppliesTo::All),
    ("acl-id", "AclId", AppliesTo::All),
    ("healthy-threshold", "HealthyThreshold", AppliesTo::All),
    ("unhealthy-threshold", "UnhealthyThreshold", AppliesTo::All),
    ("health-check-connect-port", "HealthCheckConnectPort", AppliesTo::All),
    ("health-check-interval", "HealthCheckInterval", AppliesTo::All),
    ("health-check-domain", "HealthCheckDomain", AppliesTo::AllButUdp),
    ("health-check-uri", "HealthCheckURI", AppliesTo::AllButUdp),
    ("health-check-httpcode", "HealthCheckHttpCode", AppliesTo::AllButUdp),
    ("health-check-type", "HealthCheckType", AppliesTo::Tcp),
    ("health-check-connect-timeout", "HealthCheckConnectTimeout", AppliesTo::Connections),
    ("health-check-switch", "HealthCheckSwitch", AppliesTo::Connections),
    ("health-check-flag", "HealthCheck", AppliesTo::Requests),
    ("health-check-timeout", "HealthCheckTimeout", AppliesTo::Requests),
    ("health-check-method", "HealthCheckMethod", AppliesTo::Requests),
];

impl AppliesTo {
    fn includes(self, protocol: &str) -> bool {
        match self {
            Self::All => true,
            Self::Tcp => protocol == "tcp",
            Self::Connections => matches!(protocol, "tcp" | "udp"),
            Self::Requests => matches!(protocol, "http" | "https"),
            Self::AllButUdp => protocol != "udp",
            Self::Https => protocol == "https",
        }
    }
}

pub(super) fn check_before_forwarding(annotations: Annotations<'_>) -> Result<(), BuildError> {
    check(annotations, BEFORE_FORWARDING)
}

pub(super) fn check_after_forwarding(annotations: Annotations<'_>) -> Result<(), BuildError> {
    check(annotations, AFTER_FORWARDING)
}

fn check(annotations: Annotations<'_>, keys: &[(&str, &str)]) -> Result<(), BuildError> {
    keys.iter().try_for_each(|(suffix, name)| {
        let value = annotations.get(suffix);
        let read = if value.is_empty() { Ok(0) } else { atoi(value) };
        read.map(drop).map_err(|error| {
            BuildError(format!(
                "Annotation {name} must be integer, but got [{value}]. message=[{error}] "
            ))
        })
    })
}

/// The one number for which 0 is a value; for all others it is none.
const MAY_BE_ZERO: &str = "PersistenceTimeout";

/// The names of the parameters that annotations may set of a listener of this protocol.
pub(crate) fn names(protocol: &str) -> impl Iterator<Item = &'static str> {
    PARAMETERS.iter().filter(move |(_, _, of)| of.includes(protocol)).map(|(_, name, _)| *name)
}

/// Whether a value of a parameter is one: neither empty nor a number that says nothing.
pub(crate) fn is_set(name: &str, value: &str) -> bool {
    !value.is_empty() && (value != "0" || name == MAY_BE_ZERO)
}

/// The parameters of a listener of this protocol that the annotations set. Numbers have been checked.
pub(super) fn parameters(
    annotations: Annotations<'_>,
    protocol: &str,
) -> Vec<(&'static str, String)> {
    let is_number = |suffix: &str| {
        [BEFORE_FORWARDING, AFTER_FORWARDING].concat().iter().any(|(key, _)| *key == suffix)
    };
    let set = PARAMETERS.iter().filter(|(_, _, of)| of.includes(protocol));
    set.filter_map(|(suffix, name, _)| match annotations.get(suffix) {
        "" => None,
        value if is_number(suffix) => Some((*name, atoi(value).ok()?.to_string())),
        value => Some((*name, value.to_owned())),
    })
    .filter(|(name, value)| is_set(name, value))
    .collect()
}
