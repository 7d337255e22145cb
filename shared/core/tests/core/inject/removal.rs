//! What was added can be taken away.

use clbmigrate_core::inject::{INJECTED, Reason, remove_hooks};
use serde_json::json;

use super::fixture::*;

#[test]
fn a_template_without_what_was_added_is_the_one_that_was_sent() {
    let post_start = json!({"lifecycle": {"postStart": {"exec": {"command": ["true"]}}}});
    for manifest in [
        deployment(&[container("web"), with_hook("own", &sleep(9))]),
        grace(deployment(&[container("web")]), 0),
        template(
            deployment(&[merged(container("web"), &post_start)]),
            &json!({"metadata": {"annotations": {"a": "b"}}}),
        ),
    ] {
        let sent = defaulted(manifest);
        let object = admit(&sent, None, READY).object;
        assert_ne!(object, sent);
        let bare = remove_hooks(&object["spec"]["template"]).expect("it can be removed");
        assert_eq!(bare, sent["spec"]["template"]);
    }
}

#[test]
fn a_template_that_was_given_nothing_stays() {
    let sent = defaulted(deployment(&[with_hook("web", &sleep(30))]));
    assert_eq!(remove_hooks(&sent["spec"]["template"]), Ok(sent["spec"]["template"].clone()));
}

#[test]
fn hooks_that_others_wrote_since_stay_and_are_not_cut() {
    let mut store = Store::new(&deployment(&[container("web"), container("log")]), READY);
    let own = json!({"containers": [with_hook("web", &sleep(50)), with_hook("log", &sleep(30))]});
    store.edit(&json!({"spec": {"template": {"spec": own}}}), READY);
    store.object["spec"]["template"] =
        remove_hooks(&store.object["spec"]["template"]).expect("it can be removed");
    assert_eq!(hooks_of(&store.object), [sleep(50), json!(null)]);
    assert_eq!(grace_of(&store.object), 51);
}

#[test]
fn a_grace_period_that_somebody_set_since_stays() {
    let mut object = create(&deployment(&[container("web")]), READY).object;
    object["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = json!(99);
    object["spec"]["template"] =
        remove_hooks(&object["spec"]["template"]).expect("it can be removed");
    assert_eq!(grace_of(&object), 99);
}

#[test]
fn a_record_that_cannot_be_used_is_an_error() {
    let template = json!({"metadata": {"annotations": {INJECTED: "?"}}, "spec": {}});
    assert!(matches!(remove_hooks(&template), Err(Reason::BadRecord(_))));
}
