//! What the audit has told of each object: the state that Events tell the changes of. It outlives Events,
//! which API servers keep for an hour, and the replica that leads.
//!
//! It is kept in shards, so that it has room for the findings of some hundred thousand objects.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    fmt,
};

use clbmigrate_core::{
    finding::{Finding, Severity},
    rules,
};

use crate::hash::hex_digest;

/// How many shards there are: one for each first digit of an object's key.
pub const SHARDS: usize = 16;

/// The most bytes of a shard that are kept: API servers take 1 MiB of a `ConfigMap`, with its names.
const MAX_SHARD: usize = 900 * 1024;

/// An object, as the record names it: the beginning of a hash, in hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey(String);

impl ObjectKey {
    /// The key of an object. One that is deleted and made anew has another one.
    pub fn new(api_version: &str, kind: &str, namespace: &str, name: &str, uid: &str) -> Self {
        Self(digits(&[api_version, kind, namespace, name, uid], 8))
    }

    /// The shard that it is in.
    pub fn shard(&self) -> usize {
        let digit = self.0.chars().next().and_then(|digit| digit.to_digit(16));
        digit.and_then(|digit| usize::try_from(digit).ok()).unwrap_or_default()
    }

    /// Its digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A finding that was told: its rule, and a hash of severity, field and value. What a message says beside
/// them may change with every scan.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ToldFinding {
    /// The rule's id.
    pub rule: &'static str,
    hash: String,
}

impl From<&Finding> for ToldFinding {
    fn from(finding: &Finding) -> Self {
        let Finding { rule, severity, path, value, .. } = finding;
        let value = value.as_deref().map_or_else(|| "-".to_owned(), |value| format!("={value}"));
        Self { rule, hash: digits(&[severity.as_str(), path, &value], 4) }
    }
}

impl fmt::Display for ToldFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.rule, self.hash)
    }
}

/// So many bytes of a hash of these parts, none of which has a line break in it but the last.
pub(super) fn digits(parts: &[&str], bytes: usize) -> String {
    hex_digest(&parts.join("\n"), bytes)
}

/// What was told of one object.
pub type Told = BTreeSet<ToldFinding>;

/// Whether Events tell of a finding: of errors and warnings that the object's annotation does not allow.
pub fn is_told(finding: &Finding) -> bool {
    finding.severity > Severity::Info && !finding.allowed
}

/// What has changed about an object since it was told of last.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// This finding is new.
    Appeared(Box<Finding>),
    /// The object has no finding of this rule any more.
    Went(&'static str),
}

/// How an object is now.
#[derive(Debug, Clone, Default)]
pub struct Judged {
    /// What the rules find, but for those that are off.
    pub findings: Vec<Finding>,
    /// The rules that were silent for want of evidence.
    pub silent: BTreeSet<&'static str>,
}

/// The changes between what was told of an object and how it is now. What needs no Event is brought up to
/// date in `told` at once: a finding that went because nobody looks for it, or while another one of its
/// rule stays.
pub fn changes(told: &mut Told, now: &Judged, is_off: impl Fn(&str) -> bool) -> Vec<Change> {
    let found: BTreeMap<ToldFinding, &Finding> = now
        .findings
        .iter()
        .filter(|finding| is_told(finding))
        .map(|finding| (ToldFinding::from(finding), finding))
        .collect();
    let has = |rule: &str| now.findings.iter().any(|finding| finding.rule == rule);
    let mut went = BTreeSet::new();
    told.retain(|known| {
        if found.contains_key(known) || now.silent.contains(known.rule) {
            return true;
        }
        if has(known.rule) || is_off(known.rule) {
            return false;
        }
        went.insert(known.rule);
        true
    });
    let appeared = found.into_iter().filter(|(finding, _)| !told.contains(finding));
    let appeared = appeared.map(|(_, finding)| Change::Appeared(Box::new(finding.clone())));
    appeared.chain(went.into_iter().map(Change::Went)).collect()
}

/// Notes that a change was told.
pub fn note(told: &mut Told, change: &Change) {
    match change {
        Change::Appeared(finding) => {
            told.insert(ToldFinding::from(&**finding));
        }
        Change::Went(rule) => told.retain(|known| known.rule != *rule),
    }
}

/// A part of the record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shard(BTreeMap<ObjectKey, Told>);

impl Shard {
    /// Reads the data of a shard. What this version does not know was told by another one, and is
    /// forgotten.
    pub fn from_data(data: &BTreeMap<String, String>) -> Self {
        let read = |text: &String| {
            text.split(' ')
                .filter_map(|told| {
                    let (rule, hash) = told.split_once('.')?;
                    let rule = rules::find(rule).filter(|known| known.id == rule)?.id;
                    Some(ToldFinding { rule, hash: hash.to_owned() })
                })
                .collect::<Told>()
        };
        let objects = data.iter().map(|(key, text)| (ObjectKey(key.clone()), read(text)));
        Self(objects.filter(|(_, told)| !told.is_empty()).collect())
    }

    /// The shard as data: each object's key, with the findings that were told of it.
    pub fn to_data(&self) -> BTreeMap<&str, String> {
        let write =
            |told: &Told| told.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        self.0.iter().map(|(key, told)| (key.as_str(), write(told))).collect()
    }

    /// What was told of an object.
    pub fn told(&self, object: &ObjectKey) -> Told {
        self.0.get(object).cloned().unwrap_or_default()
    }

    /// Puts what was told of an object in the place of what was there.
    pub fn set(&mut self, object: ObjectKey, told: Told) {
        match self.0.entry(object) {
            Entry::Occupied(known) if told.is_empty() => {
                known.remove();
            }
            Entry::Occupied(mut known) => {
                known.insert(told);
            }
            Entry::Vacant(_) if told.is_empty() => {}
            Entry::Vacant(free) => {
                free.insert(told);
            }
        }
    }

    /// Forgets the objects that are not there any more.
    pub fn retain(&mut self, is_there: impl Fn(&ObjectKey) -> bool) {
        self.0.retain(|object, _| is_there(object));
    }

    /// Whether there is room for one more finding of each object.
    pub fn has_room(&self) -> bool {
        // `"KEY":"CLB001.01234567 …",` in JSON.
        const OBJECT: usize = 16 + 6;
        const FINDING: usize = 6 + 1 + 8 + 1;
        let size = |told: &Told| OBJECT + told.len() * FINDING;
        self.0.values().map(size).sum::<usize>() < MAX_SHARD
    }
}
