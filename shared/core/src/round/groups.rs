//! vServer groups: what is found, what differs, and what is written (CCM 2.14: `vgroups.go`,
//! `model_applier.go`).

use std::collections::HashMap;

use super::{
    RoundInputs,
    cloud::{Address, Cloud, Refusal},
    failure::Failure,
};
use crate::{
    annotation,
    backends::{self, BackendTarget, LocalModel},
    clb_answers::RegisteredBackend,
    identity::NamedKey,
    mapping::Mapping,
    object::Service,
    version::Behaviour,
};

/// A group as a round wants it.
#[derive(Debug, Clone)]
pub(super) struct WantedGroup {
    /// The id of the group that the mapping names, or of CCM's own once it is found or made.
    pub id: Option<String>,
    /// The name of CCM's own group, and the description of every backend.
    pub name: String,
    pub backends: Vec<RegisteredBackend>,
    ignores_weights: bool,
    awaits_ports: bool,
    /// Pods inside the VPC that have no network interface.
    pub without_interface: Vec<String>,
    /// Pods outside the VPC.
    pub elsewhere: Vec<String>,
}

/// The groups that a round wants, in the order of the Service's ports.
pub(super) fn wanted(
    inputs: &RoundInputs<'_>,
    model: &LocalModel<'_>,
    cloud: &Cloud,
) -> Vec<WantedGroup> {
    let ignores_weights = backends::ignores_weight_update(inputs.service, inputs.version);
    let leaves_out = inputs.version.has(Behaviour::LeavesOutPodsElsewhere);
    let groups = model.groups().map(|group| {
        let mut wanted = WantedGroup {
            id: group.vgroup.map(str::to_owned),
            name: group.key.clone(),
            backends: Vec::with_capacity(group.backends.len()),
            ignores_weights,
            awaits_ports: inputs.service.awaits_node_ports(),
            without_interface: Vec::new(),
            elsewhere: Vec::new(),
        };
        for backend in group.backends.iter() {
            let found = match backend.target {
                BackendTarget::Ecs(_) => Address::Known,
                BackendTarget::Pod(ip) => cloud.network.find(ip),
            };
            let id = backend.target.id().to_owned();
            match found {
                Address::Known => {
                    wanted.backends.push(backend.registered(&group.key, inputs.interface));
                }
                Address::WithoutInterface => wanted.without_interface.push(id),
                Address::Elsewhere if leaves_out => wanted.elsewhere.push(id),
                Address::Elsewhere => {
                    wanted.backends.push(backend.registered(&group.key, |_| String::new()));
                }
            }
        }
        wanted
    });
    groups.collect()
}

/// A group as a round finds it on the CLB.
pub(super) struct FoundGroup {
    pub id: String,
    pub name: String,
    /// Whether its name says that CCM made it for this Service.
    is_named_ours: bool,
    /// The backends, each with whether it is this Service's. Empty where CCM does not read them.
    backends: Vec<(RegisteredBackend, bool)>,
}

impl FoundGroup {
    /// Whether CCM deletes the group once no port needs it. One into which somebody put a backend
    /// stays.
    fn is_deletable(&self) -> bool {
        self.is_named_ours && self.backends.iter().all(|(_, is_ours)| *is_ours)
    }

    fn ours(&self) -> Vec<RegisteredBackend> {
        self.backends.iter().filter(|(_, is_ours)| *is_ours).map(|(one, _)| one.clone()).collect()
    }
}

/// Whether a description or a group's name names the Service in the cluster of that id.
fn names(text: &str, service: &Service, cluster_id: &str) -> bool {
    NamedKey::parse(text).is_some_and(|key| {
        key.service == service.metadata.name
            && key.namespace == service.metadata.namespace()
            && key.cluster_id == cluster_id
    })
}

/// The groups of a CLB. CCM reads the backends of its own groups for the Service and of those that
/// the mapping names, whatever the port. Fails where the mapping is malformed.
pub(super) fn find(
    inputs: &RoundInputs<'_>,
    cloud: &Cloud,
    clb: &str,
) -> Result<Vec<FoundGroup>, Failure> {
    let annotations = &inputs.service.metadata.annotations;
    let mapping = Mapping::parse(annotations.text(annotation::VGROUP_PORT));
    if let Some(error) = mapping.format_error() {
        return Err(error.into());
    }
    let is_mapped = |id: &str| mapping.entries().iter().any(|entry| entry.group == id);
    let is_ours = |text: &str| names(text, inputs.service, inputs.cluster_id);
    let found = cloud.groups_of(clb).map(|group| {
        let is_named_ours = is_ours(&group.name);
        let is_read = is_named_ours || is_mapped(&group.id);
        let backends = group.backends.iter().filter(|_| is_read);
        let backends = backends.map(|one| (one.clone(), is_ours(&one.description)));
        FoundGroup {
            id: group.id.clone(),
            name: group.name.clone(),
            is_named_ours,
            backends: backends.collect(),
        }
    });
    Ok(found.collect())
}

/// What a round does about a group.
#[derive(Debug)]
pub(super) enum GroupAction {
    /// Makes one of CCM's own. The index is that of the wanted group.
    Create(usize),
    /// Changes one that is there. The index is that of the wanted group.
    Update(usize, Difference),
}

/// What differs between a group as it is and as it is wanted.
#[derive(Debug, Default)]
pub(super) struct Difference {
    add: Vec<RegisteredBackend>,
    remove: Vec<RegisteredBackend>,
    set: Vec<RegisteredBackend>,
}

/// Whether a wanted backend is that server, whatever the port (CCM 2.14: `vgroups.go`, `diff`).
/// Instances are compared by id, pods by address as well.
fn is_on_server(wanted: &RegisteredBackend, found: &RegisteredBackend) -> bool {
    wanted.server_id == found.server_id
        && (wanted.kind != "eni" || wanted.server_ip == found.server_ip)
}

impl Difference {
    /// Compares as CCM does. A backend is the same by server and port, whatever its description. A
    /// change is looked for by server alone, so that a second port of a server is found changed in
    /// every round.
    fn between(found: &FoundGroup, wanted: &WantedGroup) -> Self {
        let mut by_server: HashMap<&str, Vec<&RegisteredBackend>> = HashMap::new();
        for (backend, _) in &found.backends {
            by_server.entry(&backend.server_id).or_default().push(backend);
        }
        let mut wanted_by_server: HashMap<&str, Vec<&RegisteredBackend>> = HashMap::new();
        for backend in &wanted.backends {
            wanted_by_server.entry(&backend.server_id).or_default().push(backend);
        }
        let mut difference = Self::default();
        for (backend, _) in found.backends.iter().filter(|(_, is_ours)| *is_ours) {
            let mut same = wanted_by_server.get(backend.server_id.as_str()).into_iter().flatten();
            if !same.any(|one| is_on_server(one, backend) && one.port == backend.port) {
                difference.remove.push(backend.clone());
            }
        }
        for backend in &wanted.backends {
            let on_server = by_server.get(backend.server_id.as_str()).into_iter().flatten();
            let on_server: Vec<_> =
                on_server.copied().filter(|one| is_on_server(backend, one)).collect();
            if !on_server.iter().any(|one| one.port == backend.port) {
                difference.add.push(backend.clone());
            }
            let differs = |one: &&&RegisteredBackend| {
                one.port != backend.port
                    || (!wanted.ignores_weights && one.weight != backend.weight)
                    || one.description != backend.description
            };
            if on_server.iter().any(|one| differs(&one)) {
                difference.set.push(backend.clone());
            }
        }
        difference
    }

    fn is_empty(&self) -> bool {
        self.add.is_empty() && self.remove.is_empty() && self.set.is_empty()
    }
}

/// What a round does about the groups it wants. Gives those of CCM's own that were found their ids.
/// Of several ports with one group the first that differs is carried out, and the others wait (CCM
/// 2.11 and later).
pub(super) fn plan(
    inputs: &RoundInputs<'_>,
    wanted: &mut [WantedGroup],
    found: &[FoundGroup],
) -> Vec<GroupAction> {
    let one_port = inputs.version.has(Behaviour::OnePortAGroup);
    let mut actions = Vec::new();
    let mut taken: Vec<String> = Vec::new();
    for (index, wanted) in wanted.iter_mut().enumerate() {
        let place = wanted.id.clone().unwrap_or_else(|| wanted.name.clone());
        let there = found.iter().find(|found| match &wanted.id {
            Some(id) => found.id == *id,
            None => found.name == wanted.name,
        });
        wanted.id = there.map(|there| there.id.clone()).or_else(|| wanted.id.take());
        if one_port && taken.contains(&place) {
            continue;
        }
        let action = match there {
            // A group that the mapping names is not there: a port that names it is not built.
            None if wanted.id.is_some() => continue,
            None => GroupAction::Create(index),
            Some(there) => {
                let mut difference = Difference::between(there, wanted);
                if difference.is_empty() {
                    continue;
                }
                if !wanted.without_interface.is_empty() {
                    difference = Difference { add: difference.add, ..Difference::default() };
                }
                GroupAction::Update(index, difference)
            }
        };
        actions.push(action);
        taken.push(place);
    }
    actions
}

/// The pods for which removals and weights of a group wait; `None` where nothing waits.
pub(super) fn held_back(wanted: &[WantedGroup], action: &GroupAction) -> Option<Vec<String>> {
    let GroupAction::Update(index, _) = action else { return None };
    let pods = &wanted.get(*index)?.without_interface;
    (!pods.is_empty()).then(|| pods.clone())
}

/// Carries one action out. Adds, then removes, then sets, so that the group is never empty in
/// between; a refusal stops none of them (CCM 2.14: `UpdateVServerGroup`). Unless the CLB
/// `takes_backends`, nothing is added.
pub(super) fn apply(
    cloud: &mut Cloud,
    clb: &str,
    wanted: &mut [WantedGroup],
    action: GroupAction,
    takes_backends: bool,
) -> Vec<Refusal> {
    let taken = |backends: &[RegisteredBackend]| -> Vec<RegisteredBackend> {
        if takes_backends { backends.to_vec() } else { Vec::new() }
    };
    match action {
        GroupAction::Create(index) => {
            let Some(wanted) = wanted.get_mut(index) else { return Vec::new() };
            let id = cloud.create_group(clb, &wanted.name);
            let added = cloud
                .group_mut(&id)
                .map_or(Ok(()), |group| group.add(&taken(&wanted.backends), wanted.awaits_ports));
            wanted.id = Some(id);
            added.err().into_iter().collect()
        }
        GroupAction::Update(index, Difference { add, remove, set }) => {
            let awaits_ports = wanted.get(index).is_some_and(|wanted| wanted.awaits_ports);
            let id = wanted.get(index).and_then(|wanted| wanted.id.as_deref()).unwrap_or_default();
            let Some(group) = cloud.group_mut(id) else { return Vec::new() };
            let added = group.add(&taken(&add), awaits_ports);
            group.remove(&remove);
            let set = group.set(&set, awaits_ports);
            added.err().into_iter().chain(set.err()).collect()
        }
    }
}

/// Takes away what no port needs any more: the Service's backends from groups of others, and CCM's
/// own groups. The groups to delete come after all others, and a refusal stops none of them (CCM
/// 2.12 and later); before, the first refusal ended it.
pub(super) fn clean_up(
    inputs: &RoundInputs<'_>,
    cloud: &mut Cloud,
    wanted: &[WantedGroup],
    found: &[FoundGroup],
) -> Vec<Refusal> {
    let is_wanted = |found: &&FoundGroup| {
        wanted.iter().any(|wanted| wanted.id.as_deref() == Some(found.id.as_str()))
    };
    let unwanted: Vec<_> = found.iter().filter(|found| !is_wanted(found)).collect();
    let side_by_side = inputs.version.has(Behaviour::CleansUpOnChange);
    let mut refusals = Vec::new();
    let mut deletions = Vec::new();
    for group in unwanted {
        if !group.is_deletable() {
            if let Some(there) = cloud.group_mut(&group.id) {
                there.remove(&group.ours());
            }
        } else if side_by_side {
            deletions.push(group);
        } else if let Err(refusal) = cloud.delete_group(&group.id) {
            return vec![refusal];
        }
    }
    refusals.extend(deletions.into_iter().filter_map(|group| cloud.delete_group(&group.id).err()));
    refusals
}
