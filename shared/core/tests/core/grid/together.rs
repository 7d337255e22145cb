//! What holds across the rules: whose objects are judged, exemptions, hidden rules, the first law.

use std::collections::BTreeSet;

use clbmigrate_core::{
    annotation::{self, ALLOW, BACKEND_TYPE, CLASS, ID, TUNNEL_TYPE, VGROUP_PORT, WEIGHT},
    finding::{Finding, Severity},
    index::Index,
    object::EndpointSlice,
    patch::{AnnotationEdit, ServiceEdit, TypeEdit},
    preview::preview,
    rules,
    snapshot::{Cluster, Snapshot},
};
use serde_json::{Value, json};

use super::{check, introduced};
use crate::{
    rules::assert_no_complaints,
    support::{
        self, CLUSTER_ID, TestSnapshot, backend, container, healthy, healthy_eni, healthy_local,
        merged, sibling,
    },
};

// Whose Services these are.

/// A Service with a dozen mistakes.
fn hopeless() -> TestSnapshot {
    healthy()
        .two_ports()
        .note(WEIGHT, "101")
        .note(VGROUP_PORT, "rsp-a:8080, rsp-a")
        .note("loadbalancer-default-weight", "x")
        .note("loadbalancer-name", "mine")
        .note("loadbalancer-wieght", "3")
        .note("loadbalancer-healthy-threshold", "3s")
        .note("loadbalancer-backend-label", "web")
        .key(BACKEND_TYPE, "ENI")
        .containers(&[merged(container(), &json!({"readinessProbe": null}))])
        .unanswered("BackendServers")
}

#[test]
fn services_that_ccm_does_not_take_are_not_judged() {
    let spec = |patch: Value| hopeless().edit("Service", &json!({"spec": patch}));
    assert!(check(&hopeless().snapshot()).findings.len() > 8);
    for kind in [json!("ClusterIP"), json!("NodePort"), Value::Null] {
        let findings = check(&spec(json!({"type": kind})).snapshot()).findings;
        assert!(findings.iter().all(|finding| finding.rule == "CLB032"), "{findings:?}");
    }
    for setup in [
        spec(json!({"loadBalancerClass": "alibabacloud.com/nlb"})),
        hopeless().key(CLASS, "other"),
        hopeless().key(TUNNEL_TYPE, ""),
    ] {
        assert_eq!(check(&setup.snapshot()).findings, []);
    }
    let empty_class = check(&hopeless().key(CLASS, "").snapshot());
    assert!(empty_class.findings.len() > 8, "an empty class is CCM's");
}

#[test]
fn a_service_without_any_of_ccms_keys_is_no_candidate() {
    let setup = hopeless().edit("Service", &json!({"metadata": {"annotations": null}}));
    assert_eq!(check(&setup.key(BACKEND_TYPE, "ENI").snapshot()).findings, []);
}

#[test]
fn a_service_that_was_a_candidate_is_judged_still() {
    let bare = healthy().edit("Service", &json!({"metadata": {"annotations": null}}));
    let reported = introduced(&healthy().snapshot(), &bare.key(BACKEND_TYPE, "ENI").snapshot());
    assert!(reported.findings.iter().any(|f| f.rule == "CLB013"), "{:#?}", reported.findings);
}

// Exemptions.

#[test]
fn what_an_object_is_exempt_from_becomes_a_warning() {
    let reported = check(&hopeless().key(ALLOW, "CLB014,CLB012, CLB015").snapshot());
    for finding in &reported.findings {
        let exempt = ["CLB012", "CLB014", "CLB015"].contains(&finding.rule);
        assert_eq!(finding.allowed, exempt, "{finding:?}");
        assert!(!exempt || finding.severity == Severity::Warning, "{finding:?}");
    }
    assert!(reported.findings.iter().any(|f| f.allowed));
    assert!(reported.findings.iter().any(|f| f.severity == Severity::Error));
}

#[test]
fn an_exemption_makes_nothing_worse() {
    let setup = healthy().note("loadbalancer-brand-new", "on").key(ALLOW, "CLB018");
    let reported = check(&setup.snapshot());
    assert!(reported.findings.iter().all(|f| f.severity == Severity::Info && f.allowed));
}

#[test]
fn an_exemption_counts_on_its_own_object_only() {
    let probeless = merged(container(), &json!({"readinessProbe": null}));
    let on_service = healthy().containers(std::slice::from_ref(&probeless)).key(ALLOW, "CLB301");
    let on_workload = healthy()
        .containers(&[probeless])
        .edit("Deployment", &json!({"metadata": {"annotations": {ALLOW: "CLB301"}}}));
    let severity = |setup: &TestSnapshot| {
        let reported = check(&setup.snapshot());
        reported.findings.iter().find(|f| f.rule == "CLB301").map(|f| f.severity)
    };
    assert_eq!(severity(&on_service), Some(Severity::Error));
    assert_eq!(severity(&on_workload), Some(Severity::Warning));
}

#[test]
fn an_exemption_from_a_rule_that_is_none_is_named() {
    let snapshot = healthy().key(ALLOW, "CLB403, CLB999,weight,").snapshot();
    let unknown: Vec<String> =
        rules::unknown_allowances(&snapshot).into_iter().map(|(_, id)| id).collect();
    assert_eq!(unknown, ["CLB999", "weight"]);
}

// Rules that follow from others.

#[test]
fn a_rule_that_follows_from_another_is_hidden() {
    let old_key = "loadbalancer-vgroup-ids";
    let mapping = |text: &str| healthy().two_ports().note(VGROUP_PORT, text);
    let cases = [
        ("CLB003", "CLB019", mapping("rsp-a:443:tcp")),
        ("CLB004", "CLB005", mapping("rsp-a:80 ")),
        ("CLB004", "CLB019", mapping("rsp-a:80 ")),
        ("CLB005", "CLB019", mapping("rsp-a:8080")),
        ("CLB006", "CLB019", mapping("rsp-a:80,rsp-b:80")),
        ("CLB007", "CLB002", healthy().bare(VGROUP_PORT).note(old_key, "80:rsp-a")),
        ("CLB007", "CLB018", healthy().bare(VGROUP_PORT).note(old_key, "80:rsp-a")),
        ("CLB007", "CLB019", mapping("rsp-a:80").note(old_key, "443:rsp-b")),
        ("CLB008", "CLB002", healthy().bare(ID)),
        ("CLB016", "CLB020", healthy().note("loadbalancer-backend-label", "a=b, c=d")),
    ];
    for (speaks, hidden, setup) in cases {
        let reported = check(&setup.snapshot());
        let has = |id: &str| reported.findings.iter().any(|f| f.rule == id);
        assert!(has(speaks) && !has(hidden), "{speaks} and {hidden}: {:#?}", reported.findings);
        let hides = rules::find(speaks).map_or(&[][..], |rule| rule.hides);
        assert!(hides.contains(&hidden), "{speaks} does not hide {hidden}");
    }
}

#[test]
fn a_rule_hides_nothing_on_another_object() {
    let setup = healthy().note(VGROUP_PORT, "rsp-a:8080").add(merged(
        sibling("api"),
        &json!({"spec": {"ports": [
            {"name": "a", "port": 80, "nodePort": 30081},
            {"name": "b", "port": 443, "nodePort": 30082},
        ]}}),
    ));
    let reported = check(&setup.snapshot());
    let of =
        |id: &str| reported.findings.iter().find(|f| f.rule == id).map(|f| f.object.name.clone());
    assert_eq!(of("CLB005").as_deref(), Some("web"));
    assert_eq!(of("CLB019").as_deref(), Some("api"));
}

// The first law: nothing that lowers a risk or repairs is refused.

fn errors(before: &TestSnapshot, after: &TestSnapshot) -> Vec<String> {
    let reported = introduced(&before.snapshot(), &after.snapshot());
    let errors = reported.findings.into_iter().filter(|f| f.severity == Severity::Error);
    errors.map(|f| format!("{}: {}", f.rule, f.message)).collect()
}

#[test]
fn lowering_a_weight_while_others_serve_is_never_an_error() {
    for setup in [healthy(), healthy_local(), healthy_eni()] {
        for weight in ["29", "20", "3", "1", "0"] {
            assert_eq!(errors(&setup, &setup.clone().note(WEIGHT, weight)), [""; 0], "{weight}");
        }
    }
}

#[test]
fn a_repair_is_never_an_error() {
    let mut complaints = Vec::new();
    let broken = [
        healthy().note(WEIGHT, "101"),
        healthy().note(WEIGHT, ""),
        healthy().note(VGROUP_PORT, "rsp-a"),
        healthy().note(VGROUP_PORT, " rsp-a:80"),
        healthy().note(VGROUP_PORT, "rsp-a:80 "),
        healthy().note(VGROUP_PORT, "rsp-a:8080"),
        healthy().note(VGROUP_PORT, "80:rsp-a"),
        healthy().note(VGROUP_PORT, "rsp-x:80"),
        healthy().note(VGROUP_PORT, "rsp-a:80,rsp-b:80"),
        healthy().bare(VGROUP_PORT).note("loadbalancer-vgroup-ids", "80:rsp-a"),
        healthy().bare(ID),
        healthy().note("loadbalancer-healthy-threshold", "3s"),
        healthy().note("loadbalancer-backend-label", "pool"),
        healthy().note("loadbalancer-default-weight", "x"),
        healthy().note("loadbalancer-force-override-listeners", "true"),
    ];
    for setup in broken {
        let found = errors(&setup, &healthy());
        if !found.is_empty() {
            let snapshot = setup.snapshot();
            let service = snapshot.clusters[0].services().next().expect("the Service");
            let mapping = service.metadata.annotations.text(VGROUP_PORT);
            complaints.push(format!("from {mapping:?}: {found:?}"));
        }
    }
    assert_no_complaints(&complaints);
}

#[test]
fn what_carries_no_traffic_may_be_deleted() {
    let unwritten = healthy().note(WEIGHT, "0").unanswered("BackendServers");
    for setup in [unwritten, hopeless(), healthy().bare(ID)] {
        assert_eq!(errors(&setup, &setup.clone().without("Service")), [""; 0]);
    }
}

// Release entries.

#[test]
fn a_release_entry_of_a_group_that_the_service_never_held_is_reported() {
    let before = healthy();
    let after = before.clone().note(VGROUP_PORT, "rsp-a:80,rsp-old:0");
    let reported = introduced(&before.snapshot(), &after.snapshot());
    assert!(!reported.findings.is_empty());
}

#[test]
fn a_release_entry_of_a_group_that_the_service_held_or_released_is_right() {
    let held = healthy();
    let released = held.clone().note(VGROUP_PORT, "rsp-b:80,rsp-a:0");
    assert_eq!(errors(&held, &released), [""; 0]);
    let more = released.clone().note(WEIGHT, "20");
    assert_eq!(errors(&released, &more), [""; 0]);
}

#[test]
fn a_release_entry_is_not_dropped_while_own_backends_are_in_the_group() {
    let releasing = healthy().note(VGROUP_PORT, "rsp-b:80,rsp-a:0");
    let dropped = healthy().note(VGROUP_PORT, "rsp-b:80");
    assert_ne!(errors(&releasing, &dropped), [""; 0]);
    let clean = |setup: TestSnapshot| setup.group("rsp-a", &[support::outside(70)]);
    assert_eq!(errors(&clean(releasing), &clean(dropped)), [""; 0]);
}

// Ways to make a change.

#[test]
fn an_annotation_is_edited_in_place() {
    let before = healthy().snapshot();
    let key = annotation::full_key(WEIGHT);
    let edited = before.with_annotation(0, "shop", "web", &key, None);
    assert_eq!(
        introduced(&before, &edited).findings,
        introduced(&before, &healthy().bare(WEIGHT).snapshot()).findings
    );
    let edited = before.with_annotation(0, "shop", "web", &key, Some("101"));
    let reported = introduced(&before, &edited);
    assert!(reported.findings.iter().any(|f| f.rule == "CLB001"));
    let nobody = before.with_annotation(0, "shop", "nobody", &key, Some("101"));
    assert_eq!(introduced(&before, &nobody).findings, []);
}

#[test]
fn an_edit_of_annotations_and_type_is_the_manifest_that_has_them() {
    let joined = healthy().snapshot();
    let key = annotation::full_key(WEIGHT);
    let apart = ServiceEdit {
        annotations: vec![AnnotationEdit { key, old: None, new: None }],
        service_type: Some(TypeEdit {
            old: Some("LoadBalancer".to_owned()),
            new: "ClusterIP".to_owned(),
        }),
    };
    let edited = joined.with_edit(0, "shop", "web", &apart);
    let service = edited.clusters[0].service("shop", "web").expect("the Service");
    assert!(!service.is_load_balancer());
    assert!(service.spec.ports.iter().all(|port| port.node_port == 0));
    assert_eq!(service.metadata.annotations.effective(WEIGHT), None);
    let back = ServiceEdit { annotations: Vec::new(), ..apart.reversed() };
    let back = edited.with_edit(0, "shop", "web", &back);
    assert!(back.clusters[0].service("shop", "web").expect("the Service").is_load_balancer());
}

#[test]
fn a_service_that_is_made_takes_part() {
    let before = healthy().snapshot();
    let mut service = before.clusters[0].service("shop", "web").expect("the Service").clone();
    service.metadata.name = "beside".to_owned();
    let after = before.with_service(0, service.clone());
    assert!(after.clusters[0].service("shop", "beside").is_some());
    let reported = introduced(&before, &after).findings;
    assert!(reported.iter().any(|finding| finding.object.name == "beside"), "{reported:?}");
    assert!(before.with_service(7, service).clusters[0].service("shop", "beside").is_none());
}

#[test]
fn a_later_look_at_a_service_takes_the_place_of_what_was_read_of_it() {
    let before = healthy().add(sibling("api")).snapshot();
    let slices = |snapshot: &Snapshot, name: &str| {
        let cluster = &snapshot.clusters[0];
        let service = cluster.service("shop", name).expect("the Service");
        cluster.slices_of(service).map(<[EndpointSlice]>::len)
    };
    let mut newer = Cluster::default();
    let web = before.clusters[0].service("shop", "web").expect("the Service").clone();
    newer.replace_service(web);
    newer.endpoints_listed.insert("shop".to_owned());
    newer.nodes_listed = true;
    let after = before.with_fresh_backends(0, &newer);
    assert_eq!((slices(&before, "web"), slices(&after, "web")), (Some(1), Some(0)), "all are gone");
    assert_eq!(slices(&after, "api"), slices(&before, "api"), "nobody looked at it");
    assert!(after.clusters[0].nodes().is_empty() && after.clusters[0].nodes_listed);
    assert_eq!(after.clusters[0].id, before.clusters[0].id);
    newer.nodes_listed = false;
    newer.endpoints_listed.clear();
    let after = before.with_fresh_backends(0, &newer);
    assert_eq!(slices(&after, "web"), slices(&after, "api"), "nobody could look");
    assert_eq!(after.clusters[0].nodes().len(), before.clusters[0].nodes().len());
}

#[test]
fn services_left_out_of_a_manifest_go_only_if_it_prunes() {
    let before = healthy().unanswered("BackendServers").add(sibling("api")).snapshot();
    let newer = healthy().only("Service").snapshot();
    let reported = |prune| introduced(&before, &before.overlaid(&newer, prune)).findings;
    assert_eq!(reported(false), []);
    let gone = reported(true);
    let deleted = gone.iter().find(|f| f.rule == "CLB404").expect("a deletion");
    assert_eq!(deleted.object.name, "api");
}

#[test]
fn what_a_change_leaves_as_it_was_is_not_introduced() {
    let before = healthy().note("loadbalancer-name", "shop").group("rsp-a", &[backend(1, 5)]);
    let (before, after) = (before.snapshot(), before.clone().note(WEIGHT, "60").snapshot());
    let (before, after) = (Index::new(&before), Index::new(&after));
    let preview = preview(&before, &after);
    let ids = |list: &[Finding]| list.iter().map(|f| f.rule).collect::<BTreeSet<_>>();
    assert!(ids(&preview.unchanged).contains("CLB015"));
    assert!(!ids(&preview.introduced).contains("CLB015"));
    assert!(ids(&preview.fixed).contains("CLB409"), "any edit makes CCM write the group again");
}

#[test]
fn the_cluster_id_is_read_off_the_group_where_nobody_tells_it() {
    let mut snapshot = healthy().id(None).snapshot();
    snapshot.infer_cluster_ids();
    assert_eq!(snapshot.clusters[0].id.as_deref(), Some(CLUSTER_ID));
    assert_eq!(check(&snapshot).findings, []);
}
