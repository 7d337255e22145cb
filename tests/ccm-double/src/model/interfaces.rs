//! The network interfaces of Pods that are backends (CCM 2.14: `vgroups.go:99-180`).

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{Group, Stopped};
use crate::cloud::Clb;
use crate::cloud::backend::{Backend, Kind};
use crate::events::Note;

/// Gives every Pod the id of its interface.
///
/// A Pod without one is left out: with a warning and a second try if its address is in the network, for good
/// if it is not.
pub(super) async fn resolve(
    groups: &mut [Group],
    cloud: &Clb,
    notes: &mut Vec<Note>,
) -> Result<(), Stopped> {
    let pods = groups.iter().flat_map(|group| &group.backends).filter(|one| one.kind == Kind::Eni);
    let addresses: BTreeSet<String> = pods.map(|pod| pod.server_ip.clone()).collect();
    if addresses.is_empty() {
        return Ok(());
    }
    let addresses: Vec<String> = addresses.into_iter().collect();
    let found = cloud
        .interfaces(&addresses)
        .await
        .map_err(|error| Stopped(format!("call DescribeNetworkInterfaces: {error}")))?;
    let ranges = if addresses.iter().all(|address| found.contains_key(address)) {
        Vec::new()
    } else {
        cloud
            .ranges()
            .await
            .map_err(|error| Stopped(format!("call DescribeVpcCIDRBlock: {error}")))?
    };
    for group in groups {
        let mut outside = Vec::new();
        for mut backend in std::mem::take(&mut group.backends) {
            if backend.kind != Kind::Eni {
                group.backends.push(backend);
            } else if let Some(id) = found.get(&backend.server_ip) {
                backend.server_id.clone_from(id);
                group.backends.push(backend);
            } else if ranges.iter().any(|range| contains(range, &backend.server_ip)) {
                group.unknown.push(backend);
            } else {
                outside.push(backend);
            }
        }
        if !group.unknown.is_empty() {
            let note = format!("Not sync pods [{}] whose eni is invalid", listed(&group.unknown));
            notes.push(Note::warning("SkipSyncBackends", note));
        }
        if !outside.is_empty() {
            let note = format!("Not sync pods [{}] whose ip is not in vpc cidrs", listed(&outside));
            notes.push(Note::normal("SkipSyncBackends", note));
        }
    }
    Ok(())
}

/// The addresses of Pods as CCM's events list them.
pub(crate) fn listed(pods: &[Backend]) -> String {
    pods.iter().map(|pod| pod.server_ip.as_str()).collect::<Vec<_>>().join(",")
}

/// Whether a range like `10.0.0.0/8` contains an address. What cannot be read contains nothing.
fn contains(range: &str, address: &str) -> bool {
    let Some((network, length)) = range.split_once('/') else { return false };
    let (Ok(network), Ok(address), Ok(length)) =
        (network.parse(), address.parse(), length.parse::<u32>())
    else {
        return false;
    };
    match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            let differs = u32::from(network) ^ u32::from(address);
            length <= 32 && differs.checked_shr(32 - length).unwrap_or(0) == 0
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => {
            let differs = u128::from(network) ^ u128::from(address);
            length <= 128 && differs.checked_shr(128 - length).unwrap_or(0) == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("10.0.0.0/8", "10.96.0.1", true)]
    #[case("10.0.0.0/8", "11.0.0.1", false)]
    #[case("0.0.0.0/0", "192.0.2.1", true)]
    #[case("192.0.2.1/32", "192.0.2.1", true)]
    #[case("192.0.2.1/32", "192.0.2.2", false)]
    #[case("2001:db8::/32", "2001:db8::1", true)]
    #[case("10.0.0.0/8", "2001:db8::1", false)]
    #[case("10.0.0.0", "10.0.0.0", false)]
    #[case("10.0.0.0/33", "10.0.0.0", false)]
    fn a_range_contains(#[case] range: &str, #[case] address: &str, #[case] expected: bool) {
        assert_eq!(contains(range, address), expected);
    }
}
