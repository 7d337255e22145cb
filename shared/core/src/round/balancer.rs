//! The CLB of a Service: found, made, refused or deleted (CCM 2.14: `loadbalancer.go`,
//! `model_applier.go`).

use std::collections::BTreeMap;

use super::{
    RoundInputs,
    cloud::{Balancer, Cloud},
    failure::{Failure, Mismatch, NotReusable},
};
use crate::{
    annotation,
    object::{LoadBalancerIngress, Service},
    version::Behaviour,
};

/// The tag of a CLB that CCM made. Its value is the name that CCM derives from the Service's uid.
pub const MADE_BY_CCM: &str = "kubernetes.do.not.delete";
/// The tag of an API server's CLB, and since CCM 2.10 of CLBs that CCM made.
pub const CLUSTER_TAG: &str = "ack.aliyun.com";

/// The name of the CLB that CCM makes for a Service: `a` and the Service's uid, 32 characters.
pub fn default_name(service: &Service) -> String {
    let uid = service.metadata.uid.replace('-', "");
    format!("a{uid}").chars().take(32).collect()
}

/// The CLB that a round finds for a Service: by the id it names, else by CCM's tag or name. `None`
/// where there is none.
pub(super) fn find(cloud: &Cloud, service: &Service) -> Option<String> {
    let id = service.metadata.annotations.text(annotation::ID);
    if annotation::clb_id_problem(id).is_some() {
        return None;
    }
    if !id.is_empty() {
        return cloud.balancer(id).map(|balancer| balancer.id.clone());
    }
    let name = default_name(service);
    let tagged = |balancer: &&Balancer| balancer.tags.get(MADE_BY_CCM) == Some(&name);
    let found = cloud.balancers.iter().find(tagged);
    let found = found.or_else(|| cloud.balancers.iter().find(|balancer| balancer.name == name));
    found.map(|balancer| balancer.id.clone())
}

/// Fails where the Service names its CLB by an id that none can have: the cloud answers
/// `InvalidLoadBalancerId.NotFound`. At a deletion CCM lets that pass.
pub(super) fn check_id(service: &Service) -> Result<(), Failure> {
    let id = service.metadata.annotations.text(annotation::ID);
    match annotation::clb_id_problem(id) {
        Some(problem) if !service.needs_clean_up() => {
            Err(Failure::NoClbId { id: id.to_owned(), problem })
        }
        _ => Ok(()),
    }
}

/// Makes the CLB of a Service whose round found none, and returns its id.
pub(super) fn create(cloud: &mut Cloud, inputs: &RoundInputs<'_>) -> Result<String, Failure> {
    let annotations = &inputs.service.metadata.annotations;
    let id = annotations.text(annotation::ID);
    if !inputs.service.status.load_balancer.ingress.is_empty() {
        return Err(Failure::ClbGone(id.to_owned()));
    }
    let text = |suffix, default: &str| match annotations.text(suffix) {
        "" => Some(default.to_owned()),
        text => Some(text.to_owned()),
    };
    let known = |suffix| Some(annotations.text(suffix).to_owned()).filter(|text| !text.is_empty());
    let default_name = default_name(inputs.service);
    let name = text(annotation::NAME, &default_name).unwrap_or_default();
    let made = format!("new CLB {default_name}");
    let tags = [(MADE_BY_CCM, default_name), (CLUSTER_TAG, inputs.cluster_id.to_owned())];
    cloud.balancers.push(Balancer {
        id: made.clone(),
        name,
        address: None,
        address_type: text(annotation::ADDRESS_TYPE, "internet"),
        ip_version: text(annotation::IP_VERSION, "ipv4"),
        network_type: known(annotation::NETWORK_TYPE),
        master_zone: known(annotation::MASTER_ZONE),
        slave_zone: known(annotation::SLAVE_ZONE),
        resource_group: known(annotation::RESOURCE_GROUP),
        vpc: None,
        tags: tags.map(|(key, value)| (key.to_owned(), value)).into(),
    });
    Ok(made)
}

/// Whether CCM uses a CLB that the Service names by its id.
pub(super) fn check_reuse(service: &Service, balancer: &Balancer) -> Result<(), NotReusable> {
    let clb = balancer.id.clone();
    if let Some(tag) =
        [MADE_BY_CCM, CLUSTER_TAG].into_iter().find(|tag| balancer.tags.contains_key(*tag))
    {
        return Err(NotReusable::MadeByKubernetes { clb, tag });
    }
    let ingress = service.status.load_balancer.ingress.as_slice();
    let Some(first) = ingress.first() else { return Ok(()) };
    let is_host = |shown: &LoadBalancerIngress| shown.ip.is_empty() && !shown.hostname.is_empty();
    let shows_eip = service.metadata.annotations.text(annotation::EXTERNAL_IP_TYPE) == "eip";
    if shows_eip || ingress.iter().any(is_host) {
        return Ok(());
    }
    let ip = first.ip.clone();
    let Some(address) = &balancer.address else {
        // The label tells which CLB the address is of.
        let label = service.metadata.labels.get(annotation::CLB_LABEL);
        return match label.filter(|label| !label.is_empty() && **label != clb) {
            Some(has) => Err(NotReusable::OtherClb { clb, has: has.clone(), ip }),
            None => Ok(()),
        };
    };
    if ingress.iter().any(|shown| shown.ip == *address) {
        return Ok(());
    }
    Err(NotReusable::OtherAddress { clb, address: address.clone(), has: ip })
}

/// That the CLB is in another VPC than the cluster; `None` where it is not, or where one of the two
/// is not known.
pub(super) fn other_vpc(cloud: &Cloud, clb: &str) -> Option<Failure> {
    let (vpc, cluster) = (cloud.balancer(clb)?.vpc.as_ref()?, cloud.network.vpc.as_ref()?);
    (vpc != cluster).then(|| Failure::OtherVpc {
        clb: clb.to_owned(),
        vpc: vpc.clone(),
        cluster: cluster.clone(),
    })
}

/// The attributes that differ and that CCM cannot change. At a deletion CCM wants nothing of the
/// CLB, which for the IP version means `ipv4`.
pub(super) fn mismatches(inputs: &RoundInputs<'_>, balancer: &Balancer) -> Vec<Failure> {
    let annotations = &inputs.service.metadata.annotations;
    let is_deletion = inputs.service.needs_clean_up();
    let mut attributes = vec![
        (annotation::MASTER_ZONE, &balancer.master_zone),
        (annotation::SLAVE_ZONE, &balancer.slave_zone),
        (annotation::ADDRESS_TYPE, &balancer.address_type),
        (annotation::RESOURCE_GROUP, &balancer.resource_group),
        (annotation::IP, &balancer.address),
    ];
    if inputs.version.has(Behaviour::ComparesNetworkType) {
        attributes.push((annotation::NETWORK_TYPE, &balancer.network_type));
    }
    if is_deletion {
        attributes.clear();
    }
    let differing = attributes.into_iter().filter_map(|(attribute, found)| {
        let wanted = annotations.text(attribute);
        let found = found.as_deref().filter(|found| !wanted.is_empty() && *found != wanted)?;
        Some((attribute, wanted.to_owned(), found.to_owned()))
    });
    let or_ipv4 = |version: &str| match version {
        "" => "ipv4".to_owned(),
        version => version.to_owned(),
    };
    let wanted = or_ipv4(if is_deletion { "" } else { annotations.text(annotation::IP_VERSION) });
    let found = balancer.ip_version.as_deref().map(or_ipv4).filter(|found| *found != wanted);
    let version = found.map(|found| (annotation::IP_VERSION, wanted, found));
    differing
        .chain(version)
        .map(|(attribute, wanted, found)| {
            Mismatch { attribute, wanted, clb: balancer.id.clone(), found }.into()
        })
        .collect()
}

/// Lets go of a CLB at the end of its Service: one that CCM made is deleted, or loses CCM's tags
/// where it is to be kept. Returns whether it is still there.
pub(super) fn release(cloud: &mut Cloud, inputs: &RoundInputs<'_>, clb: &str) -> bool {
    let annotations = &inputs.service.metadata.annotations;
    if !annotations.text(annotation::ID).is_empty() {
        return true;
    }
    if !inputs.is_preserved() {
        cloud.delete_balancer(clb);
        return false;
    }
    let ours: BTreeMap<&str, String> =
        [(MADE_BY_CCM, default_name(inputs.service)), (CLUSTER_TAG, inputs.cluster_id.to_owned())]
            .into();
    let kept = cloud.balancers.iter_mut().find(|balancer| balancer.id == clb);
    if let Some(balancer) = kept {
        balancer.tags.retain(|key, value| ours.get(key.as_str()) != Some(value));
    }
    true
}
