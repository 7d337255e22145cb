//! Carries a case out: the round, its retry, one more round, and the rounds of the other Services.

use clbmigrate_core::{
    annotation,
    backends::{self, KnownGroups, ModelInputs, NodeSet, PodSet},
    hash,
    object::{EndpointSlice, Service},
    round::{self, Cloud, HashLabel, Marks, Round, RoundInputs, WatchEvent},
    version::CcmVersion,
};
use serde_json::{Value, json};

use crate::{
    case::{Case, Expected, State, typed},
    compare::{compare, same_groups},
};

/// The label that names the CLB.
const CLB_LABEL: &str = "service.k8s.alibaba/loadbalancer-id";

/// Releases of which only the failures are compared.
const COMPARED_BY_FAILURE: [CcmVersion; 2] = [CcmVersion::V2_9, CcmVersion::V2_10];

/// The Kubernetes side of a round.
struct Around<'a> {
    nodes: NodeSet,
    pods: PodSet,
    slices: &'a [EndpointSlice],
    cluster_id: &'a str,
    version: CcmVersion,
}

impl<'a> Around<'a> {
    fn new(case: &'a Case, state: &'a State, version: CcmVersion) -> Self {
        Self {
            nodes: state.nodes.iter().cloned().collect(),
            pods: state.pods.iter().cloned().collect(),
            slices: &state.endpoint_slices,
            cluster_id: &case.cluster_id,
            version,
        }
    }

    /// One round over a Service, which has the stored hash in its label.
    fn round(&self, raw: &Value, cloud: &Cloud) -> Round {
        let service = typed(raw);
        let slices = slices_of(self.slices, &service);
        let clb = service.metadata.annotations.text(annotation::ID);
        let groups = cloud.groups_of(clb);
        let model = backends::local_model(&ModelInputs {
            service: &service,
            nodes: &self.nodes,
            slices: &slices,
            pods: &self.pods,
            groups: KnownGroups::Listed(
                groups.map(|group| (group.id.as_str(), group.name.as_str())).collect(),
            ),
            cluster_id: self.cluster_id,
            eni_by_default: false,
            version: self.version,
        });
        let inputs = RoundInputs {
            service: &service,
            model: &model,
            cluster_id: self.cluster_id,
            hash_changed: label(raw, hash::LABEL) != Some(&hash::service_hash(raw, self.version)),
            version: self.version,
            interface: &|ip| format!("eni-{ip}"),
        };
        round::run(&inputs, cloud)
    }
}

fn slices_of(slices: &[EndpointSlice], service: &Service) -> Vec<EndpointSlice> {
    let is_its = |slice: &&EndpointSlice| {
        slice.service() == Some(&service.metadata.name)
            && slice.metadata.namespace() == service.metadata.namespace()
    };
    slices.iter().filter(is_its).cloned().collect()
}

fn label<'a>(service: &'a Value, key: &str) -> Option<&'a str> {
    service.get("metadata")?.get("labels")?.get(key)?.as_str()
}

/// The first difference between what CCM did and what this crate does.
pub fn difference(case: &Case, expected: &Expected, version: CcmVersion) -> Option<String> {
    let around = Around::new(case, &case.after, version);
    let Some(service) = &case.after.service else { return Some("there is no Service".to_owned()) };
    let mut service = service.clone();
    if version != CcmVersion::NEWEST
        && let (true, Some(before)) = (case.hash_current, &case.before.service)
    {
        service["metadata"]["labels"][hash::LABEL] = json!(hash::service_hash(before, version));
    }
    let enqueued = is_enqueued(case, &service, version);
    if !COMPARED_BY_FAILURE.contains(&version) && enqueued != expected.enqueued {
        return Some(format!("enqueued: CCM {}, here {enqueued}", expected.enqueued));
    }
    let initial = Cloud::from(&case.cloud);
    let round = around.round(&service, &initial);
    let is_gone = mark(&mut service, &round.marks, version);
    let mut found =
        compare(&round, (&service, is_gone), &expected.result, expected, &initial, version)
            .map(|found| format!("round: {found}"));
    if COMPARED_BY_FAILURE.contains(&version) {
        return found;
    }
    let mut cloud = round.cloud.clone();
    if let (None, false, Some(retry)) = (&found, round.is_success(), &expected.retry) {
        let round = around.round(&service, &cloud);
        let is_gone = mark(&mut service, &round.marks, version);
        cloud.clone_from(&round.cloud);
        found = compare(&round, (&service, is_gone), retry, expected, &initial, version)
            .map(|found| format!("retry: {found}"));
    }
    if found.is_none() && round.is_success() && !is_gone {
        let more = around.round(&service, &cloud);
        let wanted = expected.again.as_ref().unwrap_or(&expected.result);
        found = same_groups(&more.cloud, &wanted.groups, expected, &initial)
            .map(|found| format!("again: {found}"));
    }
    for other in &expected.others {
        if found.is_some() {
            break;
        }
        let others = &case.after.other_services;
        let is_it = |service: &&Value| {
            let meta = typed(service).metadata;
            format!("{}/{}", meta.namespace(), meta.name) == other.of || meta.name == other.of
        };
        let Some(mut service) = others.iter().find(is_it).cloned() else {
            return Some(format!("others: there is no Service {}", other.of));
        };
        if version != CcmVersion::NEWEST
            && label(&service, hash::LABEL)
                == Some(&hash::service_hash(&service, CcmVersion::NEWEST))
        {
            service["metadata"]["labels"][hash::LABEL] =
                json!(hash::service_hash(&service, version));
        }
        let round = around.round(&service, &cloud);
        let is_gone = mark(&mut service, &round.marks, version);
        found = compare(&round, (&service, is_gone), &other.result, expected, &initial, version)
            .map(|found| format!("others: {}: {found}", other.of));
        cloud = round.cloud;
    }
    found
}

fn is_enqueued(case: &Case, service: &Value, version: CcmVersion) -> bool {
    let service = typed(service);
    let before = case.before.service.as_ref().map(typed);
    let nodes = |state: &State| state.nodes.iter().cloned().collect::<NodeSet>();
    let (nodes_before, nodes_after) = (nodes(&case.before), nodes(&case.after));
    let slices_before = slices_of(&case.before.endpoint_slices, &service);
    let slices_after = slices_of(&case.after.endpoint_slices, &service);
    let event = match case.trigger.as_str() {
        "service" | "delete" => WatchEvent::Service { before: before.as_ref() },
        "endpoints" => WatchEvent::Endpoints { before: &slices_before, after: &slices_after },
        "nodes" => WatchEvent::Nodes { before: &nodes_before, after: &nodes_after },
        // Nothing tells CCM of it.
        _ => return false,
    };
    event.queues(&service, backends::mode(&service, false), version)
}

/// Writes what a round leaves to the Service. Returns whether the API server removes it then.
fn mark(service: &mut Value, marks: &Marks, version: CcmVersion) -> bool {
    let current = hash::service_hash(service, version);
    let metadata = &mut service["metadata"];
    match marks.hash {
        HashLabel::Kept => {}
        HashLabel::Stored => metadata["labels"][hash::LABEL] = json!(current),
        HashLabel::Removed => {
            if let Some(labels) = metadata["labels"].as_object_mut() {
                labels.remove(hash::LABEL);
                labels.remove(CLB_LABEL);
            }
        }
    }
    if let Some(clb) = &marks.clb {
        metadata["labels"][CLB_LABEL] = json!(clb);
    }
    if let Some(has_finalizer) = marks.finalizer {
        let finalizers = metadata["finalizers"].as_array().cloned().unwrap_or_default();
        let mut finalizers: Vec<Value> =
            finalizers.into_iter().filter(|held| *held != annotation::FINALIZER).collect();
        finalizers.extend(has_finalizer.then(|| json!(annotation::FINALIZER)));
        metadata["finalizers"] = json!(finalizers);
    }
    let is_gone = !metadata["deletionTimestamp"].is_null()
        && metadata["finalizers"].as_array().is_none_or(Vec::is_empty);
    if let Some(ingress) = &marks.ingress {
        let ingress: Vec<Value> =
            ingress.iter().map(|one| json!({"ip": one.ip, "hostname": one.hostname})).collect();
        service["status"]["loadBalancer"]["ingress"] = json!(ingress);
    }
    is_gone
}
