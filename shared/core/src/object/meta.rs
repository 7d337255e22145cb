use std::{borrow::Cow, collections::BTreeMap, fmt, sync::Arc};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::Value;

use super::{ControllerReference, Labels, controller::controller, nullable};
use crate::patch::PatchOp;

/// Where an object was read: a file, and the lines of the object's parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The file's name as the user gave it; `-` is standard input.
    pub file: Arc<str>,
    /// The line of the object's first token, counted from 1.
    pub line: u32,
    /// The lines of keys inside the object, as `(path, line)`, for example
    /// `metadata.annotations[service.beta.kubernetes.io/backend-type]`.
    pub keys: Vec<(String, u32)>,
}

impl Origin {
    /// The line of `path`, or of the nearest key around it that has one.
    pub fn line_of(&self, path: &str) -> u32 {
        let around = self.keys.iter().filter(|(key, _)| path.starts_with(key.as_str()));
        around.max_by_key(|(key, _)| key.len()).map_or(self.line, |(_, line)| *line)
    }
}

/// `metadata` of an object.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectMeta {
    /// The object's name; empty where only `generateName` is given.
    #[serde(deserialize_with = "nullable")]
    pub name: String,
    /// The object's namespace; `None` for cluster-wide kinds and where a manifest leaves it out.
    pub namespace: Option<String>,
    /// The labels. A value that is not a string is kept as its JSON text.
    #[serde(deserialize_with = "loose_strings")]
    pub labels: Labels,
    /// The annotations.
    #[serde(deserialize_with = "nullable")]
    pub annotations: Annotations,
    /// Set while the object is being deleted.
    pub deletion_timestamp: Option<String>,
    /// The id that the API server gave the object; empty in a manifest.
    #[serde(deserialize_with = "nullable")]
    pub uid: String,
    /// What must be gone before the API server removes the object.
    #[serde(deserialize_with = "nullable")]
    pub finalizers: Vec<String>,
    /// The controller that owns it.
    #[serde(rename = "ownerReferences", deserialize_with = "controller")]
    pub controller: Option<Box<ControllerReference>>,
    /// Where the object was read; empty for one that an API server sent.
    #[serde(skip)]
    pub origin: SourceLocation,
}

/// Where an object was read, if it was read from a file. Two locations are always equal, so that
/// objects compare by content.
#[derive(Debug, Clone, Default)]
pub struct SourceLocation(pub Option<Arc<Origin>>);

impl SourceLocation {
    /// `file:line`; `None` where the object was not read from a file.
    pub fn shown(&self) -> Option<String> {
        self.0.as_ref().map(|origin| format!("{}:{}", origin.file, origin.line))
    }

    /// Whether both are the same line of the same file.
    pub fn is_same_place(&self, other: &Self) -> bool {
        let place = |of: &Self| of.0.as_ref().map(|origin| (Arc::clone(&origin.file), origin.line));
        place(self) == place(other)
    }
}

impl PartialEq for SourceLocation {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl ObjectMeta {
    /// The namespace; empty where there is none.
    pub fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or_default()
    }

    /// `file:line` of `path` in the object; `None` where it was not read from a file.
    pub fn source(&self, path: &str) -> Option<String> {
        self.origin.0.as_ref().map(|origin| format!("{}:{}", origin.file, origin.line_of(path)))
    }
}

pub(super) fn loose_strings<'de, D>(deserializer: D) -> Result<Labels, D::Error>
where
    D: Deserializer<'de>,
{
    let raw = Option::<Annotations>::deserialize(deserializer)?.unwrap_or_default();
    let mut strings: Labels = raw.strings.into_iter().collect();
    strings.extend(raw.others.into_iter().map(|(key, value)| (key, value.to_string())));
    Ok(strings)
}

/// The annotations of an object. What a file holds in place of a string, which an API server
/// refuses, is kept apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Annotations {
    /// By key, each once: there are few, and they are looked through more often than changed.
    strings: Vec<(String, String)>,
    others: BTreeMap<String, Value>,
}

impl Annotations {
    /// The string under `key`, a full key; `None` where there is none.
    pub fn get(&self, key: &str) -> Option<&str> {
        let found = self.strings.iter().find(|(known, _)| known == key);
        found.map(|(_, value)| value.as_str())
    }

    /// All annotations that are strings, as `(key, value)`, in the order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.strings.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Like [`Self::iter`], without the keys of which `is_out` is true.
    pub fn without(&self, is_out: impl Fn(&str) -> bool) -> impl Iterator<Item = (&str, &str)> {
        self.iter().filter(move |(key, _)| !is_out(key))
    }

    /// The keys of all annotations, whatever the types of their values.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.strings.iter().map(|(key, _)| key).chain(self.others.keys()).map(String::as_str)
    }

    /// The annotations that are not strings, as `(key, value)`.
    pub fn not_strings(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.others.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// Whether there are none, of any type.
    pub fn is_empty(&self) -> bool {
        self.strings.is_empty() && self.others.is_empty()
    }

    /// Sets the annotation `key` to `value`, whatever stood there before.
    #[expect(clippy::indexing_slicing, reason = "the position was just found")]
    pub fn set(&mut self, key: impl Into<String>, value: impl Into<String>) {
        let (key, value) = (key.into(), value.into());
        self.others.remove(&key);
        match self.position(&key) {
            Ok(at) => self.strings[at].1 = value,
            Err(at) => self.strings.insert(at, (key, value)),
        }
    }

    /// Removes the annotation `key`. Returns its value if that is a string.
    pub fn remove(&mut self, key: &str) -> Option<String> {
        self.others.remove(key);
        let at = self.position(key).ok()?;
        Some(self.strings.remove(at).1)
    }

    /// The annotations after a patch; `None` where it is about something else as well.
    pub fn patched(&self, patch: &[PatchOp]) -> Option<Self> {
        let mut patched = self.clone();
        for op in patch {
            let key = op.annotation()?;
            match op {
                PatchOp::Add { value, .. } | PatchOp::Replace { value, .. } => {
                    patched.set(key, value.as_str()?);
                }
                PatchOp::Remove { .. } => drop(patched.remove(&key)),
            }
        }
        Some(patched)
    }

    /// `Ok` where the key stands, `Err` where it belongs.
    fn position(&self, key: &str) -> Result<usize, usize> {
        self.strings.binary_search_by(|(known, _)| known.as_str().cmp(key))
    }

    /// From pairs in any order; of two values of a key, the later counts.
    fn from_pairs(mut strings: Vec<(String, String)>, others: BTreeMap<String, Value>) -> Self {
        let is_in_order = strings.is_sorted_by(|(a, _), (b, _)| a < b);
        if !is_in_order {
            strings.reverse();
            strings.sort_by(|(a, _), (b, _)| a.cmp(b));
            strings.dedup_by(|(later, _), (first, _)| later == first);
        }
        Self { strings, others }
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Annotations {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let strings = pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        Self::from_pairs(strings, BTreeMap::new())
    }
}

/// Written by `kubectl apply`; as large as the object itself and no business of any rule.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// A key, borrowed where it stands in the text as it is: one that is left out is not copied.
#[derive(Deserialize)]
#[serde(transparent)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserialize<'de> for Annotations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = Annotations;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Annotations, A::Error> {
                let (mut strings, mut others) = (Vec::new(), BTreeMap::new());
                while let Some(Key(key)) = map.next_key::<Key<'de>>()? {
                    if key == LAST_APPLIED {
                        map.next_value::<serde::de::IgnoredAny>()?;
                        continue;
                    }
                    match map.next_value::<Value>()? {
                        Value::String(value) => strings.push((key.into_owned(), value)),
                        other => drop(others.insert(key.into_owned(), other)),
                    }
                }
                Ok(Annotations::from_pairs(strings, others))
            }
        }

        deserializer.deserialize_map(Pairs)
    }
}

/// The name of an object in findings and reports.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectRef {
    /// The context of the object's cluster; `None` where files were read without a name for theirs.
    pub context: Option<Arc<str>>,
    /// The kind, for example `Service`.
    pub kind: String,
    /// The namespace; `None` for cluster-wide kinds.
    pub namespace: Option<String>,
    /// The name.
    pub name: String,
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.kind)?;
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}/")?;
        }
        f.write_str(&self.name)?;
        match &self.context {
            Some(context) => write!(f, " ({context})"),
            None => Ok(()),
        }
    }
}
