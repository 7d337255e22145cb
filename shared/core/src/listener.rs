//! CCM's listener model, as far as a value it cannot read fails the whole round (CCM 2.14:
//! `listeners.go`). It is built even where listeners are not touched.

use crate::{
    annotation::{self, EffectiveValue, KnownAnnotation, ValueError},
    object::{Service, ServicePort},
};

/// An annotation whose value fails the whole round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadableAnnotation<'a> {
    /// The annotation's full key.
    pub key: &'a str,
    /// Its value.
    pub text: &'a str,
    /// What is wrong with it, in words.
    pub problem: String,
}

/// The annotations of a Service that CCM's listener model cannot read.
pub fn unreadable_annotations(service: &Service) -> Vec<UnreadableAnnotation<'_>> {
    unreadable_among(service, &annotation::known_in(&service.metadata.annotations))
}

/// The same, given the Service's annotations that CCM reads.
pub(crate) fn unreadable_among<'a>(
    service: &Service,
    known: &[(&KnownAnnotation, EffectiveValue<'a>)],
) -> Vec<UnreadableAnnotation<'a>> {
    let mut found: Vec<UnreadableAnnotation<'_>> = Vec::new();
    for (known, value) in known {
        if !known.kind.is_integer() {
            continue;
        }
        if let (false, Err(error)) = (value.text.is_empty(), annotation::parse_integer(value.text))
        {
            found.push(UnreadableAnnotation {
                key: value.key,
                text: value.text,
                problem: describe(&error),
            });
        }
    }
    let ports_of = |(known, _): &&(&KnownAnnotation, EffectiveValue<'_>)| {
        known.suffix == annotation::PROTOCOL_PORT
    };
    if let Some((_, value)) = known.iter().find(ports_of) {
        let ports = &service.spec.ports;
        if let Some(problem) = ports.iter().find_map(|port| protocol(value.text, port).err()) {
            found.push(UnreadableAnnotation { key: value.key, text: value.text, problem });
        }
    }
    found
}

fn describe(error: &ValueError) -> String {
    format!("{error}; CCM reads an integer here")
}

/// The protocol of a port's listener, in lower case. `text` is the value of
/// `loadbalancer-protocol-port`: its first entry `protocol:port` that names the port decides;
/// without one, the Service port's own protocol. Fails with words where an entry before it cannot
/// be read.
pub fn protocol(text: &str, port: &ServicePort) -> Result<String, String> {
    let number = port.port.to_string();
    for entry in text.split(',').filter(|_| !text.is_empty()) {
        let mut parts = entry.split(':');
        let (Some(protocol), Some(of)) = (parts.next(), parts.next()) else {
            return Err(format!(
                "entry {entry:?} has no colon; write PROTOCOL:PORT, for example https:443"
            ));
        };
        if !["tcp", "udp", "http", "https"].contains(&protocol) {
            return Err(format!(
                "protocol {protocol:?} is none of tcp, udp, http, https in lower case without quotes or spaces"
            ));
        }
        if of == number {
            return Ok(protocol.to_owned());
        }
    }
    Ok(port.protocol.to_lowercase())
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

    mod properties {
        use proptest::prelude::*;

        use super::*;

        proptest! {
            #[test]
            fn no_text_makes_the_reader_panic(text in any::<String>(), number in any::<u16>()) {
                let _ = protocol(&text, &port(number));
            }
        }
    }
}
