//! One round of CCM over one Service: from what stands behind the CLBs to what stands there after
//! it.
//!
//! Reproduces CCM 2.9 to 2.14 (`service_controller.go`, `model_applier.go`). What the releases do
//! differently is listed in [`Behaviour`]. The parts of a round in CCM's order:
//!
//! 1. An event queues the Service, or does not ([`events`]).
//! 2. CCM computes what it wants. A value that it cannot read ends the round here.
//! 3. It reads the CLB with its groups. An id that no CLB has, or a malformed mapping, ends the round
//!    here.
//! 4. It makes, refuses or lets go of the CLB ([`balancer`]).
//! 5. It changes the groups ([`groups`]) and the listeners ([`listeners`]). What the cloud refuses
//!    stops neither, but the round fails.
//! 6. It cleans up: the Service's backends leave groups that no port needs any more.
//! 7. It stores the hash, and shows the address.

mod balancer;
mod cloud;
mod events;
mod failure;
mod groups;
mod listeners;
mod report;

pub use self::{
    balancer::{CLUSTER_TAG, MADE_BY_CCM, default_name},
    cloud::{Address, Balancer, Cloud, Listener, Network, Refusal, ServerGroup},
    events::{ChangeNoticed, WatchEvent},
    failure::{Failure, Mismatch, NotReusable},
    report::RoundEvent,
};

use crate::{
    annotation,
    backends::{self, BackendLabelError, LocalModel},
    object::{LoadBalancerIngress, Service},
    version::{Behaviour, CcmVersion},
};

/// What a round is about.
#[derive(Clone, Copy)]
pub struct RoundInputs<'a> {
    /// The Service as the round sees it: with CCM's finalizer and the addresses in its status, and
    /// with a deletion timestamp where it is being deleted.
    pub service: &'a Service,
    /// What CCM computes of the Service's backends. Not looked at where the Service goes.
    pub model: &'a Result<LocalModel<'a>, BackendLabelError>,
    /// The cluster's id.
    pub cluster_id: &'a str,
    /// Whether the Service differs from that of the last successful round, so that the hash in its
    /// label is not that of the Service.
    pub hash_changed: bool,
    /// The release of CCM.
    pub version: CcmVersion,
    /// The id of the network interface that has an address.
    pub interface: &'a dyn Fn(&str) -> String,
}

impl RoundInputs<'_> {
    /// Whether a CLB that CCM made outlives the Service.
    fn is_preserved(&self) -> bool {
        self.version.has(Behaviour::ReadsPreserve)
            && !self.service.metadata.annotations.text(annotation::PRESERVE).is_empty()
    }

    /// Whether the CLB is one that somebody else made.
    fn is_reused(&self) -> bool {
        !self.service.metadata.annotations.text(annotation::ID).is_empty()
    }

    /// Whether CCM touches the CLB's listeners in this round.
    fn touches_listeners(&self) -> bool {
        let overrides =
            self.service.metadata.annotations.text(annotation::FORCE_OVERRIDE) == "true";
        self.hash_changed && (!self.is_reused() || overrides)
    }
}

/// What a round leaves behind.
#[derive(Debug, Clone, Default)]
pub struct Round {
    /// Why it fails; empty where it succeeds. CCM then tries again.
    pub failures: Vec<Failure>,
    /// The CLBs with their groups and listeners after the round.
    pub cloud: Cloud,
    /// What it leaves on the Service.
    pub marks: Marks,
    /// What CCM writes about it to the Service, in order; events of parallel work in the order of the
    /// Service's ports.
    pub events: Vec<RoundEvent>,
}

/// What CCM writes to the Service itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marks {
    /// What becomes of the label with the hash.
    pub hash: HashLabel,
    /// The value of the label with the CLB's id; `None` where the round leaves it as it is.
    pub clb: Option<String>,
    /// The addresses in the status; `None` where the round leaves them as they are.
    pub ingress: Option<Vec<LoadBalancerIngress>>,
    /// What becomes of CCM's finalizer; `None` where the round leaves it as it is.
    pub finalizer: Option<bool>,
}

/// What becomes of the label with the hash.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HashLabel {
    /// It stays as it is.
    #[default]
    Kept,
    /// It becomes the hash of the Service: CCM regards the round as a success.
    Stored,
    /// It goes, with the label that names the CLB.
    Removed,
}

impl Round {
    /// Whether CCM regards the round as a success.
    pub fn is_success(&self) -> bool {
        self.failures.is_empty()
    }
}

/// Carries out one round.
pub fn run(inputs: &RoundInputs<'_>, cloud: &Cloud) -> Round {
    let mut round = Round { cloud: cloud.clone(), ..Round::default() };
    let is_wanted = inputs.service.is_taken_by(inputs.version) && !inputs.service.needs_clean_up();
    if is_wanted {
        round.marks.finalizer = Some(true);
        match sync(inputs, &mut round) {
            Ok(synced) => finish(inputs, &mut round, synced),
            Err(failures) => round.failures = failures,
        }
        round.events.extend(report::at_the_end(inputs, &round, true));
    } else if inputs.service.has_finalizer() {
        match sync(inputs, &mut round) {
            Ok(_) => {
                round.marks = Marks {
                    hash: HashLabel::Removed,
                    clb: None,
                    ingress: Some(Vec::new()),
                    finalizer: Some(false),
                };
            }
            Err(failures) => round.failures = failures,
        }
        round.events.extend(report::at_the_end(inputs, &round, false));
    }
    round
}

/// What a round that reached its end in the cloud knows.
struct Synced {
    clb: String,
    /// Pods inside the VPC that have no network interface.
    without_interface: Vec<String>,
}

/// Stores the hash and the address after the work in the cloud. Where a pod has no interface, CCM
/// stores them all the same, and then fails.
fn finish(inputs: &RoundInputs<'_>, round: &mut Round, synced: Synced) {
    let hostname = inputs.service.metadata.annotations.text(annotation::HOSTNAME);
    let address = round.cloud.balancer(&synced.clb).and_then(|balancer| balancer.address.clone());
    round.marks.hash = HashLabel::Stored;
    round.marks.ingress = Some(vec![if hostname.is_empty() {
        LoadBalancerIngress { ip: address.unwrap_or_default(), hostname: String::new() }
    } else {
        LoadBalancerIngress { ip: String::new(), hostname: hostname.to_owned() }
    }]);
    round.marks.clb = Some(synced.clb);
    round.failures = synced.without_interface.into_iter().map(Failure::HeldBack).collect();
}

/// What a Service wants of the cloud.
#[derive(Default)]
struct Wanted {
    groups: Vec<groups::WantedGroup>,
    listeners: Vec<listeners::WantedListener>,
}

/// Computes what the Service wants. A Service that goes wants nothing.
fn build(inputs: &RoundInputs<'_>, cloud: &Cloud) -> (Result<Wanted, Failure>, Vec<RoundEvent>) {
    let mut events = Vec::new();
    (build_with(inputs, cloud, &mut events), events)
}

fn build_with(
    inputs: &RoundInputs<'_>,
    cloud: &Cloud,
    events: &mut Vec<RoundEvent>,
) -> Result<Wanted, Failure> {
    if inputs.service.needs_clean_up() {
        return Ok(Wanted::default());
    }
    let annotations = &inputs.service.metadata.annotations;
    let text = annotations.text(annotation::BANDWIDTH);
    if let (false, Err(error)) = (text.is_empty(), annotation::parse_integer(text)) {
        return Err(Failure::Bandwidth { text: text.to_owned(), error });
    }
    let model = inputs.model.as_ref().map_err(Clone::clone)?;
    if !inputs.version.has(Behaviour::LeavesPortsOut)
        && let Some((port, reason)) = model.skipped().next()
    {
        return Err(Failure::Port { port: port.port, reason: reason.clone() });
    }
    let groups = groups::wanted(inputs, model, cloud);
    *events = report::about_backends(&groups);
    if inputs.is_preserved() {
        events.push(RoundEvent::Preserved);
    }
    if !inputs.version.has(Behaviour::ToleratesMissingInterfaces)
        && let Some(ip) = groups.iter().flat_map(|group| &group.without_interface).next()
    {
        return Err(Failure::NoInterface(ip.clone()));
    }
    let names = |port: &_| {
        backends::backend_description(inputs.service, port, model.mode, inputs.cluster_id)
    };
    let listeners = listeners::wanted(inputs, names)?;
    Ok(Wanted { groups, listeners })
}

/// Makes the cloud what the Service wants.
fn sync(inputs: &RoundInputs<'_>, round: &mut Round) -> Result<Synced, Vec<Failure>> {
    let one = |failure: Failure| vec![failure];
    let (wanted, events) = build(inputs, &round.cloud);
    round.events = events;
    let mut wanted = wanted.map_err(one)?;
    balancer::check_id(inputs.service).map_err(one)?;
    let found_clb = balancer::find(&round.cloud, inputs.service);
    let mut found = match &found_clb {
        Some(clb) => groups::find(inputs, &round.cloud, clb).map_err(one)?,
        None => Vec::new(),
    };
    let Some(clb) = settle_balancer(inputs, &mut round.cloud, found_clb).map_err(one)? else {
        return Ok(Synced { clb: String::new(), without_interface: Vec::new() });
    };
    if !inputs.version.has(Behaviour::WorksInParallel) {
        found = groups::find(inputs, &round.cloud, &clb).map_err(one)?;
    }
    let actions = groups::plan(inputs, &mut wanted.groups, &found);
    if inputs.touches_listeners() {
        listeners::associate(&mut wanted.listeners, &wanted.groups).map_err(one)?;
    }
    let mut failures = attributes(inputs, &round.cloud, &clb);
    let other_vpc = balancer::other_vpc(&round.cloud, &clb)
        .filter(|_| !inputs.service.needs_clean_up() && !wanted.groups.is_empty());
    let takes_backends = other_vpc.is_none();
    failures.extend(other_vpc);
    let mut refusals = Vec::new();
    let side_by_side = inputs.version.has(Behaviour::WorksInParallel);
    for action in actions {
        round.events.extend(groups::held_back(&wanted.groups, &action).map(RoundEvent::HeldBack));
        let wanted = &mut wanted.groups;
        refusals.extend(groups::apply(&mut round.cloud, &clb, wanted, action, takes_backends));
        if !side_by_side && !refusals.is_empty() {
            break;
        }
    }
    if inputs.touches_listeners() && (side_by_side || refusals.is_empty()) {
        refusals.extend(listeners::apply(inputs, &mut round.cloud, &clb, &wanted.listeners));
    }
    let cleans_up = if inputs.version.has(Behaviour::CleansUpOnChange) {
        inputs.hash_changed && failures.is_empty() && refusals.is_empty()
    } else {
        refusals.is_empty()
    };
    if cleans_up {
        refusals.extend(groups::clean_up(inputs, &mut round.cloud, &wanted.groups, &found));
    }
    failures.extend(refusals.into_iter().map(Failure::from));
    if !failures.is_empty() {
        return Err(failures);
    }
    let without_interface = wanted.groups.into_iter().flat_map(|group| group.without_interface);
    Ok(Synced { clb, without_interface: without_interface.collect() })
}

/// Makes, refuses or lets go of the CLB where the hash changed. `None` where none is left and none
/// is needed.
fn settle_balancer(
    inputs: &RoundInputs<'_>,
    cloud: &mut Cloud,
    found: Option<String>,
) -> Result<Option<String>, Failure> {
    let is_over = inputs.service.needs_clean_up();
    let named = || inputs.service.metadata.annotations.text(annotation::ID).to_owned();
    if !inputs.hash_changed {
        return match found {
            None if !is_over => Err(Failure::NoClb(named())),
            found => Ok(found),
        };
    }
    if is_over {
        return Ok(found.filter(|clb| balancer::release(cloud, inputs, clb)));
    }
    let clb = match found {
        Some(clb) => clb,
        None => balancer::create(cloud, inputs)?,
    };
    if inputs.is_reused()
        && let Some(balancer) = cloud.balancer(&clb)
    {
        balancer::check_reuse(inputs.service, balancer)?;
    }
    Ok(Some(clb))
}

/// What of the CLB differs and cannot be changed, where the hash changed.
fn attributes(inputs: &RoundInputs<'_>, cloud: &Cloud, clb: &str) -> Vec<Failure> {
    let is_compared = inputs.hash_changed
        && (!inputs.service.needs_clean_up() || inputs.version.has(Behaviour::ComparesOnDeletion));
    let balancer = cloud.balancer(clb).filter(|_| is_compared);
    balancer.map(|balancer| balancer::mismatches(inputs, balancer)).unwrap_or_default()
}
