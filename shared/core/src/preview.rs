//! What a change would do: the outcome, the routes before and after, the findings that come and go.

use std::collections::BTreeSet;

use crate::{
    change::{ServiceChange, service_changes},
    finding::{Finding, NotLooked},
    index::Index,
    object::ObjectRef,
    outcome::{Outcome, Reason},
    prediction::Prediction,
    round::RoundEvent,
    route::{Route, RouteKey},
    rules,
};

/// A change and what follows from it.
pub struct Preview<'a> {
    /// The worst outcome of a Service that the change is about.
    pub outcome: Outcome,
    /// Whether the change makes CCM look at one of these Services.
    pub queued: bool,
    /// Why the outcome is not *applied*, as `(Service, reason)`.
    pub reasons: Vec<(ObjectRef, Reason)>,
    /// The events that CCM writes in its last round over each of these Services.
    pub events: Vec<(ObjectRef, RoundEvent)>,
    /// The Services that differ, by cluster and name.
    pub changes: Vec<ServiceChange<'a>>,
    /// The routes that these Services are or were in.
    pub routes: Vec<RouteChange<'a>>,
    /// The findings that the change brings.
    pub introduced: Vec<Finding>,
    /// The findings that it takes away.
    pub fixed: Vec<Finding>,
    /// The findings that it leaves as they are.
    pub unchanged: Vec<Finding>,
    /// The evidence that is missing after the change.
    pub not_looked: Vec<NotLooked>,
}

/// A route before the change, and after CCM's next round over the changed Services.
pub struct RouteChange<'a> {
    /// The route.
    pub key: RouteKey<'a>,
    /// The route as it is; without participants where the change makes it.
    pub before: Route<'a>,
    /// The route as it will be.
    pub after: Route<'a>,
}

/// Compares two snapshots, of which `after` is `before` with a change.
pub fn preview<'a>(before: &Index<'a>, after: &Index<'a>) -> Preview<'a> {
    preview_including(before, after, &[])
}

/// Compares two snapshots, of which `after` is `before` with a change. The `named` Services are
/// looked at even where they stay as they are: their routes are shown as CCM's next round would
/// write them.
pub fn preview_including<'a>(
    before: &Index<'a>,
    after: &Index<'a>,
    named: &[ObjectRef],
) -> Preview<'a> {
    let (looked_at, changes) = service_changes(before.snapshot, after.snapshot, named);
    let prediction = Prediction::new(before, after, &looked_at);
    // Nothing calls CCM to a Service that stays as it is: what is wrong there stays, too.
    let of_changes =
        (looked_at.len() > changes.len()).then(|| Prediction::new(before, after, &changes));
    let mut keys = BTreeSet::new();
    for index in [before, after] {
        for (key, members) in index.routes() {
            if members.iter().any(|member| prediction.of(&member.service_ref).is_some()) {
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

    // A Service whose nodes or endpoints alone differ has a round, too.
    let predicted: Vec<ObjectRef> = prediction.services(after).map(|(object, _)| object).collect();
    let looked_at = looked_at.iter().map(|change| &change.object);
    let touched: BTreeSet<&ObjectRef> = looked_at.chain(&predicted).collect();
    let scope = |object: &ObjectRef| touched.contains(object) || object.kind != "Service";
    let mut was = rules::check(before, None, &scope);
    // A rule that is silent after the change says nothing of what it fixes.
    rules::ContradictoryClusters::of([after.snapshot]).clear(&mut was.findings);
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
    let (mut reasons, mut events) = (Vec::new(), Vec::new());
    let mut queued = false;
    for (object, predicted) in prediction.services(after) {
        let service_ref = after.service_ref(&object);
        let present = service_ref
            .filter(|of| of.service.is_taken_by(of.cluster.ccm_version))
            .map(|service_ref| after.outcome_of(&service_ref, &prediction));
        let (one, why) = predicted.outcome(present.as_ref());
        queued |= predicted.is_queued;
        events.extend(predicted.events.iter().map(|event| (object.clone(), event.clone())));
        outcome = outcome.max(one);
        reasons.extend(why.into_iter().map(|reason| (object.clone(), reason)));
    }
    Preview {
        outcome,
        queued,
        reasons,
        events,
        changes,
        routes,
        introduced,
        fixed,
        unchanged,
        not_looked: is.not_looked,
    }
}
