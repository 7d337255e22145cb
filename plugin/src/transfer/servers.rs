//! The part of servers outside of clusters, whose weights are written by the CLB API.

use std::time::Duration;

use clbmigrate_clb::{BackendKey, ClbClient, SetWeightsError, Weight};
use clbmigrate_core::transfer::{Came, Part, Servers, Standing};
use tokio::time::{Instant, sleep};

use super::WriteOptions;
use crate::{error::Error, session::Session};

/// Between two looks at the group.
const PAUSE: Duration = Duration::from_secs(2);

/// Writes the weights of servers outside of clusters.
pub struct ServersWriter<'t> {
    /// The open connections.
    pub session: &'t Session,
    /// The CLB API's client.
    pub clb: ClbClient,
    /// The servers with their old and new weights.
    pub servers: Servers,
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

impl ServersWriter<'_> {
    /// Writes the weights, unless somebody has changed them.
    pub fn write(&self, options: &WriteOptions<'_>) -> (Came, Option<Error>) {
        self.set(&self.servers, false, options)
    }

    /// Reads the group until it answers, and says whether it carries the weights.
    pub fn verify(&self, options: &WriteOptions<'_>) -> Came {
        self.see(&self.servers, options)
    }

    /// Writes the weights from before.
    pub fn restore(&self, options: &WriteOptions<'_>) -> Came {
        self.set(&self.servers.reversed(), true, options).0
    }

    /// Reads the group until it answers, and says whether it carries the weights from before.
    pub fn confirm(&self, options: &WriteOptions<'_>) -> Came {
        self.see(&self.servers.reversed(), options)
    }

    /// `is_ours` is whether what stands in between is of our own writing.
    fn set(
        &self,
        wanted: &Servers,
        is_ours: bool,
        options: &WriteOptions<'_>,
    ) -> (Came, Option<Error>) {
        let clb = self.clb.with_operation_timeout(options.write.timeout.0);
        let standing = self.session.block_on(async {
            clb.group(&wanted.vgroup).await.map(|group| wanted.standing_in(&group.backends))
        });
        match standing {
            Err(error) => return (Came::Nothing(error.to_string()), Some(error.into())),
            Ok(Standing::After) => return (Came::Done, None),
            Ok(Standing::Other(how)) => return taken(wanted, &how),
            Ok(Standing::Between) if !is_ours => return taken(wanted, "some weights are others"),
            Ok(Standing::Before | Standing::Between | Standing::Unknown(_)) => {}
        }
        let mut weights = Vec::new();
        for server in &wanted.servers {
            match Weight::try_from(server.to) {
                Ok(weight) => weights.push((BackendKey::ecs(&server.id, server.port), weight)),
                Err(error) => return (Came::Nothing(error.to_string()), None),
            }
        }
        match self.session.block_on(clb.set_weights(&wanted.vgroup, &weights)) {
            Ok(_) => (Came::Done, None),
            // Whether it was written shows in the group.
            Err(interrupted)
                if interrupted.is_lost_answer() && interrupted.not_written.is_empty() =>
            {
                (Came::Done, None)
            }
            Err(SetWeightsError { error, written, unknown, .. })
                if written.is_empty() && unknown.is_empty() =>
            {
                (Came::Nothing(error.to_string()), Some(error.into()))
            }
            Err(interrupted) => {
                (Came::Failed(interrupted.to_string()), Some(interrupted.error.into()))
            }
        }
    }

    fn see(&self, wanted: &Servers, options: &WriteOptions<'_>) -> Came {
        let deadline = Instant::now() + options.write.timeout.0;
        let clb = self.clb.with_deadline(deadline);
        loop {
            let error = match self.session.block_on(clb.group(&wanted.vgroup)) {
                Ok(group) => {
                    return match wanted.standing_in(&group.backends) {
                        Standing::After => Came::Done,
                        Standing::Before => Came::Nothing(format!(
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
            if !error.is_transient() || Instant::now() + PAUSE >= deadline {
                return Came::Failed(error.to_string());
            }
            self.session.block_on(async { sleep(PAUSE).await });
        }
    }
}
