//! Who gets a hook.

use clbmigrate_core::{
    annotation::INJECT,
    inject::{
        INJECTED, InjectionContext, Note, Operation, PRE_STOP_SECONDS, Reason, Request, examine,
    },
    object::{Annotations, WorkloadKind},
};
use serde_json::{Value, json};

use super::fixture::*;

fn web() -> Value {
    deployment(&[container("web")])
}

fn of_kind(kind: &str) -> Value {
    merged(web(), &json!({"kind": kind}))
}

fn owned(object: Value, kind: &str) -> Value {
    let owner = json!({"apiVersion": "v1", "kind": kind, "name": "owner", "controller": true});
    merged(object, &json!({"metadata": {"ownerReferences": [owner]}}))
}

/// The object is stored as it was sent, for that reason.
#[track_caller]
fn stays(manifest: Value, settings: InjectionContext) -> Option<Reason> {
    let sent = defaulted(manifest);
    let admitted = admit(&sent, None, settings);
    assert_eq!(admitted.object, sent);
    admitted.reason
}

#[test]
fn a_workload_that_no_migrated_service_selects_stays_as_it_is() {
    for kind in ["Deployment", "StatefulSet"] {
        assert_eq!(stays(of_kind(kind), NOT_SELECTED), Some(Reason::NotSelected));
    }
    assert_eq!(stays(pod(&[container("web")]), NOT_SELECTED), Some(Reason::NotSelected));
}

#[test]
fn deployments_stateful_sets_and_opted_in_daemon_sets_get_a_hook() {
    let daemon = annotated(of_kind("DaemonSet"), INJECT, "enabled");
    for manifest in [web(), of_kind("StatefulSet"), daemon] {
        let object = create(&manifest, READY).object;
        assert_eq!(hooks_of(&object), [sleep(30)], "{}", object["kind"]);
        assert_eq!(grace_of(&object), 60);
    }
}

#[test]
fn a_daemon_set_stays_as_it_is_unless_it_opts_in() {
    assert_eq!(stays(of_kind("DaemonSet"), READY), Some(Reason::NotOptedIn));
    let manifest = annotated(of_kind("DaemonSet"), INJECT, "yes");
    assert_eq!(stays(manifest, READY), Some(Reason::NotOptedIn));
    let manifest = annotated(of_kind("DaemonSet"), INJECT, "disabled");
    assert_eq!(stays(manifest, READY), Some(Reason::OptedOut));
}

#[test]
fn whoever_opts_out_stays_as_it_is() {
    for manifest in [web(), of_kind("StatefulSet"), pod(&[container("web")])] {
        let manifest = annotated(manifest, INJECT, "disabled");
        assert_eq!(stays(manifest, READY), Some(Reason::OptedOut));
    }
}

#[test]
fn a_switch_that_means_nothing_is_named() {
    let admitted = create(&annotated(web(), INJECT, "off"), READY);
    assert_eq!(hooks_of(&admitted.object), [sleep(30)]);
    assert_eq!(admitted.notes, [Note::UnknownSwitch { value: "off".to_owned() }]);
}

#[test]
fn nobody_gets_a_hook_while_a_kubelet_is_too_old() {
    let settings = InjectionContext { nodes_sleep: false, ..READY };
    assert_eq!(stays(web(), settings), Some(Reason::NodesTooOld));
    let own = deployment(&[with_hook("web", &sleep(5))]);
    assert_eq!(stays(own, settings), Some(Reason::OwnHooks));
}

#[test]
fn what_a_controller_owns_stays_as_it_is() {
    for kind in ["Deployment", "StatefulSet", "DaemonSet"] {
        let manifest = annotated(of_kind(kind), INJECT, "enabled");
        assert_eq!(stays(owned(manifest, "App"), READY), Some(Reason::Controlled));
    }
}

#[test]
fn an_owner_that_controls_nothing_does_not_count() {
    let owner = json!({"apiVersion": "v1", "kind": "App", "name": "owner"});
    let manifest = merged(web(), &json!({"metadata": {"ownerReferences": [owner]}}));
    assert_eq!(hooks_of(&create(&manifest, READY).object), [sleep(30)]);
}

#[test]
fn a_terminating_object_stays_as_it_is() {
    let deletion = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}});
    let stored = defaulted(web());
    let sent = template(merged(stored.clone(), &deletion), &json!({"spec": {"hostNetwork": true}}));
    assert_eq!(admit(&sent, Some(&stored), READY).reason, Some(Reason::Terminating));
}

#[test]
fn a_mirror_pod_stays_as_it_is() {
    let manifest = annotated(pod(&[container("web")]), "kubernetes.io/config.mirror", "abc");
    assert_eq!(stays(manifest, READY), Some(Reason::Mirror));
}

#[test]
fn a_pod_of_a_job_stays_as_it_is() {
    assert_eq!(stays(owned(pod(&[container("web")]), "Job"), READY), Some(Reason::OfJob));
}

#[test]
fn bare_pods_and_pods_of_workloads_get_a_hook_in_labelled_namespaces_only() {
    for manifest in [pod(&[container("web")]), owned(pod(&[container("web")]), "ReplicaSet")] {
        let object = create(&manifest, READY).object;
        assert_eq!((hooks_of(&object), grace_of(&object)), (vec![sleep(30)], 60));
        let elsewhere = InjectionContext { namespace_is_labelled: false, ..READY };
        assert_eq!(stays(manifest, elsewhere), Some(Reason::NamespaceNotLabelled));
    }
}

#[test]
fn a_pod_that_exists_stays_as_it_is() {
    let old = defaulted(pod(&[container("web")]));
    let new = annotated(old.clone(), "a", "b");
    assert_eq!(admit(&new, Some(&old), READY).reason, Some(Reason::PodExists));
}

#[test]
fn a_pod_of_an_injected_template_has_all_it_needs() {
    let template = create(&web(), READY).object["spec"]["template"].clone();
    let object = merged(template, &json!({"apiVersion": "v1", "kind": "Pod"}));
    let object = owned(object, "ReplicaSet");
    for settings in [READY, seconds(45)] {
        assert_eq!(stays(object.clone(), settings), Some(Reason::Complete));
    }
}

fn reason_of_pod(object: &Value, owner: &Annotations) -> Option<Reason> {
    let request = Request {
        kind: WorkloadKind::Pod,
        operation: Operation::Create,
        object,
        controller_annotations: Some(owner),
    };
    examine(request).err()
}

#[test]
fn a_pod_obeys_what_is_said_of_its_workload_unless_it_says_otherwise() {
    let object = owned(pod(&[container("web")]), "ReplicaSet");
    let out: Annotations = [(INJECT, "disabled")].into_iter().collect();
    assert_eq!(reason_of_pod(&object, &out), Some(Reason::OptedOut));
    assert_eq!(reason_of_pod(&annotated(object, INJECT, "enabled"), &out), None);

    let object = owned(pod(&[container("web")]), "DaemonSet");
    let opted_in: Annotations = [(INJECT, "enabled")].into_iter().collect();
    assert_eq!(reason_of_pod(&object, &opted_in), None);
    assert_eq!(reason_of_pod(&object, &Annotations::default()), Some(Reason::NotOptedIn));
}

#[test]
fn an_update_that_leaves_the_template_alone_gives_no_hook() {
    // The Deployment came first, the Service second.
    let mut store = Store::new(&web(), NOT_SELECTED);
    let before = store.object["spec"]["template"].clone();
    for edit in [
        json!({"spec": {"replicas": 6}}),
        json!({"spec": {"replicas": 3}}),
        json!({"metadata": {"annotations": {"a": "b", PRE_STOP_SECONDS: "60"}}}),
        json!({"metadata": {"labels": {"a": "b"}}}),
        json!({"spec": {"paused": true}}),
    ] {
        assert_eq!(store.edit(&edit, READY).reason, Some(Reason::TemplateUnchanged));
    }
    assert_eq!(store.object["spec"]["template"], before);
    assert_eq!(store.apply(&web(), READY).reason, Some(Reason::TemplateUnchanged));
}

#[test]
fn the_next_change_of_the_template_gives_it() {
    let mut store = Store::new(&web(), NOT_SELECTED);
    let restart = json!({"kubectl.kubernetes.io/restartedAt": "now"});
    let restart = json!({"spec": {"template": {"metadata": {"annotations": restart}}}});
    store.edit(&restart, READY);
    assert_eq!((hooks_of(&store.object), grace_of(&store.object)), (vec![sleep(30)], 60));
}

#[test]
fn a_record_that_cannot_be_used_stops_everything_and_is_named() {
    for text in ["", "yes", "{}", r#"{"containers":[],"seconds":0,"graceBefore":30,"grace":60}"#] {
        let annotations = json!({"metadata": {"annotations": {INJECTED: text}}});
        let reason = stays(template(web(), &annotations), READY);
        assert!(matches!(reason, Some(Reason::BadRecord(_))), "{text}: {reason:?}");
        let said = reason.map(|reason| reason.to_string()).unwrap_or_default();
        assert!(said.starts_with("annotation clbmigrate.io/injected"), "{said}");
    }
}

#[test]
fn what_has_not_the_shape_of_a_workload_stays_as_it_is() {
    let bad = [
        json!({"kind": "Deployment"}),
        json!({"kind": "Deployment", "metadata": 1}),
        merged(web(), &json!({"spec": {"template": null}})),
        template(web(), &json!({"spec": null})),
        template(web(), &json!({"spec": {"containers": {"name": "web"}}})),
        template(web(), &json!({"spec": {"containers": ["web"]}})),
        template(web(), &json!({"spec": {"containers": [{"name": "web", "lifecycle": "x"}]}})),
        template(web(), &json!({"spec": {"terminationGracePeriodSeconds": "30"}})),
        template(web(), &json!({"spec": {"initContainers": "none"}})),
        template(web(), &json!({"metadata": {"annotations": [1]}})),
    ];
    for object in bad {
        let reason = stays(object.clone(), READY);
        assert!(matches!(reason, Some(Reason::Unreadable(_))), "{object}: {reason:?}");
    }
}
