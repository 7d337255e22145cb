//! The smallest JSON Patch from one pod template to another.

use serde_json::Value;

use crate::patch::PatchOp;

/// The operations that make `after` of `before`, both at the JSON Pointer `path`. Nothing that is
/// equal is named; what is absent is added whole, with the maps around it; lists of different
/// lengths are replaced.
pub(super) fn patch_between(path: &str, before: &Value, after: &Value) -> Vec<PatchOp> {
    let mut ops = Vec::new();
    compare(path, before, after, &mut ops);
    ops
}

fn compare(path: &str, before: &Value, after: &Value, ops: &mut Vec<PatchOp>) {
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            let gone = old.keys().filter(|key| !new.contains_key(*key));
            ops.extend(gone.map(|key| PatchOp::Remove { path: member(path, key) }));
            for (key, value) in new {
                match old.get(key) {
                    Some(known) => compare(&member(path, key), known, value, ops),
                    None => {
                        ops.push(PatchOp::Add { path: member(path, key), value: value.clone() });
                    }
                }
            }
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            for (index, (known, value)) in old.iter().zip(new).enumerate() {
                compare(&format!("{path}/{index}"), known, value, ops);
            }
        }
        _ if before == after => {}
        _ => ops.push(PatchOp::Replace { path: path.to_owned(), value: after.clone() }),
    }
}

fn member(path: &str, key: &str) -> String {
    format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn values() -> impl Strategy<Value = Value> {
        let leaves = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (0..3).prop_map(Value::from),
            "[a-b]{0,2}".prop_map(Value::from),
        ];
        leaves.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map("[ab~/]{1,2}", inner, 0..4)
                    .prop_map(|map| json!(map)),
            ]
        })
    }

    mod properties {
        use proptest::prelude::*;

        use super::*;

        proptest! {
            #[test]
            fn the_patch_makes_the_one_of_the_other(before in values(), after in values()) {
                let ops = patch_between("/x", &json!({"x": before})["x"], &after);
                let patch: json_patch::Patch = serde_json::from_value(json!(ops)).expect("a patch");
                let mut object = json!({"x": before, "y": 1});
                json_patch::patch(&mut object, &patch).expect("it applies");
                prop_assert_eq!(object, json!({"x": after, "y": 1}));
                prop_assert_eq!(ops.is_empty(), before == after);
            }
        }
    }

    #[test]
    fn only_what_differs_is_named() {
        let before = json!({"a": {"b": 1, "c/d": [1, 2]}, "e": 1});
        let after = json!({"a": {"b": 1, "c/d": [1, 3]}, "f": {"g": 1}});
        assert_eq!(
            json!(patch_between("", &before, &after)),
            json!([
                {"op": "remove", "path": "/e"},
                {"op": "replace", "path": "/a/c~1d/1", "value": 3},
                {"op": "add", "path": "/f", "value": {"g": 1}},
            ])
        );
    }
}
