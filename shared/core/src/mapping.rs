//! The grammar of `loadbalancer-vgroup-port`: `GROUP:PORT`, several separated by commas.
//!
//! CCM trims nothing, compares the port as text, takes the first match, and ignores whatever
//! follows a second colon (CCM 2.14: `listeners.go`, `vgroups.go`).

use thiserror::Error;

use crate::object::ServicePort;

/// A mapping as it is written. Parsing never fails: CCM looks at a mapping entry by entry, and so
/// do the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping<'a> {
    entries: Vec<MappingEntry<'a>>,
}

/// One entry of a mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MappingEntry<'a> {
    /// The entry as written.
    pub text: &'a str,
    /// Where the entry begins in the value, counted in characters from 1.
    pub position: usize,
    /// The text before the first colon, untrimmed.
    pub group: &'a str,
    /// The text between the first colon and the second or the end; `None` without a colon.
    pub port: Option<&'a str>,
    /// Whether there is a second colon. CCM ignores what follows it.
    pub has_more: bool,
}

/// An entry without a colon. CCM fails the whole round on it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "entry {text:?} at character {position} has no colon; write GROUP:PORT, for example rsp-bp1example:80"
)]
pub struct MappingFormatError {
    /// The entry.
    pub text: String,
    /// Where it begins in the value, counted in characters from 1.
    pub position: usize,
}

impl<'a> Mapping<'a> {
    /// Splits a value into its entries. An empty value has none: CCM takes it as not set.
    pub fn parse(value: &'a str) -> Self {
        if value.is_empty() {
            return Self { entries: Vec::new() };
        }
        let (mut entries, mut position, mut rest) = (Vec::with_capacity(1), 1, Some(value));
        while let Some(value) = rest {
            let (text, more) = cut(value, b',');
            let (group, port) = cut(text, b':');
            let (port, beyond) = port.map_or((None, None), |port| {
                let (port, beyond) = cut(port, b':');
                (Some(port), beyond)
            });
            entries.push(MappingEntry { text, position, group, port, has_more: beyond.is_some() });
            position += text.chars().count() + 1;
            rest = more;
        }
        Self { entries }
    }

    /// The entries, in the order of the value.
    pub fn entries(&self) -> &[MappingEntry<'a>] {
        &self.entries
    }

    /// The group CCM maps `port` to: that of the first entry whose port is the same text; `None`
    /// where there is no such entry. Fails at an entry without a colon before it.
    pub fn group_of(&self, port: u16) -> Result<Option<&'a str>, MappingFormatError> {
        for entry in &self.entries {
            match entry.port {
                None => return Err(entry.format_error()),
                Some(text) if is_decimal(text, port) => return Ok(Some(entry.group)),
                Some(_) => {}
            }
        }
        Ok(None)
    }

    /// The first entry without a colon. CCM fails the whole round on it when it looks the groups
    /// up.
    pub fn format_error(&self) -> Option<MappingFormatError> {
        self.entries.iter().find(|entry| entry.port.is_none()).map(|entry| entry.format_error())
    }
}

impl<'a> MappingEntry<'a> {
    /// Whether the entry has port `0`: it maps nothing, and CCM removes its own backends from the
    /// group.
    pub fn is_release(self) -> bool {
        self.port == Some("0")
    }

    /// The group and Service port that the entry was probably meant to name, among the Service's
    /// `ports`. Spaces and quotes, which CCM takes literally, are ignored; group and port may be
    /// swapped; the port may be given by its name, target port or node port; and a missing port is
    /// the only one there is. A number that names no port is taken as it stands.
    ///
    /// `None` for a release entry, and where no group or port can be told.
    pub fn meant(self, ports: &[ServicePort]) -> Option<(&'a str, u16)> {
        let group = self.group.trim_matches(is_stray);
        if self.is_release() || group.is_empty() {
            return None;
        }
        let number_of = |text: &str| ports.iter().map(|p| p.port).find(|p| text.parse() == Ok(*p));
        let only = || match ports {
            [port] => Some(port.port),
            _ => None,
        };
        let Some(written) = self.port.map(|port| port.trim_matches(is_stray)) else {
            return only().map(|port| (group, port));
        };
        if let Some(port) = number_of(written) {
            return Some((group, port));
        }
        if let Some(port) = number_of(group) {
            return Some((written, port));
        }
        let by_other_name = ports.iter().find(|port| {
            port.name == written
                || port.target().to_string() == written
                || port.node_port.to_string() == written
        });
        let port = by_other_name.map(|port| port.port).or_else(only);
        port.or_else(|| written.parse().ok()).map(|port| (group, port))
    }

    fn format_error(self) -> MappingFormatError {
        MappingFormatError { text: self.text.to_owned(), position: self.position }
    }
}

/// A text before and after the first separator, which is an ASCII character. A review looks at its
/// mapping a dozen times, and on texts so short this takes half the time of `str::split`.
fn cut(text: &str, separator: u8) -> (&str, Option<&str>) {
    let at = text.bytes().position(|byte| byte == separator);
    match at.and_then(|at| text.split_at_checked(at)) {
        Some((head, tail)) => (head, tail.get(1..)),
        None => (text, None),
    }
}

/// Whether a text is that number as CCM prints it, without sign or leading zero.
pub(crate) fn is_decimal(text: &str, number: u16) -> bool {
    let is_padded = text.len() > 1 && text.starts_with('0');
    !is_padded && !text.starts_with('+') && text.parse() == Ok(number)
}

fn is_stray(c: char) -> bool {
    c.is_whitespace() || c == '"' || c == '\''
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::TargetPort;
    use rstest::rstest;

    // The table of what CCM makes of a mapping for the ports 80 and 443.
    #[rstest]
    #[case("rsp-a:80", Ok(Some("rsp-a")), Ok(None))]
    #[case("rsp-a:80,rsp-b:443", Ok(Some("rsp-a")), Ok(Some("rsp-b")))]
    #[case("rsp-a:80, rsp-b:443", Ok(Some("rsp-a")), Ok(Some(" rsp-b")))]
    #[case("rsp-a:80 ,rsp-b:443", Ok(None), Ok(Some("rsp-b")))]
    #[case(" rsp-a:80", Ok(Some(" rsp-a")), Ok(None))]
    #[case("rsp-a:080", Ok(None), Ok(None))]
    #[case("rsp-a:http", Ok(None), Ok(None))]
    #[case("80:rsp-a", Ok(None), Ok(None))]
    #[case("rsp-a:80:tcp", Ok(Some("rsp-a")), Ok(None))]
    #[case("rsp-a:80,rsp-b:80", Ok(Some("rsp-a")), Ok(None))]
    #[case("rsp-a:80,", Ok(Some("rsp-a")), Err(()))]
    #[case(",rsp-a:80", Err(()), Err(()))]
    #[case("rsp-a", Err(()), Err(()))]
    #[case("", Ok(None), Ok(None))]
    fn ports_are_mapped_as_ccm_maps_them(
        #[case] value: &str,
        #[case] http: Result<Option<&str>, ()>,
        #[case] https: Result<Option<&str>, ()>,
    ) {
        let mapping = Mapping::parse(value);
        assert_eq!(mapping.group_of(80).map_err(drop), http);
        assert_eq!(mapping.group_of(443).map_err(drop), https);
    }

    #[test]
    fn an_entry_without_colon_is_named_with_its_place() {
        let error = Mapping::parse("rsp-a:80,rsp-b").format_error().expect("no colon");
        assert_eq!((error.text.as_str(), error.position), ("rsp-b", 10));
    }

    fn ports(numbers: &[(u16, &str, u16)]) -> Vec<ServicePort> {
        let port = |(port, name, node_port): &(u16, &str, u16)| ServicePort {
            name: (*name).to_owned(),
            protocol: "TCP".to_owned(),
            port: *port,
            target_port: Some(TargetPort::Number(8080)),
            node_port: *node_port,
        };
        numbers.iter().map(port).collect()
    }

    #[rstest]
    #[case("rsp-a:80", Some(("rsp-a", 80)))]
    #[case(" rsp-a: 080 ", Some(("rsp-a", 80)))]
    #[case("\"rsp-a:80\"", Some(("rsp-a", 80)))]
    #[case("rsp-a:http", Some(("rsp-a", 80)))]
    #[case("rsp-a:8080", Some(("rsp-a", 80)))]
    #[case("rsp-a:30080", Some(("rsp-a", 80)))]
    #[case("80:rsp-a", Some(("rsp-a", 80)))]
    #[case("rsp-a", Some(("rsp-a", 80)))]
    #[case("rsp-a:0", None)]
    #[case("", None)]
    fn what_was_meant_is_read_where_it_can_be(
        #[case] value: &str,
        #[case] meant: Option<(&str, u16)>,
    ) {
        let ports = ports(&[(80, "http", 30080)]);
        let mapping = Mapping::parse(value);
        assert_eq!(mapping.entries().first().and_then(|entry| entry.meant(&ports)), meant);
    }

    #[rstest]
    #[case("rsp-a:443", Some(("rsp-a", 443)))]
    #[case("rsp-a:https", Some(("rsp-a", 443)))]
    #[case("rsp-a:81", Some(("rsp-a", 81)))]
    #[case("rsp-a:web", None)]
    #[case("rsp-a", None)]
    fn of_several_ports_none_is_guessed(#[case] value: &str, #[case] meant: Option<(&str, u16)>) {
        let ports = ports(&[(80, "http", 30080), (443, "https", 30443)]);
        let mapping = Mapping::parse(value);
        assert_eq!(mapping.entries().first().and_then(|entry| entry.meant(&ports)), meant);
    }

    mod properties {
        use proptest::prelude::*;

        use super::*;

        proptest! {
            #[test]
            fn no_value_makes_the_parser_panic(value in any::<String>(), port in any::<u16>()) {
                let mapping = Mapping::parse(&value);
                let _ = mapping.group_of(port);
                let _ = mapping.format_error();
                for entry in mapping.entries() {
                    let _ = (entry.meant(&ports(&[(80, "http", 0)])), entry.is_release());
                }
            }

            #[test]
            fn entries_joined_again_give_the_value(value in ".+") {
                let mapping = Mapping::parse(&value);
                let texts: Vec<&str> = mapping.entries().iter().map(|entry| entry.text).collect();
                prop_assert_eq!(texts.join(","), value);
            }
        }
    }
}
