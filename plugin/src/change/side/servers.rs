//! The side of servers outside of clusters, whose weights are written by the CLB API.

use std::{rc::Rc, time::Duration};

use clbmigrate_clb::{BackendKey, SetWeightsError, Weight};
use clbmigrate_core::{
    agreement::HealthVerdict,
    clb_answers::ClbAnswer,
    route::{Participant, ParticipantKind},
    snapshot::Snapshot,
    transfer::{Came, Part, Servers, Standing},
};

use super::{NeededHealth, Policy, health};
use crate::{
    change::{Deadline, api::CloudApi},
    error::Error,
    output::Printer,
};

/// Between two looks at the group.
const PAUSE: Duration = Duration::from_secs(2);

/// Writes the weights of servers outside of clusters.
pub struct ServersSide {
    /// The CLB API.
    pub cloud: Rc<dyn CloudApi>,
    /// The servers with their old and new weights.
    pub servers: Servers,
    /// Whether weights between the old ones and the new ones are of our own writing: the change goes on
    /// from one that was interrupted, or takes it back.
    pub is_begun: bool,
    /// The snapshot before the change, for what is known of the group's route.
    pub before: Snapshot,
    /// Whether the CLB was seen to carry the weights.
    pub is_proven: bool,
    /// Until when the present way is to be done.
    pub deadline: Option<Deadline>,
}

/// Somebody was faster.
fn taken(wanted: &Servers, how: &str) -> (Came, Option<Error>) {
    let message = changed(wanted, how);
    let hints = vec!["look again, then repeat: kubectl clbmigrate status".to_owned()];
    (Came::Taken(message.clone()), Some(Error::Conflict { message, hints }))
}

fn changed(wanted: &Servers, how: &str) -> String {
    format!("{}: somebody changed it: {how}", Part::Servers(wanted.clone()).label())
}

impl ServersSide {
    /// Whether a participant of a route is one of the servers.
    pub fn is(&self, of: &Participant<'_>) -> bool {
        of.kind == ParticipantKind::External
            && self.servers.servers.iter().any(|server| server.id == of.name)
    }

    /// Writes the weights, unless somebody has changed them.
    pub async fn write(&mut self, policy: &Policy) -> (Came, Option<Error>) {
        self.deadline = Some(Deadline::after(policy.timeout));
        self.set(&self.servers, self.is_begun).await
    }

    /// Reads the group until it answers, and says whether it carries the weights, with healthy servers.
    pub async fn verify(&mut self, policy: &Policy, printer: &mut Printer) -> Came {
        let label = Part::Servers(self.servers.clone()).label();
        let _line = printer.progress(format!("{label}: reading the group"));
        let came = self.see(&self.servers).await;
        if came != Came::Done {
            return came;
        }
        if Part::Servers(self.servers.clone()).is_raise() && policy.health > NeededHealth::Nothing {
            match self.check_health(printer).await {
                HealthVerdict::Healthy => {}
                HealthVerdict::Abnormal(how) => return Came::Failed(how),
                HealthVerdict::Unknown(why) if policy.health < NeededHealth::Healthy => {
                    printer.warning(&why);
                }
                HealthVerdict::Unknown(why) => return Came::Failed(why),
            }
        }
        self.is_proven = true;
        Came::Done
    }

    /// Writes the weights from before.
    pub async fn restore(&mut self, policy: &Policy) -> Came {
        self.deadline = Some(Deadline::after(policy.timeout));
        self.is_proven = false;
        match self.set(&self.servers.reversed(), true).await.0 {
            Came::NotWritten(why) => Came::Failed(why),
            came => came,
        }
    }

    /// Reads the group until it answers, and says whether it carries the weights from before.
    pub async fn confirm(&self) -> Came {
        match self.see(&self.servers.reversed()).await {
            // Before the way back, that is: it has not been gone.
            Came::AsBeforeAtTheClb(_) => Came::Failed(format!(
                "group {} still holds what the change wrote",
                self.servers.vgroup
            )),
            came => came,
        }
    }

    fn deadline(&self) -> Deadline {
        self.deadline.unwrap_or(Deadline::after(Duration::ZERO))
    }

    /// `is_ours` is whether what stands in between is of our own writing.
    async fn set(&self, wanted: &Servers, is_ours: bool) -> (Came, Option<Error>) {
        let deadline = self.deadline();
        let group = match self.cloud.group(&wanted.vgroup, deadline).await {
            Ok(group) => group,
            Err(error) => return (Came::NotWritten(error.to_string()), Some(error.into())),
        };
        match wanted.standing_in(&group.backends) {
            Standing::After => return (Came::Done, None),
            Standing::Other(how) => return taken(wanted, &how),
            Standing::Between if !is_ours => return taken(wanted, "some weights are others"),
            Standing::Before | Standing::Between | Standing::Unknown(_) => {}
        }
        let mut weights = Vec::new();
        for server in &wanted.servers {
            match Weight::try_from(server.to) {
                Ok(weight) => weights.push((BackendKey::ecs(&server.id, server.port), weight)),
                Err(error) => return (Came::NotWritten(error.to_string()), None),
            }
        }
        match self.cloud.set_weights(&wanted.vgroup, &weights, deadline).await {
            Ok(()) => (Came::Done, None),
            // Whether it was written shows in the group.
            Err(interrupted)
                if interrupted.is_lost_answer() && interrupted.not_written.is_empty() =>
            {
                (Came::Done, None)
            }
            Err(SetWeightsError { error, written, unknown, .. })
                if written.is_empty() && unknown.is_empty() =>
            {
                (Came::NotWritten(error.to_string()), Some(error.into()))
            }
            Err(interrupted) => {
                (Came::Failed(interrupted.to_string()), Some(interrupted.error.into()))
            }
        }
    }

    async fn see(&self, wanted: &Servers) -> Came {
        let deadline = self.deadline();
        loop {
            let error = match self.cloud.group(&wanted.vgroup, deadline).await {
                Ok(group) => {
                    return match wanted.standing_in(&group.backends) {
                        Standing::After => Came::Done,
                        Standing::Before => Came::AsBeforeAtTheClb(format!(
                            "group {} holds what it held before",
                            wanted.vgroup
                        )),
                        Standing::Between => Came::Failed(format!(
                            "group {} holds some of the weights only",
                            wanted.vgroup
                        )),
                        Standing::Other(how) | Standing::Unknown(how) => {
                            Came::Taken(changed(wanted, &how))
                        }
                    };
                }
                Err(error) => error,
            };
            if !error.is_transient() || deadline.is_over() {
                return Came::Failed(error.to_string());
            }
            deadline.pause(PAUSE).await;
        }
    }

    async fn check_health(&self, printer: &mut Printer) -> HealthVerdict {
        let deadline = self.deadline();
        let mut snapshot = self.before.clone();
        match self.cloud.group(&self.servers.vgroup, deadline).await {
            Ok(group) => snapshot.clb_answers.insert(ClbAnswer::Group(group)),
            Err(error) => return HealthVerdict::Unknown(error.to_string()),
        }
        let is_ours = |of: &Participant<'_>| self.is(of);
        let groups = [(self.servers.clb.clone(), self.servers.vgroup.clone())];
        health::check(&*self.cloud, &mut snapshot, (&groups, &is_ours), deadline, printer).await
    }
}
