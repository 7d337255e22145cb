//! The calls of the CLB API that tell of routes.

use std::collections::{BTreeMap, BTreeSet};

use clbmigrate_clb::{ClbClient, Error as ApiError, ErrorKind};
use clbmigrate_core::{
    clb_answers::{ClbAnswer, Listener},
    snapshot::Snapshot,
};
use futures::{StreamExt, stream};

use super::{
    memory::{Memory, Question},
    scope::GroupIds,
};
use crate::output::text::count;

/// Calls at once: the API throttles, and CCM asks it too.
pub(super) const AT_ONCE: usize = 4;
/// Groups that are asked about; beyond them a call for each would take the quota from CCM.
pub const MOST_GROUPS: usize = 100;

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
#[derive(Debug, Clone)]
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

    /// Makes the calls whose answers are not kept. A CLB is asked about again where a group of it turns
    /// up that was not known.
    pub async fn run(self, clb: &ClbClient, memory: &Memory) -> Vec<QueryResult> {
        for (id, groups) in &self.clbs {
            let new = groups.iter().filter(|group| memory.is_new(group)).count();
            if new > 0 {
                memory.forget_clb(id);
            }
        }
        let groups = self.groups.iter().map(|id| ask_group(clb, id, memory));
        let mut results = gathered(groups).await;
        let clbs = self.clbs.iter();
        let clbs = clbs.map(|(id, groups)| query_clb(clb, id, (groups, &self.ports), memory));
        results.extend(gathered(clbs).await);
        results
    }
}

/// Asks what a group holds.
async fn ask_group(clb: &ClbClient, id: &str, memory: &Memory) -> Vec<QueryResult> {
    let ask = async {
        vec![match clb.group(id).await {
            Ok(group) => QueryResult::Answer(ClbAnswer::Group(group)),
            Err(error) if error.kind == ErrorKind::NotFound => QueryResult::NoGroup,
            Err(error) => QueryResult::Failed(error),
        }]
    };
    memory.answer(Question::Group(id.to_owned()), ask).await
}

/// Asks about a whole CLB, about the health of its running listeners that forward to these groups, and
/// about the other groups that the listeners of these ports forward to.
async fn query_clb(
    clb: &ClbClient,
    id: &str,
    (groups, ports): (&BTreeSet<String>, &BTreeSet<u16>),
    memory: &Memory,
) -> Vec<QueryResult> {
    let ask = ask_clb(clb, id, memory);
    let mut results = memory.answer(Question::Clb(id.to_owned()), ask).await;
    let Some(listeners) = results.iter().find_map(listeners_of) else { return results };
    let others = listeners.iter().filter(|listener| {
        ports.contains(&listener.port)
            && !listener.vgroup.is_empty()
            && !groups.contains(&listener.vgroup)
    });
    for vgroup in others.map(|listener| &listener.vgroup).collect::<BTreeSet<_>>() {
        results.extend(ask_group(clb, vgroup, memory).await);
    }
    let ours = listeners
        .iter()
        .filter(|listener| listener.is_running() && groups.contains(&listener.vgroup));
    for Listener { port, protocol, .. } in ours {
        let ask = async {
            vec![match clb.health(id, *port, protocol).await {
                Ok(health) => QueryResult::Answer(ClbAnswer::Health(health)),
                Err(error) => QueryResult::NoHealth(error),
            }]
        };
        let question = Question::Health(id.to_owned(), *port, protocol.clone());
        results.extend(memory.answer(question, ask).await);
    }
    results
}

fn listeners_of(result: &QueryResult) -> Option<Vec<Listener>> {
    match result {
        QueryResult::Answer(ClbAnswer::Listeners(list)) => Some(list.listeners.clone()),
        _ => None,
    }
}

/// Asks what a CLB is, which groups it has, and which listeners.
async fn ask_clb(clb: &ClbClient, id: &str, memory: &Memory) -> Vec<QueryResult> {
    let balancer = clb.load_balancer(id).await;
    if balancer.as_ref().is_err_and(is_unknown_clb) {
        return vec![QueryResult::NoClb(id.to_owned())];
    }
    let ask = async { vec![QueryResult::of(clb.groups(id).await.map(ClbAnswer::GroupList))] };
    let list = memory.answer(Question::GroupList(id.to_owned()), ask).await;
    let failed = list.iter().find_map(|result| match result {
        QueryResult::Failed(error) => Some(error),
        _ => None,
    });
    if failed.is_some_and(is_unknown_clb) {
        return vec![QueryResult::NoClb(id.to_owned())];
    }
    let mut results = match (balancer, failed) {
        // Its groups show that it is there.
        (Err(error), Some(_)) => vec![QueryResult::UnreadClb(id.to_owned(), error)],
        (balancer, _) => vec![QueryResult::of(balancer.map(Box::new).map(ClbAnswer::LoadBalancer))],
    };
    results.extend(list);
    match clb.listener_list(id).await {
        Ok(list) => results.push(QueryResult::Answer(ClbAnswer::Listeners(list))),
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
