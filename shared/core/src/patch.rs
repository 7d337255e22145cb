//! JSON Patches (RFC 6902) of Kubernetes objects: the fixes that rules propose, and guarded edits of
//! annotations.

use serde::Serialize;
use serde_json::{Value, json};

/// The map of an object's annotations.
const ANNOTATIONS: &str = "/metadata/annotations";

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

/// The JSON Patch that makes `edits`, and fails as a whole where one of the values is not what was
/// read. Edits that change nothing are left out. It never tests `resourceVersion`, which CCM's own
/// writes change. A test for `null` demands that a member is absent, as the API server's patch
/// library has it.
///
/// `has_annotations` tells whether the object has any annotation. Where it has none, the patch adds
/// the map first.
pub fn guarded(has_annotations: bool, edits: &[AnnotationEdit]) -> Vec<Value> {
    let edits: Vec<&AnnotationEdit> = edits.iter().filter(|edit| edit.old != edit.new).collect();
    let changes = edits.iter().map(|edit| match (&edit.old, &edit.new) {
        (_, None) => PatchOp::remove_annotation(&edit.key),
        (None, Some(new)) => PatchOp::add_annotation(&edit.key, new),
        (Some(_), Some(new)) => PatchOp::set_annotation(&edit.key, new),
    });
    let test =
        |path: &str, value: &Option<String>| json!({"op": "test", "path": path, "value": value});
    let mut patch = Vec::new();
    if has_annotations {
        patch.extend(edits.iter().map(|edit| test(&annotation_pointer(&edit.key), &edit.old)));
    } else if !edits.is_empty() {
        patch.push(test(ANNOTATIONS, &None));
        patch.push(json!({"op": "add", "path": ANNOTATIONS, "value": {}}));
    }
    patch.extend(changes.map(|change| json!(change)));
    patch
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
            fn the_patch_fails_where_a_value_has_changed(old in "[a-z]{1,3}", now in "[A-Z]{1,3}") {
                let patch = guarded(true, &[edit("k", Some(&old), Some("new"))]);
                let mut object = json!({"metadata": {"annotations": {"k": now.clone()}}});
                prop_assert!(apply(&mut object, &patch).is_err());
                prop_assert_eq!(&object["metadata"]["annotations"]["k"], &json!(now));
            }
        }
    }
}
