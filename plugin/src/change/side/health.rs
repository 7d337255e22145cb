//! What the CLB's health checks say of the backends that are to carry traffic.

use std::time::Duration;

use clbmigrate_core::{
    agreement::{Expectation, HealthVerdict, health_of, unchecked_listeners},
    clb_answers::ClbAnswer,
    index::Index,
    route::Participant,
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

/// Groups, each with its CLB, and which of their participants are looked at.
pub(super) type Looked<'l> = (&'l [(String, String)], &'l dyn Fn(&Participant<'_>) -> bool);

impl ServiceSide<'_> {
    /// Asks until the Service's backends are healthy, or for a while where they are not.
    pub(super) async fn check_health(
        &self,
        expected: &mut Expectation,
        deadline: Deadline,
        printer: &mut Printer,
    ) -> HealthVerdict {
        let Some(cloud) = &self.cloud else {
            return HealthVerdict::Unknown("nobody can be asked about health".to_owned());
        };
        let is_ours = |of: &Participant<'_>| self.is(of);
        let groups = expected.groups_with_clb();
        check(&**cloud, expected.snapshot_mut(), (&groups, &is_ours), deadline, printer).await
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
) -> HealthVerdict {
    let start = Instant::now();
    // What was said last, and what the last answer of the API came to.
    let (mut said, mut seen) = (None, None);
    let progress = printer.progress("asking about health");
    loop {
        let result = match ask(cloud, snapshot, groups, deadline).await {
            Ok(()) => {
                let result = health_of(snapshot, groups, of);
                seen = Some(result.clone());
                result
            }
            // No answer says nothing against the one before it.
            Err(why) => seen.clone().unwrap_or(HealthVerdict::Unknown(why)),
        };
        let is_over = start.elapsed() >= PATIENCE || deadline.is_over();
        let words = match &result {
            HealthVerdict::Healthy => return result,
            HealthVerdict::Abnormal(words) | HealthVerdict::Unknown(words) => words,
        };
        if is_over || is_never_checked(snapshot, groups) {
            return result;
        }
        progress.set(format!("{words}; looking again{}", deadline.left_in_words()));
        if said.as_ref() != Some(words) {
            printer.info(&format!("{words}; looking again"));
            said = Some(words.clone());
        }
        deadline.pause(PAUSE).await;
    }
}

/// Whether a listener that sends to one of the groups has its health check off: waiting tells nothing.
fn is_never_checked(snapshot: &Snapshot, groups: &[(String, String)]) -> bool {
    let index = Index::new(snapshot);
    groups.iter().any(|(clb, vgroup)| !unchecked_listeners(&index, clb, vgroup).is_empty())
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
