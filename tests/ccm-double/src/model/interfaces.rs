//! The network interfaces of Pods that are backends (CCM 2.14: `vgroups.go:99-180`).

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{BuildError, Group};
use crate::cloud_client::CloudClient;
use crate::cloud_client::backend::{Backend, ServerType};
use crate::events::ServiceEvent;

/// Gives every Pod the id of its interface.
///
/// A Pod without one is left out: with a warning and a second try if its address is in the network, for good
/// if it is not.
pub(super) async fn resolve(
    groups: &mut [Group],
    cloud: &CloudClient,
    events: &mut Vec<ServiceEvent>,
) -> Result<(), BuildError> {
    let pods =
        groups.iter().flat_map(|group| &group.backends).filter(|one| one.kind == ServerType::Eni);
    let addresses: BTreeSet<String> = pods.map(|pod| pod.server_ip.clone()).collect();
    if addresses.is_empty() {
        return Ok(());
    }
    let addresses: Vec<String> = addresses.into_iter().collect();
    let found = cloud
        .interfaces(&addresses)
        .await
        .map_err(|error| BuildError(format!("call DescribeNetworkInterfaces: {error}")))?;
    let ranges = if addresses.iter().all(|address| found.contains_key(address)) {
        Vec::new()
    } else {
        cloud
            .ranges()
            .await
            .map_err(|error| BuildError(format!("call DescribeVpcCIDRBlock: {error}")))?
    };
    for group in groups {
        let mut outside = Vec::new();
        for mut backend in std::mem::take(&mut group.backends) {
            if backend.kind != ServerType::Eni {
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
            let event = format!("Not sync pods [{}] whose eni is invalid", listed(&group.unknown));
            events.push(ServiceEvent::warning("SkipSyncBackends", event));
        }
        if !outside.is_empty() {
            let event =
                format!("Not sync pods [{}] whose ip is not in vpc cidrs", listed(&outside));
            events.push(ServiceEvent::normal("SkipSyncBackends", event));
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
