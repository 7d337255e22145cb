//! JSON Patches (RFC 6902) of Kubernetes objects: the fixes that rules propose, and guarded edits of
//! Services.

use serde::Serialize;
use serde_json::{Value, json};

use crate::annotation;

/// The map of an object's annotations.
const ANNOTATIONS: &str = "/metadata/annotations";

/// A Service's type.
const TYPE: &str = "/spec/type";

/// The name of a Service's type among the fields of an edit.
pub const TYPE_FIELD: &str = "spec.type";

/// The type of a Service that states none. API servers store it.
const DEFAULT_TYPE: &str = "ClusterIP";

/// One operation of a JSON Patch.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum PatchOp {
    /// Adds a member or replaces it.
    Add {
        /// JSON Pointer.
        path: String,
        /// The value.
        value: Value,
    },
    /// Replaces a member.
    Replace {
        /// JSON Pointer.
        path: String,
        /// The value.
        value: Value,
    },
    /// Removes a member.
    Remove {
        /// JSON Pointer.
        path: String,
    },
}

impl PatchOp {
    /// The operation that replaces the annotation `key`.
    pub fn set_annotation(key: &str, value: impl Into<String>) -> Self {
        Self::Replace { path: annotation_pointer(key), value: Value::String(value.into()) }
    }

    /// The operation that adds the annotation `key` to an object that has annotations.
    pub fn add_annotation(key: &str, value: impl Into<String>) -> Self {
        Self::Add { path: annotation_pointer(key), value: Value::String(value.into()) }
    }

    /// The operation that removes the annotation `key`.
    pub fn remove_annotation(key: &str) -> Self {
        Self::Remove { path: annotation_pointer(key) }
    }
}

impl PatchOp {
    /// The key of the annotation that the operation is about; `None` where it is about something
    /// else.
    pub fn annotation(&self) -> Option<String> {
        let (Self::Add { path, .. } | Self::Replace { path, .. } | Self::Remove { path }) = self;
        let pointer = path.strip_prefix(ANNOTATIONS)?.strip_prefix('/')?;
        Some(pointer.replace("~1", "/").replace("~0", "~"))
    }
}

fn annotation_pointer(key: &str) -> String {
    format!("{ANNOTATIONS}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// An annotation as it was read, and as it is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnotationEdit {
    /// The full key.
    pub key: String,
    /// The value that was read; `None` where there was none.
    pub old: Option<String>,
    /// The value to write; `None` removes it.
    pub new: Option<String>,
}

/// A Service's type (`spec.type`) as it was read, and as it is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeEdit {
    /// The type that was read; `None` where a manifest states none, which means `ClusterIP`.
    pub old: Option<String>,
    /// The type to write.
    pub new: String,
}

impl TypeEdit {
    /// The type that was read, also where a manifest states none.
    pub fn old(&self) -> &str {
        self.old.as_deref().unwrap_or(DEFAULT_TYPE)
    }
}

/// All that one write edits on a Service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceEdit {
    /// The annotations.
    pub annotations: Vec<AnnotationEdit>,
    /// The type; `None` leaves it.
    pub service_type: Option<TypeEdit>,
}

/// One field of a [`ServiceEdit`]: an annotation, or the type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldEdit<'e> {
    /// The annotation's full key, or [`TYPE_FIELD`].
    pub field: &'e str,
    /// The value that was read.
    pub old: Option<&'e str>,
    /// The value to write.
    pub new: Option<&'e str>,
}

impl From<Vec<AnnotationEdit>> for ServiceEdit {
    fn from(annotations: Vec<AnnotationEdit>) -> Self {
        Self { annotations, service_type: None }
    }
}

impl ServiceEdit {
    /// Whether it changes nothing.
    pub fn is_unchanged(&self) -> bool {
        self.fields().next().is_none()
    }

    /// The edit of the annotation with that suffix, under either prefix; `None` where it has none.
    pub fn annotation(&self, suffix: &str) -> Option<&AnnotationEdit> {
        self.annotations.iter().find(|edit| annotation::suffix_of(&edit.key) == Some(suffix))
    }

    /// The fields that it changes.
    pub fn fields(&self) -> impl Iterator<Item = FieldEdit<'_>> {
        let annotations = self.annotations.iter().map(|edit| FieldEdit {
            field: &edit.key,
            old: edit.old.as_deref(),
            new: edit.new.as_deref(),
        });
        let service_type = self.service_type.iter().map(|edit| FieldEdit {
            field: TYPE_FIELD,
            old: Some(edit.old()),
            new: Some(&edit.new),
        });
        annotations.chain(service_type).filter(|edit| edit.old != edit.new)
    }

    /// The edit that takes this one back.
    #[must_use]
    pub fn reversed(&self) -> Self {
        let annotations = self.annotations.iter().map(|edit| AnnotationEdit {
            key: edit.key.clone(),
            old: edit.new.clone(),
            new: edit.old.clone(),
        });
        Self {
            annotations: annotations.collect(),
            service_type: self
                .service_type
                .as_ref()
                .map(|edit| TypeEdit { old: Some(edit.new.clone()), new: edit.old().to_owned() }),
        }
    }

    /// A manifest of the Service with the edit made. An annotation that goes is null, as a merge patch
    /// has it.
    #[must_use]
    pub fn made_in(&self, mut manifest: Value) -> Value {
        let annotations = self.annotations.iter().map(|edit| (edit.key.clone(), json!(edit.new)));
        let mut edit = json!({
            "metadata": {"annotations": annotations.collect::<serde_json::Map<_, _>>()},
        });
        if let (Some(TypeEdit { new, .. }), Some(edit)) = (&self.service_type, edit.as_object_mut())
        {
            edit.insert("spec".to_owned(), json!({"type": new}));
        }
        overlay(&mut manifest, edit);
        manifest
    }

    /// The JSON Patch that makes the edit, and fails as a whole where one of the values is not what
    /// was read. Values that stay are left out. The patch never tests `resourceVersion`, which CCM's
    /// own writes change. A test for `null` demands that a member is absent, as the API server's
    /// patch library has it.
    ///
    /// `has_annotations` tells whether the object has any annotation. Where it has none, the patch
    /// adds the map first.
    pub fn guarded(&self, has_annotations: bool) -> Vec<Value> {
        let test =
            |path: &str, value: Option<&str>| json!({"op": "test", "path": path, "value": value});
        let mut tests = Vec::new();
        let mut writes = Vec::new();
        for edit in self.fields() {
            if edit.field == TYPE_FIELD {
                tests.push(test(TYPE, edit.old));
                writes.push(json!({"op": "replace", "path": TYPE, "value": edit.new}));
                continue;
            }
            if has_annotations {
                tests.push(test(&annotation_pointer(edit.field), edit.old));
            } else if writes.is_empty() {
                tests.push(test(ANNOTATIONS, None));
                writes.push(json!({"op": "add", "path": ANNOTATIONS, "value": {}}));
            }
            writes.push(json!(match (edit.old, edit.new) {
                (_, None) => PatchOp::remove_annotation(edit.field),
                (None, Some(new)) => PatchOp::add_annotation(edit.field, new),
                (Some(_), Some(new)) => PatchOp::set_annotation(edit.field, new),
            }));
        }
        tests.append(&mut writes);
        tests
    }
}

/// Lays a JSON value over another: maps are merged, everything else is replaced.
fn overlay(value: &mut Value, over: Value) {
    match (value, over) {
        (Value::Object(members), Value::Object(over)) => {
            for (name, over) in over {
                overlay(members.entry(name).or_insert(Value::Null), over);
            }
        }
        (value, over) => *value = over,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn edit(key: &str, old: Option<&str>, new: Option<&str>) -> AnnotationEdit {
        AnnotationEdit {
            key: key.to_owned(),
            old: old.map(str::to_owned),
            new: new.map(str::to_owned),
        }
    }

    fn guarded(has_annotations: bool, edits: &[AnnotationEdit]) -> Vec<Value> {
        ServiceEdit::from(edits.to_vec()).guarded(has_annotations)
    }

    fn with_type(annotations: &[AnnotationEdit], old: Option<&str>, new: &str) -> ServiceEdit {
        let service_type = TypeEdit { old: old.map(str::to_owned), new: new.to_owned() };
        ServiceEdit { annotations: annotations.to_vec(), service_type: Some(service_type) }
    }

    fn apply(object: &mut Value, patch: &[Value]) -> Result<(), json_patch::PatchError> {
        let patch: json_patch::Patch = serde_json::from_value(json!(patch)).expect("a patch");
        json_patch::patch(object, &patch)
    }

    #[test]
    fn every_value_is_tested_before_any_is_written() {
        let edits = [edit("a/b", Some("20"), Some("40")), edit("c~d", None, Some("x"))];
        assert_eq!(
            json!(guarded(true, &edits)),
            json!([
                {"op": "test", "path": "/metadata/annotations/a~1b", "value": "20"},
                {"op": "test", "path": "/metadata/annotations/c~0d", "value": null},
                {"op": "replace", "path": "/metadata/annotations/a~1b", "value": "40"},
                {"op": "add", "path": "/metadata/annotations/c~0d", "value": "x"},
            ])
        );
    }

    #[test]
    fn an_object_without_annotations_gets_the_map_first() {
        assert_eq!(
            json!(guarded(false, &[edit("a", None, Some("1"))])),
            json!([
                {"op": "test", "path": "/metadata/annotations", "value": null},
                {"op": "add", "path": "/metadata/annotations", "value": {}},
                {"op": "add", "path": "/metadata/annotations/a", "value": "1"},
            ])
        );
    }

    #[test]
    fn an_unchanged_value_is_neither_tested_nor_written() {
        assert!(guarded(true, &[edit("a", Some("1"), Some("1"))]).is_empty());
        assert!(guarded(false, &[edit("a", None, None)]).is_empty());
    }

    #[test]
    fn annotations_and_type_are_one_patch() {
        let edit = with_type(&[edit("a", None, Some("1"))], Some("NodePort"), "LoadBalancer");
        assert_eq!(
            json!(edit.guarded(true)),
            json!([
                {"op": "test", "path": "/metadata/annotations/a", "value": null},
                {"op": "test", "path": "/spec/type", "value": "NodePort"},
                {"op": "add", "path": "/metadata/annotations/a", "value": "1"},
                {"op": "replace", "path": "/spec/type", "value": "LoadBalancer"},
            ])
        );
        assert_eq!(
            json!(edit.guarded(false)),
            json!([
                {"op": "test", "path": "/metadata/annotations", "value": null},
                {"op": "test", "path": "/spec/type", "value": "NodePort"},
                {"op": "add", "path": "/metadata/annotations", "value": {}},
                {"op": "add", "path": "/metadata/annotations/a", "value": "1"},
                {"op": "replace", "path": "/spec/type", "value": "LoadBalancer"},
            ])
        );
    }

    #[test]
    fn a_type_that_is_not_stated_is_the_one_that_api_servers_store() {
        let edit = with_type(&[], None, "LoadBalancer");
        assert_eq!(edit.guarded(true)[0]["value"], "ClusterIP");
        let back = edit.reversed().service_type.expect("a type");
        assert_eq!((back.old.as_deref(), back.new.as_str()), (Some("LoadBalancer"), "ClusterIP"));
        assert!(with_type(&[], None, "ClusterIP").is_unchanged());
        assert!(!edit.is_unchanged());
    }

    #[test]
    fn an_edit_without_annotations_leaves_an_absent_map_absent() {
        let patch = with_type(&[edit("a", None, None)], Some("ClusterIP"), "LoadBalancer");
        assert_eq!(patch.guarded(false).len(), 2);
    }

    mod properties {
        use proptest::prelude::*;

        use super::*;

        proptest! {
            #[test]
            fn the_patch_makes_just_the_edits(
                present in proptest::collection::btree_map("[a-z/~.]{1,6}", "[a-z0-9]{0,4}", 1..5),
                wanted in proptest::collection::btree_map("[a-z/~.]{1,6}", proptest::option::of("[a-z0-9]{0,4}"), 0..5),
            ) {
                let edits: Vec<AnnotationEdit> = wanted
                    .iter()
                    .filter(|(key, _)| present.contains_key(*key) || wanted[*key].is_some())
                    .map(|(key, new)| edit(key, present.get(key).map(String::as_str), new.as_deref()))
                    .collect();
                let mut expected = present.clone();
                for edit in &edits {
                    match &edit.new {
                        Some(new) => drop(expected.insert(edit.key.clone(), new.clone())),
                        None => drop(expected.remove(&edit.key)),
                    }
                }
                // The library here fails a test of an absent member, other than the API server's.
                let is_of_absent = |op: &Value| op["op"] == "test" && op["value"].is_null();
                let patch: Vec<Value> =
                    guarded(true, &edits).into_iter().filter(|op| !is_of_absent(op)).collect();
                let mut object = json!({"metadata": {"annotations": present}});
                apply(&mut object, &patch).expect("the patch applies");
                prop_assert_eq!(&object["metadata"]["annotations"], &json!(expected));
            }

            #[test]
            fn an_edit_that_is_taken_back_leaves_nothing(
                old in "[a-z]{1,3}", new in "[a-z]{1,3}", more in "[a-z]{0,3}",
            ) {
                let annotations = [edit("k", Some(&old), Some(&new)), edit("l", None, Some(&more))];
                let there = with_type(&annotations, Some("ClusterIP"), "LoadBalancer");
                let is_of_absent = |op: &Value| op["op"] == "test" && op["value"].is_null();
                let before =
                    json!({"metadata": {"annotations": {"k": old}}, "spec": {"type": "ClusterIP"}});
                let mut object = before.clone();
                for edit in [&there, &there.reversed()] {
                    let patch: Vec<Value> =
                        edit.guarded(true).into_iter().filter(|op| !is_of_absent(op)).collect();
                    apply(&mut object, &patch).expect("the patch applies");
                }
                prop_assert_eq!(object, before);
            }

            #[test]
            fn the_patch_fails_where_a_value_has_changed(old in "[a-z]{1,3}", now in "[A-Z]{1,3}") {
                let patch = guarded(true, &[edit("k", Some(&old), Some("new"))]);
                let mut object = json!({"metadata": {"annotations": {"k": now.clone()}}});
                prop_assert!(apply(&mut object, &patch).is_err());
                prop_assert_eq!(&object["metadata"]["annotations"]["k"], &json!(now));
            }
        }
    }
}
