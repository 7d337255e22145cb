//! What is changed about a CLB that is there (CCM 2.14: `loadbalancer.go`, `Update`).

use std::collections::BTreeMap;

use super::{CLUSTER_TAG, DEFAULT_SPEC, DesiredLoadBalancer, PAY_BY_SPEC, REUSED_BY_USER};
use crate::cloud_client::load_balancer::LoadBalancer;
use crate::model::named_key::{CREATED_BY_CCM, load_balancer_name};
use crate::reconcile::Context;
use crate::reconcile::errors::aggregate;

/// With so many tags CCM adds none.
const MOST_TAGS: usize = 10;

/// Changes what differs about a CLB, one after the other; what cannot be changed is an error. All errors are
/// told.
pub(in crate::reconcile) async fn update(
    context: &Context<'_>,
    wanted: &DesiredLoadBalancer,
    found: &LoadBalancer,
    tags: &BTreeMap<String, String>,
) -> Result<(), String> {
    let mut errors = Vec::new();
    let name = load_balancer_name(context.uid());
    let own =
        if wanted.is_reused { (REUSED_BY_USER, "true") } else { (CREATED_BY_CCM, name.as_str()) };
    if !tags.contains_key(own.0) && tags.len() < MOST_TAGS {
        let tagged = context.cloud.tag(&found.id, &[own]).await;
        errors.extend(tagged.err().map(|error| format!("AddTags: {error}")));
    }
    errors.extend(unchangeable(&wanted.balancer, found).into_iter().map(str::to_owned));
    for (action, parameters) in changes(&wanted.balancer, found) {
        let parameters: Vec<_> =
            parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let changed = context.cloud.change(action, &found.id, &parameters).await;
        errors.extend(changed.err().map(|error| format!("{action}: {error}")));
    }
    if !wanted.tags.is_empty() {
        errors.extend(update_tags(context, wanted, found, tags).await.err());
    }
    aggregate(errors)
}

/// Whether an annotation asks for something else than there is.
fn differs(wanted: &str, found: &str) -> bool {
    !wanted.is_empty() && wanted != found
}

/// What CCM refuses to change.
fn unchangeable(wanted: &LoadBalancer, found: &LoadBalancer) -> Vec<&'static str> {
    let version = |declared: &str| if declared == "ipv6" { "ipv6" } else { "ipv4" };
    [
        (
            differs(&wanted.master_zone_id, &found.master_zone_id),
            "alicloud: can not change LoadBalancer master zone id once created",
        ),
        (
            differs(&wanted.slave_zone_id, &found.slave_zone_id),
            "alicloud: can not change LoadBalancer slave zone id once created",
        ),
        (
            differs(&wanted.address_type, &found.address_type),
            "alicloud: can not change LoadBalancer AddressType once created. delete and retry",
        ),
        (
            differs(&wanted.network_type, &found.network_type),
            "alicloud: can not change LoadBalancer network type once created",
        ),
        (
            version(&wanted.ip_version) != version(&found.ip_version),
            "alicloud: can not change LoadBalancer AddressIPVersion once created",
        ),
        (
            differs(&wanted.resource_group_id, &found.resource_group_id),
            "alicloud: can not change ResourceGroupId once created",
        ),
        (
            differs(&wanted.address, &found.address),
            "alicloud: can not change LoadBalancer address once created",
        ),
    ]
    .into_iter()
    .filter_map(|(is_so, why)| is_so.then_some(why))
    .collect()
}

/// An action with its parameters beside the CLB's id.
type ModifyCall = (&'static str, Vec<(&'static str, String)>);

/// What is changed.
fn changes(wanted: &LoadBalancer, found: &LoadBalancer) -> Vec<ModifyCall> {
    let single = [
        (
            "SetLoadBalancerDeleteProtection",
            "DeleteProtection",
            &wanted.delete_protection,
            &found.delete_protection,
        ),
        (
            "SetLoadBalancerModificationProtection",
            "ModificationProtectionStatus",
            &wanted.modification_protection,
            &found.modification_protection,
        ),
        ("SetLoadBalancerName", "LoadBalancerName", &wanted.name, &found.name),
    ];
    let single = single
        .into_iter()
        .filter(|(_, _, wanted, found)| differs(wanted, found))
        .map(|(action, name, wanted, _)| (action, vec![(name, wanted.clone())]));
    let charge = instance_charge(wanted, found).into_iter();
    charge.chain(internet_charge(wanted, found)).chain(single).collect()
}

/// How the CLB itself is paid for. The specification counts only where it is paid for.
fn instance_charge(wanted: &LoadBalancer, found: &LoadBalancer) -> Option<ModifyCall> {
    let spec = |spec: &str| ("LoadBalancerSpec", spec.to_owned());
    if differs(&wanted.instance_charge_type, &found.instance_charge_type) {
        let charge_type = ("InstanceChargeType", wanted.instance_charge_type.clone());
        let mut parameters = vec![charge_type];
        if wanted.instance_charge_type == PAY_BY_SPEC {
            parameters.push(spec(if wanted.spec.is_empty() { DEFAULT_SPEC } else { &wanted.spec }));
        }
        return Some(("ModifyLoadBalancerInstanceChargeType", parameters));
    }
    let is_new = found.instance_charge_type == PAY_BY_SPEC && differs(&wanted.spec, &found.spec);
    is_new.then(|| ("ModifyLoadBalancerInstanceSpec", vec![spec(&wanted.spec)]))
}

/// How its traffic is paid for, which is left alone where it is none of the internet.
fn internet_charge(wanted: &LoadBalancer, found: &LoadBalancer) -> Option<ModifyCall> {
    let pays_otherwise = differs(&wanted.internet_charge_type, &found.internet_charge_type);
    let by_bandwidth = wanted.internet_charge_type == "paybybandwidth";
    let is_wider = by_bandwidth && wanted.bandwidth != 0 && wanted.bandwidth != found.bandwidth;
    if !(pays_otherwise || is_wider) || found.address_type != "internet" {
        return None;
    }
    let way = if pays_otherwise { wanted } else { found };
    let width = if is_wider { wanted.bandwidth } else { found.bandwidth };
    let parameters = vec![
        ("InternetChargeType", way.internet_charge_type.clone()),
        ("Bandwidth", width.to_string()),
    ];
    Some(("ModifyLoadBalancerInternetSpec", parameters))
}

/// Makes the tags those of the annotation; those of the cloud and of CCM itself are left alone.
async fn update_tags(
    context: &Context<'_>,
    wanted: &DesiredLoadBalancer,
    found: &LoadBalancer,
    tags: &BTreeMap<String, String>,
) -> Result<(), String> {
    let is_own = |key: &str| [CREATED_BY_CCM, CLUSTER_TAG, REUSED_BY_USER].contains(&key);
    let is_left = |key: &str| key.starts_with("acs:") || is_own(key);
    let missing: Vec<_> = wanted
        .tags
        .iter()
        .filter(|(key, value)| !is_left(key) && tags.get(key) != Some(value))
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    let unwanted: Vec<_> = tags
        .keys()
        .filter(|key| !is_left(key) && wanted.tags.iter().all(|(wanted, _)| wanted != *key))
        .map(String::as_str)
        .collect();
    let said = |error: &dyn std::fmt::Display| {
        format!("error to tag slb id [{}], svc [{}], err: {error}", found.id, context.key)
    };
    if !missing.is_empty() {
        context.cloud.tag(&found.id, &missing).await.map_err(|error| said(&error))?;
    }
    if !unwanted.is_empty() {
        context.cloud.untag(&found.id, &unwanted).await.map_err(|error| said(&error))?;
    }
    Ok(())
}
