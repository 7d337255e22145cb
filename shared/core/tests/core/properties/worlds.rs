//! Generated snapshots, each a healthy one with a few edits, and changes of them.

use clbmigrate_core::{
    annotation::{
        ALLOW, BACKEND_LABEL, BACKEND_TYPE, CLB_LABEL, DEFAULT_WEIGHT, FINALIZER, FORCE_OVERRIDE,
        ID, IGNORE_WEIGHT_UPDATE, LEGACY_PREFIX, PRESERVE, PROTOCOL_PORT, VGROUP_PORT, WEIGHT,
        full_key,
    },
    version::CcmVersion,
};
use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::{Value, json};

use crate::support::{
    CLUSTER_ID, OTHER_ID, TestSnapshot, backend, endpoint, group, groups, healthy, healthy_eni,
    healthy_local, listener, merged, node, outside, pod_backend, sibling, slice,
};

/// One edit of a snapshot.
#[derive(Debug, Clone)]
pub enum Edit {
    /// An annotation of the Service, by its full key.
    Note(String, String),
    /// An annotation is taken off the Service, by its suffix.
    Bare(&'static str),
    /// A patch (RFC 7386) of the first object of a kind.
    Patch(&'static str, Value),
    /// All objects of that kind, in the place of those that were there.
    Objects(&'static str, Vec<Value>),
    /// An object more.
    Add(Value),
    /// An answer of the CLB API.
    Answer(Value),
    /// The answers of a sort go.
    Unanswered(&'static str),
    /// Another release of CCM.
    Ccm(CcmVersion),
    /// The cluster's VPC becomes known.
    Vpc(&'static str),
}

impl Edit {
    /// The snapshot with this edit.
    fn apply(&self, setup: TestSnapshot) -> TestSnapshot {
        match self.clone() {
            Self::Note(key, value) => setup.key(&key, value),
            Self::Bare(suffix) => setup.bare(suffix),
            Self::Patch(kind, patch) => setup.edit(kind, &patch),
            Self::Objects(kind, objects) => {
                let setup = setup.without(kind);
                let is_all = kind == "Node" && !objects.is_empty();
                let setup = if is_all { setup.all_nodes_listed() } else { setup };
                objects.into_iter().fold(setup, TestSnapshot::add)
            }
            Self::Add(object) => setup.add(object),
            Self::Answer(answer) => setup.answer(answer),
            Self::Unanswered(sort) => setup.unanswered(sort),
            Self::Ccm(version) => setup.ccm(version),
            Self::Vpc(vpc) => setup.vpc(vpc),
        }
    }
}

/// A snapshot, and the same with a change.
#[derive(Debug, Clone)]
pub struct World {
    base: &'static str,
    edits: Vec<Edit>,
    change: Vec<Edit>,
}

impl World {
    /// The snapshot before the change.
    pub fn before(&self) -> TestSnapshot {
        let base = match self.base {
            "local" => healthy_local(),
            "eni" => healthy_eni(),
            _ => healthy(),
        };
        self.edits.iter().fold(base, |setup, edit| edit.apply(setup))
    }

    /// The snapshot after it.
    pub fn after(&self) -> TestSnapshot {
        self.change.iter().fold(self.before(), |setup, edit| edit.apply(setup))
    }
}

/// Snapshots of any sort with any change.
pub fn worlds() -> impl Strategy<Value = World> {
    worlds_with(vec(prop_oneof![6 => notes(), 3 => specs(), 2 => grounds()], 1..4))
}

/// Snapshots from which the Service goes. At first all groups of the CLB are known.
pub fn departures() -> impl Strategy<Value = World> {
    let gone = Just(Edit::Objects("Service", Vec::new()));
    let kind = select(vec!["ClusterIP", "NodePort"]);
    let kind = kind.prop_map(|kind| Edit::Patch("Service", json!({"spec": {"type": kind}})));
    worlds_with(vec(prop_oneof![gone, kind], 1..2)).prop_map(|world| {
        let known = [
            Edit::Answer(listed()),
            Edit::Answer(answer("rsp-b", &[])),
            Edit::Answer(answer("rsp-own", &[])),
        ];
        World { edits: known.into_iter().chain(world.edits).collect(), ..world }
    })
}

/// Snapshots in which several ports or Services share a group, with any change.
pub fn shared_groups() -> impl Strategy<Value = World> {
    let ports = json!({"spec": {"ports": [
        {"name": "http", "port": 80, "targetPort": 8080, "nodePort": 30080},
        {"name": "https", "port": 443, "targetPort": 8443, "nodePort": 30443},
    ]}});
    let two = [Edit::Patch("Service", ports), note(VGROUP_PORT, "rsp-a:80,rsp-a:443")];
    (worlds(), sharing(), any::<[bool; 2]>()).prop_map(move |(world, other, [is_one, is_shown])| {
        let first = if is_one { two.to_vec() } else { vec![other] };
        let hidden = (!is_shown).then_some(Edit::Unanswered("BackendServers"));
        World { edits: first.into_iter().chain(world.edits).chain(hidden).collect(), ..world }
    })
}

fn worlds_with(change: impl Strategy<Value = Vec<Edit>>) -> impl Strategy<Value = World> {
    let edit = prop_oneof![
        5 => notes(), 2 => specs(), 3 => grounds(), 4 => answers(), 2 => marks(), 1 => releases(),
    ];
    (select(vec!["cluster", "local", "eni"]), vec(edit, 0..7), change)
        .prop_map(|(base, edits, change)| World { base, edits, change })
}

/// The name of the group that CCM made for the Service.
fn own_name() -> String {
    format!("k8s/30080/web/shop/{CLUSTER_ID}")
}

/// The list of the CLB's groups.
fn listed() -> Value {
    groups(&[("rsp-a", "shop"), ("rsp-b", "shop-tls"), ("rsp-own", own_name().as_str())])
}

/// The answer about a group. A server is there once with each of its ports.
fn answer(id: &str, backends: &[Value]) -> Value {
    let name = if id == "rsp-own" { own_name() } else { "shop".to_owned() };
    let place = |of: &Value| (of["ServerId"].clone(), of["Port"].clone());
    let mut once: Vec<Value> = Vec::new();
    for backend in backends {
        if !once.iter().any(|known| place(known) == place(backend)) {
            once.push(backend.clone());
        }
    }
    merged(group(id, &once), &json!({"VServerGroupName": name}))
}

fn note(suffix: &str, value: &str) -> Edit {
    Edit::Note(full_key(suffix), value.to_owned())
}

/// The Service's annotations.
fn notes() -> impl Strategy<Value = Edit> {
    let of = |suffix: &'static str, values: &[&'static str]| {
        select(values.to_vec()).prop_map(move |value| note(suffix, value))
    };
    let weight = of(WEIGHT, &["0", "1", "30", "45", "100", "101", "-1", "30%", "", " 30"]);
    let default = of(DEFAULT_WEIGHT, &["0", "5", "100", "101", "x", ""]);
    let mapping = of(
        VGROUP_PORT,
        &[
            "rsp-a:80",
            "rsp-b:80",
            "rsp-b:80,rsp-a:0",
            "rsp-a:80,rsp-b:443",
            "rsp-a:80,rsp-a:443",
            "rsp-a:80,rsp-b:80",
            "rsp-a:80, rsp-b:443",
            " rsp-a:80",
            "rsp-a:80 ",
            "rsp-a:80,",
            "rsp-a",
            "rsp-x:80",
            "rsp-own:80",
            "rsp-a:8080",
            "rsp-a:0",
            "",
        ],
    );
    let label = of(BACKEND_LABEL, &["pool=web", "pool=api", "pool", "pool = web", ""]);
    let protocol =
        of(PROTOCOL_PORT, &["http:80", "https:80", "tcp:80", "'http:80'", "http", "sctp:80", ""]);
    let listeners = prop_oneof![
        of("loadbalancer-healthy-threshold", &["3", "3s"]),
        of("loadbalancer-bandwidth", &["5", "5M"]),
        of("loadbalancer-health-check-connect-port", &["-520", "x"]),
        of("loadbalancer-forward-port", &["80:443", "80"]),
        of("loadbalancer-connection-drain-timeout", &["10", " 10"]),
        of("loadbalancer-cert-id", &["cert-1", ""]),
    ];
    let switches = prop_oneof![
        of(IGNORE_WEIGHT_UPDATE, &["on", "ON", "off", "true"]),
        of(FORCE_OVERRIDE, &["true", "false"]),
        of(PRESERVE, &["true"]),
        of("loadbalancer-address-type", &["internet", "intranet"]),
        of("loadbalancer-ip-version", &["ipv4", "ipv6"]),
    ];
    let others = prop_oneof![
        select(vec!["eni", "ecs", "ENI", ""])
            .prop_map(|kind| Edit::Note(BACKEND_TYPE.to_owned(), kind.to_owned())),
        select(vec!["CLB001,CLB022", "CLB014,CLB404,CLB005", "CLB024,CLB029"])
            .prop_map(|rules| Edit::Note(ALLOW.to_owned(), rules.to_owned())),
        select(vec![("30", WEIGHT), ("101", WEIGHT), ("rsp-b:80", VGROUP_PORT)]).prop_map(
            |(value, suffix)| Edit::Note(format!("{LEGACY_PREFIX}{suffix}"), value.to_owned())
        ),
        select(vec![ID, VGROUP_PORT, WEIGHT]).prop_map(Edit::Bare),
        of(ID, &["lb-a", "lb-b", "lb-a ", "203.0.113.7", "${CLB_ID}", "rsp-a", ""]),
    ];
    prop_oneof![
        4 => weight, 2 => default, 5 => mapping, 2 => label, 2 => protocol, 3 => listeners,
        4 => switches, 3 => others,
    ]
}

/// The Service's spec: its ports, its policy and its type.
fn specs() -> impl Strategy<Value = Edit> {
    let port = |name: &str, number: u16, target: u16, node_port: u16, protocol: &str| {
        json!({
            "name": name, "port": number, "targetPort": target, "nodePort": node_port,
            "protocol": protocol,
        })
    };
    let http = port("http", 80, 8080, 30080, "TCP");
    let ports = vec![
        json!([http]),
        json!([port("http", 80, 8080, 0, "TCP")]),
        json!([port("http", 80, 8080, 30090, "TCP")]),
        json!([port("http", 80, 9090, 30080, "TCP")]),
        json!([http, port("https", 443, 8443, 30443, "TCP")]),
        json!([http, port("https", 443, 8443, 0, "TCP")]),
        json!([http, port("quic", 80, 8080, 30081, "UDP")]),
    ];
    let ports = select(ports).prop_map(|ports| json!({"ports": ports}));
    // Of a Service without node ports Kubernetes allocates them, unless it is told not to.
    let bare = json!({
        "ports": [port("http", 80, 8080, 0, "TCP")], "allocateLoadBalancerNodePorts": false,
    });
    let policy = select(vec!["Local", "Cluster"])
        .prop_map(|policy| json!({"externalTrafficPolicy": policy}));
    let kind = select(vec!["LoadBalancer", "ClusterIP"]).prop_map(|kind| json!({"type": kind}));
    prop_oneof![5 => ports, 2 => policy, 1 => kind, 1 => Just(bare)]
        .prop_map(|spec| Edit::Patch("Service", json!({"spec": spec})))
}

/// The nodes and endpoints.
fn grounds() -> impl Strategy<Value = Edit> {
    let patches = vec![
        json!({}),
        json!({}),
        json!({"spec": {"providerID": null}}),
        json!({"spec": {"providerID": "n1"}}),
        json!({"metadata": {"labels": {"service.alibabacloud.com/exclude-node": ""}}}),
        json!({"metadata": {"labels": {"type": "virtual-kubelet"}}}),
        json!({"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}),
        json!({"metadata": {"labels": {"pool": "api"}}}),
    ];
    let nodes = vec(select(patches), 0..4).prop_map(|patches| {
        let nodes = patches.iter().enumerate().map(|(at, patch)| merged(node(at + 1), patch));
        Edit::Objects("Node", nodes.collect())
    });
    let patches = vec![
        json!({}),
        json!({}),
        json!({"nodeName": null}),
        json!({"nodeName": "n9"}),
        json!({"conditions": {"ready": false}}),
    ];
    let endpoints = vec((select(patches), 1_usize..4), 0..5).prop_map(|patches| {
        let endpoints = patches.iter().enumerate();
        let endpoints = endpoints.map(|(at, (patch, on))| merged(endpoint(at + 1, *on), patch));
        Edit::Objects("EndpointSlice", vec![slice("web", &endpoints.collect::<Vec<_>>())])
    });
    prop_oneof![
        4 => nodes,
        4 => endpoints,
        1 => Just(Edit::Objects("EndpointSlice", Vec::new())),
        1 => sharing(),
    ]
}

/// Other Services in the same group.
fn sharing() -> impl Strategy<Value = Edit> {
    let api = merged(sibling("api"), &json!({"spec": {"selector": {"app": "web"}}}));
    let pods = merged(api.clone(), &json!({"metadata": {"annotations": {BACKEND_TYPE: "eni"}}}));
    let late = merged(
        sibling("web2"),
        &json!({"spec": {"ports": [
        {"name": "http", "port": 8081, "targetPort": 8080, "nodePort": 30080},
    ]}, "metadata": {"annotations": {full_key(VGROUP_PORT): "rsp-a:8081"}}}),
    );
    // CCM made the CLB for this one.
    let own = merged(
        sibling("own"),
        &json!({"metadata": {"annotations": null, "labels": {CLB_LABEL: "lb-a"}}}),
    );
    select(vec![api, pods, late, own]).prop_map(Edit::Add)
}

/// What the CLB API says.
fn answers() -> impl Strategy<Value = Edit> {
    let behind = |vgroup: &str| Edit::Answer(listener(&json!({"VServerGroupId": vgroup})));
    let balancer = |patch: Value| {
        let known = json!({"LoadBalancerId": "lb-a", "LoadBalancerName": "shop"});
        Edit::Answer(merged(known, &patch))
    };
    let tag = json!({"Tags": {"Tag": [{"TagKey": "kubernetes.do.not.delete", "TagValue": "a0"}]}});
    let fixed = vec![
        Edit::Answer(listed()),
        Edit::Answer(listed()),
        Edit::Answer(groups(&[("rsp-b", "shop-tls")])),
        behind("rsp-own"),
        behind("rsp-a"),
        balancer(json!({"Address": "198.51.100.7"})),
        balancer(json!({"AddressType": "internet", "AddressIPVersion": "ipv6"})),
        balancer(json!({"VpcId": "vpc-b", "NetworkType": "vpc"})),
        balancer(tag),
        Edit::Vpc("vpc-a"),
        Edit::Vpc("vpc-b"),
        Edit::Unanswered("VServerGroups"),
        Edit::Unanswered("Listeners"),
        Edit::Unanswered("BackendServers"),
    ];
    let group = (select(vec!["rsp-a", "rsp-b", "rsp-own"]), vec(registered(), 0..6));
    let group = group.prop_map(|(id, backends)| Edit::Answer(answer(id, &backends)));
    prop_oneof![4 => group, 3 => select(fixed)]
}

/// A backend in a group: the Service's own, or like one.
fn registered() -> impl Strategy<Value = Value> {
    let described = |text: String| json!({"Description": text});
    let patches = vec![
        json!({}),
        json!({}),
        json!({}),
        described(format!("k8s/30080/web/shop/{OTHER_ID}")),
        described("k8s/30080/web/shop/clusterid".to_owned()),
        described(format!("k8s/30080/api/shop/{CLUSTER_ID}")),
        described("by hand".to_owned()),
        json!({"Port": 31080}),
    ];
    let nodes = (1_usize..5, 0_u32..=100, select(patches.clone()))
        .prop_map(|(number, weight, patch)| merged(backend(number, weight), &patch));
    let pods = (1_usize..5, 0_u32..=100, select(patches))
        .prop_map(|(number, weight, patch)| merged(pod_backend(number, weight), &patch));
    prop_oneof![3 => nodes, 2 => pods, 1 => (0_u32..=100).prop_map(outside)]
}

/// What CCM wrote to the Service.
fn marks() -> impl Strategy<Value = Edit> {
    let ingress = json!({"loadBalancer": {"ingress": [{"ip": "203.0.113.9"}]}});
    let bound = |clb: &str| {
        json!({
            "metadata": {"labels": {CLB_LABEL: clb}, "finalizers": [FINALIZER]},
            "status": ingress.clone(),
        })
    };
    let hash = json!({"metadata": {"labels": {"service.beta.kubernetes.io/hash": "0a1b2c"}}});
    select(vec![
        bound("lb-a"),
        bound("lb-made"),
        json!({"status": ingress.clone()}),
        hash.clone(),
        hash,
    ])
    .prop_map(|patch| Edit::Patch("Service", patch))
}

fn releases() -> impl Strategy<Value = Edit> {
    select(CcmVersion::ALL.to_vec()).prop_map(Edit::Ccm)
}
