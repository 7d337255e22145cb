//! What holds for every Service, every group and every change.
mod rounds;
mod worlds;

use clbmigrate_core::{
    annotation::{
        ALLOW, BACKEND_TYPE, CLASS, DEFAULT_WEIGHT, INJECT, KNOWN_ANNOTATIONS, LEGACY_PREFIX,
        PREFIX, VGROUP_PORT, WEIGHT, full_key,
    },
    backends::{self, BackendTarget, KnownGroups, Mode, ModelInputs, NodeSet, PodSet},
    finding::Severity,
    index::Index,
    object::Service,
    outcome::{Outcome, PortResult},
    prediction::Prediction,
    preview::preview,
    route::Route,
    rules,
    snapshot::Snapshot,
    version::CcmVersion,
};
use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::{Value, json};

use crate::support::{
    CLUSTER_ID, OTHER_ID, TestSnapshot, backend, endpoint, healthy, healthy_eni, healthy_local,
    merged, node, outside, service, slice,
};

// What may stand in an annotation.

fn keys() -> impl Strategy<Value = String> {
    let suffixes: Vec<&str> = KNOWN_ANNOTATIONS
        .iter()
        .map(|known| known.suffix)
        .chain(["loadbalancer-vgroup-ids"])
        .collect();
    let known = (select(vec![PREFIX, LEGACY_PREFIX]), select(suffixes));
    prop_oneof![
        6 => known.prop_map(|(prefix, suffix)| format!("{prefix}{suffix}")),
        1 => select(vec![BACKEND_TYPE, CLASS, ALLOW, INJECT]).prop_map(str::to_owned),
        1 => "service.beta.kubernetes.io/ali[a-z-]{0,30}",
        1 => any::<String>(),
    ]
}

fn values() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => "[a-z0-9:,= \"'-]{0,24}".prop_map(Value::from),
        3 => "(rsp-[ab]:(80|443|0|http)[, ]{0,2}){1,3}".prop_map(Value::from),
        2 => (-5_i64..200).prop_map(|number| number.to_string().into()),
        2 => any::<String>().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
        1 => Just(json!({"a": ["list", 1.5]})),
    ]
}

fn annotations() -> impl Strategy<Value = Vec<(String, Value)>> {
    vec((keys(), values()), 0..8)
}

fn bases() -> impl Strategy<Value = TestSnapshot> {
    (select(vec![healthy(), healthy_local(), healthy_eni()]), any::<[bool; 4]>()).prop_map(
        |(mut setup, [ports, nodes, slices, answers])| {
            if ports {
                setup = setup.two_ports();
            }
            if nodes {
                setup = setup.without("Node");
            }
            if slices {
                setup = setup.without("EndpointSlice");
            }
            if answers { setup.no_answers() } else { setup }
        },
    )
}

fn annotated(setup: TestSnapshot, annotations: &[(String, Value)]) -> TestSnapshot {
    annotations.iter().fold(setup, |setup, (key, value)| setup.key(key, value.clone()))
}

// Where pods run.

/// How a node is: plain, virtual, excluded or not Ready.
fn node_of(number: usize, sort: u8) -> Value {
    let exclude = json!({"service.alibabacloud.com/exclude-node": ""});
    let patch = match sort {
        0 => json!({"metadata": {"labels": {"type": "virtual-kubelet"}}}),
        1 => json!({"metadata": {"labels": exclude}}),
        2 => json!({"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}),
        _ => json!({}),
    };
    merged(node(number), &patch)
}

/// Nodes, each with its sort and its number of pods, under a Service of any mode.
fn grounds() -> impl Strategy<Value = TestSnapshot> {
    let nodes = vec((0_u8..8, 0_usize..40), 0..12);
    (nodes, any::<bool>(), any::<bool>()).prop_map(|(nodes, is_local, is_eni)| {
        let mut endpoints = Vec::new();
        let mut setup = healthy().without("Node").all_nodes_listed().without("EndpointSlice");
        for (index, (sort, pods)) in nodes.iter().enumerate() {
            setup = setup.add(node_of(index + 1, *sort));
            let new = (0..*pods).map(|pod| endpoint(index * 100 + pod, index + 1));
            endpoints.extend(new);
        }
        let policy = if is_local { "Local" } else { "Cluster" };
        setup = setup.edit("Service", &json!({"spec": {"externalTrafficPolicy": policy}}));
        if is_eni {
            setup = setup.key(BACKEND_TYPE, "eni");
        }
        setup.add(slice("web", &endpoints))
    })
}

/// The backends of every port that CCM applies, with the mode.
fn applied(snapshot: &Snapshot, mut each: impl FnMut(Mode, &backends::Backend<'_>)) {
    let index = Index::new(snapshot);
    for service_ref in index.services() {
        let round = index.outcome_of(&service_ref, &Prediction::default());
        for port in &round.ports {
            if let PortResult::Applied(group) | PortResult::NoNode(group) = &port.result {
                group
                    .backends
                    .iter()
                    .for_each(|backend| each(round.mode.unwrap_or(Mode::Cluster), &backend));
            }
        }
    }
}

// What may stand in a group.

fn group_backends() -> impl Strategy<Value = Vec<Value>> {
    let own = (1_usize..6, 0_u32..=100).prop_map(|(number, weight)| backend(number, weight));
    let description = select(vec![
        String::new(),
        "by hand".to_owned(),
        format!("k8s/30090/gone/shop/{CLUSTER_ID}"),
        format!("k8s/30080/web/shop/{OTHER_ID}"),
        "k8s/30080/web/shop/elsewhere".to_owned(),
        "k8s/30080/api/shop/elsewhere".to_owned(),
    ]);
    let other =
        (1_usize..20, 0_u32..=100, description).prop_map(|(number, weight, description)| {
            merged(backend(number, weight), &json!({"Description": description}))
        });
    vec(prop_oneof![own, other, (0_u32..=100).prop_map(outside)], 0..12)
}

fn routes_of(snapshot: &Snapshot, mut each: impl FnMut(&Route<'_>)) {
    let index = Index::new(snapshot);
    for (key, _) in index.routes() {
        each(&Route::build(&index, *key, &Prediction::default()));
    }
}

proptest! {
    #[test]
    fn no_annotation_makes_anything_panic(setup in bases(), annotations in annotations()) {
        let (before, after) = (setup.snapshot(), annotated(setup, &annotations).snapshot());
        let (before, after) = (Index::new(&before), Index::new(&after));
        for service_ref in after.services() {
            let inputs = ModelInputs {
                service: service_ref.service,
                nodes: service_ref.cluster.nodes(),
                slices: service_ref.cluster.slices_of(service_ref.service).unwrap_or_default(),
                pods: service_ref.cluster.pods(),
                groups: KnownGroups::Unknown,
                cluster_id: CLUSTER_ID,
                eni_by_default: false,
                version: CcmVersion::NEWEST,
            };
            let _ = backends::local_model(&inputs);
            let round = after.outcome_of(&service_ref, &Prediction::default());
            let _ = (round.outcome(), round.reasons());
        }
        let _ = rules::check(&after, None, &|_| true);
        let _ = preview(&before, &after);
        let _ = preview(&after, &before);
        let _ = rules::unknown_allowances(after.snapshot);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in vec(any::<u8>(), 0..200), at in any::<usize>()) {
        let _ = serde_json::from_slice::<Service>(&bytes);
        let mut text = service().to_string().into_bytes();
        let at = at % text.len();
        text.splice(at..at, bytes);
        if let Ok(service) = serde_json::from_slice::<Service>(&text) {
            let inputs = ModelInputs {
                service: &service,
                nodes: NodeSet::empty(),
                slices: &[],
                pods: &PodSet::default(),
                groups: KnownGroups::Unknown,
                cluster_id: "",
                eni_by_default: false,
                version: CcmVersion::NEWEST,
            };
            let _ = backends::local_model(&inputs);
        }
    }

    #[test]
    fn nothing_changes_where_nothing_changes(setup in bases(), annotations in annotations()) {
        let snapshot = annotated(setup, &annotations).snapshot();
        let (before, after) = (Index::new(&snapshot), Index::new(&snapshot));
        let preview = preview(&before, &after);
        prop_assert!(preview.changes.is_empty());
        prop_assert_eq!(preview.introduced, []);
        prop_assert_eq!(preview.fixed, []);
    }

    #[test]
    fn weight_0_is_0_for_every_backend(setup in grounds(), default in 0_u32..=100) {
        let setup = setup.note(WEIGHT, "0").note(DEFAULT_WEIGHT, &default.to_string());
        applied(&setup.snapshot(), |_, backend| assert_eq!(backend.weight, 0, "{backend:?}"));
    }

    #[test]
    fn every_backend_gets_something_of_a_weight(setup in grounds(), weight in 1_u32..=100) {
        applied(&setup.note(WEIGHT, &weight.to_string()).snapshot(), |mode, backend| {
            let is_eci = matches!(backend.target, BackendTarget::Pod(_));
            assert!(backend.weight >= 1 || (mode == Mode::Local && is_eci), "{mode:?} {backend:?}");
            assert!(backend.weight <= weight, "{backend:?}");
        });
    }

    #[test]
    fn a_weight_is_never_exceeded_but_by_its_floor(setup in grounds(), weight in 0_u32..=100) {
        let (mut sum, mut count) = (0, 0);
        applied(&setup.note(WEIGHT, &weight.to_string()).snapshot(), |_, backend| {
            sum += backend.weight;
            count += 1;
        });
        prop_assert!(sum <= weight + count, "{sum} of {weight} over {count}");
        prop_assert!(weight > 0 || sum == 0);
    }

    #[test]
    fn shares_are_parts_of_one_whole(
        setup in bases(),
        answer in proptest::option::of(group_backends()),
        weights in any::<[u8; 2]>(),
        knows_id in any::<bool>(),
    ) {
        let twin = merged(service(), &json!({"spec": {"externalTrafficPolicy": "Local"}}));
        let mut setup = setup.context("old").beside("new", OTHER_ID, &[twin]);
        for (cluster, weight) in weights.iter().enumerate() {
            setup = setup.within(cluster).note(WEIGHT, &(weight % 101).to_string());
        }
        setup = match answer {
            Some(backends) => setup.group("rsp-a", &backends),
            None => setup.unanswered("BackendServers"),
        };
        if !knows_id {
            setup = setup.within(0).id(None);
        }
        let snapshot = setup.snapshot();
        routes_of(&snapshot, |route| {
            let is_whole = |sum: f64| {
                if route.weight_sum() == 0 { sum == 0.0 } else { (sum - 1.0).abs() < 1e-9 }
            };
            let of_known = route.participants.iter().map(|p| p.share_of_known);
            assert!(of_known.clone().all(|share| (0.0..=1.0).contains(&share)));
            assert!(is_whole(of_known.sum()), "{route:#?}");
            let shares: Option<Vec<f64>> = route.participants.iter().map(|p| p.share).collect();
            if route.complete {
                assert!(is_whole(shares.expect("all are known").iter().sum()), "{route:#?}");
            } else {
                assert!(route.participants.iter().all(|p| p.share.is_none()), "{route:#?}");
                assert!(!route.unknown.is_empty());
            }
        });
    }

    #[test]
    fn frozen_beats_drained(
        frozen in select(vec![
            ("loadbalancer-vgroup-port", "rsp-a:80,"),
            ("loadbalancer-vgroup-port", "rsp-a"),
            ("loadbalancer-healthy-threshold", "3s"),
            ("loadbalancer-connection-drain-timeout", " 3"),
            ("loadbalancer-bandwidth", "5M"),
            ("loadbalancer-protocol-port", "'http:80'"),
            ("loadbalancer-backend-label", "pool"),
        ]),
        drained in select(vec![
            (WEIGHT, "101"),
            (WEIGHT, "x"),
            (DEFAULT_WEIGHT, "101"),
            (VGROUP_PORT, " rsp-a:80"),
            (VGROUP_PORT, "rsp-x:80"),
        ]),
        setup in bases(),
    ) {
        let drains = setup.clone().note(drained.0, drained.1);
        // A mapping that freezes replaces one that drains.
        let both = drains.clone().note(frozen.0, frozen.1);
        let outcome = |setup: &TestSnapshot| {
            let snapshot = setup.snapshot();
            let index = Index::new(&snapshot);
            let service_ref = index.services().next().expect("a Service");
            let round = index.outcome_of(&service_ref, &Prediction::default());
            let all = round.ports.iter().all(|p| matches!(p.result, PortResult::Frozen));
            (round.outcome(), all, round.reasons())
        };
        let (worst, all, reasons) = outcome(&both);
        prop_assert_eq!(worst, Outcome::Frozen);
        prop_assert!(all && !reasons.is_empty());
        prop_assert!(outcome(&drains).0 < Outcome::Frozen);
    }

    #[test]
    fn lowering_a_weight_is_never_an_error_while_others_serve(
        setup in bases(),
        (low, high) in (0_u32..100).prop_flat_map(|low| (Just(low), low + 1..=100)),
    ) {
        let before = setup.clone().note(WEIGHT, &high.to_string()).snapshot();
        let after = setup.note(WEIGHT, &low.to_string()).snapshot();
        let (before, after) = (Index::new(&before), Index::new(&after));
        let found = preview(&before, &after).introduced;
        let errors = found.iter().filter(|finding| finding.severity == Severity::Error);
        prop_assert_eq!(errors.collect::<Vec<_>>(), Vec::<&clbmigrate_core::finding::Finding>::new());
    }

    #[test]
    fn a_key_of_either_prefix_weighs_the_same(setup in grounds(), weight in 0_u32..=100) {
        let weight = weight.to_string();
        let list = |setup: TestSnapshot| {
            let mut all = Vec::new();
            applied(&setup.snapshot(), |_, b| all.push((b.target.id().to_owned(), b.port, b.weight)));
            all
        };
        let old = setup.clone().bare(WEIGHT).key(&format!("{LEGACY_PREFIX}{WEIGHT}"), weight.clone());
        prop_assert_eq!(list(setup.key(&full_key(WEIGHT), weight)), list(old));
    }
}
