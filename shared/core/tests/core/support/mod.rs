//! Snapshots made of a few lines of JSON, each a change of one in which nothing is wrong.

mod answers;
mod objects;
mod parsed;

use clbmigrate_core::{
    annotation::{self, LEGACY_PREFIX, PREFIX, full_key},
    finding::Finding,
    object::ObjectRef,
    patch::PatchOp,
    rules::Evidence,
    snapshot::{Cluster, Snapshot},
    version::CcmVersion,
};
use serde_json::{Map, Value, json};

use answers::Unshown;
use objects::merge;
pub use objects::*;
use parsed::{from, read};

/// The id of the cluster, as ACK gives it out.
pub const CLUSTER_ID: &str = "c0123456789abcdef0123456789abcdef";
/// The id of another cluster.
pub const OTHER_ID: &str = "cfedcba9876543210fedcba9876543210";

/// The kinds that are evidence of workloads.
const WORKLOAD_KINDS: [&str; 7] = [
    "Deployment",
    "StatefulSet",
    "DaemonSet",
    "Pod",
    "HorizontalPodAutoscaler",
    "Namespace",
    "InjectionHook",
];

/// A snapshot on paper: its objects are JSON until it is asked for.
#[derive(Debug, Clone, Default)]
pub struct TestSnapshot {
    clusters: Vec<TestCluster>,
    answers: Vec<Value>,
    unshown: Vec<Unshown>,
    focus: usize,
}

/// A cluster on paper.
#[derive(Debug, Clone, Default)]
pub struct TestCluster {
    context: Option<&'static str>,
    id: Option<&'static str>,
    suffix: Option<&'static str>,
    ccm: CcmVersion,
    eni_by_default: Option<bool>,
    vpc: Option<&'static str>,
    nodes_listed: bool,
    objects: Vec<Value>,
}

/// A snapshot in which nothing is wrong: three nodes and a pod on each carry 30 of 100, a machine
/// outside the rest.
pub fn healthy() -> TestSnapshot {
    let endpoints = [endpoint(1, 1), endpoint(2, 2), endpoint(3, 3)];
    let objects = vec![
        service(),
        node(1),
        node(2),
        node(3),
        slice("web", &endpoints),
        workload("Deployment", "web"),
    ];
    let backends = [backend(1, 10), backend(2, 10), backend(3, 10), outside(70)];
    TestSnapshot {
        clusters: vec![TestCluster {
            id: Some(CLUSTER_ID),
            nodes_listed: true,
            objects,
            ..TestCluster::default()
        }],
        answers: vec![
            group("rsp-a", &backends),
            groups(&[("rsp-a", "shop"), ("rsp-b", "shop-tls"), ("rsp-old", "shop-old")]),
            listener(&json!({})),
            health(&[]),
        ],
        unshown: Vec::new(),
        focus: 0,
    }
}

/// The same with `externalTrafficPolicy: Local` and two pods a node.
pub fn healthy_local() -> TestSnapshot {
    let endpoints: Vec<Value> = (1..=6).map(|n| endpoint(n, n.div_ceil(2))).collect();
    healthy()
        .edit("Service", &json!({"spec": {"externalTrafficPolicy": "Local"}}))
        .edit("EndpointSlice", &json!({"endpoints": endpoints}))
        .edit("Deployment", &json!({"spec": {"replicas": 6}}))
}

/// The same with pods as backends, and their readiness gate.
pub fn healthy_eni() -> TestSnapshot {
    let gate = json!([{"conditionType": "service.readiness.alibabacloud.com/web"}]);
    let backends = [pod_backend(1, 10), pod_backend(2, 10), pod_backend(3, 10), outside(70)];
    healthy()
        .key(annotation::BACKEND_TYPE, "eni")
        .template(&json!({"spec": {"readinessGates": gate}}))
        .group("rsp-a", &backends)
}

impl TestSnapshot {
    /// What follows is about the cluster of that index.
    pub fn within(mut self, cluster: usize) -> Self {
        self.focus = cluster;
        self
    }

    fn part(&mut self) -> &mut TestCluster {
        &mut self.clusters[self.focus]
    }

    /// Merges `patch` (RFC 7386) into the first object of that kind.
    pub fn edit(mut self, kind: &str, patch: &Value) -> Self {
        let found = self.part().objects.iter_mut().find(|object| object["kind"] == kind);
        merge(found.unwrap_or_else(|| panic!("no {kind}")), patch);
        self
    }

    /// Merges `patch` into every object of that kind.
    pub fn each(mut self, kind: &str, patch: &Value) -> Self {
        self.part().objects.iter_mut().filter(|o| o["kind"] == kind).for_each(|o| merge(o, patch));
        self
    }

    /// Merges `patch` into the pod template of the first Deployment.
    pub fn template(self, patch: &Value) -> Self {
        self.edit("Deployment", &json!({"spec": {"template": patch}}))
    }

    /// The containers of the first Deployment.
    pub fn containers(self, containers: &[Value]) -> Self {
        self.template(&json!({"spec": {"containers": containers}}))
    }

    /// Sets an annotation of the first Service by its suffix.
    pub fn note(self, suffix: &str, value: &str) -> Self {
        self.key(&full_key(suffix), value)
    }

    /// Sets an annotation of the first Service to something that may be no string.
    pub fn note_value(self, suffix: &str, value: Value) -> Self {
        self.key(&full_key(suffix), value)
    }

    /// Takes an annotation off the first Service by its suffix.
    pub fn bare(self, suffix: &str) -> Self {
        self.edit("Service", &json!({"metadata": {"annotations": {full_key(suffix): null}}}))
    }

    /// Sets an annotation of the first Service by its full key.
    pub fn key(self, key: &str, value: impl Into<Value>) -> Self {
        self.edit("Service", &json!({"metadata": {"annotations": {key: value.into()}}}))
    }

    /// The first Service's ports: 80 and 443, to different ports of the pods.
    pub fn two_ports(self) -> Self {
        self.ports(&json!([
            {"name": "http", "port": 80, "targetPort": 8080, "nodePort": 30080},
            {"name": "https", "port": 443, "targetPort": 8443, "nodePort": 30443},
        ]))
    }

    /// The first Service's ports: 53 for TCP and for UDP, each with these fields besides.
    pub fn two_protocols(self, tcp: &Value, udp: &Value) -> Self {
        let port = |name, protocol, more| {
            merged(json!({"name": name, "port": 53, "protocol": protocol}), more)
        };
        self.ports(&json!([port("tcp", "TCP", tcp), port("udp", "UDP", udp)]))
    }

    /// The first Service's ports.
    pub fn ports(self, ports: &Value) -> Self {
        self.edit("Service", &json!({"spec": {"ports": ports}}))
    }

    /// Adds an object.
    pub fn add(mut self, object: Value) -> Self {
        self.part().objects.push(object);
        self
    }

    /// Takes all objects of that kind away; of nodes, also the knowledge that these are all.
    pub fn without(mut self, kind: &str) -> Self {
        let part = self.part();
        part.objects.retain(|object| object["kind"] != kind);
        part.nodes_listed &= kind != "Node";
        self
    }

    /// Nothing but the objects of that kind, as a manifest has them.
    pub fn only(mut self, kind: &str) -> Self {
        let part = self.part();
        part.objects.retain(|object| object["kind"] == kind);
        part.nodes_listed = false;
        self.no_answers()
    }

    /// Without the knowledge that the nodes at hand are all.
    pub fn nodes_not_listed(mut self) -> Self {
        self.part().nodes_listed = false;
        self
    }

    /// The nodes at hand are all there are.
    pub fn all_nodes_listed(mut self) -> Self {
        self.part().nodes_listed = true;
        self
    }

    /// The cluster's context.
    pub fn context(mut self, context: &'static str) -> Self {
        self.part().context = Some(context);
        self
    }

    /// The cluster's id.
    pub fn id(mut self, id: Option<&'static str>) -> Self {
        self.part().id = id;
        self
    }

    /// The cluster's suffix.
    pub fn suffix(mut self, suffix: &'static str) -> Self {
        self.part().suffix = Some(suffix);
        self
    }

    /// The release of the cluster's CCM.
    pub fn ccm(mut self, version: CcmVersion) -> Self {
        self.part().ccm = version;
        self
    }

    /// The cluster's VPC.
    pub fn vpc(mut self, vpc: &'static str) -> Self {
        self.part().vpc = Some(vpc);
        self
    }

    /// Adds a cluster with the same nodes and its own objects, and keeps the focus where it is.
    pub fn beside(mut self, context: &'static str, id: &'static str, objects: &[Value]) -> Self {
        let mut objects = objects.to_vec();
        objects.extend([node(11), node(12)]);
        self.clusters.push(TestCluster {
            context: Some(context),
            id: Some(id),
            nodes_listed: true,
            objects,
            ..TestCluster::default()
        });
        self
    }

    /// The same without the evidence of that kind.
    pub fn without_evidence(mut self, evidence: Evidence) -> Self {
        let kinds: &[&str] = match evidence {
            Evidence::Nodes => &["Node"],
            Evidence::Endpoints => &["EndpointSlice"],
            Evidence::Workloads => &WORKLOAD_KINDS,
            Evidence::OldObject | Evidence::ClusterId | Evidence::ClbApi => &[],
        };
        for part in &mut self.clusters {
            let is_kept = |object: &Value| kinds.iter().all(|kind| object["kind"] != **kind);
            part.objects.retain(is_kept);
            match evidence {
                Evidence::Nodes => part.nodes_listed = false,
                Evidence::ClusterId => part.id = None,
                _ => {}
            }
        }
        if evidence == Evidence::ClbApi { self.no_answers() } else { self }
    }

    /// Whether pods are the backends of a Service that does not say, cluster by cluster.
    pub fn with_default_backends(mut self, modes: Vec<Option<bool>>) -> Self {
        for (part, mode) in self.clusters.iter_mut().zip(modes) {
            part.eni_by_default = mode;
        }
        self
    }

    /// The same with the old prefix in the place of the new one; `None` where it has the old one
    /// already.
    pub fn under_the_old_prefix(mut self) -> Option<Self> {
        if is_mixed(&self.clusters) {
            return None;
        }
        let parts = self.clusters.iter_mut();
        for service in parts.flat_map(|part| &mut part.objects).filter(|o| o["kind"] == "Service") {
            let Some(annotations) = service["metadata"]["annotations"].as_object_mut() else {
                continue;
            };
            let old: Map<String, Value> = std::mem::take(annotations)
                .into_iter()
                .map(|(key, value)| (key.replacen(PREFIX, LEGACY_PREFIX, 1), value))
                .collect();
            *annotations = old;
        }
        Some(self)
    }

    /// The snapshot.
    pub fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for part in &self.clusters {
            let mut cluster = Cluster::default();
            cluster.context = part.context.map(Into::into);
            cluster.id = part.id.map(str::to_owned);
            cluster.suffix = part.suffix.map(str::to_owned);
            cluster.nodes_listed = part.nodes_listed;
            cluster.eni_by_default = part.eni_by_default;
            cluster.ccm_version = part.ccm;
            cluster.vpc = part.vpc.map(str::to_owned);
            for object in &part.objects {
                cluster.insert(read(object));
            }
            snapshot.clusters.push(cluster);
        }
        self.add_answers(&mut snapshot.clb_answers);
        snapshot
    }

    /// This setup with a finding's patch applied to its object.
    pub fn patched(mut self, finding: &Finding) -> Result<Self, String> {
        let is_it = |object: &Value, at: &ObjectRef| {
            let meta = &object["metadata"];
            object["kind"] == at.kind
                && meta["name"] == at.name
                && meta["namespace"].as_str().unwrap_or_default()
                    == at.namespace.as_deref().unwrap_or_default()
        };
        let parts = self.clusters.iter_mut();
        let objects = parts
            .filter(|part| part.context == finding.object.context.as_deref())
            .flat_map(|part| &mut part.objects)
            .find(|object| is_it(object, &finding.object));
        let object = objects.ok_or_else(|| format!("{} is not there", finding.object))?;
        for op in &finding.patch {
            apply(object, op)?;
        }
        Ok(self)
    }
}

/// Whether a Service has keys of the old prefix.
fn is_mixed(parts: &[TestCluster]) -> bool {
    let annotations = parts
        .iter()
        .flat_map(|part| &part.objects)
        .filter_map(|object| object["metadata"]["annotations"].as_object());
    annotations.flat_map(Map::keys).any(|key| key.starts_with(LEGACY_PREFIX))
}

fn apply(object: &mut Value, op: &PatchOp) -> Result<(), String> {
    let (PatchOp::Add { path, .. } | PatchOp::Replace { path, .. } | PatchOp::Remove { path }) = op;
    let (parent, key) = path.rsplit_once('/').ok_or_else(|| format!("no pointer: {path}"))?;
    let key = key.replace("~1", "/").replace("~0", "~");
    let parent = object.pointer_mut(parent).and_then(Value::as_object_mut);
    let parent = parent.ok_or_else(|| format!("nothing around {path}"))?;
    let was = match op {
        PatchOp::Add { value, .. } => {
            parent.insert(key, value.clone());
            return Ok(());
        }
        PatchOp::Replace { value, .. } => parent.insert(key, value.clone()),
        PatchOp::Remove { .. } => parent.remove(&key),
    };
    was.map(drop).ok_or_else(|| format!("nothing at {path}"))
}
