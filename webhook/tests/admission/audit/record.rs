//! What is recorded of the findings that were told.

use std::collections::BTreeMap;

use clbmigrate_core::{
    finding::{Finding, Severity},
    object::ObjectRef,
    rules::Language,
};
use clbmigrate_webhook::audit::{
    event::{AuditEvent, EventObject},
    record::{Change, Judged, ObjectKey, SHARDS, Shard, Told, ToldFinding, changes, note},
};

const NO_CHANGE: [Change; 0] = [];

fn finding(rule: &'static str, value: &str) -> Finding {
    Finding {
        rule,
        severity: Severity::Error,
        object: ObjectRef {
            context: None,
            kind: "Service".to_owned(),
            namespace: Some("shop".to_owned()),
            name: "web".to_owned(),
        },
        path: "metadata.annotations[weight]".to_owned(),
        value: Some(value.to_owned()),
        parts: Vec::new(),
        message: "wrong".to_owned(),
        fix: "right".to_owned(),
        patch: Vec::new(),
        source: None,
        allowed: false,
    }
}

fn judged(findings: &[Finding]) -> Judged {
    Judged { findings: findings.to_vec(), ..Judged::default() }
}

fn told_of(findings: &[Finding]) -> Told {
    findings.iter().map(ToldFinding::from).collect()
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::new("v1", "Service", "shop", name, "u-1")
}

#[test]
fn another_message_about_the_same_value_is_no_change() {
    let mut told = told_of(&[finding("CLB001", "101")]);
    let reworded =
        Finding { message: "3 nodes".into(), fix: "4".into(), ..finding("CLB001", "101") };
    assert_eq!(changes(&mut told, &judged(&[reworded]), |_| false), NO_CHANGE);
}

#[test]
fn a_finding_that_grows_worse_is_told_again() {
    let warning = Finding { severity: Severity::Warning, ..finding("CLB001", "101") };
    let mut told = told_of(&[warning]);
    let worse = finding("CLB001", "101");
    let expected = [Change::Appeared(Box::new(worse.clone()))];
    assert_eq!(changes(&mut told, &judged(&[worse]), |_| false), expected);
}

#[test]
fn a_rule_that_cannot_look_resolves_nothing() {
    let before = told_of(&[finding("CLB201", "c1")]);
    let mut told = before.clone();
    let now = Judged { silent: ["CLB201"].into(), ..Judged::default() };
    assert_eq!(changes(&mut told, &now, |_| false), NO_CHANGE);
    assert_eq!(told, before);
}

#[test]
fn a_change_that_was_not_told_is_told_the_next_time() {
    let now = judged(&[finding("CLB001", "101"), finding("CLB014", "3s")]);
    let mut told = told_of(&[finding("CLB003", "x")]);
    let first = changes(&mut told, &now, |_| false);
    assert_eq!(first.len(), 3, "{first:?}");
    note(&mut told, &first[0]);
    let rest = changes(&mut told, &now, |_| false);
    assert_eq!(rest, first[1..]);
    for change in &rest {
        note(&mut told, change);
    }
    assert_eq!(changes(&mut told, &now, |_| false), NO_CHANGE);
    assert_eq!(told, told_of(&now.findings));
}

#[test]
fn a_shard_that_is_written_and_read_is_the_same() {
    let mut shard = Shard::default();
    shard.set(key("web"), told_of(&[finding("CLB001", "101"), finding("CLB014", "3s")]));
    shard.set(key("api"), told_of(&[finding("CLB001", "101")]));
    shard.set(key("none"), Told::new());
    let data: BTreeMap<String, String> =
        shard.to_data().into_iter().map(|(key, text)| (key.to_owned(), text)).collect();
    assert_eq!(data.len(), 2, "{data:?}");
    for key in data.keys() {
        assert!(key.len() == 16 && key.chars().all(|c| c.is_ascii_hexdigit()), "{key}");
    }
    assert_eq!(Shard::from_data(&data), shard);
}

#[test]
fn what_cannot_be_read_of_a_shard_is_forgotten() {
    let entry = |text: &str| (key("web").as_str().to_owned(), text.to_owned());
    let data = [entry("CLB999.01234567 nonsense  CLB001.01234567")].into();
    let told = Shard::from_data(&data).told(&key("web"));
    assert_eq!(told.iter().map(|told| told.rule).collect::<Vec<_>>(), ["CLB001"]);
}

#[test]
fn objects_are_spread_over_all_shards() {
    let mut counts = [0_u32; SHARDS];
    for number in 0..10_000 {
        counts[key(&format!("web-{number}")).shard()] += 1;
    }
    assert!(counts.iter().all(|count| (400..900).contains(count)), "{counts:?}");
}

/// API servers take 1 MiB of a `ConfigMap`.
#[test]
fn a_full_shard_fits_into_a_config_map() {
    let findings: Vec<Finding> =
        ["CLB001", "CLB014", "CLB102"].map(|rule| finding(rule, "x")).to_vec();
    let mut shard = Shard::default();
    for number in 0_u32.. {
        shard.set(key(&format!("web-{number}")), told_of(&findings));
        if number % 1000 == 0 && !shard.has_room() {
            break;
        }
    }
    let text = serde_json::to_string(&shard.to_data()).expect("JSON");
    assert!((800 * 1024..1_000_000).contains(&text.len()), "{} bytes", text.len());
}

#[test]
fn an_event_has_the_name_of_its_object_and_a_bounded_message() {
    let object = |name: &str| EventObject {
        api_version: "v1",
        kind: "Service".to_owned(),
        namespace: "shop".to_owned(),
        name: name.to_owned(),
        uid: "u-1".to_owned(),
    };
    let long = Finding { message: "修".repeat(1000), ..finding("CLB001", "101") };
    let change = Change::Appeared(Box::new(long));
    let event = AuditEvent::new(object("web"), &change, "7", Language::English);
    assert!(event.name.starts_with("web.") && event.name.len() == 20, "{}", event.name);
    assert!(event.message.len() <= 1024 && event.message.ends_with('…'), "{}", event.message);
    let same = AuditEvent::new(object("web"), &change, "7", Language::Chinese);
    assert_eq!(same.name, event.name);
    let later = AuditEvent::new(object("web"), &change, "8", Language::English);
    assert_ne!(later.name, event.name);
    let name = AuditEvent::new(object(&"a.".repeat(126)), &change, "7", Language::English).name;
    assert!(name.len() <= 253 && !name.contains(".."), "{name}");
}
