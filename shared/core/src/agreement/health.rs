use std::collections::BTreeSet;

use crate::{
    index::{Index, RouteKey},
    prediction::Prediction,
    route::{AbnormalBackend, GroupListeners, Participant, Route},
    snapshot::Snapshot,
};

/// How many backends a message names.
const NAMED: usize = 5;

/// What the CLB's health checks say of backends with weight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HealthVerdict {
    /// Every one is healthy at every listener that sends to its group.
    Healthy,
    /// Some are not; which, in words.
    Abnormal(String),
    /// It is not known of some; why, in words.
    Unknown(String),
}

/// What the health checks say of participants of these groups, each with its CLB.
pub fn health_of(
    snapshot: &Snapshot,
    groups: &[(String, String)],
    is_meant: &dyn Fn(&Participant<'_>) -> bool,
) -> HealthVerdict {
    let index = Index::new(snapshot);
    let (mut abnormal, mut unknown) = (Vec::new(), Vec::new());
    for (clb, vgroup) in groups {
        let is_it = |key: &RouteKey<'_>| key.clb == clb && key.vgroup == vgroup;
        let Some((key, _)) = index.routes().find(|(key, _)| is_it(key)) else { continue };
        let route = Route::build(&index, *key, &Prediction::default());
        let meant: Vec<&Participant<'_>> =
            route.participants.iter().filter(|one| is_meant(one)).collect();
        abnormal.extend(abnormal_in_words(vgroup, &meant));
        unknown.extend(unknown_in_words(&route, &meant));
    }
    if !abnormal.is_empty() {
        return HealthVerdict::Abnormal(abnormal.join("; "));
    }
    if !unknown.is_empty() {
        return HealthVerdict::Unknown(unknown.join("; "));
    }
    HealthVerdict::Healthy
}

/// The running listeners that send to a group of a CLB and have their health check off, as `tcp/80`:
/// they never tell.
pub fn unchecked_listeners(index: &Index<'_>, clb: &str, vgroup: &str) -> Vec<String> {
    let listeners = index.listeners_of(clb).unwrap_or_default();
    let sending = listeners.iter().filter(|of| of.is_running() && of.vgroup == vgroup);
    sending.filter(|of| of.is_unchecked()).map(|of| of.name().to_string()).collect()
}

/// Which backends with weight of these participants of a group the health check calls abnormal, in
/// words; `None` where it calls none so.
pub fn abnormal_in_words(vgroup: &str, of: &[&Participant<'_>]) -> Option<String> {
    let abnormal: Vec<&AbnormalBackend> = of.iter().flat_map(|of| &of.health.abnormal).collect();
    if abnormal.is_empty() {
        return None;
    }
    let name = |backend: &&AbnormalBackend| {
        let AbnormalBackend { id, port, listeners } = backend;
        format!("{id}:{port} at {}", listeners.join(" and "))
    };
    let mut named: Vec<String> = abnormal.iter().take(NAMED).map(name).collect();
    if abnormal.len() > NAMED {
        named.push(format!("and {} more", abnormal.len() - NAMED));
    }
    Some(format!(
        "CLB416 group {vgroup}: the CLB's health check calls backends abnormal that have weight, and sends them nothing: {}",
        named.join(", ")
    ))
}

/// Which listeners have checked nobody yet, in words; `None` where there are none.
pub fn silent_in_words(of: &[&Participant<'_>]) -> Option<String> {
    let silent = of.iter().flat_map(|of| &of.health.silent).map(String::as_str);
    let silent: BTreeSet<&str> = silent.collect();
    (!silent.is_empty()).then(|| {
        format!(
            "the health check of {} has not told of any backend yet, so it is not known whether they are healthy",
            silent.into_iter().collect::<Vec<_>>().join(" and ")
        )
    })
}

/// Why it is not known whether these participants' backends with weight are healthy, in words; `None`
/// where it is.
pub fn unknown_in_words(route: &Route<'_>, of: &[&Participant<'_>]) -> Option<String> {
    if !of.iter().any(|of| of.weight_sum.is_none_or(|sum| sum > 0)) {
        return None;
    }
    let vgroup = route.key.vgroup;
    if route.listeners == GroupListeners::Unknown {
        return Some(format!(
            "whether the backends of group {vgroup} are healthy is not known, for the listeners of {} are not",
            route.key.clb
        ));
    }
    let unchecked = of.iter().flat_map(|of| &of.health.unchecked).map(String::as_str);
    let unchecked: BTreeSet<&str> = unchecked.collect();
    (!unchecked.is_empty()).then(|| {
        format!(
            "whether the backends of group {vgroup} are healthy is not known: {} has no health check, or no answer yet",
            unchecked.into_iter().collect::<Vec<_>>().join(" and ")
        )
    })
}
