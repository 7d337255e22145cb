//! The record on a Service stays small whatever the number of servers, and holds what it held.
use std::collections::BTreeMap;

use clbmigrate_core::{
    annotation,
    history::{self, History, HistoryEntry, OneService, Part, Server, Servers, Whole},
    object::Service,
    snapshot::{Cluster, Object, Snapshot},
    transfer::half_done,
};
use serde_json::{Value, json};

fn server(id: &str, port: u16, from: u32, to: u32) -> Server {
    Server { id: id.to_owned(), port, from, to }
}

fn servers(vgroup: &str, servers: Vec<Server>) -> Part {
    Part::Servers(Servers { clb: "lb-bp1example".to_owned(), vgroup: vgroup.to_owned(), servers })
}

fn service() -> Part {
    Part::Service(OneService {
        context: Some("new".to_owned()),
        cluster: None,
        cluster_uid: Some("3f1d7a52-0000-4000-8000-000000000001".to_owned()),
        uid: Some("3f1d7a52-0000-4000-8000-000000000002".to_owned()),
        namespace: "shop".to_owned(),
        name: "web".to_owned(),
        from: Some("20".to_owned()),
        to: Some("40".to_owned()),
        gains: Some(true),
    })
}

fn entry(change: &str, parts: Vec<Part>) -> HistoryEntry {
    HistoryEntry {
        change: change.to_owned(),
        verb: "shift".to_owned(),
        when: "2026-11-21T01:02:03Z".to_owned(),
        who: "ann".to_owned(),
        from: Some("20".to_owned()),
        to: Some("40".to_owned()),
        reason: None,
        undoes: None,
        step_of: None,
        annotations: BTreeMap::new(),
        service_type: None,
        whole: Some(Whole { parts }),
        service: None,
        servers_left_out: 0,
        more: BTreeMap::new(),
    }
}

fn read(history: &History) -> History {
    History::parse(Some(&history.to_text())).expect("a history")
}

fn as_json(history: &History) -> Value {
    serde_json::from_str(&history.to_text()).expect("JSON")
}

#[test]
fn servers_with_one_port_and_the_same_weights_share_an_element() {
    let of = servers(
        "rsp-bp1example",
        vec![
            server("i-bp1a", 80, 100, 50),
            server("i-bp1a", 443, 100, 50),
            server("i-bp1b", 80, 100, 50),
            server("i-bp1c", 80, 60, 50),
        ],
    );
    let history = History::default().with(entry("c1", vec![of]));
    assert_eq!(
        as_json(&history)[0]["whole"]["parts"][0]["servers"]["servers"],
        json!([
            {"ids": "i-bp1a,i-bp1b", "port": 80, "from": 100, "to": 50},
            {"id": "i-bp1a", "port": 443, "from": 100, "to": 50},
            {"id": "i-bp1c", "port": 80, "from": 60, "to": 50},
        ])
    );
}

#[test]
fn the_long_form_of_earlier_releases_is_read() {
    let text = json!([{
        "change": "c1", "verb": "shift", "when": "2026-11-21T01:02:03Z", "who": "ann",
        "from": "20", "to": "40",
        "whole": {"parts": [{"servers": {
            "clb": "lb-bp1example", "vgroup": "rsp-bp1example",
            "servers": [
                {"id": "i-bp1a", "port": 80, "from": 100, "to": 50},
                {"id": "i-bp1b", "port": 80, "from": 100, "to": 50},
            ],
        }}]},
    }]);
    let history = History::parse(Some(&text.to_string())).expect("a history");
    let both = vec![server("i-bp1a", 80, 100, 50), server("i-bp1b", 80, 100, 50)];
    assert_eq!(history.last(), Some(&entry("c1", vec![servers("rsp-bp1example", both)])));
}

#[test]
fn a_server_without_an_id_is_an_error() {
    for element in [json!({"port": 80}), json!({"id": "a", "ids": "b", "port": 80})] {
        let mut element = element;
        element["from"] = 1.into();
        element["to"] = 2.into();
        let servers = json!({"clb": "c", "vgroup": "g", "servers": [element]});
        assert!(serde_json::from_value::<Servers>(servers.clone()).is_err(), "{servers}");
    }
}

/// CCM hashes the empty text for a Service with such a character, whatever else is in it.
#[test]
fn what_yaml_forbids_is_escaped() {
    let reason = "a\u{7f}b\u{85}c\u{9f}d\u{2028}e\u{feff}f\u{fffe}g\u{ffff}";
    let history = History::default()
        .with(HistoryEntry { reason: Some(reason.to_owned()), ..entry("c1", vec![]) });
    let text = history.to_text();
    assert!(text.contains(r"a\u007fb\u0085c\u009fd\u2028e\ufefff\ufffeg\uffff"), "{text}");
    assert_eq!(read(&history), history);
}

fn many(count: usize) -> Vec<Server> {
    (0..count).map(|number| server(&format!("i-bp1{number:020}"), 80, 100, 50)).collect()
}

#[test]
fn the_oldest_changes_go_first_where_there_is_no_room() {
    let fill = |number: usize| entry(&format!("c{number}"), vec![servers("g", many(300))]);
    let history = (0..10).map(fill).fold(History::default(), |history, entry| history.with(entry));
    let kept: Vec<&str> = history.entries().iter().map(|of| of.change.as_str()).collect();
    assert_eq!(kept, ["c6", "c7", "c8", "c9"]);
    assert!(history.entries().iter().all(|of| of.servers_left_out == 0));
}

#[test]
fn a_change_that_is_too_large_by_itself_is_recorded_without_its_servers() {
    let parts = vec![service(), servers("g", many(1500)), servers("h", many(500))];
    let small = entry("c1", vec![servers("g", many(2))]);
    let history = History::default().with(small).with(entry("c2", parts));
    let last = history.last().expect("an entry");
    assert_eq!((last.change.as_str(), last.servers_left_out), ("c2", 2000));
    assert_eq!(last.whole.as_ref().expect("a whole").parts, [service()]);
    assert_eq!(as_json(&history)[1]["servers_left_out"], 2000);
    assert!(history.contains("c1"));
    assert_eq!(read(&history), history);
}

/// A cluster in which `web` is as after the change of these servers and of two Services, and `other`
/// as before.
fn between(count: usize) -> Snapshot {
    let Part::Service(web) = service() else { panic!("a Service") };
    let mut parts = vec![
        Part::Service(web.clone()),
        Part::Service(OneService { name: "other".to_owned(), ..web.clone() }),
    ];
    if count > 0 {
        parts.push(servers("g", many(count)));
    }
    let record = History::default().with(entry("c1", parts)).to_text();
    let weight = annotation::full_key(annotation::WEIGHT);
    let mut cluster = Cluster::default();
    cluster.uid = web.cluster_uid;
    let of_web = json!({history::KEY: record, weight.as_str(): "40"});
    for (name, annotations) in [("web", of_web), ("other", json!({weight.as_str(): "20"}))] {
        let service: Service = serde_json::from_value(json!({
            "metadata": {"name": name, "namespace": "shop", "annotations": annotations},
            "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]},
        }))
        .expect("a Service");
        cluster.insert(Object::Service(Box::new(service)));
    }
    Snapshot { clusters: vec![cluster], ..Snapshot::default() }
}

#[test]
fn a_change_without_its_servers_is_not_called_half_done() {
    assert_eq!(half_done(&between(0)).len(), 1);
    assert_eq!(half_done(&between(5000)).len(), 0);
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    /// Servers of a few kinds, so that some share an element, some do not.
    fn any_servers() -> impl Strategy<Value = Vec<Server>> {
        let count = prop_oneof![19 => 0..40_usize, 1 => 0..5000_usize];
        let id = prop_oneof![9 => Just(None), 1 => "\\PC{0,9}|.{0,3}".prop_map(Some)];
        (count, 1..40_usize, proptest::collection::vec(id, 0..20)).prop_map(
            |(count, kinds, odd)| {
                let usual = (0..count).map(|number| {
                    let kind = u32::try_from(number % kinds).expect("small");
                    server(&format!("i-bp1{number}"), 80, kind, 100 - kind)
                });
                let odd = odd.into_iter().flatten().map(|id| server(&id, 443, 1, 2));
                odd.chain(usual).collect()
            },
        )
    }

    fn any_entries() -> impl Strategy<Value = Vec<Vec<Vec<Server>>>> {
        let groups = prop_oneof![
            9 => proptest::collection::vec(any_servers(), 0..3),
            1 => proptest::collection::vec(proptest::collection::vec(Just(server("i-bp1a", 80, 1, 2)), 1), 0..600),
        ];
        proptest::collection::vec(groups, 1..14)
    }

    fn parts(groups: &[Vec<Server>]) -> Vec<Part> {
        let groups = groups.iter().enumerate();
        let groups = groups.map(|(at, of)| servers(&format!("rsp-bp1{at}"), of.clone()));
        std::iter::once(service()).chain(groups).collect()
    }

    /// The servers in an order that does not depend on the form they were written in.
    fn sorted(history: &History) -> Vec<HistoryEntry> {
        let mut entries = history.entries().to_vec();
        let wholes = entries.iter_mut().filter_map(|entry| entry.whole.as_mut());
        for part in wholes.flat_map(|whole| &mut whole.parts) {
            if let Part::Servers(of) = part {
                of.servers.sort_by(|a, b| (&a.id, a.port, a.from).cmp(&(&b.id, b.port, b.from)));
            }
        }
        entries
    }

    /// Whether one entry more of those before would be too many, or too large.
    fn is_full_where_it_dropped(before: &History, after: &History) -> bool {
        let dropped = (before.entries().len() + 1).saturating_sub(after.entries().len());
        if dropped == 0 || after.entries().len() == history::MAX_ENTRIES {
            return true;
        }
        let more = before.entries()[dropped - 1..].iter().chain(after.last());
        let more = serde_json::to_string(&more.collect::<Vec<_>>()).expect("JSON");
        let more = History::parse(Some(&more)).expect("a history").to_text();
        history::KEY.len() + more.len() >= history::MAX_BYTES
    }

    proptest! {
        #[test]
        fn a_record_of_any_size_is_small_and_holds_its_newest_change(entries in any_entries()) {
            let mut history = History::default();
            for (number, groups) in entries.iter().enumerate() {
                let before = history;
                let new = entry(&format!("c{number}"), parts(groups));
                history = before.with(new.clone());
                prop_assert!(is_full_where_it_dropped(&before, &history));
                let text = history.to_text();
                prop_assert!(history::KEY.len() + text.len() < history::MAX_BYTES, "{}", text.len());
                let last = history.last().expect("an entry");
                prop_assert_eq!(&last.change, &new.change);
                if last.servers_left_out == 0 {
                    prop_assert_eq!(last, &new);
                } else {
                    let all: usize = groups.iter().map(Vec::len).sum();
                    prop_assert_eq!(last.servers_left_out, all);
                    let whole = last.whole.clone().expect("a whole");
                    prop_assert_eq!(whole.parts, vec![service()]);
                }
                let known = read(&history);
                prop_assert_eq!(sorted(&known), sorted(&history));
                prop_assert_eq!(known.to_text(), text);
                history = known;
            }
        }
    }
}
