//! Whether groups hold what CCM should have written. No answer proves nothing.

use clbmigrate_core::{
    agreement::{Difference, Expectation},
    clb_answers::GroupAnswer,
    index::ServiceRef,
    object::Service,
    patch::{AnnotationEdit, ServiceEdit},
    snapshot::{Cluster, Object, Snapshot},
};
use rstest::rstest;
use serde_json::{Value, json};

const PREFIX: &str = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-";

fn parsed<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap_or_else(|error| panic!("{error}"))
}

/// A cluster with a Service of that weight in group `rsp-bp1example`, and so many nodes; `None` where
/// nodes are not known.
fn snapshot(weight: &str, nodes: Option<usize>) -> Snapshot {
    let service: Service = parsed(json!({
        "metadata": {"name": "web", "namespace": "shop", "annotations": {
            format!("{PREFIX}id"): "lb-bp1example",
            format!("{PREFIX}vgroup-port"): "rsp-bp1example:80",
            format!("{PREFIX}weight"): weight,
        }},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80, "nodePort": 30080}]},
    }));
    let mut cluster = Cluster::default();
    cluster.id = Some("c-1".to_owned());
    cluster.eni_by_default = Some(false);
    cluster.insert(Object::Service(Box::new(service)));
    for at in 0..nodes.unwrap_or_default() {
        cluster.insert(Object::Node(parsed(json!({
            "metadata": {"name": format!("n{at}")},
            "spec": {"providerID": format!("cn-hangzhou.i-bp1{at}")},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        }))));
    }
    cluster.nodes_listed = nodes.is_some();
    let mut snapshot = Snapshot::default();
    snapshot.clusters.push(cluster);
    snapshot
}

/// The edit of one annotation.
fn edit(suffix: &str, old: &str, new: &str) -> ServiceEdit {
    let (old, new) = (Some(old.to_owned()), Some(new.to_owned()));
    vec![AnnotationEdit { key: format!("{PREFIX}{suffix}"), old, new }].into()
}

fn expectation(before: &Snapshot, edit: &ServiceEdit, joins: bool) -> Expectation {
    let cluster = &before.clusters[0];
    let service = cluster.service("shop", "web").unwrap_or_else(|| panic!("no Service"));
    let service_ref = ServiceRef { cluster_index: 0, cluster, service };
    Expectation::after(&service_ref, before, edit, joins)
}

/// A group with backends of the Service that have these weights, beside an old machine.
fn group(id: &str, weights: &[u32]) -> GroupAnswer {
    let ours = weights.iter().enumerate().map(|(at, weight)| {
        json!({
            "ServerId": format!("i-bp1{at}"), "Port": 30080, "Weight": weight,
            "Description": "k8s/30080/web/shop/c-1",
        })
    });
    let old = json!({"ServerId": "i-bp1old", "Port": 80, "Weight": 60});
    let backends: Vec<Value> = ours.chain([old]).collect();
    parsed(json!({
        "VServerGroupId": id, "LoadBalancerId": "lb-bp1example",
        "BackendServers": {"BackendServer": backends},
    }))
}

/// What a change of the weight comes to where the group holds these weights: the differences in words.
fn compared(
    to: &str,
    nodes: Option<usize>,
    weights: &[u32],
    joins: bool,
) -> Result<String, String> {
    let before = snapshot("20", nodes);
    let mut expected = expectation(&before, &edit("weight", "20", to), joins);
    expected.insert(&group("rsp-bp1example", weights));
    let differences = expected.compare(&[])?;
    Ok(differences.into_iter().map(|of| of.words).collect::<Vec<_>>().join("; "))
}

#[rstest]
#[case::as_it_should("40", Some(2), &[20, 20], "")]
#[case::as_before("40", Some(2), &[10, 10], "holds 2 of its backends with a sum of 20, and should hold 2 with 40")]
#[case::one_is_missing("40", Some(2), &[40], "holds 1 of its backends with a sum of 40, and should hold 2")]
#[case::emptied("40", Some(2), &[], "holds 0 of its backends with a sum of 0, and should hold 2 with 40")]
#[case::weight_0_is_a_sum_of_0("0", Some(2), &[0, 0], "")]
#[case::weight_0_however_many_there_are("0", Some(2), &[], "")]
#[case::weight_0_wherever_nodes_are_not_known("0", None, &[0, 0, 0], "")]
#[case::weight_0_that_is_not_there_yet("0", Some(2), &[10, 10], "holds 2 of its backends with a sum of 20")]
#[case::weight_0_that_is_not_there_yet_of_unknown_nodes("0", None, &[10, 10], "holds 2 of its backends with a sum of 20")]
fn a_group_agrees_where_it_holds_what_ccm_should_have_written(
    #[case] to: &str,
    #[case] nodes: Option<usize>,
    #[case] weights: &[u32],
    #[case] expected: &str,
) {
    let found = compared(to, nodes, weights, false).unwrap_or_else(|why| panic!("{why}"));
    assert_eq!(found.is_empty(), expected.is_empty(), "{found}");
    assert!(found.contains(expected), "{found}");
}

#[rstest]
#[case::all_are_there(Some(2), &[0, 0], Ok(""))]
#[case::one_is_missing(Some(2), &[0], Ok("holds 1 of its backends"))]
#[case::none_is_there(Some(2), &[], Ok("holds 0 of its backends"))]
#[case::there_are_none_yet(Some(0), &[], Err("it has no backends yet"))]
#[case::nobody_knows_how_many(None, &[0], Ok(""))]
fn who_joins_a_group_must_be_in_it(
    #[case] nodes: Option<usize>,
    #[case] weights: &[u32],
    #[case] expected: Result<&str, &str>,
) {
    match (compared("0", nodes, weights, true), expected) {
        (Ok(found), Ok(expected)) => {
            assert_eq!(found.is_empty(), expected.is_empty(), "{found}");
            assert!(found.contains(expected), "{found}");
        }
        (Err(found), Err(expected)) => assert!(found.contains(expected), "{found}"),
        (found, _) => panic!("{found:?}"),
    }
}

#[test]
fn a_group_that_was_not_read_never_agrees() {
    for to in ["0", "40"] {
        let before = snapshot("20", Some(2));
        let expected = expectation(&before, &edit("weight", "20", to), false);
        assert_eq!(expected.groups(), ["rsp-bp1example"]);
        assert!(expected.compare(&[]).is_err(), "{to}");
    }
}

#[test]
fn weights_of_unknown_nodes_never_agree() {
    assert!(compared("40", None, &[20, 20], false).is_err());
}

#[test]
fn a_group_that_does_not_exist_differs_for_good() {
    let before = snapshot("20", Some(2));
    let expected = expectation(&before, &edit("weight", "20", "40"), false);
    let found =
        expected.compare(&["rsp-bp1example".to_owned()]).unwrap_or_else(|why| panic!("{why}"));
    let words = "group rsp-bp1example does not exist".to_owned();
    assert_eq!(found, [Difference { words, is_empty: false, may_help: false }]);
}

/// The Service goes out of its group by a release entry.
fn released(weights: Option<&[u32]>) -> Result<String, String> {
    let before = snapshot("0", Some(2));
    let release = edit("vgroup-port", "rsp-bp1example:80", "rsp-bp1example:0");
    let mut expected = expectation(&before, &release, false);
    assert_eq!(expected.groups(), ["rsp-bp1example"]);
    if let Some(weights) = weights {
        expected.insert(&group("rsp-bp1example", weights));
    }
    let differences = expected.compare(&[])?;
    Ok(differences.into_iter().map(|of| of.words).collect::<Vec<_>>().join("; "))
}

#[test]
fn a_group_that_is_left_may_hold_none_of_the_backends() {
    assert_eq!(released(Some(&[])).as_deref(), Ok(""));
    let words = "group rsp-bp1example still holds 2 of its backends, and should hold none";
    assert_eq!(released(Some(&[0, 0])).as_deref(), Ok(words));
    assert!(released(None).is_err(), "it was not read");
}

#[test]
fn a_release_is_looked_up_after_the_mapping_is_gone_as_well() {
    let mut before = snapshot("0", Some(2));
    before = before.with_annotation(
        0,
        "shop",
        "web",
        &format!("{PREFIX}vgroup-port"),
        Some("rsp-bp1example:0"),
    );
    let mut expected = expectation(&before, &ServiceEdit::default(), false);
    expected.insert(&group("rsp-bp1example", &[0]));
    let found = expected.compare(&[]).unwrap_or_else(|why| panic!("{why}"));
    assert!(found.iter().any(|of| of.words.contains("still holds 1")), "{found:?}");
}

#[test]
fn a_service_without_any_group_agrees_with_nothing() {
    let before = snapshot("20", Some(2));
    let mapping = edit("vgroup-port", "rsp-bp1example:80", "");
    let expected = expectation(&before, &mapping, false);
    assert!(expected.compare(&[]).is_err());
}

#[test]
fn nodes_that_came_meanwhile_are_expected_as_well() {
    let before = snapshot("20", Some(2));
    let mut expected = expectation(&before, &edit("weight", "20", "30"), false);
    expected.insert(&group("rsp-bp1example", &[10, 10, 10]));
    assert_eq!(expected.compare(&[]).map(|of| of.len()), Ok(1));
    assert!(expected.refresh(&snapshot("20", Some(3)).clusters[0]));
    assert_eq!(expected.compare(&[]), Ok(Vec::new()));
    assert!(!expected.refresh(&Cluster::default()), "the Service is gone");
}
