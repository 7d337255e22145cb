//! Rule by rule: what becomes of a mistake that a new Service brings, that an edit brings, and that
//! was there before an edit of something else.

use serde_json::{Value, json};

use super::support::*;

/// A mistake: the rule, the Service without and with it, its neighbours, and what is done about it at
/// CREATE and at UPDATE.
struct Mistake {
    rule: &'static str,
    good: Value,
    bad: Value,
    neighbours: Vec<Value>,
    create: &'static str,
    update: &'static str,
}

impl Mistake {
    /// A mistake that these annotations make in a good Service.
    fn in_annotations(rule: &'static str, notes: &[(&str, Value)]) -> Self {
        Self::of(rule, web(), with_annotations(&web(), notes))
    }

    fn of(rule: &'static str, good: Value, bad: Value) -> Self {
        Self { rule, good, bad, neighbours: Vec::new(), create: "denied", update: "denied" }
    }

    fn both(self, action: &'static str) -> Self {
        Self { create: action, update: action, ..self }
    }

    fn create(self, create: &'static str) -> Self {
        Self { create, ..self }
    }

    fn beside(self, neighbours: &[Value]) -> Self {
        Self { neighbours: neighbours.to_vec(), ..self }
    }

    fn cluster(&self) -> TestCluster {
        let cluster =
            test_cluster().nodes(&[node(1), node(2)]).config("cluster: {id: clusterid-of-mine}");
        self.neighbours.iter().fold(cluster, TestCluster::with_service)
    }
}

fn mistakes() -> Vec<Mistake> {
    let on = Mistake::in_annotations;
    let eni = (BACKEND_TYPE, json!("eni"));
    let other = |notes: &[(&str, Value)]| vec![neighbour(notes)];
    let at_443 = json!({"spec": {"ports": [{"name": "https", "port": 443, "targetPort": 8443}]}});
    vec![
        on("CLB001", &[("weight", json!("101"))]),
        on("CLB001", &[("weight", json!("20%"))]),
        on("CLB001", &[("weight", json!(""))]).both("warned"),
        on("CLB002", &[("vgroup-port", json!(null))]).both("warned"),
        on("CLB003", &[("vgroup-port", json!("rsp-bp1example:80,"))]),
        on("CLB003", &[("vgroup-port", json!("rsp-bp1example:80:tcp"))]).both("warned"),
        on("CLB004", &[("vgroup-port", json!(" rsp-bp1example:80"))]),
        on("CLB005", &[("vgroup-port", json!("rsp-bp1example:81"))]),
        on("CLB006", &[("vgroup-port", json!("rsp-bp1example:80,rsp-bp2example:80"))]),
        on("CLB007", &[("vgroup-ids", json!("80:rsp-bp1example"))]),
        on("CLB008", &[("id", json!(null))]),
        on("CLB009", &[("service.beta.kubernetes.io/alicloud-loadbalancer-weight", json!("50"))]),
        on("CLB010", &[("force-override-listeners", json!("true"))]).create("warned"),
        on("CLB010", &[("force-override-listeners", json!("true"))])
            .beside(&other(&[("vgroup-port", json!("rsp-bp9example:80"))])),
        on("CLB011", &[("ignore-weight-update", json!("on"))]).both("warned"),
        on("CLB012", &[("default-weight", json!("101"))]),
        on("CLB013", &[(BACKEND_TYPE, json!("ENI"))]),
        on("CLB014", &[("healthy-threshold", json!("3s"))]),
        on("CLB014", &[("protocol-port", json!("'https:80'"))]),
        on("CLB015", &[("spec", json!("slb.s1.small"))]).both("warned"),
        on("CLB016", &[("backend-label", json!("pool=web, zone=a"))]),
        Mistake::of(
            "CLB017",
            web(),
            edited(&web(), &json!({"metadata": {"name": "w".repeat(63)}})),
        )
        .both("warned"),
        on("CLB018", &[("wieght", json!("50"))]).both("warned"),
        on("CLB018", &[("brand-new-thing", json!("50"))]).both("audited"),
        Mistake::of(
            "CLB019",
            two_ports(),
            with_annotations(&two_ports(), &[("vgroup-port", json!("rsp-bp1example:80"))]),
        )
        .both("warned"),
        // Nodes come and go: no node is a reason to refuse an edit.
        on("CLB020", &[("backend-label", json!("pool=wbe"))]).both("warned"),
        Mistake::of(
            "CLB101",
            two_ports(),
            with_annotations(
                &two_ports(),
                &[("vgroup-port", json!("rsp-bp1example:80,rsp-bp1example:443"))],
            ),
        ),
        Mistake::of(
            "CLB102",
            with_annotations(&web(), &[("vgroup-port", json!("rsp-free:80"))]),
            web(),
        )
        .beside(&[edited(&neighbour(&[("vgroup-port", json!("rsp-bp1example:443"))]), &at_443)]),
        Mistake::of(
            "CLB103",
            with_annotations(&web(), &[("vgroup-port", json!("rsp-free:80"))]),
            web(),
        )
        .beside(&other(&[("id", json!("lb-bp2example"))])),
        Mistake::of(
            "CLB104",
            with_annotations(&web(), &[("vgroup-port", json!("rsp-free:80"))]),
            web(),
        )
        .beside(&other(&[]))
        .both("warned"),
        Mistake::of(
            "CLB104",
            with_annotations(&web(), &[("vgroup-port", json!("rsp-free:80")), eni.clone()]),
            with_annotations(&web(), std::slice::from_ref(&eni)),
        )
        .beside(&[edited(
            &neighbour(std::slice::from_ref(&eni)),
            &json!({"spec": {"selector": {"app": "web"}}}),
        )]),
        // Two backends, of which each gets at least 1.
        on("CLB402", &[("weight", json!("1"))]).both("warned"),
    ]
}

#[test]
fn a_mistake_is_refused_or_told_of_when_it_comes_and_never_refused_once_it_is_there() {
    for mistake in mistakes() {
        let Mistake { rule, good, bad, create, update, .. } = &mistake;
        let response = mistake.cluster().create(bad);
        assert_eq!(response.action_on(rule), *create, "{rule} at CREATE of {bad:#}: {response:?}");
        assert_eq!(response.allowed(), *create != "denied", "{rule}: {response:?}");

        if good["metadata"]["name"] == bad["metadata"]["name"] {
            let cluster = mistake.cluster().with_service(good);
            let response = cluster.update(good, bad);
            assert_eq!(
                response.action_on(rule),
                *update,
                "{rule} at UPDATE to {bad:#}: {response:?}"
            );
        }

        let elsewhere = with_annotations(bad, &[("connection-drain", json!("on"))]);
        let response = mistake.cluster().with_service(bad).update(bad, &elsewhere);
        assert!(response.allowed(), "{rule} was there before: {response:?}");
        assert_ne!(response.action_on(rule), "", "{rule} is still there: {response:?}");

        let repaired = mistake.cluster().with_service(bad).update(bad, good);
        assert_eq!(repaired.action_on(rule), "", "{rule} is repaired: {repaired:?}");
    }
}

#[test]
fn a_service_without_a_mistake_passes_in_silence() {
    let cluster = test_cluster().nodes(&[node(1), node(2)]).with_workload(&deployment());
    let response = cluster.create(&web());
    assert!(response.is_silent(), "{response:?}");
    let response = cluster.update(&web(), &with_annotations(&web(), &[("weight", json!("40"))]));
    assert!(response.is_silent(), "{response:?}");
}

/// Changes of a Service that carries traffic: the rule, the new version, and what becomes of it.
#[test]
fn a_change_that_takes_traffic_with_it_is_refused() {
    let case = |rule, new: Value, action| (rule, new, action);
    let notes = |notes: &[(&str, Value)]| with_annotations(&web(), notes);
    let spec = |spec: Value| edited(&web(), &json!({"spec": spec}));
    let cases = [
        case("CLB403", notes(&[("weight", json!(null))]), "denied"),
        case("CLB404", spec(json!({"type": "ClusterIP"})), "denied"),
        case("CLB405", notes(&[("vgroup-port", json!("rsp-bp2example:80"))]), "denied"),
        case("CLB406", notes(&[("vgroup-port", json!(null))]), "denied"),
        case("CLB406", notes(&[("id", json!("lb-bp2example"))]), "denied"),
        case("CLB410", notes(&[("weight", json!("0"))]), "warned"),
        case("CLB414", spec(json!({"externalTrafficPolicy": "Local"})), "warned"),
    ];
    for (rule, new, action) in cases {
        let response = test_cluster().nodes(&[node(1)]).with_service(&web()).update(&web(), &new);
        assert_eq!(response.action_on(rule), action, "{rule} for {new:#}: {response:?}");
        assert_eq!(response.allowed(), action != "denied", "{rule}: {response:?}");
    }
}

#[test]
fn a_service_of_another_kind_is_none_of_our_business_whatever_it_carries() {
    let bad = with_annotations(&web(), &[("weight", json!("101"))]);
    let others = [
        edited(&bad, &json!({"spec": {"type": "ClusterIP"}})),
        edited(&bad, &json!({"spec": {"loadBalancerClass": "example.com/other"}})),
        with_annotations(&bad, &[("service.beta.kubernetes.io/class", json!("other"))]),
    ];
    for other in others {
        let response = test_cluster().create(&other);
        assert!(response.is_silent(), "{response:?}");
    }
}
