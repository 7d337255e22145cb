//! What is known of the health of backends, and which listeners do not tell.

use clbmigrate_core::{
    clb_answers::{ClbAnswer, HealthAnswer, ListenerList},
    index::Index,
    object::Service,
    prediction::Prediction,
    route::{ParticipantHealth, Route},
    snapshot::{Cluster, Object, Snapshot},
};
use rstest::rstest;
use serde_json::{Value, json};

fn parsed<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap_or_else(|error| panic!("{error}"))
}

/// The health of a Service with two servers at weight 10, beside an old machine, behind a TCP listener
/// with that check; `None` leaves a server out of the answer.
fn health(check: &str, states: [Option<&str>; 3]) -> ParticipantHealth {
    let key =
        |suffix: &str| format!("service.beta.kubernetes.io/alibaba-cloud-loadbalancer-{suffix}");
    let service: Service = parsed(json!({
        "metadata": {"name": "web", "namespace": "shop", "annotations": {
            key("id"): "lb-bp1example", key("vgroup-port"): "rsp-bp1example:80",
            key("weight"): "20",
        }},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80, "nodePort": 30080}]},
    }));
    let mut cluster = Cluster::default();
    cluster.id = Some("c-1".to_owned());
    cluster.insert(Object::Service(Box::new(service)));
    let mut snapshot = Snapshot::default();
    snapshot.clusters.push(cluster);
    let ids = ["i-bp1a", "i-bp1b", "i-bp1old"];
    let backend = |id: &str| {
        let owner = if id == "i-bp1old" { "" } else { "k8s/30080/web/shop/c-1" };
        json!({"ServerId": id, "Port": 30080, "Weight": 10, "Description": owner})
    };
    let group = json!({
        "VServerGroupId": "rsp-bp1example", "LoadBalancerId": "lb-bp1example",
        "BackendServers": {"BackendServer": ids.map(backend)},
    });
    let listener = json!({
        "ListenerPort": 80, "ListenerProtocol": "tcp", "VServerGroupId": "rsp-bp1example",
        "TCPListenerConfig": {"HealthCheck": check},
    });
    let servers: Vec<Value> = ids
        .iter()
        .zip(states)
        .filter_map(|(id, state)| {
            state.map(|state| json!({"ServerId": id, "Port": 30080, "ServerHealthStatus": state}))
        })
        .collect();
    let answer: HealthAnswer = parsed(json!({"BackendServers": {"BackendServer": servers}}));
    let answers = &mut snapshot.clb_answers;
    answers.insert(ClbAnswer::Group(parsed(group)));
    let listeners = vec![parsed(listener)];
    answers.insert(ClbAnswer::Listeners(ListenerList::of_clb("lb-bp1example", listeners)));
    answers.insert(ClbAnswer::Health(answer.about("lb-bp1example", 80, "tcp")));
    let index = Index::new(&snapshot);
    let (key, members) = index.routes().next().unwrap_or_else(|| panic!("no route"));
    let route = Route::build(&index, *key, &Prediction::default());
    let member = members.first().unwrap_or_else(|| panic!("no member"));
    let of = route.participant_of(&member.service_ref).unwrap_or_else(|| panic!("no part"));
    of.health.clone()
}

const NORMAL: Option<&str> = Some("normal");
const ABNORMAL: Option<&str> = Some("abnormal");
const UNAVAILABLE: Option<&str> = Some("unavailable");

#[rstest]
#[case::healthy("on", [NORMAL, NORMAL, NORMAL], &[], &[])]
#[case::abnormal_is_told("on", [NORMAL, ABNORMAL, NORMAL], &[], &[])]
#[case::one_is_not_checked_yet("on", [NORMAL, UNAVAILABLE, NORMAL], &["tcp/80"], &[])]
#[case::only_others_are_checked("on", [UNAVAILABLE, UNAVAILABLE, NORMAL], &["tcp/80"], &[])]
#[case::one_is_not_in_the_answer("on", [NORMAL, None, NORMAL], &["tcp/80"], &[])]
#[case::nobody_is_in_the_answer("on", [None, None, None], &["tcp/80"], &[])]
#[case::nobody_is_checked_yet("on", [UNAVAILABLE, UNAVAILABLE, UNAVAILABLE], &[], &["tcp/80"])]
#[case::it_is_off("off", [UNAVAILABLE, UNAVAILABLE, UNAVAILABLE], &["tcp/80"], &[])]
fn listeners_that_do_not_tell_the_health_of_backends_are_named(
    #[case] check: &str,
    #[case] states: [Option<&str>; 3],
    #[case] unchecked: &[&str],
    #[case] silent: &[&str],
) {
    let health = health(check, states);
    assert_eq!(
        (health.unchecked.as_slice(), health.silent.as_slice()),
        (
            unchecked.iter().map(ToString::to_string).collect::<Vec<_>>().as_slice(),
            silent.iter().map(ToString::to_string).collect::<Vec<_>>().as_slice(),
        )
    );
}

#[test]
fn a_backend_with_weight_that_is_abnormal_is_named() {
    let of = health("on", [ABNORMAL, NORMAL, NORMAL]);
    let abnormal: Vec<&str> = of.abnormal.iter().map(|of| of.id.as_str()).collect();
    assert_eq!((abnormal, of.healthy), (vec!["i-bp1a"], Some(1)));
}
