//! The cloud as the CLB API's answers show it, for a round to start from. What is not known of it
//! stands as it would if all were well.

use crate::{
    annotation,
    clb_answers::{ClbAnswers, RegisteredBackend},
    identity::NamedKey,
    index::{Index, ServiceRef},
    object::Service,
    outcome::clb_of,
    round::{Balancer, Cloud, Listener, MADE_BY_CCM, Network, ServerGroup},
    snapshot::Cluster,
};

/// The CLB of that id. Where no answer shows its tags, `maker` is the Service that CCM made it for.
pub(crate) fn balancer(answers: &ClbAnswers, id: &str, maker: Option<&Service>) -> Balancer {
    let made = maker.map(|service| (MADE_BY_CCM.to_owned(), crate::round::default_name(service)));
    let Some(known) = answers.balancers.get(id) else {
        let tags = made.into_iter().collect();
        return Balancer { id: id.to_owned(), tags, ..Balancer::default() };
    };
    let tags = known.tags.clone();
    let tags = if tags.is_empty() { made.into_iter().collect() } else { tags };
    Balancer {
        id: id.to_owned(),
        name: known.name.clone(),
        address: Some(known.address.clone()).filter(|address| !address.is_empty()),
        address_type: known.address_type.clone(),
        ip_version: known.ip_version.clone(),
        network_type: known.network_type.clone(),
        master_zone: known.master_zone.clone(),
        slave_zone: known.slave_zone.clone(),
        resource_group: known.resource_group.clone(),
        vpc: Some(known.vpc.clone()).filter(|vpc| !vpc.is_empty()),
        tags,
    }
}

/// The CLB that CCM made for a Service that names none, whether or not an answer shows it.
pub(crate) fn made_for(service: &Service) -> Balancer {
    let name = crate::round::default_name(service);
    let tags = [(MADE_BY_CCM.to_owned(), name.clone())].into();
    Balancer { id: format!("CLB {name}"), name, tags, ..Balancer::default() }
}

/// The listeners of a CLB; none where their answer is not at hand.
pub(crate) fn listeners(index: &Index<'_>, clb: &str) -> Vec<Listener> {
    let known = index.listeners_of(clb).unwrap_or_default();
    let listeners = known.into_iter().map(|listener| Listener {
        clb: clb.to_owned(),
        port: listener.port,
        protocol: listener.protocol.clone(),
        vgroup: listener.vgroup.clone(),
        description: listener.description.clone(),
        forward_port: listener.forward_port(),
        is_stopped: !listener.is_running(),
    });
    listeners.collect()
}

/// The groups of a Service's CLB that a round over the Service may touch, without their backends,
/// apart from those of groups that CCM made for it.
pub(crate) fn groups_of(index: &Index<'_>, service_ref: &ServiceRef<'_>) -> Vec<ServerGroup> {
    let answers = &index.snapshot.clb_answers;
    let clb = clb_of(service_ref.service);
    let listed = index.groups_of(clb);
    let mapping = service_ref.service.metadata.annotations.text(annotation::VGROUP_PORT);
    let mapping = crate::mapping::Mapping::parse(mapping);
    let is_there = |id: &str| match &listed {
        Some(listed) => listed.iter().any(|(known, _)| *known == id),
        None => answers
            .groups
            .get(id)
            .and_then(|answer| answer.clb.as_deref())
            .is_none_or(|known| known == clb),
    };
    let mut groups: Vec<ServerGroup> = Vec::new();
    for entry in mapping.entries().iter().filter(|entry| is_there(entry.group)) {
        if !groups.iter().any(|known| known.id == entry.group) {
            let answer = answers.groups.get(entry.group);
            groups.push(ServerGroup {
                id: entry.group.to_owned(),
                name: answer.map(|answer| answer.name.clone()).unwrap_or_default(),
                clb: clb.to_owned(),
                backends: Vec::new(),
            });
        }
    }
    for own in index.own_groups(service_ref) {
        let backends =
            answers.groups.get(own.id).map(|answer| backends_of(index, &answer.backends));
        groups.retain(|known| known.id != own.id);
        groups.push(ServerGroup {
            id: own.id.to_owned(),
            name: NamedKey { cluster_id: index.cluster_id(service_ref.cluster_index), ..own.key }
                .to_string(),
            clb: clb.to_owned(),
            backends: backends.unwrap_or_default(),
        });
    }
    groups
}

/// The backends of an answer, as CCM reads them. Where the id of a cluster at hand is not known, the descriptions of
/// its backends carry its stand-in.
pub(crate) fn backends_of(
    index: &Index<'_>,
    backends: &[RegisteredBackend],
) -> Vec<RegisteredBackend> {
    let clusters = &index.snapshot.clusters;
    if clusters.iter().all(|cluster| cluster.id.is_some()) {
        return backends.to_vec();
    }
    let backends = backends.iter().map(|backend| {
        let mut backend = backend.clone();
        if let (Some(owner), Some(key)) =
            (index.cluster_of(&backend), NamedKey::parse(&backend.description))
            && clusters.get(owner).is_some_and(|cluster| cluster.id.is_none())
        {
            let key = NamedKey { cluster_id: index.cluster_id(owner), ..key };
            backend.description = key.to_string();
        }
        backend
    });
    backends.collect()
}

/// Whether answers tell anything of a Service's CLB itself, or of groups that CCM made for it.
pub(crate) fn is_clb_known(index: &Index<'_>, service_ref: &ServiceRef<'_>) -> bool {
    let answers = &index.snapshot.clb_answers;
    let clb = clb_of(service_ref.service);
    answers.balancers.contains_key(clb)
        || index.maker_of(clb).is_some()
        || !index.own_groups(service_ref).is_empty()
}

/// The VPC of a cluster, as far as its profile tells.
pub(crate) fn network(cluster: &Cluster) -> Network {
    Network { vpc: cluster.vpc.clone(), ..Network::default() }
}

/// The cloud around a Service as it is.
pub(crate) fn around(index: &Index<'_>, service_ref: &ServiceRef<'_>) -> Cloud {
    let answers = &index.snapshot.clb_answers;
    match clb_of(service_ref.service) {
        "" => Cloud { balancers: vec![made_for(service_ref.service)], ..Cloud::default() },
        clb => Cloud {
            balancers: vec![balancer(answers, clb, index.maker_of(clb))],
            groups: groups_of(index, service_ref),
            listeners: listeners(index, clb),
            network: network(service_ref.cluster),
        },
    }
}
