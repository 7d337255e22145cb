//! A recorded change finds its clusters by UIDs. Names of contexts and cluster ids prove nothing.
use clbmigrate_core::{
    history::{self, History},
    object::Service,
    snapshot::{Cluster, Inserted, Object, Snapshot},
    transfer::{HalfDone, OneService, Part, Standing, Whole, half_done},
};
use rstest::rstest;
use serde_json::{Value, json};

const WEIGHT: &str = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-weight";

/// How a reader sees a cluster with Service `shop/web`.
struct Seen<'t> {
    context: &'t str,
    kube_system: Option<&'t str>,
    service: &'t str,
    weight: &'t str,
    record: Option<Value>,
}

fn cluster(seen: Seen<'_>) -> Cluster {
    let mut annotations = json!({WEIGHT: seen.weight});
    if let Some(record) = seen.record {
        annotations[history::KEY] = record.to_string().into();
    }
    let service: Service = serde_json::from_value(json!({
        "metadata": {
            "name": "web", "namespace": "shop", "uid": seen.service, "annotations": annotations,
        },
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]},
    }))
    .expect("a Service");
    let mut cluster = Cluster::default();
    cluster.context = Some(seen.context.into());
    cluster.id = Some("c-one-id-for-all".to_owned());
    cluster.uid = seen.kube_system.map(str::to_owned);
    cluster.insert(Object::Service(Box::new(service)));
    cluster
}

fn part(context: &str, uids: [Option<&str>; 2], [from, to]: [&str; 2]) -> Part {
    let [cluster_uid, uid] = uids.map(|uid| uid.map(str::to_owned));
    Part::Service(OneService {
        context: Some(context.to_owned()),
        cluster: Some("c-one-id-for-all".to_owned()),
        cluster_uid,
        uid,
        namespace: "shop".to_owned(),
        name: "web".to_owned(),
        from: Some(from.to_owned()),
        to: Some(to.to_owned()),
        gains: None,
    })
}

fn record(parts: &[Part], [from, to]: [&str; 2]) -> Value {
    json!([{
        "change": "c1", "verb": "shift", "when": "2026-11-21T01:02:03Z", "who": "ann",
        "from": from, "to": to, "whole": Whole { parts: parts.to_vec() },
    }])
}

fn snapshot(clusters: Vec<Cluster>) -> Snapshot {
    Snapshot { clusters, ..Snapshot::default() }
}

fn contexts(half: &HalfDone) -> Vec<&str> {
    half.whole.contexts()
}

#[rstest]
#[case::the_cluster_by_its_uid([Some("k1"), Some("s1")], Some("k1"), "s1", true)]
#[case::the_cluster_whose_service_was_made_anew([Some("k1"), Some("s1")], Some("k1"), "s2", true)]
#[case::kube_system_that_the_reader_may_not_read([Some("k1"), Some("s1")], None, "s1", true)]
#[case::kube_system_that_the_writer_could_not_read([None, Some("s1")], Some("k1"), "s1", true)]
#[case::another_cluster_whose_service_has_the_uid([Some("k1"), Some("s1")], Some("k2"), "s1", false)]
#[case::another_cluster([Some("k1"), Some("s1")], Some("k2"), "s2", false)]
#[case::another_service_and_nothing_else([Some("k1"), Some("s1")], None, "s2", false)]
#[case::a_record_without_uids([None, None], Some("k1"), "s1", false)]
#[case::uids_that_are_empty([Some(""), Some("")], Some(""), "", false)]
#[case::an_empty_uid_of_kube_system([Some(""), Some("s1")], Some("k1"), "s1", true)]
#[case::files_without_uids([Some("k1"), Some("s1")], None, "", false)]
fn only_a_uid_proves_a_cluster(
    #[case] recorded: [Option<&str>; 2],
    #[case] kube_system: Option<&str>,
    #[case] service: &str,
    #[case] is_proven: bool,
    #[values("old", "another-name")] context: &str,
) {
    let seen = Seen { context, kube_system, service, weight: "60", record: None };
    let snapshot = snapshot(vec![cluster(seen)]);
    let standing = part("old", recorded, ["80", "60"]).standing(&snapshot);
    if is_proven {
        assert_eq!(standing, Standing::After);
    } else {
        assert!(matches!(standing, Standing::Unknown(_)), "{standing:?}");
    }
}

#[test]
fn a_cluster_that_is_not_looked_at_is_called_by_its_recorded_name() {
    let seen =
        Seen { context: "old", kube_system: Some("k9"), service: "s9", weight: "60", record: None };
    let of = part("old", [Some("k1"), Some("s1")], ["80", "60"]);
    assert_eq!(
        of.standing(&snapshot(vec![cluster(seen)])),
        Standing::Unknown("the cluster that was called old is not looked at".to_owned())
    );
}

#[test]
fn where_kube_system_could_not_be_read_that_is_said() {
    let seen = |context, kube_system| {
        cluster(Seen { context, kube_system, service: "s9", weight: "60", record: None })
    };
    let of = part("old", [Some("k1"), Some("s1")], ["80", "60"]);
    let clusters = vec![seen("a", None), seen("b", Some("k9")), seen("c", None)];
    let Standing::Unknown(why) = of.standing(&snapshot(clusters)) else { panic!("it is known") };
    assert_eq!(
        why,
        "the cluster that was called old is not looked at, as far as can be told: the UID of kube-system was not read in a, c"
    );
}

#[test]
fn a_half_done_change_has_the_names_of_the_readers_contexts() {
    let parts = [
        part("new", [Some("k2"), Some("s2")], ["20", "40"]),
        part("old", [Some("k1"), Some("s1")], ["80", "60"]),
    ];
    let record = Some(record(&parts, ["20", "40"]));
    // The names are the other way round, which must not matter.
    let snapshot = snapshot(vec![
        cluster(Seen {
            context: "new",
            kube_system: Some("k1"),
            service: "s1",
            weight: "80",
            record: None,
        }),
        cluster(Seen {
            context: "old",
            kube_system: Some("k2"),
            service: "s2",
            weight: "40",
            record,
        }),
    ]);
    let [half] = half_done(&snapshot).try_into().expect("one");
    assert_eq!((half.done.as_slice(), half.missing.as_slice()), (&[0][..], &[1][..]));
    assert_eq!(contexts(&half), ["old", "new"]);
    let labels: Vec<String> = half.whole.parts.iter().map(Part::label).collect();
    assert_eq!(labels, ["shop/web (old)", "shop/web (new)"]);
}

/// Two clusters of a change that an earlier release recorded, without UIDs. Both have the record.
fn without_uids([from, to]: [[&str; 2]; 2]) -> (Whole, Snapshot) {
    let parts = [part("new", [None, None], from), part("old", [None, None], to)];
    let of = |context, kube_system, service, values: [&str; 2]| {
        let record = Some(record(&parts, values));
        cluster(Seen { context, kube_system, service, weight: values[1], record })
    };
    let clusters = vec![of("b", Some("k2"), "s2", from), of("a", Some("k1"), "s1", to)];
    (Whole { parts: parts.to_vec() }, snapshot(clusters))
}

#[test]
fn a_record_without_uids_is_about_the_service_that_carries_it() {
    let (whole, snapshot) = without_uids([["20", "40"], ["80", "60"]]);
    let located = whole.located("c1", &snapshot);
    assert_eq!(
        located.parts,
        [
            part("b", [Some("k2"), Some("s2")], ["20", "40"]),
            part("a", [Some("k1"), Some("s1")], ["80", "60"]),
        ]
    );
    let standings: Vec<Standing> = located.parts.iter().map(|of| of.standing(&snapshot)).collect();
    assert_eq!(standings, [Standing::After, Standing::After]);
    assert_eq!(whole.located("another", &snapshot), whole);
}

#[test]
fn a_record_without_uids_does_not_tell_clusters_with_the_same_weights_apart() {
    let (whole, snapshot) = without_uids([["20", "40"], ["20", "40"]]);
    assert_eq!(whole.located("c1", &snapshot), whole);
    let Standing::Unknown(why) = whole.parts[1].standing(&snapshot) else { panic!("it is known") };
    assert_eq!(
        why,
        "the record holds no UID that tells the cluster that was called old from others"
    );
}

#[test]
fn a_change_whose_other_cluster_is_not_proven_is_not_called_half_done() {
    let parts = [part("new", [None, None], ["20", "40"]), part("old", [None, None], ["80", "60"])];
    let record = Some(record(&parts, ["20", "40"]));
    let new = Seen { context: "new", kube_system: None, service: "s2", weight: "40", record };
    let old = Seen { context: "old", kube_system: None, service: "s1", weight: "80", record: None };
    assert!(half_done(&snapshot(vec![cluster(new), cluster(old)])).is_empty());
}

#[rstest]
#[case::of_the_service_itself([Some("k1"), Some("s1")], [Some("k1"), Some("s1")], "web", true)]
#[case::of_one_made_anew_in_the_cluster([Some("k1"), Some("s1")], [Some("k1"), Some("s2")], "web", true)]
#[case::copied_in_the_cluster([Some("k1"), Some("s1")], [Some("k1"), Some("s2")], "web-new", false)]
#[case::copied_to_another_cluster([Some("k1"), Some("s1")], [Some("k2"), Some("s2")], "web", false)]
#[case::copied_where_kube_system_is_not_read([Some("k1"), Some("s1")], [None, Some("s2")], "web", false)]
#[case::of_the_change_that_made_it([Some("k1"), None], [Some("k1"), Some("s1")], "web", true)]
fn a_record_is_about_the_service_that_it_was_made_of(
    #[case] recorded: [Option<&str>; 2],
    #[case] present: [Option<&str>; 2],
    #[case] name: &str,
    #[case] is: bool,
) {
    let mut text = record(&[], ["80", "60"]);
    let of = |text: &Value| {
        let history = History::parse(Some(&text.to_string())).expect("a history");
        let meta = json!({"namespace": "shop", "name": name, "uid": present[1]});
        let meta = serde_json::from_value(meta).expect("metadata");
        history.last().expect("an entry").is_of(present[0], &meta)
    };
    assert!(of(&text), "an earlier release does not say of which Service it is");
    let [cluster_uid, uid] = recorded;
    text[0]["service"] =
        json!({"cluster_uid": cluster_uid, "uid": uid, "namespace": "shop", "name": "web"});
    assert_eq!(of(&text), is);
}

#[test]
fn a_record_that_came_with_a_copy_tells_of_no_half_done_change() {
    let parts = [
        part("new", [Some("k2"), Some("s2")], ["20", "40"]),
        part("old", [Some("k1"), Some("s1")], ["80", "60"]),
    ];
    let mut record = record(&parts, ["20", "40"]);
    record[0]["service"] =
        json!({"cluster_uid": "k2", "uid": "s2", "namespace": "shop", "name": "web"});
    let seen = |number: &str, weight, record| {
        let (kube_system, service) = (format!("k{number}"), format!("s{number}"));
        let (context, kube_system) = ("x", Some(kube_system.as_str()));
        cluster(Seen { context, kube_system, service: &service, weight, record })
    };
    // In the cluster of the change, somebody has set the weight since.
    let (old, new) = (seen("1", "80", None), seen("2", "40", None));
    let carried = |number| {
        half_done(&snapshot(vec![
            old.clone(),
            if number == "2" { seen(number, "40", Some(record.clone())) } else { new.clone() },
            if number == "2" {
                seen("3", "40", None)
            } else {
                seen(number, "40", Some(record.clone()))
            },
        ]))
    };
    assert_eq!(carried("2").len(), 1);
    assert_eq!(carried("3").len(), 0);
}

#[test]
fn the_uid_of_a_cluster_is_that_of_its_namespace_kube_system() {
    let mut cluster = Cluster::default();
    for (name, uid) in [("shop", "n1"), ("kube-system", "n2")] {
        let meta = serde_json::from_value(json!({"name": name, "uid": uid})).expect("metadata");
        cluster.insert(Object::Namespace(meta));
    }
    assert_eq!(cluster.uid.as_deref(), Some("n2"));
}

#[test]
fn two_uids_of_kube_system_are_two_clusters_in_one() {
    let mut cluster = Cluster::default();
    let system = |uid: &str| {
        let meta = json!({"name": "kube-system", "uid": uid});
        Object::Namespace(serde_json::from_value(meta).expect("metadata"))
    };
    assert_eq!(cluster.insert(system("")), Inserted::New);
    assert_eq!(cluster.insert(system("k1")), Inserted::New);
    assert_eq!(cluster.insert(system("k1")), Inserted::New);
    let Inserted::Conflict(conflict) = cluster.insert(system("k2")) else { panic!("no conflict") };
    assert_eq!(conflict.object.to_string(), "Namespace kube-system");
    assert_eq!(cluster.uid.as_deref(), Some("k1"));
}

#[test]
fn a_record_without_uids_is_read_and_written_as_it_was() {
    let text = record(&[part("old", [None, None], ["80", "60"])], ["80", "60"]).to_string();
    assert!(!text.contains("uid"), "{text}");
    let history = History::parse(Some(&text)).expect("a history");
    assert!(!history.to_text().contains("uid"));
}
