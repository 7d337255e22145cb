//! What CCM reads for a listener. It does so for every Service, even where it leaves the listeners of the
//! CLB alone, and one value that it cannot read stops the whole round.

use k8s_openapi::api::core::v1::{Service, ServicePort};

use super::number::atoi;
use super::{Malformed, mapping};
use crate::annotations::Annotations;
use crate::service::ServiceExt;

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

/// Checks the listeners of all ports.
pub(super) fn check(service: &Service) -> Result<(), Malformed> {
    service.ports().iter().try_for_each(|port| {
        check_port(service.notes(), port).map_err(|Malformed(error)| {
            Malformed(format!("build listener from servicePort {} error: {error}", port.port))
        })
    })
}

fn check_port(notes: Annotations<'_>, port: &ServicePort) -> Result<(), Malformed> {
    let protocol = protocol(notes, port)?;
    let mapping = notes.get("vgroup-port");
    if !notes.get("id").is_empty() && !mapping.is_empty() {
        mapping::group_of(mapping, port.port)?;
    }
    check_integers(notes, BEFORE_FORWARDING)?;
    if protocol == "http" {
        check_forwarding(notes.get("forward-port"), port.port).map_err(|Malformed(error)| {
            Malformed(format!("Annotation ForwardPort error: {error} "))
        })?;
    }
    check_integers(notes, AFTER_FORWARDING)?;
    check_domains(notes.get("domain-extensions"))
}

fn check_integers(notes: Annotations<'_>, keys: &[(&str, &str)]) -> Result<(), Malformed> {
    keys.iter().try_for_each(|(suffix, name)| {
        let value = notes.get(suffix);
        let read = if value.is_empty() { Ok(0) } else { atoi(value) };
        read.map(drop).map_err(|error| {
            Malformed(format!(
                "Annotation {name} must be integer, but got [{value}]. message=[{error}] "
            ))
        })
    })
}

/// A port's protocol after `protocol-port` (`https:443,http:80`).
fn protocol(notes: Annotations<'_>, port: &ServicePort) -> Result<String, Malformed> {
    let declared = notes.get("protocol-port");
    let number = port.port.to_string();
    let entries = (!declared.is_empty()).then(|| declared.split(','));
    for entry in entries.into_iter().flatten() {
        let (name, wanted) = match entry.split(':').collect::<Vec<_>>().as_slice() {
            [name, wanted, ..] => (*name, *wanted),
            _ => {
                return Err(Malformed(format!(
                    "port and protocol format must be like 'https:443' with colon separated. got=[[{entry}]]"
                )));
            }
        };
        if !["http", "https", "tcp", "udp"].contains(&name) {
            return Err(Malformed(format!(
                "port protocol format must be either [http|https|tcp|udp], protocol not supported wit [{name}]\n"
            )));
        }
        if wanted == number {
            return Ok(name.to_owned());
        }
    }
    Ok(port.protocol.as_deref().unwrap_or("TCP").to_lowercase())
}

/// `forward-port` (`80:443`), read for HTTP listeners only.
fn check_forwarding(declared: &str, port: i32) -> Result<(), Malformed> {
    if declared.is_empty() {
        return Ok(());
    }
    let number = port.to_string();
    for entry in declared.split(',') {
        let Some((from, to)) = entry.split_once(':').filter(|(_, to)| !to.contains(':')) else {
            return Err(Malformed(format!(
                "forward port format error: {declared}, expect 80:443,88:6443"
            )));
        };
        if from == number {
            let unread = || Malformed(format!("forward port is not an integer, {to}"));
            return if to.is_empty() { Ok(()) } else { atoi(to).map(drop).map_err(|_| unread()) };
        }
    }
    Ok(())
}

/// `domain-extensions` (`example.com:certificate`), blanks around entries allowed.
fn check_domains(declared: &str) -> Result<(), Malformed> {
    let entries = (!declared.is_empty()).then(|| declared.split(','));
    entries.into_iter().flatten().map(str::trim).try_for_each(|entry| {
        if entry.split(':').count() == 2 {
            return Ok(());
        }
        Err(Malformed(format!("parse DomainExtensions error: invalid domain extension {entry}")))
    })
}
