//! What each participant of a route carries before and after a change.

use std::collections::BTreeMap;

use crate::output::json::{ChangedRoute, Participant, ShareChange, Side, TransferRoute};

/// What tells a participant from the others of its route.
type Name<'r> = (Option<&'r str>, Option<&'r str>, &'r str, Option<&'static str>);

/// The participant's.
fn name_of(of: &Participant) -> Name<'_> {
    (of.context.as_deref(), of.namespace.as_deref(), &of.name, of.standing.mark)
}

/// The shares of one side.
fn by_name(side: &Side) -> BTreeMap<Name<'_>, Option<f64>> {
    side.participants.iter().map(|of| (name_of(of), of.share)).collect()
}

/// Everybody's share before and after.
pub fn shares(route: &ChangedRoute) -> TransferRoute {
    let before = by_name(&route.before);
    let shares = route.after.participants.iter().map(|of| ShareChange {
        kind: of.kind,
        context: of.context.clone(),
        namespace: of.namespace.clone(),
        name: of.name.clone(),
        before: before.get(&name_of(of)).copied().flatten(),
        after: of.share,
    });
    TransferRoute {
        clb: route.clb.clone(),
        vserver_group: route.vserver_group.clone(),
        port: route.port,
        shares: shares.collect(),
    }
}
