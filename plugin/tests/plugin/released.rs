//! `clbmigrate.io/v1alpha1` as it was released: fields may be added to documents, none vanishes or
//! changes its type. The schemas beside this file are never written anew.

use std::{collections::BTreeSet, fs};

use rstest::rstest;
use serde_json::{Value, json};

use crate::{docs, program::root};

/// A schema as it was released.
pub fn schema(name: &str) -> Value {
    let path = root().join(format!("plugin/tests/plugin/v1alpha1/{name}.schema.json"));
    serde_json::from_str(&fs::read_to_string(path).expect("the schema")).expect("JSON")
}

/// The outcomes that joined since. A reader takes a word that it does not know as one that is not
/// `applied`.
const NEW_OUTCOMES: [&str; 2] = ["noEffect", "failing"];

/// A schema as it was released, open to the words that joined since.
pub fn open_schema(name: &str) -> Value {
    let mut schema = schema(name);
    if let Some(words) = schema.pointer_mut("/$defs/Outcome/oneOf").and_then(Value::as_array_mut) {
        words.extend(NEW_OUTCOMES.map(|word| json!({"type": "string", "const": word})));
    }
    schema
}

#[test]
fn no_field_of_a_released_document_vanishes_or_changes_its_type() {
    let today = docs::schemas();
    let released = fs::read_dir(root().join("plugin/tests/plugin/v1alpha1")).expect("the schemas");
    assert_eq!(released.count(), today.len(), "every document is released");
    for (name, today) in today {
        let released = schema(name);
        let broken = broken(&Pair::new(&released, today.as_value()), name);
        assert!(broken.is_empty(), "{broken:#?}");
    }
}

/// A part of a released schema beside its part of today's, each with the schema that holds it.
struct Pair<'s> {
    released: &'s Value,
    today: &'s Value,
    roots: (&'s Value, &'s Value),
}

impl<'s> Pair<'s> {
    fn new(released: &'s Value, today: &'s Value) -> Self {
        Self { released, today, roots: (released, today) }
    }

    fn with(&self, released: &'s Value, today: &'s Value) -> Self {
        Self {
            released: resolved(released, self.roots.0),
            today: resolved(today, self.roots.1),
            roots: self.roots,
        }
    }
}

/// What a `$ref` points at.
fn resolved<'s>(part: &'s Value, root: &'s Value) -> &'s Value {
    match part["$ref"].as_str() {
        Some(path) => root.pointer(path.trim_start_matches('#')).expect("a definition"),
        None => part,
    }
}

/// What of the released part does not hold any more.
fn broken(pair: &Pair<'_>, path: &str) -> Vec<String> {
    let Pair { released, today, .. } = pair;
    let mut broken = Vec::new();
    for key in ["type", "format"] {
        let (was, is) = (set(&released[key]), set(&today[key]));
        if was != is {
            broken.push(format!("{path}: {key} was {was:?} and is {is:?}"));
        }
    }
    for key in ["required", "enum", "const"] {
        let (was, is) = (set(&released[key]), set(&today[key]));
        broken.extend(was.difference(&is).map(|word| format!("{path}: {key} lost {word}")));
    }
    for (name, was) in released["properties"].as_object().into_iter().flatten() {
        match today["properties"].get(name) {
            None => broken.push(format!("{path}.{name} is gone")),
            Some(is) => broken.extend(self::broken(&pair.with(was, is), &format!("{path}.{name}"))),
        }
    }
    for key in ["items", "additionalProperties"] {
        if released[key].is_object() {
            let parts = pair.with(&released[key], &today[key]);
            broken.extend(self::broken(&parts, &format!("{path}[]")));
        }
    }
    for key in ["anyOf", "oneOf"] {
        for was in released[key].as_array().into_iter().flatten() {
            let mut today = today[key].as_array().into_iter().flatten();
            if !today.any(|is| self::broken(&pair.with(was, is), path).is_empty()) {
                broken.push(format!("{path}: {key} lost {was}"));
            }
        }
    }
    broken
}

/// The members of a list, or the only one.
fn set(value: &Value) -> BTreeSet<String> {
    match value {
        Value::Null => BTreeSet::new(),
        Value::Array(values) => values.iter().map(ToString::to_string).collect(),
        value => BTreeSet::from([value.to_string()]),
    }
}

fn example() -> Value {
    json!({
        "type": "object",
        "required": ["name", "items"],
        "properties": {
            "name": {"type": ["string", "null"]},
            "state": {"$ref": "#/$defs/State"},
            "items": {"type": "array", "items": {"$ref": "#/$defs/Item"}},
        },
        "$defs": {
            "State": {"oneOf": [{"const": "done"}, {"const": "failed"}]},
            "Item": {"type": "object", "properties": {"weight": {"type": "integer"}}},
        },
    })
}

#[rstest]
#[case::a_field_added("/properties/new", json!({"type": "string"}), None)]
#[case::a_value_added("/$defs/State/oneOf/2", json!({"const": "late"}), None)]
#[case::a_field_gone("/properties/name", Value::Null, Some("x.name is gone"))]
#[case::a_type_changed("/properties/name/type", json!("integer"), Some("x.name: type was"))]
#[case::null_no_more("/properties/name/type", json!("string"), Some("x.name: type was"))]
#[case::deep_inside("/$defs/Item/properties/weight/type", json!("string"), Some("x.items[].weight"))]
#[case::a_value_gone("/$defs/State/oneOf/0", json!({"const": "ready"}), Some("x.state: oneOf lost"))]
#[case::optional_now("/required/0", json!("items"), Some("required lost \"name\""))]
fn what_breaks_a_reader_is_found(
    #[case] place: &str,
    #[case] value: Value,
    #[case] problem: Option<&str>,
) {
    let released = example();
    let mut today = example();
    let (parent, key) = place.rsplit_once('/').expect("a pointer");
    match today.pointer_mut(parent).expect("a parent") {
        Value::Object(members) if value.is_null() => drop(members.remove(key)),
        Value::Object(members) => drop(members.insert(key.to_owned(), value)),
        Value::Array(items) => {
            let at: usize = key.parse().expect("an index");
            items.resize(items.len().max(at + 1), Value::Null);
            items[at] = value;
        }
        other => panic!("{other} has no members"),
    }
    let broken = broken(&Pair::new(&released, &today), "x");
    match problem {
        None => assert!(broken.is_empty(), "{broken:#?}"),
        Some(problem) => assert!(broken.iter().any(|line| line.contains(problem)), "{broken:#?}"),
    }
}
