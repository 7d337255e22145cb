//! Services, bindings and writes in few words.

use std::collections::BTreeSet;

use clbmigrate_webhook::claims::{
    binding::{Binding, ServiceName},
    group::{ClaimedWrite, GroupClaims, Observation, Seconds, ServiceState, WRITE_LIFETIME},
    settlement::StoredClaims,
};

/// When the tests begin.
pub const NOW: Seconds = 1_000_000;
/// When no write of [`NOW`] can be carried out any more.
pub const LATER: Seconds = NOW + WRITE_LIFETIME;

/// `shop/NAME`.
pub fn service(name: &str) -> ServiceName {
    ServiceName { namespace: "shop".to_owned(), name: name.to_owned() }
}

/// One port of one CLB.
pub fn port(port: u16) -> BTreeSet<Binding> {
    of_clb("lb-bp1example", port)
}

/// One port of that CLB.
pub fn of_clb(clb: &str, port: u16) -> BTreeSet<Binding> {
    [Binding { clb: clb.to_owned(), port }].into()
}

/// The creation of a Service with that uid.
pub fn create(uid: &str) -> ClaimedWrite {
    ClaimedWrite::Create { uid: uid.to_owned() }
}

/// A change of that version of the Service `u-1`.
pub fn update(version: u32) -> ClaimedWrite {
    ClaimedWrite::Update { uid: "u-1".to_owned(), resource_version: version.to_string() }
}

/// The Service `u-1` in that version with these bindings.
pub fn seen(version: u32, bindings: BTreeSet<Binding>) -> Observation {
    let service =
        ServiceState { uid: "u-1".to_owned(), resource_version: version.to_string(), bindings };
    Observation { service: Some(service), past_uids: BTreeSet::new() }
}

/// No Service, where Services with these uids are known to have been.
pub fn gone(past_uids: &[&str]) -> Observation {
    Observation { service: None, past_uids: past_uids.iter().map(ToString::to_string).collect() }
}

/// Claims that were granted at [`NOW`].
pub fn claims(granted: &[(&str, u16, ClaimedWrite)]) -> GroupClaims {
    let mut claims = GroupClaims::default();
    for (name, number, write) in granted {
        claims.grant(&service(name), &port(*number), write, NOW);
    }
    claims
}

/// These claims as a read at that time shows them.
pub fn read_at(now: Seconds, claims: &GroupClaims) -> StoredClaims {
    StoredClaims { claims: claims.clone(), version: "7".to_owned(), now }
}

/// The names of the Services that have claims.
pub fn names(claims: &GroupClaims) -> Vec<String> {
    claims.services().map(|service| service.name.clone()).collect()
}
