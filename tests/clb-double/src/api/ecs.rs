//! What CCM asks of ECS: which interface has an address.

use std::collections::BTreeMap;

use serde_json::json;

use crate::state::State;

use super::{Answer, ApiError, CallContext, TokenPage};

/// The cloud looks for no more addresses in one call.
const MOST_ADDRESSES: usize = 100;

pub(super) fn network_interfaces(state: &State, context: &CallContext<'_>) -> Answer {
    let params = context.params;
    let mut wanted = params.list("PrivateIpAddress");
    wanted.extend(params.list("Ipv6Address"));
    let ids = params.list("NetworkInterfaceId");
    if wanted.len() > MOST_ADDRESSES {
        let message = format!("More than {MOST_ADDRESSES} addresses in one call.");
        return Err(ApiError::invalid(message));
    }
    let here = params.optional("VpcId").is_none_or(|id| id == state.vpc.id);
    let in_use = params.optional("Status").is_none_or(|status| status == "InUse");
    let mut addresses: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for interface in state.network_interfaces.iter().filter(|_| here && in_use) {
        addresses.entry(&interface.id).or_default().push(interface.ip.to_string());
    }
    let found = addresses
        .into_iter()
        .filter(|(id, _)| ids.is_empty() || ids.contains(id))
        .filter(|(_, own)| {
            wanted.is_empty() || own.iter().any(|address| wanted.contains(&address.as_str()))
        })
        .map(|(id, own)| {
            let (v6, v4): (Vec<_>, Vec<_>) =
                own.into_iter().partition(|address| address.contains(':'));
            let sets = v4
                .iter()
                .enumerate()
                .map(|(index, address)| json!({"PrivateIpAddress": address, "Primary": index == 0}))
                .collect::<Vec<_>>();
            let v6 = v6.iter().map(|address| json!({"Ipv6Address": address})).collect::<Vec<_>>();
            json!({
                "NetworkInterfaceId": id,
                "PrivateIpAddress": v4.first(),
                "PrivateIpSets": {"PrivateIpSet": sets},
                "Ipv6Sets": {"Ipv6Set": v6},
                "VpcId": state.vpc.id,
                "VSwitchId": state.metadata.vswitch_id,
                "ZoneId": state.metadata.zone_id,
                "Status": "InUse",
                "Type": "Secondary",
            })
        })
        .collect::<Vec<_>>();
    let total = found.len();
    let (found, next) = TokenPage::from_params(params, 100)?.cut(found);
    Ok(json!({
        "NetworkInterfaceSets": {"NetworkInterfaceSet": found},
        "TotalCount": total,
        "PageNumber": 1,
        "PageSize": found.len(),
        "NextToken": next,
    }))
}
