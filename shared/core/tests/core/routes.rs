//! Who holds how much of a route, as it stands and after a change.
use crate::support::{TestSnapshot, backend, healthy, healthy_eni, healthy_local, outside};
use clbmigrate_core::{
    annotation::{BACKEND_TYPE, IGNORE_WEIGHT_UPDATE, VGROUP_PORT, WEIGHT},
    finding::Need,
    index::Index,
    outcome::Outcome,
    prediction::Prediction,
    preview::{Preview, preview, preview_including},
    route::Route,
    rules,
    snapshot::Snapshot,
};
use serde_json::{Value, json};

/// Every participant of every route: label, backends, sum of weights, share in percent.
fn held(routes: &[Route<'_>]) -> Vec<String> {
    let participants = routes.iter().flat_map(|route| &route.participants);
    let unknown = || "?".to_owned();
    participants
        .map(|p| {
            let backends = p.backends.map_or_else(unknown, |n| n.to_string());
            let sum = p.weight_sum.map_or_else(unknown, |n| n.to_string());
            let share = p.share.map_or_else(unknown, |share| format!("{:.1}", share * 100.0));
            format!("{}: {backends} backends, {sum}, {share} %", p.label())
        })
        .collect()
}

fn routes<'a>(index: &Index<'a>) -> Vec<Route<'a>> {
    index.routes().map(|(key, _)| Route::build(index, *key, &Prediction::default())).collect()
}

fn standing(setup: &TestSnapshot) -> Vec<String> {
    let snapshot = setup.snapshot();
    held(&routes(&Index::new(&snapshot)))
}

fn after<T>(
    before: &TestSnapshot,
    after: &TestSnapshot,
    look: impl FnOnce(&Preview<'_>) -> T,
) -> T {
    let (before, after): (Snapshot, Snapshot) = (before.snapshot(), after.snapshot());
    look(&preview(&Index::new(&before), &Index::new(&after)))
}

fn held_after(before: &TestSnapshot, edited: &TestSnapshot) -> Vec<String> {
    after(before, edited, |reported| {
        let routes: Vec<Route<'_>> =
            reported.routes.iter().map(|route| route.after.clone()).collect();
        held(&routes)
    })
}

#[test]
fn eighty_over_three_nodes_is_seventy_eight() {
    let edited = healthy().note(WEIGHT, "80");
    let expected = ["shop/web: 3 backends, 78, 52.7 %", "i-ext: 1 backends, 70, 47.3 %"];
    assert_eq!(held_after(&healthy(), &edited), expected);
}

#[test]
fn the_groups_answer_is_the_truth_and_the_model_stands_beside_it() {
    let drifted = healthy().group("rsp-a", &[backend(1, 40), backend(2, 10), outside(50)]);
    let snapshot = drifted.snapshot();
    let index = Index::new(&snapshot);
    let routes = routes(&index);
    let own = &routes[0].participants[0];
    assert_eq!((own.weight_sum, own.expected_weight_sum), (Some(50), Some(30)));
    assert_eq!((own.backends, own.expected_backends), (Some(2), 3));
}

#[test]
fn a_group_emptied_of_a_service_is_share_zero() {
    let emptied = healthy().group("rsp-a", &[outside(70)]);
    let expected = ["shop/web: 0 backends, 0, 0.0 %", "i-ext: 1 backends, 70, 100.0 %"];
    assert_eq!(standing(&emptied), expected);
    let snapshot = emptied.snapshot();
    assert!(routes(&Index::new(&snapshot))[0].participants[0].is_emptied());
}

#[test]
fn shares_are_unknown_without_the_groups_answer() {
    let snapshot = healthy().no_answers().snapshot();
    let routes = routes(&Index::new(&snapshot));
    let own = &routes[0].participants[0];
    assert_eq!((own.share, own.share_of_known), (None, 1.0));
    assert!(!routes[0].complete);
    assert_eq!(routes[0].unknown[0].what, "who else is in rsp-a");
    assert_eq!(routes[0].unknown[0].need, Some(Need::ClbApi));
}

#[test]
fn all_shares_are_zero_where_the_sum_is() {
    let zero = healthy()
        .note(WEIGHT, "0")
        .group("rsp-a", &[backend(1, 0), backend(2, 0), backend(3, 0), outside(0)]);
    let expected = ["shop/web: 3 backends, 0, 0.0 %", "i-ext: 1 backends, 0, 0.0 %"];
    assert_eq!(standing(&zero), expected);
}

#[test]
fn another_clusters_backends_are_a_participant_of_their_own() {
    let remote = json!({"ServerId": "i-far", "Port": 31080, "Weight": 30, "Type": "ecs",
        "Description": format!("k8s/31080/web/shop/{}", crate::support::OTHER_ID)});
    let setup = healthy().group("rsp-a", &[backend(1, 10), backend(2, 10), backend(3, 10), remote]);
    let expected = ["shop/web: 3 backends, 30, 50.0 %", "shop/web: 1 backends, 30, 50.0 %"];
    assert_eq!(standing(&setup), expected);
}

#[test]
fn a_frozen_service_keeps_what_it_has() {
    let broken = healthy().note(VGROUP_PORT, "rsp-a");
    let expected = ["shop/web: 3 backends, 30, 30.0 %", "i-ext: 1 backends, 70, 70.0 %"];
    assert_eq!(standing(&broken), expected);
    assert_eq!(held_after(&healthy(), &broken), expected);
    assert_eq!(after(&healthy(), &broken, |reported| reported.outcome), Outcome::Frozen);
    // Its backends are its own, not left over.
    let snapshot = broken.snapshot();
    let report = rules::check(&Index::new(&snapshot), None, &|_| true);
    let reported: Vec<&str> = report.findings.iter().map(|finding| finding.rule).collect();
    assert_eq!(reported, ["CLB003"]);
}

#[test]
fn a_drained_service_leaves_the_group_and_the_rest_goes_to_the_others() {
    let edited = healthy().note(WEIGHT, "101");
    let expected = ["shop/web: 0 backends, 0, 0.0 %", "i-ext: 1 backends, 70, 100.0 %"];
    assert_eq!(held_after(&healthy(), &edited), expected);
    assert_eq!(after(&healthy(), &edited, |reported| reported.outcome), Outcome::Drained);
}

#[test]
fn a_mapping_written_with_another_name_of_the_port_is_misrouted_in_the_route_it_means() {
    for mapping in ["rsp-a:8080", "rsp-a:http", "rsp-a:080", "80:rsp-a"] {
        let broken = healthy().note(VGROUP_PORT, mapping);
        let snapshot = broken.snapshot();
        let index = Index::new(&snapshot);
        let routes = routes(&index);
        assert_eq!(routes[0].key.vgroup, "rsp-a", "{mapping}");
        assert_eq!(routes[0].key.port, Some(80), "{mapping}");
        assert_eq!(routes[0].participants[0].outcome, Some(Outcome::Misrouted), "{mapping}");
    }
}

#[test]
fn under_ignore_weight_update_an_edit_of_the_weight_does_nothing() {
    let before = healthy().note(IGNORE_WEIGHT_UPDATE, "On");
    let edited = before.clone().note(WEIGHT, "90");
    let expected = ["shop/web: 3 backends, 30, 30.0 %", "i-ext: 1 backends, 70, 70.0 %"];
    assert_eq!(held_after(&before, &edited), expected);
    // A backend that is new comes with the new weight.
    let two = before.group("rsp-a", &[backend(1, 10), backend(2, 10), outside(70)]);
    let edited = two.clone().note(WEIGHT, "90");
    let expected = ["shop/web: 3 backends, 50, 41.7 %", "i-ext: 1 backends, 70, 58.3 %"];
    assert_eq!(held_after(&two, &edited), expected);
}

#[test]
fn a_group_that_is_released_is_cleaned_and_one_that_is_dropped_is_not() {
    let moved = |mapping| {
        let edited = healthy().note(VGROUP_PORT, mapping).group("rsp-b", &[]);
        let before = healthy().group("rsp-b", &[]);
        after(&before, &edited, |reported| {
            let route = reported.routes.iter().find(|route| route.key.vgroup == "rsp-a");
            held(&[route.expect("the old group").after.clone()])
        })
    };
    assert_eq!(moved("rsp-b:80,rsp-a:0"), ["i-ext: 1 backends, 70, 100.0 %"]);
    let orphaned = ["shop/web: 3 backends, 30, 30.0 %", "i-ext: 1 backends, 70, 70.0 %"];
    assert_eq!(moved("rsp-b:80"), orphaned);
}

#[test]
fn a_backend_added_by_hand_on_the_same_server_and_port_is_taken_over() {
    let by_hand: Value = json!({"ServerId": "i-1", "Port": 30080, "Weight": 5, "Type": "ecs",
        "Description": "by hand"});
    let before = healthy().note(WEIGHT, "60").group("rsp-a", &[by_hand, outside(70)]);
    let edited = before.clone().note(WEIGHT, "30");
    let expected = ["shop/web: 3 backends, 30, 30.0 %", "i-ext: 1 backends, 70, 70.0 %"];
    assert_eq!(held_after(&before, &edited), expected);
}

#[test]
fn from_nodes_to_pods_the_backends_change_and_the_weight_is_divided_anew() {
    let edited = healthy().key(BACKEND_TYPE, "eni").note(WEIGHT, "31");
    let expected = ["shop/web: 3 backends, 30, 30.0 %", "i-ext: 1 backends, 70, 70.0 %"];
    assert_eq!(held_after(&healthy(), &edited), expected);
    let ids = after(&healthy(), &edited, |reported| {
        let own = reported.routes[0].after.backends_of(0);
        own.map(|backend| backend.id.to_owned()).collect::<Vec<_>>()
    });
    assert_eq!(ids, ["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
}

#[test]
fn healthy_snapshots_of_each_mode_hold_thirty_of_a_hundred() {
    for setup in [healthy(), healthy_local(), healthy_eni()] {
        let expected = ["shop/web: 3 backends, 30, 30.0 %", "i-ext: 1 backends, 70, 70.0 %"];
        assert_eq!(standing(&setup), expected);
    }
}

#[test]
fn without_id_and_nodes_it_is_unknown_whose_backends_they_are() {
    let blind = healthy().id(None).without("Node").nodes_not_listed();
    let snapshot = blind.snapshot();
    let routes = routes(&Index::new(&snapshot));
    assert_eq!(routes[0].participants[0].weight_sum, None);
    assert!(routes[0].unknown[0].why.contains("--cluster-id"), "{:?}", routes[0].unknown);
    assert_eq!(routes[0].unknown[0].need, Some(Need::ClusterId));
}

#[test]
fn the_id_is_found_where_the_clusters_own_instances_carry_it() {
    let mut snapshot = healthy().id(None).snapshot();
    snapshot.infer_cluster_ids();
    assert_eq!(snapshot.clusters[0].id.as_deref(), Some(crate::support::CLUSTER_ID));
    // Two ids on the cluster's own instances prove nothing.
    let other = json!({"ServerId": "i-2", "Port": 30080, "Weight": 10, "Type": "ecs",
        "Description": format!("k8s/30080/web/shop/{}", crate::support::OTHER_ID)});
    let mut snapshot = healthy().id(None).group("rsp-a", &[backend(1, 10), other]).snapshot();
    snapshot.infer_cluster_ids();
    assert_eq!(snapshot.clusters[0].id, None);
}

#[test]
fn a_named_service_is_looked_at_even_where_it_stays_as_it_is() {
    let drifted = healthy().group("rsp-a", &[backend(1, 40), backend(2, 10), outside(50)]);
    let snapshot = drifted.snapshot();
    let index = Index::new(&snapshot);
    assert!(preview(&index, &index).routes.is_empty());
    let service_ref = index.services().next().expect("a Service");
    let reported = preview_including(&index, &index, &[service_ref.service.object_ref(None)]);
    assert!(
        reported.changes.is_empty() && reported.introduced.is_empty() && reported.fixed.is_empty()
    );
    let sums = |route: &Route<'_>| route.participants[0].weight_sum;
    assert_eq!(
        (sums(&reported.routes[0].before), sums(&reported.routes[0].after)),
        (Some(50), Some(30))
    );
}
