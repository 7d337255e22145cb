//! What a change would do: outcome, routes before and after, findings introduced and fixed.

use std::collections::BTreeSet;

use crate::{
    finding::{Finding, NotLooked},
    index::Index,
    object::{Annotations, ObjectRef, Service},
    outcome::Outcome,
    prediction::Prediction,
    route::{Route, RouteKey},
    rules,
    snapshot::{Cluster, Snapshot},
};

/// A change and what comes of it.
pub struct Preview<'a> {
    /// The worst outcome of a changed Service.
    pub outcome: Outcome,
    /// Why it is not *applied*, as `(Service, reason)`.
    pub reasons: Vec<(ObjectRef, String)>,
    /// The Services that differ.
    pub changes: Vec<ServiceChange<'a>>,
    /// The routes they are or were in.
    pub routes: Vec<RouteChange<'a>>,
    /// Findings the change brings.
    pub introduced: Vec<Finding>,
    /// Findings it takes away.
    pub fixed: Vec<Finding>,
    /// Findings it leaves as they are.
    pub unchanged: Vec<Finding>,
    /// What could not be looked at after the change.
    pub not_looked: Vec<NotLooked>,
}

/// A Service, old and new.
pub struct ServiceChange<'a> {
    /// The Service.
    pub object: ObjectRef,
    /// Index of its cluster.
    pub cluster: usize,
    /// How it was; `None` where it is new.
    pub old: Option<&'a Service>,
    /// How it becomes; `None` where it goes.
    pub new: Option<&'a Service>,
}

impl<'a> ServiceChange<'a> {
    /// Annotations that differ, as `(key, old, new)`.
    pub fn annotations(&self) -> Vec<(&'a str, Option<&'a str>, Option<&'a str>)> {
        let of = |service: Option<&'a Service>| service.map(|s| &s.metadata.annotations);
        let (old, new) = (of(self.old), of(self.new));
        let keys: BTreeSet<&str> = old.into_iter().chain(new).flat_map(Annotations::keys).collect();
        let value = |annotations: Option<&'a Annotations>, key: &str| {
            annotations.and_then(|annotations| annotations.get(key))
        };
        let pairs = keys.into_iter().map(|key| (key, value(old, key), value(new, key)));
        pairs.filter(|(_, old, new)| old != new).collect()
    }
}

/// A route before the change, and after CCM's next round over the changed Services.
pub struct RouteChange<'a> {
    /// The route.
    pub key: RouteKey<'a>,
    /// As it stands; without participants where the change makes the route.
    pub before: Route<'a>,
    /// As it will stand.
    pub after: Route<'a>,
}

/// Compares two snapshots of which the second is the first after a change.
pub fn preview<'a>(before: &Index<'a>, after: &Index<'a>) -> Preview<'a> {
    preview_including(before, after, &[])
}

/// The same, with Services that are looked at even where they stay as they are: their routes are shown
/// as CCM's next round would write them.
pub fn preview_including<'a>(
    before: &Index<'a>,
    after: &Index<'a>,
    named: &[ObjectRef],
) -> Preview<'a> {
    let (looked_at, changes) = services(before.snapshot, after.snapshot, named);
    let prediction = Prediction::new(before, after, &looked_at);
    // Nothing calls CCM to a Service that stays as it is: what is wrong there stays, too.
    let of_changes =
        (looked_at.len() > changes.len()).then(|| Prediction::new(before, after, &changes));
    let mut keys = BTreeSet::new();
    for index in [before, after] {
        for (key, members) in index.routes() {
            if members.iter().any(|member| prediction.is_changed(&member.service_ref)) {
                keys.insert(*key);
            }
        }
    }
    let routes = keys.into_iter().map(|key| RouteChange {
        key,
        before: Route::build(before, key, &Prediction::default()),
        after: Route::build(after, key, &prediction),
    });
    let routes = routes.collect();

    let touched: BTreeSet<&ObjectRef> = looked_at.iter().map(|change| &change.object).collect();
    let scope = |object: &ObjectRef| touched.contains(object) || object.kind != "Service";
    let was = rules::check(before, None, &scope);
    let change = rules::ChangeSet {
        before,
        services: &changes,
        prediction: of_changes.as_ref().unwrap_or(&prediction),
    };
    let is = rules::check(after, Some(change), &scope);
    let (unchanged, introduced) = is
        .findings
        .into_iter()
        .partition(|finding| was.findings.iter().any(|known| known.is_same(finding)));
    let unchanged: Vec<Finding> = unchanged;
    let fixed = was
        .findings
        .into_iter()
        .filter(|finding| !unchanged.iter().any(|known| known.is_same(finding)))
        .collect();

    let mut outcome = Outcome::Applied;
    let mut reasons = Vec::new();
    for service_ref in after.services().filter(|service_ref| prediction.is_changed(service_ref)) {
        let round = after.round(&service_ref);
        outcome = outcome.max(round.outcome());
        let object = service_ref.service.object_ref(service_ref.cluster.context.as_ref());
        reasons.extend(round.reasons().into_iter().map(|reason| (object.clone(), reason)));
    }
    Preview {
        outcome,
        reasons,
        changes,
        routes,
        introduced,
        fixed,
        unchanged,
        not_looked: is.not_looked,
    }
}

/// The Services to look at: those that differ in what CCM or a rule reads, and the `named` ones.
/// Those that differ are given apart as well.
fn services<'a>(
    before: &'a Snapshot,
    after: &'a Snapshot,
    named: &[ObjectRef],
) -> (Vec<ServiceChange<'a>>, Vec<ServiceChange<'a>>) {
    let (mut looked_at, mut changes) = (Vec::new(), Vec::new());
    let count = before.clusters.len().max(after.clusters.len());
    for cluster in 0..count {
        let (old, new) = (before.clusters.get(cluster), after.clusters.get(cluster));
        let services = old.into_iter().chain(new).flat_map(Cluster::services);
        let all: BTreeSet<(&str, &str)> =
            services.map(|s| (s.metadata.namespace(), s.metadata.name.as_str())).collect();
        for (namespace, name) in all {
            let of =
                |cluster: Option<&'a Cluster>| cluster.and_then(|c| c.service(namespace, name));
            let (old, new) = (of(old), of(new));
            let differs = match (old, new) {
                (Some(old), Some(new)) => {
                    old.spec != new.spec || old.metadata.annotations != new.metadata.annotations
                }
                _ => true,
            };
            let context = after.clusters.get(cluster).and_then(|c| c.context.as_ref());
            let Some(service) = new.or(old) else { continue };
            let object = service.object_ref(context);
            if differs {
                changes.push(ServiceChange { object: object.clone(), cluster, old, new });
            }
            if differs || named.contains(&object) {
                looked_at.push(ServiceChange { object, cluster, old, new });
            }
        }
    }
    (looked_at, changes)
}
