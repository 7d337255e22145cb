//! The load balancer itself: the one a Service names, or one that CCM makes, and what is changed about it
//! (CCM 2.14: `loadbalancer.go`, `model_applier.go`).

use std::collections::BTreeMap;

use super::Context;
use super::errors::aggregate;
use crate::annotations::Annotations;
use crate::cloud_client::load_balancer::LoadBalancer;
use crate::model::BuildError;
use crate::model::named_key::{CREATED_BY_CCM, load_balancer_name};
use crate::number::atoi;
use crate::service::ServiceExt;

/// The tag of the API server's CLB.
const API_SERVER_TAG: &str = "ack.aliyun.com";
/// The tag of a CLB that a person made and CCM uses.
const REUSED_BY_USER: &str = "kubernetes.reused.by.user";
/// With so many tags CCM adds none.
const MOST_TAGS: usize = 10;

/// What a Service wants of its CLB.
#[derive(Debug, Default)]
pub(super) struct DesiredLoadBalancer {
    pub(super) balancer: LoadBalancer,
    /// Whether a person made the CLB.
    pub(super) is_reused: bool,
    pub(super) outlives_service: bool,
    tags: Vec<(String, String)>,
}

impl DesiredLoadBalancer {
    /// What is left of the wishes of a Service that is over.
    pub(super) fn for_cleanup(annotations: Annotations<'_>) -> Self {
        Self {
            is_reused: !annotations.get("id").is_empty(),
            outlives_service: !annotations.get("preserve-lb-on-delete").is_empty(),
            ..Self::default()
        }
    }

    pub(super) fn of(annotations: Annotations<'_>) -> Result<Self, BuildError> {
        let text = |suffix| annotations.get(suffix).to_owned();
        let bandwidth = annotations.get("bandwidth");
        let read = if bandwidth.is_empty() { Ok(0) } else { atoi(bandwidth) };
        let balancer = LoadBalancer {
            id: text("id"),
            name: text("name"),
            address: text("ip"),
            address_type: text("address-type"),
            ip_version: text("ip-version"),
            master_zone_id: text("master-zoneid"),
            slave_zone_id: text("slave-zoneid"),
            resource_group_id: text("resource-group-id"),
            spec: text("spec"),
            internet_charge_type: text("charge-type"),
            bandwidth: read.map_err(|error| {
                BuildError(format!("bandwidth must be integer, got [{bandwidth}], error: {error}"))
            })?,
            delete_protection: text("delete-protection"),
            modification_protection: text("modification-protection"),
        };
        Ok(Self { balancer, tags: tags(annotations), ..Self::for_cleanup(annotations) })
    }
}

/// `additional-resource-tags`, `key=value,key=value`.
fn tags(annotations: Annotations<'_>) -> Vec<(String, String)> {
    let pairs = annotations.get("additional-resource-tags").split(',');
    pairs
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

/// Finds the CLB of a Service: by id, else by CCM's tag, else by CCM's name. Empty if there is none.
pub(super) async fn find(context: &Context<'_>) -> Result<LoadBalancer, String> {
    let said = |error| format!("get load balancer attribute from cloud, error: {error}");
    let id = context.annotations().get("id");
    if !id.is_empty() {
        return context.cloud.load_balancer(id).await.map_err(|error| said(error.to_string()));
    }
    let name = load_balancer_name(context.uid());
    let by = |way: &str, error: &dyn std::fmt::Display| {
        said(format!("[{}] find loadbalancer by {way} error: {error}", context.key))
    };
    let tagged = context
        .cloud
        .find_by_tag(CREATED_BY_CCM, &name)
        .await
        .map_err(|error| by("tag", &error))?;
    let found = if tagged.is_empty() {
        context
            .cloud
            .find_by_name(&name)
            .await
            .map_err(|error| by(&format!("name {name}"), &error))?
    } else {
        tagged
    };
    match found.as_slice() {
        [] => Ok(LoadBalancer::default()),
        [one] => Ok(one.clone()),
        several => {
            let ids: Vec<_> = several.iter().map(|one| one.id.as_str()).collect();
            Err(said(format!(
                "[{}] find multiple loadbalances, lbIds[{}]",
                context.key,
                ids.join(",")
            )))
        }
    }
}

/// Makes, refuses or deletes the CLB. Gives it as it is then, empty if it is gone.
pub(super) async fn ensure(
    context: &Context<'_>,
    wanted: &DesiredLoadBalancer,
    found: LoadBalancer,
    tags: &BTreeMap<String, String>,
) -> Result<LoadBalancer, String> {
    if context.needs_cleanup {
        return release(context, wanted, found, tags).await;
    }
    if found.id.is_empty() {
        return create(context, wanted).await;
    }
    if wanted.is_reused
        && let Err(why) = check_reuse(context, &found, tags)
    {
        return Err(format!("alicloud: the loadbalancer {} can not be reused, {why}", found.id));
    }
    Ok(found)
}

async fn create(
    context: &Context<'_>,
    wanted: &DesiredLoadBalancer,
) -> Result<LoadBalancer, String> {
    if let Some(known) = context.service.ingress().first() {
        return Err(format!(
            "alicloud: can not find loadbalancer, but it's defined in service [{}] this may happen when you \
             delete the loadbalancer",
            known.ip.as_deref().unwrap_or_default()
        ));
    }
    let mut new = wanted.balancer.clone();
    if new.address_type.is_empty() {
        "internet".clone_into(&mut new.address_type);
    }
    if new.name.is_empty() {
        new.name = load_balancer_name(context.uid());
    }
    let said =
        |error: &dyn std::fmt::Display| format!("create lb error: create slb error: {error}");
    let id = context.cloud.create(&new).await.map_err(|error| said(&error))?;
    context
        .cloud
        .load_balancer(&id)
        .await
        .map_err(|error| format!("update remote model for lbId {id}, error: {error}"))
}

async fn release(
    context: &Context<'_>,
    wanted: &DesiredLoadBalancer,
    found: LoadBalancer,
    tags: &BTreeMap<String, String>,
) -> Result<LoadBalancer, String> {
    if wanted.is_reused || found.id.is_empty() {
        return Ok(found);
    }
    let id = &found.id;
    let said = |error: &dyn std::fmt::Display| format!("delete loadbalancer [{id}] error: {error}");
    let change = |action, name: &'static str, value: &'static str| async move {
        let done = context.cloud.change(action, id, &[(name, value)]).await;
        done.map_err(|error| said(&error))
    };
    if found.delete_protection == "on" {
        change("SetLoadBalancerDeleteProtection", "DeleteProtection", "off").await?;
    }
    if !wanted.outlives_service {
        context.cloud.change("DeleteLoadBalancer", id, &[]).await.map_err(|error| said(&error))?;
        return Ok(LoadBalancer::default());
    }
    if found.modification_protection == "ConsoleProtection" {
        let (name, value) = ("ModificationProtectionStatus", "NonProtection");
        change("SetLoadBalancerModificationProtection", name, value).await?;
    }
    if tags.get(CREATED_BY_CCM) == Some(&load_balancer_name(context.uid())) {
        context.cloud.untag(id, &[CREATED_BY_CCM]).await.map_err(|error| said(&error))?;
    }
    Ok(found)
}

fn check_reuse(
    context: &Context<'_>,
    found: &LoadBalancer,
    tags: &BTreeMap<String, String>,
) -> Result<(), String> {
    if tags.contains_key(CREATED_BY_CCM) || tags.contains_key(API_SERVER_TAG) {
        return Err("can not reuse loadbalancer created by kubernetes.".to_owned());
    }
    let known = context.service.ingress();
    let fits = known.iter().any(|known| match known.ip.as_deref() {
        None | Some("") => known.hostname.as_deref().is_some_and(|name| !name.is_empty()),
        Some(ip) => ip == found.address,
    });
    // An elastic address is not the CLB's own.
    if fits || known.is_empty() || context.annotations().get("external-ip-type") == "eip" {
        return Ok(());
    }
    let first = known.first().and_then(|known| known.ip.as_deref()).unwrap_or_default();
    Err(format!(
        "service has been associated with ip [{first}], cannot be bound to ip [{}]",
        found.address
    ))
}

/// Changes what differs about a CLB, one after the other; what cannot be changed is an error. All errors are
/// told.
pub(super) async fn update(
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

/// What CCM refuses to change.
fn unchangeable(wanted: &LoadBalancer, found: &LoadBalancer) -> Vec<&'static str> {
    let version = |declared: &str| if declared == "ipv6" { "ipv6" } else { "ipv4" };
    let differs = |wanted: &str, found: &str| !wanted.is_empty() && wanted != found;
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

/// What is changed. A change of `instance-charge-type` is left out.
fn changes(wanted: &LoadBalancer, found: &LoadBalancer) -> Vec<ModifyCall> {
    let differs = |wanted: &str, found: &str| !wanted.is_empty() && wanted != found;
    let single = [
        ("ModifyLoadBalancerInstanceSpec", "LoadBalancerSpec", &wanted.spec, &found.spec),
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
    let mut changes: Vec<ModifyCall> = single
        .into_iter()
        .filter(|(_, _, wanted, found)| differs(wanted, found))
        .map(|(action, name, wanted, _)| (action, vec![(name, wanted.clone())]))
        .collect();
    let pays_otherwise = differs(&wanted.internet_charge_type, &found.internet_charge_type);
    let by_bandwidth = wanted.internet_charge_type == "paybybandwidth";
    let is_wider = by_bandwidth && wanted.bandwidth != 0 && wanted.bandwidth != found.bandwidth;
    if (pays_otherwise || is_wider) && found.address_type == "internet" {
        let way = if pays_otherwise { wanted } else { found };
        let width = if is_wider { wanted.bandwidth } else { found.bandwidth };
        let parameters = vec![
            ("InternetChargeType", way.internet_charge_type.clone()),
            ("Bandwidth", width.to_string()),
        ];
        changes.push(("ModifyLoadBalancerInternetSpec", parameters));
    }
    changes
}

/// Makes the tags those of the annotation; those of the cloud and of CCM itself are left alone.
async fn update_tags(
    context: &Context<'_>,
    wanted: &DesiredLoadBalancer,
    found: &LoadBalancer,
    tags: &BTreeMap<String, String>,
) -> Result<(), String> {
    let is_left =
        |key: &str| key.starts_with("acs:") || key == CREATED_BY_CCM || key == REUSED_BY_USER;
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
