//! An object applied, injected and applied again: the same template, no rollout.

use clbmigrate_core::inject::{Note, Reason};
use rstest::rstest;
use serde_json::{Value, json};

use super::fixture::*;

fn web() -> Value {
    deployment(&[container("web")])
}

fn image(tag: &str) -> Value {
    deployment(&[merged(container("web"), &json!({"image": tag}))])
}

/// Manifests as people write them.
#[rstest]
#[case::without_grace(web())]
#[case::with_the_default_grace(grace(web(), 30))]
#[case::with_a_short_grace(grace(web(), 0))]
#[case::with_a_grace_of_ours(grace(web(), 60))]
#[case::with_an_own_hook_beside(deployment(&[with_hook("own", &sleep(50)), container("web")]))]
#[case::with_own_hooks_only(grace(deployment(&[with_hook("web", &sleep(50))]), 80))]
#[case::with_a_sleep_like_ours(deployment(&[with_hook("own", &sleep(30)), container("web")]))]
#[case::with_a_post_start(deployment(&[merged(container("web"), &json!({"lifecycle": {"postStart": {"exec": {"command": ["true"]}}}}))]))]
#[case::with_lifecycle_null(deployment(&[json!({"name": "web", "image": "web:1", "lifecycle": null})]))]
fn a_manifest_once_more(#[case] manifest: Value) {
    let mut store = Store::new(&manifest, READY);
    let first = store.object.clone();
    // A default that changed meanwhile waits for a change of the template.
    for settings in [READY, seconds(45), seconds(1)] {
        store.apply(&manifest, settings);
        assert_eq!(store.object, first, "applied");
        store.replace(&manifest, settings);
        assert_eq!(store.object, first, "replaced");
    }
}

#[test]
fn a_scale_in_the_manifest_leaves_the_template() {
    let manifest = grace(web(), 40);
    let mut store = Store::new(&manifest, READY);
    let first = store.object["spec"]["template"].clone();
    for replicas in [6, 3] {
        store.apply(&merged(manifest.clone(), &json!({"spec": {"replicas": replicas}})), READY);
        assert_eq!(store.object["spec"]["replicas"], replicas);
        assert_eq!(store.object["spec"]["template"], first);
    }
}

#[test]
fn a_manifest_that_changes_its_grace_period_gets_it_and_the_hooks_time() {
    let mut store = Store::new(&grace(web(), 40), READY);
    assert_eq!(grace_of(&store.object), 70);
    store.apply(&grace(web(), 90), READY);
    assert_eq!(grace_of(&store.object), 120);
    store.apply(&grace(web(), 90), READY);
    assert_eq!(grace_of(&store.object), 120);
    // Without, Kubernetes' default is what the client means.
    store.apply(&web(), READY);
    assert_eq!(grace_of(&store.object), 60);
}

#[test]
fn a_manifest_that_gains_a_hook_is_not_left_with_two_handlers() {
    let drain = json!({"exec": {"command": ["/bin/drain"]}});
    let mut store = Store::new(&web(), READY);
    let manifest = deployment(&[with_hook("web", &drain)]);
    let admitted = store.apply(&manifest, READY);
    assert_eq!(hooks_of(&store.object), [drain]);
    assert_eq!(admitted.notes, [Note::OwnHook { container: "web".to_owned() }]);
    let second = store.object.clone();
    assert_eq!(store.apply(&manifest, READY).reason, Some(Reason::TemplateUnchanged));
    assert_eq!(store.object, second);
}

#[test]
fn it_is_not_left_with_two_even_where_no_hook_would_be_given_any_more() {
    let drain = json!({"exec": {"command": ["/bin/drain"]}});
    let mut store = Store::new(&web(), READY);
    store.apply(&deployment(&[with_hook("web", &drain)]), NOT_SELECTED);
    assert_eq!(hooks_of(&store.object), [drain]);
}

#[test]
fn an_undo_brings_a_template_back_as_it_was() {
    let mut store = Store::new(&image("web:1"), READY);
    let first = store.object.clone();
    store.apply(&image("web:2"), seconds(45));
    assert_eq!(hooks_of(&store.object), [sleep(45)]);
    assert_eq!(store.undo_to(&first, seconds(45)).reason, Some(Reason::Complete));
    assert_eq!(store.object, first);
}

#[test]
fn an_undo_to_a_template_from_before_the_webhook_gets_the_hook() {
    let before = defaulted(image("web:1"));
    let mut store = Store::new(&image("web:1"), NOT_SELECTED);
    store.apply(&image("web:2"), READY);
    store.undo_to(&before, READY);
    assert_eq!((hooks_of(&store.object), grace_of(&store.object)), (vec![sleep(30)], 60));
    assert_eq!(pod_spec(&store.object)["containers"][0]["image"], "web:1");
}

#[test]
fn a_new_image_keeps_the_hook_and_the_grace_period() {
    for manifest in [image("web:2"), grace(image("web:2"), 30)] {
        let mut store = Store::new(&web(), READY);
        store.apply(&manifest, READY);
        assert_eq!((hooks_of(&store.object), grace_of(&store.object)), (vec![sleep(30)], 60));
    }
}

#[test]
fn an_unselected_workload_stays_what_its_clients_make_it() {
    let mut store = Store::new(&web(), NOT_SELECTED);
    for manifest in [image("web:2"), grace(web(), 90), deployment(&[with_hook("web", &sleep(5))])] {
        store.apply(&manifest, NOT_SELECTED);
        assert_eq!(store.object, defaulted(manifest));
    }
}
