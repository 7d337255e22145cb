//! Rule by rule: what becomes of a mistake that a new Service brings, that an edit brings, and that
//! was there before an edit of something else.

use serde_json::{Value, json};

use super::support::*;

/// A mistake: the rule, the Service without and with it, the cluster around it, and what becomes of
/// it at CREATE and at UPDATE.
struct Mistake {
    rule: &'static str,
    good: Value,
    bad: Value,
    around: Vec<Value>,
    create: &'static str,
    update: &'static str,
}

impl Mistake {
    /// The annotations that make a good Service bad.
    fn noted(rule: &'static str, notes: &[(&str, Value)]) -> Self {
        Self::of(rule, web(), noted(&web(), notes))
    }

    fn of(rule: &'static str, good: Value, bad: Value) -> Self {
        Self { rule, good, bad, around: Vec::new(), create: "denied", update: "denied" }
    }

    fn both(self, verdict: &'static str) -> Self {
        Self { create: verdict, update: verdict, ..self }
    }

    fn create(self, create: &'static str) -> Self {
        Self { create, ..self }
    }

    fn around(self, around: &[Value]) -> Self {
        Self { around: around.to_vec(), ..self }
    }

    fn scene(&self) -> Scene {
        let scene = scene().nodes(&[node(1), node(2)]).config("cluster: {id: clusterid-of-mine}");
        self.around.iter().fold(scene, Scene::with)
    }
}

fn mistakes() -> Vec<Mistake> {
    let on = Mistake::noted;
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
            .around(&other(&[("vgroup-port", json!("rsp-bp9example:80"))])),
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
            edited(&web(), &json!({"metadata": {"name": "w".repeat(70)}})),
        )
        .both("warned"),
        on("CLB018", &[("wieght", json!("50"))]).both("warned"),
        on("CLB018", &[("brand-new-thing", json!("50"))]).both("audited"),
        Mistake::of(
            "CLB019",
            two_ports(),
            noted(&two_ports(), &[("vgroup-port", json!("rsp-bp1example:80"))]),
        )
        .both("warned"),
        // Nodes come and go: no node is a reason to refuse an edit.
        on("CLB020", &[("backend-label", json!("pool=wbe"))]).both("warned"),
        Mistake::of(
            "CLB101",
            two_ports(),
            noted(&two_ports(), &[("vgroup-port", json!("rsp-bp1example:80,rsp-bp1example:443"))]),
        ),
        Mistake::of("CLB102", noted(&web(), &[("vgroup-port", json!("rsp-free:80"))]), web())
            .around(&[edited(
                &neighbour(&[("vgroup-port", json!("rsp-bp1example:443"))]),
                &at_443,
            )]),
        Mistake::of("CLB103", noted(&web(), &[("vgroup-port", json!("rsp-free:80"))]), web())
            .around(&other(&[("id", json!("lb-bp2example"))])),
        Mistake::of("CLB104", noted(&web(), &[("vgroup-port", json!("rsp-free:80"))]), web())
            .around(&other(&[]))
            .both("warned"),
        Mistake::of(
            "CLB104",
            noted(&web(), &[("vgroup-port", json!("rsp-free:80")), eni.clone()]),
            noted(&web(), std::slice::from_ref(&eni)),
        )
        .around(&[edited(
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
        let reply = mistake.scene().create(bad);
        assert_eq!(reply.of(rule), *create, "{rule} at CREATE of {bad:#}: {reply:?}");
        assert_eq!(reply.allowed(), *create != "denied", "{rule}: {reply:?}");

        if good["metadata"]["name"] == bad["metadata"]["name"] {
            let scene = mistake.scene().with(good);
            let reply = scene.update(good, bad);
            assert_eq!(reply.of(rule), *update, "{rule} at UPDATE to {bad:#}: {reply:?}");
        }

        let elsewhere = noted(bad, &[("connection-drain", json!("on"))]);
        let reply = mistake.scene().with(bad).update(bad, &elsewhere);
        assert!(reply.allowed(), "{rule} was there before: {reply:?}");
        assert_ne!(reply.of(rule), "", "{rule} is still there: {reply:?}");

        let repaired = mistake.scene().with(bad).update(bad, good);
        assert_eq!(repaired.of(rule), "", "{rule} is repaired: {repaired:?}");
    }
}

#[test]
fn a_service_without_a_mistake_passes_in_silence() {
    let scene = scene().nodes(&[node(1), node(2)]).with_workload(&deployment());
    let reply = scene.create(&web());
    assert!(reply.is_silent(), "{reply:?}");
    let reply = scene.update(&web(), &noted(&web(), &[("weight", json!("40"))]));
    assert!(reply.is_silent(), "{reply:?}");
}

/// Changes of a Service that carries traffic: the rule, the new version, and what becomes of it.
#[test]
fn a_change_that_takes_traffic_with_it_is_refused() {
    let of_rule = |rule, new: Value, verdict| (rule, new, verdict);
    let notes = |notes: &[(&str, Value)]| noted(&web(), notes);
    let spec = |spec: Value| edited(&web(), &json!({"spec": spec}));
    let cases = [
        of_rule("CLB403", notes(&[("weight", json!(null))]), "denied"),
        of_rule("CLB404", spec(json!({"type": "ClusterIP"})), "denied"),
        of_rule("CLB405", notes(&[("vgroup-port", json!("rsp-bp2example:80"))]), "denied"),
        of_rule("CLB406", notes(&[("vgroup-port", json!(null))]), "denied"),
        of_rule("CLB406", notes(&[("id", json!("lb-bp2example"))]), "denied"),
        of_rule("CLB410", notes(&[("weight", json!("0"))]), "warned"),
        of_rule("CLB414", spec(json!({"externalTrafficPolicy": "Local"})), "warned"),
    ];
    for (rule, new, verdict) in cases {
        let reply = scene().nodes(&[node(1)]).with(&web()).update(&web(), &new);
        assert_eq!(reply.of(rule), verdict, "{rule} for {new:#}: {reply:?}");
        assert_eq!(reply.allowed(), verdict != "denied", "{rule}: {reply:?}");
    }
}

#[test]
fn a_service_of_another_kind_is_none_of_our_business_whatever_it_carries() {
    let bad = noted(&web(), &[("weight", json!("101"))]);
    let others = [
        edited(&bad, &json!({"spec": {"type": "ClusterIP"}})),
        edited(&bad, &json!({"spec": {"loadBalancerClass": "example.com/other"}})),
        noted(&bad, &[("service.beta.kubernetes.io/class", json!("other"))]),
    ];
    for other in others {
        let reply = scene().create(&other);
        assert!(reply.is_silent(), "{reply:?}");
    }
}

#[test]
fn rules_that_need_the_cloud_are_silent() {
    let reply = scene().create(&web());
    for rule in ["CLB022", "CLB023", "CLB401", "CLB407", "CLB408", "CLB409", "CLB413"] {
        assert_eq!(reply.of(rule), "", "{rule}");
    }
}
