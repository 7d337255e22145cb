//! What the CLB's health checks say of the backends that are to carry traffic.

use std::{collections::BTreeSet, time::Duration};

use clbmigrate_core::{
    clb_answers::ClbAnswer,
    index::{Index, RouteKey},
    prediction::Prediction,
    route::{AbnormalBackend, GroupListeners, Participant, Route},
    snapshot::Snapshot,
};
use tokio::time::Instant;

use super::ServiceSide;
use crate::{
    change::{Deadline, api::CloudApi},
    output::Printer,
};

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(3);

/// How long backends may be abnormal, or not checked yet, after they got their weight. A new backend is
/// abnormal until it has passed some checks, by default three in a row every two seconds.
const PATIENCE: Duration = Duration::from_secs(40);

/// How many backends a message names.
const NAMED: usize = 5;

/// Groups, each with its CLB, and which of their participants are looked at.
pub(super) type Looked<'l> = (&'l [(String, String)], &'l dyn Fn(&Participant<'_>) -> bool);

/// What the health checks say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum HealthCheck {
    /// Every backend with weight is healthy at every listener that sends to its group.
    Healthy,
    /// Some are not; which, in words.
    Abnormal(String),
    /// It is not known of some; why, in words.
    Unknown(String),
}

impl ServiceSide<'_> {
    /// Asks until the Service's backends are healthy, or for a while where they are not.
    pub(super) async fn check_health(
        &self,
        expected: &mut super::groups::Expectation,
        deadline: Deadline,
        printer: &mut Printer,
    ) -> HealthCheck {
        let Some(cloud) = &self.cloud else {
            return HealthCheck::Unknown("nobody can be asked about health".to_owned());
        };
        let is_ours = |of: &Participant<'_>| {
            of.service_ref.as_ref().is_some_and(|of| of.is_same(&self.service_ref))
        };
        let index = Index::new(expected.snapshot());
        let routes = self.routes_in(&index).into_iter();
        let routes: Vec<(String, String)> =
            routes.map(|key| (key.clb.to_owned(), key.vgroup.to_owned())).collect();
        check(&**cloud, expected.snapshot_mut(), (&routes, &is_ours), deadline, printer).await
    }
}

/// Asks about the health of the participants `of` these groups, each with its CLB, until all are
/// healthy, or for a while where they are not.
pub(super) async fn check(
    cloud: &dyn CloudApi,
    snapshot: &mut Snapshot,
    (groups, of): Looked<'_>,
    deadline: Deadline,
    printer: &mut Printer,
) -> HealthCheck {
    let start = Instant::now();
    // What was said last, and what the last answer of the API came to.
    let (mut said, mut seen) = (None, None);
    loop {
        let result = match ask(cloud, snapshot, groups, deadline).await {
            Ok(()) => {
                let result = judge(snapshot, groups, of);
                seen = Some(result.clone());
                result
            }
            // No answer says nothing against the one before it.
            Err(why) => seen.clone().unwrap_or(HealthCheck::Unknown(why)),
        };
        let is_over = start.elapsed() >= PATIENCE || deadline.is_over();
        let words = match &result {
            HealthCheck::Healthy => return result,
            HealthCheck::Abnormal(words) | HealthCheck::Unknown(words) => words,
        };
        if is_over || is_never_checked(snapshot, groups) {
            return result;
        }
        if said.as_ref() != Some(words) {
            printer.info(&format!("{words}; looking again"));
            said = Some(words.clone());
        }
        deadline.pause(PAUSE).await;
    }
}

/// Asks about the listeners of each CLB, and about the health that those see which send to the groups.
async fn ask(
    cloud: &dyn CloudApi,
    snapshot: &mut Snapshot,
    groups: &[(String, String)],
    deadline: Deadline,
) -> Result<(), String> {
    let mut clbs: Vec<&str> = groups.iter().map(|(clb, _)| clb.as_str()).collect();
    clbs.sort_unstable();
    clbs.dedup();
    for clb in clbs {
        let list = cloud.listeners(clb, deadline).await.map_err(|error| error.to_string())?;
        let sends = |vgroup: &str| groups.iter().any(|(of, group)| of == clb && group == vgroup);
        let ours: Vec<(u16, String)> = list
            .listeners
            .iter()
            .filter(|of| of.is_running() && sends(&of.vgroup))
            .map(|of| (of.port, of.protocol.clone()))
            .collect();
        snapshot.clb_answers.insert(ClbAnswer::Listeners(list));
        for (port, protocol) in ours {
            let health = cloud.health(clb, (port, &protocol), deadline).await;
            let health = health.map_err(|error| error.to_string())?;
            snapshot.clb_answers.insert(ClbAnswer::Health(health));
        }
    }
    Ok(())
}

/// Whether a listener that sends to one of the groups has its health check off: waiting tells nothing.
fn is_never_checked(snapshot: &Snapshot, groups: &[(String, String)]) -> bool {
    let index = Index::new(snapshot);
    groups.iter().any(|(clb, vgroup)| {
        let listeners = index.listeners_of(clb).unwrap_or_default();
        let mut sending = listeners.iter().filter(|of| of.is_running() && of.vgroup == *vgroup);
        sending.any(|of| of.is_unchecked())
    })
}

fn judge(
    snapshot: &Snapshot,
    groups: &[(String, String)],
    of: &dyn Fn(&Participant<'_>) -> bool,
) -> HealthCheck {
    let index = Index::new(snapshot);
    let (mut abnormal, mut unknown) = (Vec::new(), Vec::new());
    for (clb, vgroup) in groups {
        let is_it = |key: &RouteKey<'_>| key.clb == clb && key.vgroup == vgroup;
        let Some((key, _)) = index.routes().find(|(key, _)| is_it(key)) else { continue };
        let route = Route::build(&index, *key, &Prediction::default());
        let ours: Vec<&Participant<'_>> = route.participants.iter().filter(|one| of(one)).collect();
        abnormal.extend(abnormal_in_words(vgroup, &ours));
        unknown.extend(unknown_in_words(&route, &ours));
    }
    if !abnormal.is_empty() {
        return HealthCheck::Abnormal(abnormal.join("; "));
    }
    if !unknown.is_empty() {
        return HealthCheck::Unknown(unknown.join("; "));
    }
    HealthCheck::Healthy
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
