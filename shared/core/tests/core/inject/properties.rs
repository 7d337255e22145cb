//! What holds for every workload.

use clbmigrate_core::inject::{INJECTED, InjectionContext};
use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Value, json};

use super::fixture::*;

/// The seconds that the hook's owners set.
const DEFAULTS: [u32; 4] = [1, 30, 45, 3600];

/// The numbers in a manifest.
#[derive(Clone)]
struct Numbers {
    sleeps: Vec<u32>,
    graces: Vec<i64>,
}

impl Numbers {
    fn any() -> Self {
        Self { sleeps: vec![1, 29, 30, 31, 60, 119], graces: vec![0, 1, 30, 31, 60, 90, 600] }
    }

    /// Numbers that none of ours equals: such a one is taken for ours, until ours change.
    fn unmistakable() -> Self {
        Self { sleeps: vec![50, 70, 110], graces: vec![30, 1000, 20000] }
    }
}

fn hooks(numbers: &Numbers) -> impl Strategy<Value = Option<Value>> + use<> {
    let own = prop_oneof![
        2 => select(numbers.sleeps.clone()).prop_map(sleep),
        1 => select(numbers.sleeps.clone()).prop_map(|n| json!({"exec": {"command": ["sleep", n.to_string()]}})),
        1 => Just(json!({"httpGet": {"path": "/", "port": 80}})),
    ];
    option::of(own)
}

fn containers(numbers: &Numbers) -> impl Strategy<Value = Vec<Value>> + use<> {
    let names = ["web", "log", "x"];
    let lifecycle = select(vec![json!({}), json!({"lifecycle": {"postStart": {"httpGet": {}}}})]);
    let one = (hooks(numbers), lifecycle, select(vec!["1", "2"]));
    vec(one, 1..=names.len()).prop_map(move |many| {
        let list = names.iter().zip(many).map(|(name, (hook, more, tag))| {
            let base = hook.map_or_else(|| container(name), |hook| with_hook(name, &hook));
            merged(merged(base, &more), &json!({"image": format!("{name}:{tag}")}))
        });
        list.collect()
    })
}

fn manifests(numbers: &Numbers) -> impl Strategy<Value = Value> + use<> {
    let sidecars = hooks(numbers).prop_map(|hook| {
        let base = hook.map_or_else(|| container("mesh"), |hook| with_hook("mesh", &hook));
        merged(base, &json!({"restartPolicy": "Always"}))
    });
    let annotations = option::of(Just(json!({"a/b": "c~d"})));
    let parts = (
        containers(numbers),
        option::of(sidecars),
        option::of(select(numbers.graces.clone())),
        annotations,
        option::of(select(vec!["5", "120", "none"])),
    );
    parts.prop_map(|(containers, sidecar, seconds, annotations, asked)| {
        let mut manifest = deployment(&containers);
        if let Some(sidecar) = sidecar {
            manifest = template(manifest, &json!({"spec": {"initContainers": [sidecar]}}));
        }
        if let Some(seconds) = seconds {
            manifest = grace(manifest, seconds);
        }
        if let Some(annotations) = annotations {
            manifest = template(manifest, &json!({"metadata": {"annotations": annotations}}));
        }
        match asked {
            Some(asked) => annotated(manifest, "clbmigrate.io/pre-stop-seconds", asked),
            None => manifest,
        }
    })
}

fn settings() -> impl Strategy<Value = InjectionContext> {
    select(DEFAULTS.to_vec()).prop_map(seconds)
}

/// The object without the fields that the hook may touch.
fn untouchable(mut object: Value) -> Value {
    let template = &mut object["spec"]["template"];
    template["spec"]["terminationGracePeriodSeconds"].take();
    for container in template["spec"]["containers"].as_array_mut().into_iter().flatten() {
        if let Some(lifecycle) = container.get_mut("lifecycle").and_then(Value::as_object_mut) {
            lifecycle.remove("preStop");
            if lifecycle.is_empty() {
                container.as_object_mut().expect("a map").remove("lifecycle");
            }
        }
    }
    let metadata = template["metadata"].as_object_mut().expect("a map");
    if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.remove(INJECTED);
        if annotations.is_empty() {
            metadata.remove("annotations");
        }
    }
    object
}

proptest! {
    // `admit` itself checks that the patch applies and that a second time finds nothing to do.

    #[test]
    fn a_workload_that_was_made_is_sound_and_otherwise_as_it_was_sent(
        manifest in manifests(&Numbers::any()), settings in settings()
    ) {
        let sent = defaulted(manifest);
        let admitted = admit(&sent, None, settings);
        let all_own = hooks_of(&sent).iter().all(|hook| !hook.is_null());
        prop_assert_eq!(admitted.object == sent, all_own);
        prop_assert!(all_own || is_sound(&admitted.object));
        prop_assert!(hooks_of(&admitted.object).iter().all(|hook| !hook.is_null()));
        for (before, after) in hooks_of(&sent).iter().zip(hooks_of(&admitted.object)) {
            prop_assert!(before.is_null() || *before == after, "an own hook changed");
        }
        prop_assert_eq!(untouchable(admitted.object), untouchable(sent));
    }

    #[test]
    fn what_nobody_selects_stays(manifest in manifests(&Numbers::any()), settings in settings()) {
        let sent = defaulted(manifest);
        let settings = InjectionContext { is_selected: false, ..settings };
        prop_assert_eq!(admit(&sent, None, settings).object, sent);
    }

    #[test]
    fn a_manifest_applied_again_or_replaced_is_the_same_template(
        manifest in manifests(&Numbers::any()), first in settings(), later in settings()
    ) {
        let mut store = Store::new(&manifest, first);
        let stored = store.object.clone();
        store.apply(&manifest, later);
        prop_assert_eq!(&store.object, &stored);
        store.replace(&manifest, later);
        prop_assert_eq!(&store.object, &stored);
    }

    #[test]
    fn through_any_history_of_manifests_it_stays_sound_and_applying_again_changes_nothing(
        first in manifests(&Numbers::unmistakable()),
        history in vec((manifests(&Numbers::unmistakable()), settings()), 1..5)
    ) {
        let mut store = Store::new(&first, READY);
        for (manifest, settings) in history {
            let admitted = store.apply(&manifest, settings);
            let is_ours = record_of(&store.object).is_some_and(|record| !record.containers.is_empty());
            prop_assert!(!is_ours || is_sound(&store.object), "{:#?}", admitted);
            let stored = store.object.clone();
            store.apply(&manifest, settings);
            prop_assert_eq!(&store.object, &stored);
        }
    }

    #[test]
    fn an_undo_finds_the_template_that_ran(
        first in manifests(&Numbers::any()), second in manifests(&Numbers::any()),
        made in settings(), changed in settings()
    ) {
        let mut store = Store::new(&first, made);
        let before = store.object.clone();
        store.apply(&second, changed);
        let seconds = |object| record_of(object).map(|record| record.seconds);
        // MissingHooks as long as those that run look like an edit of what runs, and get new seconds.
        let is_like_an_edit = seconds(&before) == seconds(&store.object);
        store.undo_to(&before, changed);
        let template = |object: &Value| object["spec"]["template"].clone();
        if is_like_an_edit {
            prop_assert!(record_of(&store.object).is_none() || is_sound(&store.object));
        } else {
            prop_assert_eq!(template(&store.object), template(&before));
        }
    }
}
