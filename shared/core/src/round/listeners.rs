//! Listeners, where CCM touches them: on a CLB of its own, or with `force-override-listeners`. Whose
//! a listener was before does not matter (CCM 2.14: `listeners.go`, `model_applier.go`).

use super::{
    RoundInputs,
    cloud::{Cloud, Listener, Refusal},
    failure::Failure,
    groups::WantedGroup,
};
use crate::{
    annotation, identity::NamedKey, listener, mapping::Mapping, object::ServicePort,
    version::Behaviour,
};

/// A listener as a round wants it.
#[derive(Debug, Clone)]
pub(super) struct WantedListener {
    port: u16,
    protocol: String,
    /// The id of its group; `None` for one that the round makes.
    vgroup: Option<String>,
    group_name: String,
    description: String,
    forward_port: Option<u16>,
    has_certificate: bool,
}

/// The listeners that a round wants, in the order of the Service's ports. `names` are the names of
/// CCM's own groups for them. Fails at a value that CCM cannot read.
pub(super) fn wanted(
    inputs: &RoundInputs<'_>,
    names: impl Fn(&ServicePort) -> String,
) -> Result<Vec<WantedListener>, Failure> {
    let service = inputs.service;
    let unreadable = listener::unreadable_annotations(service, inputs.version);
    if let Some(unreadable) = unreadable.into_iter().next() {
        return Err(unreadable.into());
    }
    let annotations = &service.metadata.annotations;
    let is_mapped = !annotations.text(annotation::ID).is_empty();
    let mapping = Mapping::parse(annotations.text(annotation::VGROUP_PORT));
    let protocols = annotations.text(annotation::PROTOCOL_PORT);
    let ports = service.spec.ports.iter().map(|port| {
        let protocol = listener::protocol(protocols, port).unwrap_or_default();
        let vgroup = if is_mapped { mapping.group_of(port.port)? } else { None };
        let forward = annotations.text(annotation::FORWARD_PORT);
        let forward_port = if protocol == "http" {
            listener::forward_port(forward, port).unwrap_or_default()
        } else {
            None
        };
        let number = port.port.to_string();
        let description = NamedKey {
            port: &number,
            service: &service.metadata.name,
            namespace: service.metadata.namespace(),
            cluster_id: inputs.cluster_id,
        };
        Ok(WantedListener {
            port: port.port,
            protocol,
            vgroup: vgroup.filter(|group| !group.is_empty()).map(str::to_owned),
            group_name: names(port),
            description: description.to_string(),
            forward_port,
            has_certificate: !annotations.text(annotation::CERT_ID).is_empty(),
        })
    });
    ports.collect()
}

/// Gives each listener without a mapped group the one that the round builds for its port. Fails
/// where there is none, before anything is written.
pub(super) fn associate(
    wanted: &mut [WantedListener],
    groups: &[WantedGroup],
) -> Result<(), Failure> {
    for listener in wanted.iter_mut().filter(|listener| listener.vgroup.is_none()) {
        let group = groups.iter().find(|group| group.name == listener.group_name);
        let group = group.ok_or(Failure::NoGroup(listener.port))?;
        listener.vgroup.clone_from(&group.id);
    }
    Ok(())
}

fn is_at(wanted: &WantedListener, found: &Listener) -> bool {
    wanted.port == found.port && wanted.protocol == found.protocol
}

/// Whether CCM wrote the listener for this Service.
fn is_ours(inputs: &RoundInputs<'_>, found: &Listener) -> bool {
    NamedKey::parse(&found.description).is_some_and(|key| {
        key.port.parse::<i64>().is_ok()
            && key.service == inputs.service.metadata.name
            && key.namespace == inputs.service.metadata.namespace()
            && key.cluster_id == inputs.cluster_id
    })
}

/// What a round does about a listener.
enum ListenerAction<'a> {
    Create(&'a WantedListener),
    Update(&'a WantedListener),
    Delete(Listener),
}

/// Makes the listeners of a CLB what they are wanted to be, after the groups. A listener of this
/// Service that is not wanted any more is deleted. Returns what the cloud refuses.
pub(super) fn apply(
    inputs: &RoundInputs<'_>,
    cloud: &mut Cloud,
    clb: &str,
    wanted: &[WantedListener],
) -> Vec<Refusal> {
    let found: Vec<Listener> = cloud.listeners.iter().filter(|l| l.clb == clb).cloned().collect();
    let is_wanted = |found: &Listener| wanted.iter().any(|wanted| is_at(wanted, found));
    let deleted: Vec<Listener> =
        found.iter().filter(|l| !is_wanted(l) && is_ours(inputs, l)).cloned().collect();
    let is_freed = |port| deleted.iter().any(|gone| gone.port == port);
    let is_forwarded_to = |port| deleted.iter().any(|gone| gone.forward_port == Some(port));
    let (mut first, mut last) = (Vec::new(), Vec::new());
    for gone in &deleted {
        let order = if is_forwarded_to(gone.port) { &mut last } else { &mut first };
        order.push(ListenerAction::Delete(gone.clone()));
    }
    for listener in wanted {
        if found.iter().any(|found| is_at(listener, found)) {
            first.push(ListenerAction::Update(listener));
        } else if listener.forward_port.is_some() || is_freed(listener.port) {
            last.push(ListenerAction::Create(listener));
        } else {
            first.push(ListenerAction::Create(listener));
        }
    }
    let stops = !inputs.version.has(Behaviour::WorksInParallel);
    let mut refusals = Vec::new();
    for action in first.into_iter().chain(last) {
        let done = match action {
            ListenerAction::Create(wanted) => create(cloud, clb, wanted),
            ListenerAction::Update(wanted) => update(cloud, clb, wanted),
            ListenerAction::Delete(gone) => delete(cloud, &gone),
        };
        if let Err(refusal) = done {
            refusals.push(refusal);
            if stops {
                break;
            }
        }
    }
    refusals
}

fn check_group(cloud: &Cloud, clb: &str, wanted: &WantedListener) -> Result<String, Refusal> {
    let id = wanted.vgroup.clone().unwrap_or_default();
    let group = cloud.groups_of(clb).find(|group| match &wanted.vgroup {
        Some(id) => group.id == *id,
        None => group.name == wanted.group_name,
    });
    group.map(|group| group.id.clone()).ok_or(Refusal::NoSuchGroup {
        port: wanted.port,
        protocol: wanted.protocol.clone(),
        vgroup: id,
    })
}

fn create(cloud: &mut Cloud, clb: &str, wanted: &WantedListener) -> Result<(), Refusal> {
    let is_udp = wanted.protocol == "udp";
    let clashes = |known: &Listener| {
        known.clb == clb && known.port == wanted.port && (known.protocol == "udp") == is_udp
    };
    if cloud.listeners.iter().any(clashes) {
        let (port, protocol) = (wanted.port, wanted.protocol.clone());
        return Err(Refusal::PortInUse { port, protocol });
    }
    if wanted.protocol == "https" && !wanted.has_certificate {
        return Err(Refusal::NoCertificate(wanted.port));
    }
    let vgroup = match wanted.forward_port {
        None => check_group(cloud, clb, wanted)?,
        Some(to) => {
            let is_target = |known: &Listener| {
                known.clb == clb && known.port == to && known.protocol == "https"
            };
            if !cloud.listeners.iter().any(is_target) {
                return Err(Refusal::NoForwardTarget { port: wanted.port, to });
            }
            String::new()
        }
    };
    cloud.listeners.push(Listener {
        clb: clb.to_owned(),
        port: wanted.port,
        protocol: wanted.protocol.clone(),
        vgroup,
        description: wanted.description.clone(),
        forward_port: wanted.forward_port,
        is_stopped: false,
    });
    Ok(())
}

fn update(cloud: &mut Cloud, clb: &str, wanted: &WantedListener) -> Result<(), Refusal> {
    let here = |known: &Listener| known.clb == clb && is_at(wanted, known);
    let Some(known) = cloud.listeners.iter_mut().find(|known| here(known)) else {
        return Ok(());
    };
    // Whatever else differs, CCM starts it first (CCM 2.14: `listeners.go`).
    known.is_stopped = false;
    let found = known.clone();
    if wanted.protocol == "http" && found.forward_port != wanted.forward_port {
        // The cloud cannot change whether a listener redirects.
        delete(cloud, &found)?;
        return create(cloud, clb, wanted);
    }
    if found.forward_port.is_some() {
        return Ok(());
    }
    if wanted.vgroup.as_ref() == Some(&found.vgroup) && found.description == wanted.description {
        return Ok(());
    }
    let vgroup = check_group(cloud, clb, wanted)?;
    if let Some(found) = cloud.listeners.iter_mut().find(|known| here(known)) {
        found.vgroup = vgroup;
        found.description.clone_from(&wanted.description);
    }
    Ok(())
}

fn delete(cloud: &mut Cloud, gone: &Listener) -> Result<(), Refusal> {
    let redirects = |known: &Listener| {
        known.clb == gone.clb && gone.protocol == "https" && known.forward_port == Some(gone.port)
    };
    if cloud.listeners.iter().any(redirects) {
        return Err(Refusal::ForwardTarget(gone.port));
    }
    cloud.listeners.retain(|known| {
        known.clb != gone.clb || known.port != gone.port || known.protocol != gone.protocol
    });
    Ok(())
}
