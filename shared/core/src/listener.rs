//! CCM's listener model, as far as a value it cannot read fails the whole round (CCM 2.14:
//! `listeners.go`). It is built even where listeners are not touched.

use thiserror::Error;

use crate::{
    annotation::{self, EffectiveValue, KnownAnnotation, ValueError, ValueKind},
    backends,
    object::{Service, ServicePort},
    version::{Behaviour, CcmVersion},
};

/// The protocols that CCM knows in `loadbalancer-protocol-port`.
pub const PROTOCOLS: [&str; 4] = ["tcp", "udp", "http", "https"];

/// An annotation whose value fails the whole round.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{key} {text:?}: {problem}")]
pub struct UnreadableAnnotation {
    /// The annotation's full key.
    pub key: String,
    /// Its value.
    pub text: String,
    /// What is wrong with it.
    pub problem: ListenerValueError,
}

/// Why CCM cannot read a value of its listener model.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ListenerValueError {
    /// It is no integer.
    #[error("{0}; CCM reads an integer here")]
    Integer(#[from] ValueError),
    /// An entry of `protocol-port` has no colon.
    #[error("entry {0:?} has no colon; write PROTOCOL:PORT, for example https:443")]
    NoColon(String),
    /// An entry of `protocol-port` names another protocol.
    #[error(
        "protocol {0:?} is none of tcp, udp, http, https in lower case without quotes or spaces"
    )]
    Protocol(String),
    /// An entry of `forward-port` is not two ports.
    #[error("entry {0:?} is not FROM:TO; write for example 80:443")]
    ForwardEntry(String),
    /// The second port of a `forward-port` entry is no integer.
    #[error("port {text:?}: {error}; write for example 80:443")]
    ForwardPort {
        /// The text after the colon.
        text: String,
        /// What is wrong with it.
        error: ValueError,
    },
    /// An entry of `domain-extensions` is not a domain and a certificate.
    #[error("entry {0:?} is not DOMAIN:CERTIFICATE-ID")]
    DomainExtension(String),
}

/// The annotations of a Service that CCM's listener model cannot read.
pub fn unreadable_annotations(service: &Service, version: CcmVersion) -> Vec<UnreadableAnnotation> {
    unreadable_among(service, &annotation::known_in(&service.metadata.annotations), version)
}

/// The same, given the Service's annotations that CCM reads.
pub(crate) fn unreadable_among(
    service: &Service,
    known: &[(&KnownAnnotation, EffectiveValue<'_>)],
    version: CcmVersion,
) -> Vec<UnreadableAnnotation> {
    let ports = &service.spec.ports;
    let protocols = service.metadata.annotations.text(annotation::PROTOCOL_PORT);
    let problem_of = |kind: ValueKind, text: &str| match kind {
        ValueKind::Integer | ValueKind::SharedClbInteger => {
            annotation::parse_integer(text).err().map(ListenerValueError::from)
        }
        ValueKind::ProtocolPort => ports.iter().find_map(|port| protocol(text, port).err()),
        ValueKind::ForwardPort => {
            let is_http = |port: &&ServicePort| protocol(protocols, port).as_deref() == Ok("http");
            ports.iter().filter(is_http).find_map(|port| forward_port(text, port).err())
        }
        ValueKind::DomainExtensions if version.has(Behaviour::ReadsDomainExtensions) => {
            domain_extension_error(text)
        }
        ValueKind::DomainExtensions | ValueKind::Text | ValueKind::SharedClb => None,
    };
    let set = known.iter().filter(|(_, value)| !value.text.is_empty());
    let unreadable = set.filter_map(|(known, value)| {
        let problem = problem_of(known.kind, value.text)?;
        Some(UnreadableAnnotation {
            key: value.key.to_owned(),
            text: value.text.to_owned(),
            problem,
        })
    });
    unreadable.collect()
}

/// The protocol of a port's listener, in lower case. `text` is the value of
/// `loadbalancer-protocol-port`: its first entry `protocol:port` that names the port decides;
/// without one, the Service port's own protocol. Fails where an entry before it cannot be read.
pub fn protocol(text: &str, port: &ServicePort) -> Result<String, ListenerValueError> {
    let number = port.port.to_string();
    for entry in text.split(',').filter(|_| !text.is_empty()) {
        let mut parts = entry.split(':');
        let (Some(protocol), Some(of)) = (parts.next(), parts.next()) else {
            return Err(ListenerValueError::NoColon(entry.to_owned()));
        };
        if !PROTOCOLS.contains(&protocol) {
            return Err(ListenerValueError::Protocol(protocol.to_owned()));
        }
        if of == number {
            return Ok(protocol.to_owned());
        }
    }
    Ok(port.protocol.to_lowercase())
}

/// What tells the listeners of a CLB apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenerKey {
    /// The listener's port.
    pub port: u16,
    /// Its protocol in lower case; empty where CCM cannot read it.
    pub protocol: String,
}

/// The listeners of its CLB that a Service takes: CCM makes them its own, as
/// `force-override-listeners` has it, or one of its groups stands behind them.
pub fn taken_by(service: &Service) -> impl Iterator<Item = ListenerKey> {
    let annotations = &service.metadata.annotations;
    let overrides = annotations.text(annotation::FORCE_OVERRIDE) == "true";
    let mapping = backends::mapping(service);
    let is_mapped = move |port| {
        mapping.as_ref().is_some_and(|mapping| matches!(mapping.group_of(port), Ok(Some(_))))
    };
    let taken = service.spec.ports.iter().filter(move |port| overrides || is_mapped(port.port));
    let protocols = annotations.text(annotation::PROTOCOL_PORT);
    taken.map(move |port| {
        let protocol = protocol(protocols, port).unwrap_or_default();
        ListenerKey { port: port.port, protocol }
    })
}

/// The port that a port's HTTP listener redirects to; `None` where it does not. `text` is the value
/// of `loadbalancer-forward-port`: its first entry `from:to` that names the port decides. Fails
/// where an entry before it, or the port to redirect to, cannot be read.
pub fn forward_port(text: &str, port: &ServicePort) -> Result<Option<u16>, ListenerValueError> {
    let number = port.port.to_string();
    for entry in text.split(',').filter(|_| !text.is_empty()) {
        let mut parts = entry.split(':');
        let (Some(from), Some(to), None) = (parts.next(), parts.next(), parts.next()) else {
            return Err(ListenerValueError::ForwardEntry(entry.to_owned()));
        };
        if from == number {
            if to.is_empty() {
                return Ok(None);
            }
            let value = annotation::parse_integer(to)
                .map_err(|error| ListenerValueError::ForwardPort { text: to.to_owned(), error })?;
            // 0 means that nothing is redirected. Another number that is no port is one for CCM.
            return Ok(Some(u16::try_from(value).unwrap_or(u16::MAX)).filter(|port| *port != 0));
        }
    }
    Ok(None)
}

/// The first entry of `loadbalancer-domain-extensions` that is no `domain:certificate`. CCM trims
/// each entry.
fn domain_extension_error(text: &str) -> Option<ListenerValueError> {
    let mut entries = text.split(',').map(str::trim);
    let malformed = entries.find(|entry| entry.split(':').count() != 2);
    malformed.map(|entry| ListenerValueError::DomainExtension(entry.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn port(port: u16) -> ServicePort {
        ServicePort {
            name: String::new(),
            protocol: "TCP".to_owned(),
            port,
            target_port: None,
            node_port: 0,
        }
    }

    #[rstest]
    #[case("", Ok("tcp"))]
    #[case("https:443", Ok("https"))]
    #[case("http:80,https:443", Ok("https"))]
    #[case("http:80", Ok("tcp"))]
    #[case("https:443,nonsense", Ok("https"))]
    #[case("nonsense,https:443", Err(()))]
    #[case("HTTPS:443", Err(()))]
    #[case("\"https:443\"", Err(()))]
    #[case("http:80, https:443", Err(()))]
    fn the_protocol_is_read_entry_by_entry(#[case] text: &str, #[case] is: Result<&str, ()>) {
        let read = protocol(text, &port(443));
        assert_eq!(read.as_deref().map_err(|_| ()), is, "{read:?}");
    }

    #[rstest]
    #[case("", Ok(None))]
    #[case("80:443", Ok(Some(443)))]
    #[case("88:6443,80:443", Ok(Some(443)))]
    #[case("88:6443", Ok(None))]
    #[case("80:443,nonsense", Ok(Some(443)))]
    #[case("80:", Ok(None))]
    #[case("80:0", Ok(None))]
    #[case("80:443,", Ok(Some(443)))]
    #[case("nonsense,80:443", Err(()))]
    #[case("80:443:1", Err(()))]
    #[case("80:https", Err(()))]
    #[case("80: 443", Err(()))]
    fn the_port_to_redirect_to_is_read_entry_by_entry(
        #[case] text: &str,
        #[case] is: Result<Option<u16>, ()>,
    ) {
        assert_eq!(forward_port(text, &port(80)).map_err(|_| ()), is);
    }

    #[rstest]
    #[case("a.example.com:cert-1", None)]
    #[case("a.example.com:cert-1, b.example.com:cert-2", None)]
    #[case(":", None)]
    #[case("a.example.com", Some("a.example.com"))]
    #[case("a:b:c", Some("a:b:c"))]
    #[case("a.example.com:cert-1,", Some(""))]
    fn domain_extensions_are_read_entry_by_entry(#[case] text: &str, #[case] bad: Option<&str>) {
        let expected = bad.map(|entry| ListenerValueError::DomainExtension(entry.to_owned()));
        assert_eq!(domain_extension_error(text), expected);
    }

    mod properties {
        use proptest::prelude::*;

        use super::*;

        proptest! {
            #[test]
            fn no_text_makes_the_reader_panic(text in any::<String>(), number in any::<u16>()) {
                let _ = protocol(&text, &port(number));
                let _ = (forward_port(&text, &port(number)), domain_extension_error(&text));
            }
        }
    }
}
