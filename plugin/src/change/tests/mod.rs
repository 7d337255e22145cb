//! The whole course, with every call answered in every way: whatever comes of it, nobody who carries
//! traffic gives it up before somebody else was seen to have it, and nothing is called verified that
//! was not seen.

mod objects;
mod world;

use std::{rc::Rc, time::Duration};

use clbmigrate_cluster::live::LiveService;
use clbmigrate_core::{
    clb_answers::ClbAnswer,
    index::{Index, ServiceRef},
    object::Service,
    patch::{AnnotationEdit, ServiceEdit},
    snapshot::{Cluster, Object, Snapshot},
    transfer::{Ending, OneService, Part},
};
use proptest::prelude::*;
use serde_json::{Value, json};

use self::{
    objects::KEY,
    world::{Cloud, Happened, SharedWorld, World},
};
use super::{
    api::CloudApi,
    run::{self, RunResult},
    side::{EntryPlan, NeededHealth, NeededProof, OnFailure, Policy, Progress, ServiceSide, Side},
    stop::Stop,
};
use crate::{
    cli::{Color, Verbosity},
    output::Printer,
};

/// The weights that everything begins with: the side that gains first.
const BEFORE: [u32; 2] = [20, 80];
/// The weights that the change is to bring.
const AFTER: [u32; 2] = [40, 60];

/// The clusters of these Services, each with a node.
fn snapshot(services: &[Value]) -> Snapshot {
    let mut snapshot = Snapshot::default();
    for (at, service) in services.iter().enumerate() {
        let mut cluster = Cluster::default();
        cluster.context = Some(format!("context-{at}").into());
        cluster.id = Some(format!("c-{at}"));
        let service: Service =
            serde_json::from_value(service.clone()).unwrap_or_else(|error| panic!("{error}"));
        cluster.insert(Object::Service(Box::new(service)));
        let node = json!({
            "metadata": {"name": format!("n{at}")},
            "spec": {"providerID": format!("cn-hangzhou.i-bp1{at}")},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        });
        let node = serde_json::from_value(node).unwrap_or_else(|error| panic!("{error}"));
        cluster.insert(Object::Node(Box::new(node)));
        cluster.nodes_listed = true;
        cluster.eni_by_default = Some(false);
        snapshot.clusters.push(cluster);
    }
    snapshot
}

/// The same, with the group as it is before the change.
fn before(services: &[Value]) -> Snapshot {
    let mut snapshot = snapshot(services);
    let held = BEFORE.iter().enumerate().map(|(at, weight)| objects::backend(at, *weight));
    let group = objects::group(&held.collect::<Vec<_>>());
    let group = serde_json::from_value(group).unwrap_or_else(|error| panic!("{error}"));
    snapshot.clb_answers.insert(ClbAnswer::Group(group));
    snapshot
}

fn side<'t>(
    world: &SharedWorld,
    index: &'t Index<'t>,
    at: usize,
    (from, to): (u32, u32),
) -> ServiceSide<'t> {
    let cluster = &index.snapshot.clusters[at];
    let service = cluster.service("shop", "web").unwrap_or_else(|| panic!("no Service"));
    let edit = AnnotationEdit {
        key: KEY.to_owned(),
        old: Some(from.to_string()),
        new: Some(to.to_string()),
    };
    ServiceSide {
        cluster: Rc::new(world::Cluster(Rc::clone(world), at)),
        cloud: Some(Rc::new(Cloud(Rc::clone(world))) as Rc<dyn CloudApi>),
        before: index,
        service_ref: ServiceRef { cluster_index: at, cluster, service },
        present: LiveService::planned(world.borrow().services()[at].clone()),
        edit: ServiceEdit::from(vec![edit]),
        manifest: None,
        must_register: false,
        entry: EntryPlan { verb: "shift".to_owned(), ..EntryPlan::default() },
        gains: to > from,
        progress: Progress::default(),
    }
}

fn part(at: usize, (from, to): (u32, u32)) -> Part {
    Part::Service(OneService {
        context: Some(format!("context-{at}")),
        cluster: None,
        cluster_uid: None,
        uid: None,
        namespace: "shop".to_owned(),
        name: "web".to_owned(),
        from: Some(from.to_string()),
        to: Some(to.to_string()),
        gains: None,
    })
}

fn policy(may_stay: bool) -> Policy {
    Policy {
        timeout: Duration::from_secs(60),
        proof: if may_stay { NeededProof::Ccm } else { NeededProof::AtClb },
        on_failure: if may_stay { OnFailure::Stay } else { OnFailure::TakeBack },
        health: NeededHealth::Healthy,
    }
}

/// How a change ended, and whether each side is called verified.
struct Ended {
    result: RunResult,
    verified: Vec<bool>,
}

/// Clusters, each with its weight before and after.
type Changes<'c> = &'c [(usize, (u32, u32))];

/// Carries a change of these sides out, over an hour that takes no time.
fn carry_out(world: &SharedWorld, changes: Changes<'_>, may_stay: bool) -> Ended {
    carry_out_sides(world, (changes, false), may_stay)
}

/// The same, and the sides must be in their groups where they are to join them.
fn carry_out_sides(
    world: &SharedWorld,
    (changes, must_register): (Changes<'_>, bool),
    may_stay: bool,
) -> Ended {
    let services = world.borrow().services();
    let snapshot = before(&services);
    let index = Index::new(&snapshot);
    let sides = changes
        .iter()
        .map(|(at, change)| ServiceSide { must_register, ..side(world, &index, *at, *change) });
    let mut sides: Vec<Side<'_>> = sides.map(|side| Side::Service(Box::new(side))).collect();
    let parts: Vec<Part> = changes.iter().map(|(at, change)| part(*at, *change)).collect();
    let mut printer = Printer::new(Color::Never, None, Verbosity::default()).silenced();
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build();
    let runtime = runtime.unwrap_or_else(|error| panic!("{error}"));
    let (policy, stop) = (policy(may_stay), Stop::default());
    let work = run::run("change", (&mut sides, &parts), &policy, &stop, &mut printer);
    let result = runtime.block_on(work);
    assert!(!world.borrow().is_hasty, "a write within a second after a call to the CLB API");
    Ended { result, verified: sides.iter().map(Side::is_proven).collect() }
}

/// What the CLB has shown last of a cluster's weight between two moments; `None` where it has shown
/// nothing, or no backend.
fn shown(log: &[Happened], cluster: usize, since: usize, until: usize) -> Option<u32> {
    let shown = log.get(since..until).unwrap_or_default().iter().rev();
    let mut shown = shown.filter_map(|happened| match happened {
        Happened::Shown(weights) => Some(weights.get(cluster).copied().flatten()),
        _ => None,
    });
    shown.next().flatten()
}

/// When a cluster's weight was written last before a moment, by whomever.
fn last_write(log: &[Happened], cluster: usize, until: usize) -> Option<usize> {
    let before = log.get(..until).unwrap_or_default();
    before.iter().rposition(|happened| match happened {
        Happened::Sent { cluster: of, .. } | Happened::Others { cluster: of, .. } => *of == cluster,
        Happened::Shown(_) => false,
    })
}

/// Nobody gives weight up before the other side was seen at the CLB to have what it is to have then.
fn nobody_gives_up_too_soon(log: &[Happened]) {
    for (moment, happened) in log.iter().enumerate() {
        let Happened::Sent { cluster, from, to } = happened else { continue };
        if to >= from {
            continue;
        }
        let other = 1 - cluster;
        // The loser goes down when the gainer has its new weight; the gainer goes down again when the
        // loser has its old one, or was never touched.
        let needed = if *cluster == 1 { AFTER[0] } else { BEFORE[1] };
        let Some(since) = last_write(log, other, moment) else {
            assert_eq!(*cluster, 0, "the loser is lowered, and the gainer was not raised: {log:?}");
            continue;
        };
        let seen = shown(log, other, since, moment);
        assert_eq!(
            seen,
            Some(needed),
            "at {moment} cluster {cluster} goes from {from} to {to}: {log:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn whatever_comes_of_any_call_no_side_gives_up_weight_before_the_other_is_proven(
        choices in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let world = World::new(&BEFORE, choices);
        let changes = [(0, (BEFORE[0], AFTER[0])), (1, (BEFORE[1], AFTER[1]))];
        let ended = carry_out(&world, &changes, false);
        let log = &world.borrow().log;
        nobody_gives_up_too_soon(log);
        for (at, is_verified) in ended.verified.iter().enumerate() {
            let since = last_write(log, at, log.len()).unwrap_or_default();
            let is_seen = log.iter().any(|of| matches!(of, Happened::Shown(shown)
                if shown.get(at) == Some(&Some(AFTER[at]))));
            prop_assert!(!is_verified || is_seen, "{at} is called verified since {since}: {log:?}");
        }
        if ended.result.ending == Ending::Done {
            prop_assert!(ended.verified.iter().all(|is| *is), "{log:?}");
        }
    }

    #[test]
    fn a_change_of_one_service_is_verified_only_by_what_the_clb_has_shown(
        choices in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let world = World::new(&BEFORE, choices);
        let ended = carry_out(&world, &[(0, (BEFORE[0], AFTER[0]))], true);
        let log = &world.borrow().log;
        let sent = log.iter().position(|of| matches!(of, Happened::Sent { .. })).unwrap_or_default();
        let is_seen = shown_at_all(log, sent, AFTER[0]);
        prop_assert!(!ended.verified[0] || is_seen, "{log:?}");
    }

    #[test]
    fn a_service_that_joins_is_verified_only_where_the_clb_has_shown_its_backend(
        choices in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let world = World::new(&BEFORE, choices);
        let ended = carry_out_sides(&world, (&[(0, (BEFORE[0], 0))], true), true);
        let log = &world.borrow().log;
        let sent = log.iter().position(|of| matches!(of, Happened::Sent { .. })).unwrap_or_default();
        prop_assert!(!ended.verified[0] || shown_at_all(log, sent, 0), "{log:?}");
    }

    #[test]
    fn what_takes_all_traffic_away_is_never_taken_back(
        choices in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let world = World::new(&BEFORE, choices);
        carry_out(&world, &[(1, (BEFORE[1], 0))], true);
        let log = &world.borrow().log;
        let is_back = log.iter().any(|of| matches!(of, Happened::Sent { to: 1.., .. }));
        prop_assert!(!is_back, "{log:?}");
    }
}

/// Whether the CLB has shown the first cluster with that weight after a moment.
fn shown_at_all(log: &[Happened], since: usize, weight: u32) -> bool {
    let mut after = log.iter().skip(since);
    after.any(|of| matches!(of, Happened::Shown(shown) if shown.first() == Some(&Some(weight))))
}

#[test]
fn where_all_goes_well_both_sides_are_written_once_and_verified() {
    let world = World::new(&BEFORE, Vec::new());
    let changes = [(0, (BEFORE[0], AFTER[0])), (1, (BEFORE[1], AFTER[1]))];
    let ended = carry_out(&world, &changes, false);
    let log = &world.borrow().log;
    assert_eq!((ended.result.ending, ended.verified), (Ending::Done, vec![true, true]), "{log:?}");
    let sent = log.iter().filter(|of| matches!(of, Happened::Sent { .. })).count();
    assert_eq!(sent, 2);
    assert_eq!([world.borrow().weight(0), world.borrow().weight(1)], AFTER);
}
