//! The load balancer itself: the one a Service names, or one that CCM makes, and what is changed about it
//! (CCM 2.14: `loadbalancer.go`, `model_applier.go`).

mod update;

use std::collections::BTreeMap;

use super::Context;
use crate::annotations::Annotations;
use crate::cloud_client::load_balancer::LoadBalancer;
use crate::model::BuildError;
use crate::model::named_key::{CREATED_BY_CCM, load_balancer_name};
use crate::number::atoi;
use crate::service::ServiceExt;

pub(super) use update::update;

/// The tag of the API server's CLB, and of one that CCM created; its value is the cluster's id.
const CLUSTER_TAG: &str = "ack.aliyun.com";
/// The tag of a CLB that a person made and CCM uses.
const REUSED_BY_USER: &str = "kubernetes.reused.by.user";
/// The way to pay for a CLB for which somebody has to choose a specification.
const PAY_BY_SPEC: &str = "PayBySpec";
/// The specification where nobody says.
const DEFAULT_SPEC: &str = "slb.s1.small";

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
            network_type: text("network-type"),
            ip_version: text("ip-version"),
            master_zone_id: text("master-zoneid"),
            slave_zone_id: text("slave-zoneid"),
            resource_group_id: text("resource-group-id"),
            spec: text("spec"),
            instance_charge_type: text("instance-charge-type"),
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

/// `additional-resource-tags`: `key=value,key=value,key`, blanks around entries allowed. The last of equal keys wins.
fn tags(annotations: Annotations<'_>) -> Vec<(String, String)> {
    let entries = annotations.get("additional-resource-tags").split(',').map(str::trim);
    let tags: BTreeMap<_, _> = entries
        .map(|entry| {
            let mut parts = entry.split('=');
            (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
        })
        .filter(|(key, _)| !key.is_empty())
        .collect();
    tags.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// The tags by which CCM knows again what it made.
fn own_tags(context: &Context<'_>) -> [(&'static str, String); 2] {
    [
        (CREATED_BY_CCM, load_balancer_name(context.uid())),
        (CLUSTER_TAG, context.cluster_id.to_owned()),
    ]
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

/// Makes, refuses or deletes the CLB. Gives it as it is then, empty if it is gone. Of one that is made `tags` get the
/// one that CCM knows of it without asking.
pub(super) async fn ensure(
    context: &Context<'_>,
    wanted: &DesiredLoadBalancer,
    found: LoadBalancer,
    tags: &mut BTreeMap<String, String>,
) -> Result<LoadBalancer, String> {
    if context.needs_cleanup {
        return release(context, wanted, found, tags).await;
    }
    let found = if found.id.is_empty() {
        let made = create(context, wanted).await?;
        tags.insert(CREATED_BY_CCM.to_owned(), load_balancer_name(context.uid()));
        made
    } else {
        found
    };
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
    let name = load_balancer_name(context.uid());
    let pays_by_spec = new.instance_charge_type == PAY_BY_SPEC;
    let charge_type = if pays_by_spec { PAY_BY_SPEC } else { "PayByCLCU" };
    charge_type.clone_into(&mut new.instance_charge_type);
    for (value, default) in [
        (&mut new.address_type, "internet"),
        (&mut new.name, name.as_str()),
        (&mut new.spec, if pays_by_spec { DEFAULT_SPEC } else { "" }),
        (&mut new.delete_protection, "on"),
    ] {
        if value.is_empty() {
            default.clone_into(value);
        }
    }
    let reason = if new.modification_protection.is_empty() {
        "ConsoleProtection".clone_into(&mut new.modification_protection);
        "managed.by.ack"
    } else {
        ""
    };
    let own = own_tags(context);
    let own = own.iter().map(|(key, value)| (*key, value.as_str()));
    let more = wanted.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    let tags: Vec<_> = own.chain(more).collect();
    let said =
        |error: &dyn std::fmt::Display| format!("create lb error: create slb error: {error}");
    let id = context.cloud.create(&new, reason, &tags).await.map_err(|error| said(&error))?;
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
    let own = own_tags(context);
    let own: Vec<_> = own
        .iter()
        .filter(|(key, value)| tags.get(*key) == Some(value))
        .map(|(key, _)| *key)
        .collect();
    if !own.is_empty() {
        context.cloud.untag(id, &own).await.map_err(|error| said(&error))?;
    }
    Ok(found)
}

fn check_reuse(
    context: &Context<'_>,
    found: &LoadBalancer,
    tags: &BTreeMap<String, String>,
) -> Result<(), String> {
    if tags.contains_key(CREATED_BY_CCM) || tags.contains_key(CLUSTER_TAG) {
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
