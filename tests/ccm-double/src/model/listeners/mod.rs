//! The listeners that a Service wants. CCM reads them for every Service, also where it leaves the listeners of
//! the CLB alone, and one value that it cannot read stops the whole round (CCM 2.14: `listeners.go`).

pub(crate) mod attributes;

use k8s_openapi::api::core::v1::ServicePort;

use super::named_key::NamedKey;
use super::{BuildError, Inputs, group_name, mapping};
use crate::annotations::Annotations;
use crate::number::atoi;
use crate::service::{Key, ServiceExt};

/// A listener as it shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DesiredListener {
    pub(crate) port: i32,
    /// `tcp`, `udp`, `http` or `https`.
    pub(crate) protocol: String,
    pub(crate) description: String,
    /// The group that a mapping names, or CCM's own once it is found; else empty.
    pub(crate) group: String,
    /// The name of CCM's own group.
    pub(crate) group_name: String,
    /// What the annotations say, by its name in the cloud API.
    pub(crate) attributes: Vec<(&'static str, String)>,
    /// The HTTPS port that an HTTP listener sends clients to.
    pub(crate) forwards_to: Option<i64>,
}

impl DesiredListener {
    /// What the annotations say of a parameter; empty if they say nothing.
    pub(crate) fn attribute(&self, name: &str) -> &str {
        let found = self.attributes.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    }
}

/// The listeners of all ports, in their order.
pub(crate) fn build(inputs: &Inputs<'_>) -> Result<Vec<DesiredListener>, BuildError> {
    let service = inputs.service;
    let wanted = service.ports().iter().map(|port| {
        of_port(inputs, service.annotations(), port).map_err(|BuildError(error)| {
            BuildError(format!("build listener from servicePort {} error: {error}", port.port))
        })
    });
    wanted.collect()
}

fn of_port(
    inputs: &Inputs<'_>,
    annotations: Annotations<'_>,
    port: &ServicePort,
) -> Result<DesiredListener, BuildError> {
    let Key { namespace, name } = Key::from_object(inputs.service);
    let number = port.port.to_string();
    let identity = NamedKey {
        port: &number,
        service: &name,
        namespace: &namespace,
        cluster: inputs.cluster_id,
    };
    let protocol = protocol(annotations, port)?;
    let mapping = annotations.get("vgroup-port");
    let group = if !annotations.get("id").is_empty() && !mapping.is_empty() {
        mapping::group_of(mapping, port.port)?.unwrap_or_default()
    } else {
        ""
    };
    attributes::check_before_forwarding(annotations)?;
    let forwards_to = if protocol == "http" {
        forwarding(annotations.get("forward-port"), port.port).map_err(|BuildError(error)| {
            BuildError(format!("Annotation ForwardPort error: {error} "))
        })?
    } else {
        None
    };
    attributes::check_after_forwarding(annotations)?;
    check_domains(annotations.get("domain-extensions"))?;
    Ok(DesiredListener {
        port: port.port,
        description: identity.to_string(),
        group: group.to_owned(),
        group_name: group_name(inputs, inputs.service.is_eni(inputs.default_type), port),
        attributes: attributes::parameters(annotations, &protocol),
        forwards_to,
        protocol,
    })
}

/// A port's protocol after `protocol-port` (`https:443,http:80`).
fn protocol(annotations: Annotations<'_>, port: &ServicePort) -> Result<String, BuildError> {
    let declared = annotations.get("protocol-port");
    let number = port.port.to_string();
    let entries = (!declared.is_empty()).then(|| declared.split(','));
    for entry in entries.into_iter().flatten() {
        let (name, wanted) = match entry.split(':').collect::<Vec<_>>().as_slice() {
            [name, wanted, ..] => (*name, *wanted),
            _ => {
                return Err(BuildError(format!(
                    "port and protocol format must be like 'https:443' with colon separated. got=[[{entry}]]"
                )));
            }
        };
        if !["http", "https", "tcp", "udp"].contains(&name) {
            return Err(BuildError(format!(
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
fn forwarding(declared: &str, port: i32) -> Result<Option<i64>, BuildError> {
    if declared.is_empty() {
        return Ok(None);
    }
    let number = port.to_string();
    for entry in declared.split(',') {
        let Some((from, to)) = entry.split_once(':').filter(|(_, to)| !to.contains(':')) else {
            return Err(BuildError(format!(
                "forward port format error: {declared}, expect 80:443,88:6443"
            )));
        };
        if from == number && !to.is_empty() {
            let unread = |_| BuildError(format!("forward port is not an integer, {to}"));
            return atoi(to).map(|to| (to != 0).then_some(to)).map_err(unread);
        }
        if from == number {
            break;
        }
    }
    Ok(None)
}

/// `domain-extensions` (`example.com:certificate`), blanks around entries allowed.
fn check_domains(declared: &str) -> Result<(), BuildError> {
    let entries = (!declared.is_empty()).then(|| declared.split(','));
    entries.into_iter().flatten().map(str::trim).try_for_each(|entry| {
        if entry.split(':').count() == 2 {
            return Ok(());
        }
        Err(BuildError(format!("parse DomainExtensions error: invalid domain extension {entry}")))
    })
}
