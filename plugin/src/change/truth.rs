//! Compares the CLB's groups with what CCM should have written after a change.

use std::time::Duration;

use clbmigrate_clb::{ClbClient, Error as ApiError};
use clbmigrate_cluster::live;
use clbmigrate_core::{
    clb_answers::ClbAnswer,
    index::{Index, routes_of},
    prediction::Prediction,
    route::Route,
    snapshot::Snapshot,
};
use tokio::time::{Instant, sleep};

use super::Change;

/// How often groups are read, by an API that throttles.
const PAUSE: Duration = Duration::from_secs(2);
/// How long to look on after CCM's success: it writes the label last, so the groups should be right
/// by then. A group without a single backend is not waited for longer than the next look.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// How the groups compare with what CCM should have written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupCheck {
    /// Every group carries what CCM should have written.
    Agrees,
    /// A group carries something else.
    Differs(String),
    /// The CLB API did not answer; the reason in words.
    Unknown(String),
}

/// How a group differs.
struct Difference {
    words: String,
    /// Whether none of the Service's backends is in it.
    is_empty: bool,
}

impl Change<'_> {
    /// Reads the Service's groups until they carry the weights of the change, or time is over: the
    /// limit where the API does not tell, sooner where it does.
    pub async fn check_groups(&self, clb: &ClbClient, limit: Duration) -> GroupCheck {
        let mut snapshot = self.changed_snapshot();
        let start = Instant::now();
        let clb = clb.with_deadline(start + limit);
        let mut was_empty = false;
        let mut is_fresh = false;
        loop {
            let mut is_empty = false;
            let truth = match self.read_groups(&clb, &mut snapshot).await {
                Ok(()) => {
                    let differences = self.differences(&snapshot);
                    is_empty = differences.iter().any(|difference| difference.is_empty);
                    let words: Vec<String> =
                        differences.into_iter().map(|difference| difference.words).collect();
                    if words.is_empty() {
                        return GroupCheck::Agrees;
                    }
                    // Nodes and Pods may have come and gone since everything was read.
                    if !is_fresh {
                        is_fresh = true;
                        self.refresh(&mut snapshot).await;
                        continue;
                    }
                    GroupCheck::Differs(words.join("; "))
                }
                Err(error) if error.is_transient() => GroupCheck::Unknown(error.to_string()),
                Err(error) => return GroupCheck::Unknown(error.to_string()),
            };
            let limit = match &truth {
                GroupCheck::Unknown(_) => limit,
                _ => PATIENCE.min(limit),
            };
            if (was_empty && is_empty) || start.elapsed() + PAUSE >= limit {
                return truth;
            }
            was_empty = is_empty;
            sleep(PAUSE).await;
        }
    }

    /// Reads the Service's cluster anew, where that can be done.
    async fn refresh(&self, snapshot: &mut Snapshot) {
        let Ok(gathered) =
            live::read_cluster(self.connection, self.service_ref.service.metadata.namespace())
                .await
        else {
            return;
        };
        let fresh = gathered.loaded.snapshot.clusters.into_iter().next();
        if let (Some(fresh), Some(known)) =
            (fresh, snapshot.clusters.get_mut(self.service_ref.cluster_index))
        {
            let old = std::mem::replace(known, fresh);
            // What flags and the other clusters have said of it.
            known.keep_settings_of(&old);
        }
    }

    async fn read_groups(&self, clb: &ClbClient, snapshot: &mut Snapshot) -> Result<(), ApiError> {
        let meta = &self.service_ref.service.metadata;
        let cluster = snapshot.clusters.get(self.service_ref.cluster_index);
        let service = cluster.and_then(|of| of.service(meta.namespace(), &meta.name));
        let routes = service.map(routes_of).unwrap_or_default();
        let groups: Vec<String> = routes.iter().map(|(vgroup, _)| (*vgroup).to_owned()).collect();
        for vgroup in groups {
            snapshot.clb_answers.insert(ClbAnswer::Group(clb.group(&vgroup).await?));
        }
        Ok(())
    }

    /// How the groups differ from what CCM should have written.
    fn differences(&self, snapshot: &Snapshot) -> Vec<Difference> {
        let index = Index::new(snapshot);
        let routes = index.routes_with(&self.service_ref);
        let routes = routes.map(|key| Route::build(&index, key, &Prediction::default()));
        routes.filter_map(|route| self.in_route(&route)).collect()
    }

    fn in_route(&self, route: &Route<'_>) -> Option<Difference> {
        let of = route.participant_of(&self.service_ref)?;
        let (held, wanted) = (of.weight_sum.unwrap_or_default(), of.expected_weight_sum?);
        let backends = of.backends.unwrap_or_default();
        let agrees = held == wanted && backends == of.expected_backends;
        let words = || {
            format!(
                "group {} holds {backends} of its backends with a sum of {held}, and should hold {} with {wanted}",
                route.key.vgroup, of.expected_backends
            )
        };
        (!agrees).then(|| Difference { words: words(), is_empty: backends == 0 })
    }
}
