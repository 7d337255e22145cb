//! What a hook looks like.

use clbmigrate_core::inject::{INJECTED, InjectionRecord, Note, PRE_STOP_SECONDS, Reason};
use serde_json::{Value, json};

use super::fixture::*;

fn record(containers: &[&str], seconds: u32, grace_before: i64, grace: i64) -> InjectionRecord {
    let containers = containers.iter().map(|name| (*name).to_owned()).collect();
    InjectionRecord { containers, seconds, grace_before, grace }
}

const RECORD: &str = r#"{"containers":["web"],"seconds":30,"graceBefore":30,"grace":60}"#;

#[test]
fn the_patch_names_what_is_added_and_nothing_else() {
    let patch = create(&deployment(&[container("web")]), READY).patch;
    assert_eq!(
        patch,
        json!([
            {"op": "add", "path": "/spec/template/metadata/annotations", "value": {INJECTED: RECORD}},
            {"op": "add", "path": "/spec/template/spec/containers/0/lifecycle", "value": {"preStop": sleep(30)}},
            {"op": "replace", "path": "/spec/template/spec/terminationGracePeriodSeconds", "value": 60},
        ])
    );
}

#[test]
fn maps_that_are_there_are_added_to() {
    let lifecycle = json!({"lifecycle": {"postStart": {"exec": {"command": ["true"]}}}});
    let manifest = deployment(&[merged(container("web"), &lifecycle)]);
    let manifest = template(manifest, &json!({"metadata": {"annotations": {"a/b": "c"}}}));
    assert_eq!(
        create(&manifest, READY).patch,
        json!([
            {"op": "add", "path": "/spec/template/metadata/annotations/clbmigrate.io~1injected", "value": RECORD},
            {"op": "add", "path": "/spec/template/spec/containers/0/lifecycle/preStop", "value": sleep(30)},
            {"op": "replace", "path": "/spec/template/spec/terminationGracePeriodSeconds", "value": 60},
        ])
    );
}

#[test]
fn a_pod_carries_it_in_itself() {
    let sent = pod(&[container("web")]);
    assert_eq!(
        admit(&sent, None, READY).patch,
        json!([
            {"op": "add", "path": "/metadata/annotations", "value": {INJECTED: RECORD}},
            {"op": "add", "path": "/spec/containers/0/lifecycle", "value": {"preStop": sleep(30)}},
            {"op": "add", "path": "/spec/terminationGracePeriodSeconds", "value": 60},
        ])
    );
}

#[test]
fn nulls_count_as_absent() {
    let manifest =
        deployment(&[merged(container("web"), &json!({"lifecycle": {"x": 1}})), container("log")]);
    let mut sent = defaulted(manifest);
    let template = &mut sent["spec"]["template"];
    template["metadata"]["annotations"] = Value::Null;
    template["spec"]["containers"][0]["lifecycle"] = json!({"preStop": null});
    template["spec"]["containers"][1]["lifecycle"] = Value::Null;
    template["spec"]["terminationGracePeriodSeconds"] = Value::Null;
    let object = admit(&sent, None, READY).object;
    assert_eq!(hooks_of(&object), [sleep(30), sleep(30)]);
    assert_eq!(record_of(&object), Some(record(&["web", "log"], 30, 30, 60)));
}

#[test]
fn every_main_container_gets_one_and_no_init_container() {
    let always = merged(container("mesh"), &json!({"restartPolicy": "Always"}));
    let manifest = deployment(&[container("web"), container("log")]);
    let init = json!({"spec": {"initContainers": [container("setup"), always]}});
    let sent = defaulted(template(manifest, &init));
    let object = admit(&sent, None, READY).object;
    assert_eq!(hooks_of(&object), [sleep(30), sleep(30)]);
    assert_eq!(pod_spec(&object)["initContainers"], pod_spec(&sent)["initContainers"]);
}

#[test]
fn own_hooks_stay_and_their_grace_period_too() {
    for hook in [sleep(5), json!({"exec": {"command": ["sleep", "90"]}}), json!({"httpGet": {}})] {
        let sent = defaulted(deployment(&[with_hook("web", &hook)]));
        let admitted = admit(&sent, None, READY);
        assert_eq!(admitted.object, sent);
        assert_eq!(admitted.reason, Some(Reason::OwnHooks));
    }
}

#[test]
fn a_hook_of_its_own_beside_a_container_without_stays() {
    let manifest = deployment(&[with_hook("web", &sleep(5)), container("log")]);
    let admitted = create(&manifest, READY);
    assert_eq!(hooks_of(&admitted.object), [sleep(5), sleep(30)]);
    assert_eq!(record_of(&admitted.object), Some(record(&["log"], 30, 30, 60)));
    assert_eq!(admitted.notes, []);
}

#[test]
fn the_grace_period_grows_by_the_hook_and_always_exceeds_it() {
    for (sent, grace) in [(-1, 31), (0, 31), (1, 31), (2, 32), (30, 60), (600, 630)] {
        let object =
            create(&super::fixture::grace(deployment(&[container("web")]), sent), READY).object;
        assert_eq!(grace_of(&object), grace, "from {sent}");
        assert_eq!(record_of(&object), Some(record(&["web"], 30, sent, grace)));
    }
}

#[test]
fn it_exceeds_the_long_hook_of_another_container_too_and_says_so() {
    let manifest = deployment(&[with_hook("web", &sleep(100)), container("log")]);
    let admitted = create(&manifest, READY);
    assert_eq!(grace_of(&admitted.object), 101);
    assert_eq!(admitted.notes, [Note::LongOwnHook { seconds: 100, grace: 101 }]);
}

#[test]
fn the_workload_may_ask_for_other_seconds() {
    let manifest = annotated(deployment(&[container("web")]), PRE_STOP_SECONDS, "90");
    let object = create(&manifest, READY).object;
    assert_eq!((hooks_of(&object), grace_of(&object)), (vec![sleep(90)], 120));
}

#[test]
fn seconds_that_are_no_number_from_1_to_3600_are_named_and_the_default_is_used() {
    for value in ["0", "3601", "-5", "30s", " 30", "1.5", "", "99999999999"] {
        let manifest = annotated(deployment(&[container("web")]), PRE_STOP_SECONDS, value);
        let admitted = create(&manifest, READY);
        assert_eq!(hooks_of(&admitted.object), [sleep(30)], "{value:?}");
        assert_eq!(admitted.notes, [Note::BadSeconds { value: value.to_owned(), used: 30 }]);
    }
}

#[test]
fn a_container_that_comes_later_gets_the_hook_and_no_more_grace() {
    let mut store = Store::new(&deployment(&[container("web")]), READY);
    store.apply(&deployment(&[container("log"), container("web")]), READY);
    assert_eq!(hooks_of(&store.object), [sleep(30), sleep(30)]);
    assert_eq!(record_of(&store.object), Some(record(&["log", "web"], 30, 30, 60)));
    assert_eq!(grace_of(&store.object), 60);
}

#[test]
fn a_container_that_goes_leaves_the_record() {
    let mut store = Store::new(&deployment(&[container("web"), container("log")]), READY);
    let admitted = store.apply(&deployment(&[container("web")]), READY);
    assert_eq!(record_of(&store.object), Some(record(&["web"], 30, 30, 60)));
    assert_eq!(admitted.notes, []);
}

#[test]
fn a_new_default_comes_with_the_next_change_of_the_template() {
    let manifest = deployment(&[container("web"), with_hook("own", &sleep(7))]);
    let mut store = Store::new(&manifest, READY);
    store.edit(&json!({"spec": {"replicas": 6}}), seconds(45));
    assert_eq!(hooks_of(&store.object), [sleep(30), sleep(7)]);
    let image = deployment(&[
        merged(container("web"), &json!({"image": "web:2"})),
        manifest["spec"]["template"]["spec"]["containers"][1].clone(),
    ]);
    store.apply(&image, seconds(45));
    assert_eq!(hooks_of(&store.object), [sleep(45), sleep(7)]);
    assert_eq!(grace_of(&store.object), 75);
    store.apply(&manifest, seconds(10));
    assert_eq!((hooks_of(&store.object), grace_of(&store.object)), (vec![sleep(10), sleep(7)], 40));
}

fn hand_over(hook: &Value) -> (Store, Admitted) {
    let mut store = Store::new(&deployment(&[container("web"), container("log")]), READY);
    let admitted = store.change(
        |object| {
            object["spec"]["template"]["spec"]["containers"][0]["lifecycle"]["preStop"] =
                hook.clone();
        },
        READY,
    );
    (store, admitted)
}

#[test]
fn a_hook_that_its_owner_changed_is_theirs() {
    for hook in [sleep(20), json!({"exec": {"command": ["/bin/drain"]}})] {
        let (store, admitted) = hand_over(&hook);
        assert_eq!(hooks_of(&store.object), [hook, sleep(30)]);
        assert_eq!(record_of(&store.object), Some(record(&["log"], 30, 30, 60)));
        assert_eq!(admitted.notes, [Note::OwnHook { container: "web".to_owned() }]);
    }
}

#[test]
fn a_hook_that_was_removed_is_given_back_and_that_is_said() {
    // Also what clients send that know nothing of the native sleep.
    for nothing in [json!(null), json!({})] {
        let before = Store::new(&deployment(&[container("web"), container("log")]), READY).object;
        let (store, admitted) = hand_over(&nothing);
        assert_eq!(store.object, before);
        assert_eq!(admitted.notes, [Note::HookRestored { container: "web".to_owned() }]);
    }
}

#[test]
fn whoever_opted_out_may_remove_it() {
    let mut store = Store::new(&deployment(&[container("web"), container("log")]), READY);
    store.edit(&json!({"metadata": {"annotations": {"clbmigrate.io/inject": "disabled"}}}), READY);
    assert_eq!(hooks_of(&store.object), [sleep(30), sleep(30)]);
    let without = deployment(&[container("web")]);
    let containers = json!({"containers": without["spec"]["template"]["spec"]["containers"]});
    let admitted = store.edit(&json!({"spec": {"template": {"spec": containers}}}), READY);
    assert_eq!(hooks_of(&store.object), [Value::Null]);
    assert_eq!(record_of(&store.object), Some(record(&[], 30, 30, 60)));
    assert_eq!(admitted.notes, []);
    let back = json!({"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 30}}}});
    store.edit(&back, READY);
    assert_eq!((grace_of(&store.object), record_of(&store.object)), (30, None));
}

#[test]
fn the_grace_period_follows_its_client_as_long_as_a_hook_stands() {
    let manifest = grace(deployment(&[container("web")]), 40);
    for (settings, switch) in [(READY, "disabled"), (NOT_SELECTED, "enabled")] {
        let mut store = Store::new(&manifest, READY);
        let before = store.object["spec"]["template"].clone();
        store.apply(&annotated(manifest.clone(), "clbmigrate.io/inject", switch), settings);
        assert_eq!(store.object["spec"]["template"], before);
        store.apply(&grace(manifest.clone(), 20), settings);
        assert_eq!((hooks_of(&store.object), grace_of(&store.object)), (vec![sleep(30)], 50));
    }
}

#[test]
fn own_hooks_in_place_of_ours_keep_the_grace_period_and_it_never_grows_twice() {
    let without = deployment(&[container("web")]);
    let with = deployment(&[with_hook("web", &json!({"exec": {"command": ["/bin/drain"]}}))]);
    let mut store = Store::new(&without, READY);
    let first = store.object.clone();
    for _ in 0..2 {
        store.apply(&with, READY);
        assert_eq!(
            (grace_of(&store.object), record_of(&store.object)),
            (60, Some(record(&[], 30, 30, 60)))
        );
        store.apply(&without, READY);
        assert_eq!(store.object, first);
    }
}
