//! Workloads, and an API server in small: defaults, the merges of `kubectl apply`, and the hook.

use clbmigrate_core::{
    inject::{
        Action, INJECTED, InjectionContext, InjectionRecord, Note, Operation, Reason, Request,
        examine,
    },
    object::{PodSpec, WorkloadKind},
};
use serde::Deserialize;
use serde_json::{Value, json};

/// Everything speaks for a hook of 30 s.
pub const READY: InjectionContext = InjectionContext {
    seconds: 30,
    nodes_sleep: true,
    is_selected: true,
    namespace_is_labelled: true,
};

pub const NOT_SELECTED: InjectionContext = InjectionContext { is_selected: false, ..READY };

/// The settings with another default.
pub fn seconds(seconds: u32) -> InjectionContext {
    InjectionContext { seconds, ..READY }
}

pub fn container(name: &str) -> Value {
    json!({"name": name, "image": format!("{name}:1")})
}

pub fn merged(mut base: Value, more: &Value) -> Value {
    json_patch::merge(&mut base, more);
    base
}

pub fn with_hook(name: &str, hook: &Value) -> Value {
    merged(container(name), &json!({"lifecycle": {"preStop": hook}}))
}

pub fn sleep(seconds: u32) -> Value {
    json!({"sleep": {"seconds": seconds}})
}

/// A manifest of a Deployment.
pub fn deployment(containers: &[Value]) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": containers},
            },
        },
    })
}

/// The manifest with a grace period of its own.
pub fn grace(manifest: Value, seconds: i64) -> Value {
    template(manifest, &json!({"spec": {"terminationGracePeriodSeconds": seconds}}))
}

/// The manifest with something else in its pod template.
pub fn template(manifest: Value, more: &Value) -> Value {
    merged(manifest, &json!({"spec": {"template": more}}))
}

pub fn annotated(manifest: Value, key: &str, value: &str) -> Value {
    merged(manifest, &json!({"metadata": {"annotations": {key: value}}}))
}

pub fn pod(containers: &[Value]) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}},
        "spec": {"containers": containers},
    })
}

/// What Kubernetes fills in before it asks any hook.
pub fn defaulted(mut object: Value) -> Value {
    let pointer = if object["kind"] == "Pod" { "/spec" } else { "/spec/template/spec" };
    if let Some(spec) = object.pointer_mut(pointer).and_then(Value::as_object_mut) {
        spec.entry("terminationGracePeriodSeconds").or_insert(30.into());
        spec.entry("restartPolicy").or_insert("Always".into());
    }
    object
}

pub fn kind_of(object: &Value) -> WorkloadKind {
    let kind = object["kind"].as_str();
    WorkloadKind::ALL.into_iter().find(|known| Some(known.as_str()) == kind).expect("a kind")
}

/// What became of an object.
#[derive(Debug)]
pub struct Admitted {
    pub object: Value,
    pub reason: Option<Reason>,
    pub patch: Value,
    pub notes: Vec<Note>,
}

/// Sends an object through the hook, as it is, twice: the second time must find nothing to do.
pub fn admit(object: &Value, old: Option<&Value>, settings: InjectionContext) -> Admitted {
    let admitted = admit_once(object, old, settings);
    let again = admit_once(&admitted.object, old, settings);
    assert_eq!(again.patch, json!([]), "the second time: {admitted:#?}");
    admitted
}

fn admit_once(object: &Value, old: Option<&Value>, settings: InjectionContext) -> Admitted {
    let operation = old.map_or(Operation::Create, |old| Operation::Update { old });
    let request =
        Request { kind: kind_of(object), operation, object, controller_annotations: None };
    let candidate = match examine(request) {
        Ok(candidate) => candidate,
        Err(reason) => {
            return Admitted {
                object: object.clone(),
                reason: Some(reason),
                patch: json!([]),
                notes: Vec::new(),
            };
        }
    };
    let decision = candidate.decide(settings);
    let mut object = object.clone();
    let (reason, patch) = match decision.action {
        Action::Untouched(reason) => (Some(reason), json!([])),
        Action::Patched(patch) => {
            assert!(!patch.is_empty());
            (None, json!(patch))
        }
    };
    let operations: json_patch::Patch = serde_json::from_value(patch.clone()).expect("a patch");
    json_patch::patch(&mut object, &operations).expect("the patch applies");
    Admitted { object, reason, patch, notes: decision.notes }
}

/// Makes an object.
pub fn create(manifest: &Value, settings: InjectionContext) -> Admitted {
    admit(&defaulted(manifest.clone()), None, settings)
}

pub fn pod_spec(object: &Value) -> &Value {
    if object["kind"] == "Pod" { &object["spec"] } else { &object["spec"]["template"]["spec"] }
}

pub fn grace_of(object: &Value) -> i64 {
    pod_spec(object)["terminationGracePeriodSeconds"].as_i64().expect("a grace period")
}

/// The preStop hooks of the main containers.
pub fn hooks_of(object: &Value) -> Vec<Value> {
    let containers = pod_spec(object)["containers"].as_array().expect("containers");
    containers.iter().map(|container| container["lifecycle"]["preStop"].clone()).collect()
}

pub fn record_of(object: &Value) -> Option<InjectionRecord> {
    let template = if object["kind"] == "Pod" { object } else { &object["spec"]["template"] };
    let text = template["metadata"]["annotations"][INJECTED].as_str()?;
    Some(InjectionRecord::parse(text).expect("a record"))
}

/// Whether no hook is cut (CLB304).
pub fn is_sound(object: &Value) -> bool {
    let spec = PodSpec::deserialize(pod_spec(object)).expect("a pod's spec");
    let grace = spec.termination_grace_period_seconds.expect("a grace period");
    spec.longest_sleep().is_none_or(|longest| longest < grace)
}

/// A stored object with what one client last applied, the only client.
#[derive(Debug, Clone)]
pub struct Store {
    pub object: Value,
    applied: Value,
}

impl Store {
    /// Applies a manifest for the first time.
    pub fn new(manifest: &Value, settings: InjectionContext) -> Self {
        Self { object: create(manifest, settings).object, applied: manifest.clone() }
    }

    /// `kubectl apply` of a manifest, client-side or server-side: for fields that nobody else writes
    /// both come to the same. What was applied before and is not in the manifest goes, what only
    /// the server or the hook has put there stays.
    pub fn apply(&mut self, manifest: &Value, settings: InjectionContext) -> Admitted {
        let sent = merge(&self.applied, manifest, &self.object);
        self.applied = manifest.clone();
        self.put(sent, settings)
    }

    /// `kubectl replace`: the manifest, whole.
    pub fn replace(&mut self, manifest: &Value, settings: InjectionContext) -> Admitted {
        self.applied = manifest.clone();
        self.put(manifest.clone(), settings)
    }

    /// `kubectl edit` or `patch`: some fields of the stored object.
    pub fn edit(&mut self, more: &Value, settings: InjectionContext) -> Admitted {
        self.put(merged(self.object.clone(), more), settings)
    }

    /// An edit of the stored object by a function.
    pub fn change(
        &mut self,
        edit: impl FnOnce(&mut Value),
        settings: InjectionContext,
    ) -> Admitted {
        let mut sent = self.object.clone();
        edit(&mut sent);
        self.put(sent, settings)
    }

    /// `kubectl rollout undo` to a template that lived before.
    pub fn undo_to(&mut self, before: &Value, settings: InjectionContext) -> Admitted {
        let mut sent = self.object.clone();
        sent["spec"]["template"] = before["spec"]["template"].clone();
        self.put(sent, settings)
    }

    fn put(&mut self, sent: Value, settings: InjectionContext) -> Admitted {
        let admitted = admit(&defaulted(sent), Some(&self.object), settings);
        self.object = admitted.object.clone();
        admitted
    }
}

/// A merge of three: what stands in `modified` wins, what `original` had and `modified` has not goes,
/// the rest of `live` stays. Lists of things with names merge by name.
fn merge(original: &Value, modified: &Value, live: &Value) -> Value {
    match (modified, live) {
        (Value::Object(new), Value::Object(known)) => {
            let mut result = known.clone();
            let had = original.as_object().into_iter().flatten().map(|(key, _)| key);
            had.filter(|key| !new.contains_key(*key)).for_each(|key| drop(result.remove(key)));
            for (key, value) in new {
                if value.is_null() {
                    result.remove(key);
                } else {
                    let known = result.get(key).unwrap_or(&Value::Null);
                    let value = merge(&original[key], value, known);
                    result.insert(key.clone(), value);
                }
            }
            Value::Object(result)
        }
        (Value::Object(new), _) if new.values().any(Value::is_null) => {
            merge(original, modified, &json!({}))
        }
        (Value::Array(new), Value::Array(_)) if new.iter().any(|item| item["name"].is_string()) => {
            let named = |list: &Value, name: &Value| {
                let mut items = list.as_array().into_iter().flatten();
                items.find(|item| item["name"] == *name).cloned().unwrap_or_default()
            };
            let merged = new.iter().map(|item| {
                let name = &item["name"];
                merge(&named(original, name), item, &named(live, name))
            });
            merged.collect()
        }
        _ => modified.clone(),
    }
}
