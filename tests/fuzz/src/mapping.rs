//! Target: the value of `loadbalancer-vgroup-port`.

use clbmigrate_core::{
    mapping::{Mapping, MappingEntry},
    object::ServicePort,
};

/// Reads a mapping, and prints it again.
pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let mapping = Mapping::parse(text);
    let entries = mapping.entries();

    let printed: Vec<&str> = entries.iter().map(|entry| entry.text).collect();
    assert_eq!(printed.join(","), text, "what is read is what is written");
    assert_eq!(text.is_empty(), entries.is_empty(), "each other value has an entry");
    for entry in entries {
        let before: usize = text.chars().take(entry.position - 1).map(char::len_utf8).sum();
        let rest = text.get(before..).expect("an entry begins within the value");
        assert!(rest.starts_with(entry.text), "{entry:?} is not where it says");
        assert!(!entry.text.contains(','), "{entry:?} is more than one");
        assert!(entry.text.starts_with(&parts(entry)), "{entry:?} has other parts than its text");
    }

    let colonless = entries.iter().position(|entry| entry.port.is_none());
    let error = mapping.format_error();
    assert_eq!(error.map(|error| error.position), colonless.map(|at| entries[at].position));
    let ports: Vec<u16> =
        entries.iter().filter_map(|entry| entry.port?.parse().ok()).chain([0, 80, 65535]).collect();
    for port in &ports {
        let number = port.to_string();
        let first = entries.iter().position(|entry| entry.port == Some(&*number));
        match mapping.group_of(*port) {
            Ok(group) => assert_eq!(group, first.map(|at| entries[at].group), "port {port}"),
            Err(_) => assert!(
                colonless.is_some_and(|at| first.is_none_or(|first| at < first)),
                "port {port} comes before the entry without a colon"
            ),
        }
    }

    let ports: Vec<ServicePort> = ports.iter().map(|port| service_port(*port)).collect();
    for entry in entries {
        let Some((group, port)) = entry.meant(&ports) else { continue };
        let fixed = format!("{group}:{port}");
        let meant = Mapping::parse(&fixed).group_of(port);
        assert_eq!(meant, Ok(Some(group)), "what {entry:?} was meant to be, as it is written");
    }
}

/// An entry's group and port, as they are written.
fn parts(entry: &MappingEntry<'_>) -> String {
    let port = entry.port.map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}{port}", entry.group)
}

fn service_port(port: u16) -> ServicePort {
    ServicePort {
        name: format!("port-{port}"),
        protocol: "TCP".to_owned(),
        port,
        target_port: None,
        node_port: 0,
    }
}
