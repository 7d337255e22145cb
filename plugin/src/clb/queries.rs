//! The calls of the CLB API that tell of routes.

use std::collections::{BTreeMap, BTreeSet};

use clbmigrate_clb::{ClbClient, Error as ApiError, ErrorKind};
use clbmigrate_core::{
    clb_answers::{ClbAnswer, GroupList, Listener},
    snapshot::Snapshot,
};
use futures::{StreamExt, stream};

use super::scope::GroupIds;
use crate::output::text::count;

/// Calls at once: the API throttles, and CCM asks it too.
pub(super) const AT_ONCE: usize = 4;
/// Groups that are asked about; beyond them a call for each would take the quota from CCM.
pub const MOST_GROUPS: usize = 100;

/// The groups of CLBs, by the CLB's id. They are asked for once: the list says which groups there are and
/// what they are called, not what they hold.
pub(super) type GroupLists = BTreeMap<String, GroupList>;

/// What to ask the CLB API about.
#[derive(Debug, Default)]
pub(super) struct Queries {
    /// The groups of each CLB whose listeners are asked about.
    pub clbs: BTreeMap<String, BTreeSet<String>>,
    /// The groups that are asked about themselves.
    groups: BTreeSet<String>,
    /// The ports whose listeners' groups are asked about as well.
    ports: BTreeSet<u16>,
    /// How many groups are left out.
    pub left_out: usize,
}

/// An answer of the CLB API, or why there is none.
pub(super) enum QueryResult {
    Answer(ClbAnswer),
    /// There is no group of that id. The list of the CLB's groups tells that, and a rule says so.
    NoGroup,
    /// There is no CLB of this id in the region and account that were asked.
    NoClb(String),
    /// The API could not be asked about the CLB itself.
    UnreadClb(String, ApiError),
    /// The health that a listener sees could not be read: it is shown as unknown, and changes ask about it.
    NoHealth(ApiError),
    /// Another call failed.
    Failed(ApiError),
}

impl QueryResult {
    fn of(answer: Result<ClbAnswer, ApiError>) -> Self {
        answer.map_or_else(Self::Failed, Self::Answer)
    }
}

/// Whether the API says that it has no CLB of the id that was asked for.
pub(super) fn is_unknown_clb(error: &ApiError) -> bool {
    error.code() == Some("InvalidLoadBalancerId.NotFound")
}

impl Queries {
    /// About groups, each with its CLB, as far as the snapshot does not hold the answers.
    pub fn about(snapshot: &Snapshot, groups: GroupIds<'_>, ports: BTreeSet<u16>) -> Self {
        let answers = &snapshot.clb_answers;
        let (known, asked): (Vec<_>, Vec<_>) =
            groups.into_iter().partition(|(_, vgroup)| answers.groups.contains_key(*vgroup));
        let left_out = asked.len().saturating_sub(MOST_GROUPS);
        let asked = asked.into_iter().take(MOST_GROUPS);
        let mut queries = Self { ports, left_out, ..Self::default() };
        for (clb, vgroup) in asked {
            queries.groups.insert(vgroup.to_owned());
            queries.clbs.entry(clb.to_owned()).or_default().insert(vgroup.to_owned());
        }
        let has_listeners = |clb| answers.listeners_of(clb, false).is_some();
        for (clb, vgroup) in known.into_iter().filter(|(clb, _)| !has_listeners(clb)) {
            queries.clbs.entry(clb.to_owned()).or_default().insert(vgroup.to_owned());
        }
        queries
    }

    /// What is asked about, in words.
    pub fn in_words(&self) -> String {
        let clbs = self.clbs.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        format!("{} of {clbs}", count(self.groups.len(), "group"))
    }

    /// Makes the calls. Lists of groups that are known are not asked for again.
    pub async fn run(self, clb: &ClbClient, known: &GroupLists) -> Vec<QueryResult> {
        let attributes = self.groups.iter().map(|id| async move {
            vec![match clb.group(id).await {
                Ok(group) => QueryResult::Answer(ClbAnswer::Group(group)),
                Err(error) if error.kind == ErrorKind::NotFound => QueryResult::NoGroup,
                Err(error) => QueryResult::Failed(error),
            }]
        });
        let mut results = gathered(attributes).await;
        let lists = self
            .clbs
            .iter()
            .map(|(id, groups)| query_clb(clb, id, (groups, &self.ports), known.get(id)));
        results.extend(gathered(lists).await);
        results
    }
}

/// Asks about a whole CLB, about the health of its running listeners that forward to these groups, and
/// about the other groups that the listeners of these ports forward to.
async fn query_clb(
    clb: &ClbClient,
    id: &str,
    (groups, ports): (&BTreeSet<String>, &BTreeSet<u16>),
    known: Option<&GroupList>,
) -> Vec<QueryResult> {
    let balancer = clb.load_balancer(id).await;
    if balancer.as_ref().is_err_and(is_unknown_clb) {
        return vec![QueryResult::NoClb(id.to_owned())];
    }
    let list = match known {
        Some(list) => Ok(list.clone()),
        None => clb.groups(id).await,
    };
    if list.as_ref().is_err_and(is_unknown_clb) {
        return vec![QueryResult::NoClb(id.to_owned())];
    }
    let mut results = match (balancer, &list) {
        // Its groups show that it is there.
        (Err(error), Err(_)) => vec![QueryResult::UnreadClb(id.to_owned(), error)],
        (balancer, _) => vec![QueryResult::of(balancer.map(Box::new).map(ClbAnswer::LoadBalancer))],
    };
    results.push(QueryResult::of(list.map(ClbAnswer::GroupList)));
    match clb.listener_list(id).await {
        Ok(list) => {
            let ours: Vec<Listener> = list
                .listeners
                .iter()
                .filter(|listener| listener.is_running() && groups.contains(&listener.vgroup))
                .cloned()
                .collect();
            let others = list.listeners.iter().filter(|listener| {
                ports.contains(&listener.port)
                    && !listener.vgroup.is_empty()
                    && !groups.contains(&listener.vgroup)
            });
            for vgroup in others.map(|listener| &listener.vgroup).collect::<BTreeSet<_>>() {
                results.push(QueryResult::of(clb.group(vgroup).await.map(ClbAnswer::Group)));
            }
            results.push(QueryResult::Answer(ClbAnswer::Listeners(list)));
            for listener in ours {
                let health = clb.health(id, listener.port, &listener.protocol).await;
                results.push(match health {
                    Ok(health) => QueryResult::Answer(ClbAnswer::Health(health)),
                    Err(error) => QueryResult::NoHealth(error),
                });
            }
        }
        Err(error) if is_unknown_clb(&error) => return vec![QueryResult::NoClb(id.to_owned())],
        Err(error) => results.push(QueryResult::Failed(error)),
    }
    results
}

async fn gathered(
    asked: impl Iterator<Item = impl Future<Output = Vec<QueryResult>>>,
) -> Vec<QueryResult> {
    let all: Vec<Vec<QueryResult>> = stream::iter(asked).buffer_unordered(AT_ONCE).collect().await;
    all.into_iter().flatten().collect()
}
