//! What each participant of a route carries before and after a change.

use std::collections::BTreeMap;

use clbmigrate_core::route::RouteKey;

use crate::output::json::{
    ChangedRoute, Participant, RouteState, ShareChange, Standing, TransferRoute,
};

/// What tells a participant from the others of its route.
type Name<'r> = (Option<&'r str>, Option<&'r str>, &'r str, Option<Standing>);

/// The participant's.
fn name_of(of: &Participant) -> Name<'_> {
    (of.context.as_deref(), of.namespace.as_deref(), &of.name, of.standing)
}

/// The shares of one side.
fn by_name(side: &RouteState) -> BTreeMap<Name<'_>, Option<f64>> {
    side.participants.iter().map(|of| (name_of(of), of.share)).collect()
}

/// Everybody's share before and after.
pub fn shares(route: &ChangedRoute) -> TransferRoute {
    let before = by_name(&route.before);
    let shares = route.after.participants.iter().map(|of| ShareChange {
        kind: of.kind,
        standing: of.standing,
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

/// A route in a line: `lb-bp1example/rsp-bp1example:80`.
pub fn route_name(key: &RouteKey<'_>) -> String {
    let port = key.port.map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}/{}{port}", key.clb, key.vgroup)
}
