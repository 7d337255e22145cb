//! `NO_PROXY`: which servers are reached without a proxy (golang.org/x/net/http/httpproxy).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether a server is reached without a proxy: one on this machine, and one that `list` names.
pub(super) fn is_reached_without(list: &str, host: &str, port: u16) -> bool {
    if host == "localhost" {
        return true;
    }
    let address = host.parse::<IpAddr>().ok().map(plain);
    if address.is_some_and(|address| address.is_loopback()) {
        return true;
    }
    let host = host.trim().to_lowercase();
    list.split(',').any(|entry| covers(&entry.trim().to_lowercase(), &host, port, address))
}

/// Whether an entry of the list covers a server.
fn covers(entry: &str, host: &str, port: u16, address: Option<IpAddr>) -> bool {
    if entry.is_empty() {
        return false;
    }
    if entry == "*" {
        return true;
    }
    if let Some((network, bits)) = network(entry) {
        return address.is_some_and(|address| is_within(address, network, bits));
    }
    let (name, entry_port) = host_and_port(entry).unwrap_or((entry, ""));
    let is_port = entry_port.is_empty() || entry_port == port.to_string();
    if let Ok(named) = name.parse::<IpAddr>() {
        return is_port && address == Some(plain(named));
    }
    if name.is_empty() || address.is_some() {
        return false;
    }
    // `*.example.com` and `.example.com` are its subdomains, `example.com` is itself as well.
    let name = name.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(name);
    let is_named = match name.strip_prefix('.') {
        Some(_) => host.ends_with(name),
        None => host == name || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.')),
    };
    is_named && is_port
}

/// An IPv4 address that is written as an IPv6 one is the IPv4 address.
fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(six) => six.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

/// A network such as `10.0.0.0/8`. Zeros before a number are skipped (apimachinery:
/// `ParseCIDRSloppy`).
fn network(text: &str) -> Option<(IpAddr, u32)> {
    let (address, bits) = text.split_once('/')?;
    if bits.is_empty() || bits.len() > 3 || !bits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let bits: u32 = bits.parse().ok()?;
    if let Ok(six) = address.parse::<Ipv6Addr>() {
        if bits > 128 {
            return None;
        }
        return Some(match six.to_ipv4_mapped() {
            Some(four) => (IpAddr::V4(four), bits.saturating_sub(96)),
            None => (IpAddr::V6(six), bits),
        });
    }
    let number = |text: &str| match text.trim_start_matches('0') {
        "" if !text.is_empty() => Some("0".to_owned()),
        rest if text.bytes().all(|byte| byte.is_ascii_digit()) => Some(rest.to_owned()),
        _ => None,
    };
    let numbers: Option<Vec<String>> = address.split('.').map(number).collect();
    let four: Ipv4Addr = numbers?.join(".").parse().ok()?;
    (bits <= 32).then_some((IpAddr::V4(four), bits))
}

fn is_within(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    match (address, network) {
        (IpAddr::V4(one), IpAddr::V4(other)) => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            u32::from(one) & mask == u32::from(other) & mask
        }
        (IpAddr::V6(one), IpAddr::V6(other)) => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            u128::from(one) & mask == u128::from(other) & mask
        }
        _ => false,
    }
}

/// Host and port of `host:port` and `[address]:port`; `None` for anything else (Go: net,
/// `SplitHostPort`).
fn host_and_port(text: &str) -> Option<(&str, &str)> {
    let (host, port) = text.rsplit_once(':')?;
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?,
        None if host.contains(':') => return None,
        None => host,
    };
    let has_brackets = |text: &str| text.contains(['[', ']']);
    (!has_brackets(host) && !has_brackets(port)).then_some((host, port))
}
