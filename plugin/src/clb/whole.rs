//! Everything about one CLB: itself, its listeners, its groups and the health of their backends.

use std::{cell::RefCell, collections::BTreeSet, net::IpAddr};

use clbmigrate_clb::{ClbClient, Error as ApiError, ErrorKind, Options};
use clbmigrate_core::{
    clb_answers::{ClbAnswer, ClbAnswers, Listener, UnknownClb},
    index::Index,
    snapshot::Snapshot,
};
use futures::{StreamExt, join, stream};

use super::{
    describe, describe_unknown,
    queries::{AT_ONCE, MOST_GROUPS, is_unknown_clb},
    region_of,
};
use crate::{cli::ClbArgs, error::Error, output::Printer};

/// A CLB that was read as a whole. What the API answered is in the snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WholeClb {
    /// Its id.
    pub id: String,
    /// What the API did not show.
    pub unread: Vec<UnreadPart>,
    /// The groups that were not asked about, because there are too many.
    pub left_out: BTreeSet<String>,
}

/// A part of a CLB of which there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadPart {
    /// What is not known, such as `its listeners`.
    pub what: String,
    /// Why, with the right that is missing, if one is.
    pub why: String,
}

/// Why nothing is known of a CLB.
#[derive(Debug)]
pub enum WholeClbError {
    /// The API has no such CLB.
    Unknown(UnknownClb),
    /// The API could not be asked about it.
    Failed(ApiError),
}

/// Connects with the CLB API for a command that cannot do without it.
///
/// # Errors
/// Where there are no credentials, and where the search for them fails.
pub async fn connect_or_fail(
    snapshot: &Snapshot,
    args: &ClbArgs,
    printer: &mut Printer,
) -> Result<ClbClient, Error> {
    let options = args.options(region_of(snapshot));
    let clb = ClbClient::connect(Options { try_instance_metadata: true, ..options }).await?;
    printer.note(&format!("CLB API of {}, {}", clb.region(), clb.source()));
    Ok(clb)
}

/// The ids of the CLBs that have an address, or where none has it.
///
/// # Errors
/// Where the API cannot be asked.
pub async fn clbs_at(clb: &ClbClient, address: IpAddr) -> Result<Vec<String>, WholeClbError> {
    let found = clb.load_balancers_at(address).await.map_err(WholeClbError::Failed)?;
    if found.is_empty() {
        return Err(unknown(clb, &address.to_string()).await);
    }
    Ok(found.into_iter().map(|balancer| balancer.id).collect())
}

/// Reads a CLB into the snapshot. A part that cannot be read is named in the result, and the rest is
/// read all the same.
///
/// # Errors
/// Where the API has no such CLB, and where nothing of it can be read.
pub async fn read_whole(
    clb: &ClbClient,
    id: &str,
    snapshot: &mut Snapshot,
) -> Result<WholeClb, WholeClbError> {
    let (balancer, groups, listeners) =
        join!(clb.load_balancer(id), clb.groups(id), clb.listener_list(id));
    let errors = [balancer.as_ref().err(), groups.as_ref().err(), listeners.as_ref().err()];
    if errors.iter().flatten().any(|error| is_unknown_clb(error)) {
        return Err(unknown(clb, id).await);
    }
    if let [Some(error), Some(_), Some(_)] = errors {
        return Err(WholeClbError::Failed(error.clone()));
    }
    let mut whole = WholeClb { id: id.to_owned(), ..WholeClb::default() };
    let answers = &mut snapshot.clb_answers;
    let about = "its name, address, status and default servers";
    whole.add(answers, about, balancer.map(Box::new).map(ClbAnswer::LoadBalancer));
    whole.add(answers, "its listeners", listeners.map(ClbAnswer::Listeners));
    whole.add(answers, "the list of its groups", groups.map(ClbAnswer::GroupList));
    let (asked, left_out) = groups_of(snapshot, id);
    whole.left_out = left_out;
    let groups = gathered(asked.into_iter().map(|group| (group.clone(), group)), async |group| {
        clb.group(&group).await.map(ClbAnswer::Group)
    });
    whole.add_all(&mut snapshot.clb_answers, ("the backends of", "group"), groups.await);
    let checking = checking_listeners(&Index::new(snapshot), id);
    let health = gathered(checking.into_iter(), async |(port, protocol): (u16, String)| {
        clb.health(id, port, &protocol).await.map(ClbAnswer::Health)
    });
    let health = health.await;
    whole.add_all(&mut snapshot.clb_answers, ("the health at", "listener"), health);
    Ok(whole)
}

/// What the answers at hand lack of a CLB.
pub fn lacking(index: &Index<'_>, id: &str) -> WholeClb {
    let answers = &index.snapshot.clb_answers;
    let mut whole = WholeClb { id: id.to_owned(), ..WholeClb::default() };
    let mut lacks = |is_there: bool, what: &str, action: &str| {
        if !is_there {
            let why = format!("the answer of {action} is not at hand");
            whole.unread.push(UnreadPart { what: what.to_owned(), why });
        }
    };
    lacks(
        answers.balancers.contains_key(id),
        "its name, address, status and default servers",
        "DescribeLoadBalancerAttribute",
    );
    lacks(index.shows_all_listeners(id), "its listeners", "DescribeLoadBalancerListeners");
    let listed = index.groups_of(id);
    lacks(listed.is_some(), "the list of its groups", "DescribeVServerGroups");
    let groups = listed.unwrap_or_default().into_iter().map(|(group, _)| group);
    let unread: Vec<&str> = groups.filter(|group| !answers.groups.contains_key(*group)).collect();
    lacks(
        unread.is_empty(),
        &enumerated(("the backends of", "group"), &unread),
        "DescribeVServerGroupAttribute",
    );
    let checking = checking_listeners(index, id);
    let is_told = answers.health.iter().any(|of| of.clb.as_deref().is_none_or(|of| of == id));
    lacks(is_told || checking.is_empty(), "the health of backends", "DescribeHealthStatus");
    whole
}

impl WholeClb {
    fn add(&mut self, answers: &mut ClbAnswers, what: &str, read: Result<ClbAnswer, ApiError>) {
        match read {
            Ok(answer) => answers.insert(answer),
            Err(error) => self.unread.push(UnreadPart { what: what.to_owned(), why: why(&error) }),
        }
    }

    /// Adds answers about several things of one kind. Those that failed for the same reason are told
    /// together.
    fn add_all(
        &mut self,
        answers: &mut ClbAnswers,
        words: (&str, &str),
        read: Vec<(String, Result<ClbAnswer, ApiError>)>,
    ) {
        let mut failed: Vec<(String, Vec<String>)> = Vec::new();
        for (name, result) in read {
            match result {
                Ok(answer) => answers.insert(answer),
                Err(error) => {
                    let why = why(&error);
                    match failed.iter_mut().find(|(known, _)| *known == why) {
                        Some((_, names)) => names.push(name),
                        None => failed.push((why, vec![name])),
                    }
                }
            }
        }
        self.unread.extend(failed.into_iter().map(|(why, mut names)| {
            names.sort();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            UnreadPart { what: enumerated(words, &names), why }
        }));
    }
}

/// `the backends of group rsp-a`, `the backends of 12 groups (rsp-a, rsp-b, rsp-c, …)`.
fn enumerated((before, kind): (&str, &str), names: &[&str]) -> String {
    const SHOWN: usize = 3;
    let shown = names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    match names {
        [one] => format!("{before} {kind} {one}"),
        _ if names.len() > SHOWN => format!("{before} {} {kind}s ({shown}, …)", names.len()),
        _ => format!("{before} {} {kind}s ({shown})", names.len()),
    }
}

/// Why there is no answer, with the right that is missing.
fn why(error: &ApiError) -> String {
    let action = error.action.unwrap_or("a call");
    match (error.kind, error.code()) {
        (ErrorKind::Forbidden, Some(code)) => {
            format!("RAM does not allow {action} ({code}); allow slb:{action}")
        }
        _ => format!("{action}: {}", describe(error)),
    }
}

async fn unknown(clb: &ClbClient, id: &str) -> WholeClbError {
    let unknown = describe_unknown(clb, vec![id.to_owned()]).await.pop();
    WholeClbError::Unknown(unknown.unwrap_or_else(|| UnknownClb {
        id: id.to_owned(),
        region: clb.region().to_owned(),
        account: None,
        credentials: clb.source().to_owned(),
    }))
}

/// The groups of a CLB that are asked about, and those that are too many. Those that a listener sends
/// to come first.
fn groups_of(snapshot: &Snapshot, id: &str) -> (Vec<String>, BTreeSet<String>) {
    let index = Index::new(snapshot);
    let mut groups: Vec<&str> = Vec::new();
    let listeners = index.listeners_of(id).unwrap_or_default();
    groups.extend(listeners.into_iter().map(|listener| listener.vgroup.as_str()));
    match index.groups_of(id) {
        Some(listed) => groups.extend(listed.into_iter().map(|(group, _)| group)),
        // Services at hand may know of more.
        None => groups.extend(index.routes_behind(id).map(|key| key.vgroup)),
    }
    let mut known = BTreeSet::new();
    groups.retain(|group| !group.is_empty() && known.insert(*group));
    let mut groups = groups.into_iter().map(str::to_owned);
    let asked = groups.by_ref().take(MOST_GROUPS).collect();
    (asked, groups.collect())
}

/// The running listeners that check the health of servers: the name of each, with port and protocol.
fn checking_listeners(index: &Index<'_>, id: &str) -> Vec<(String, (u16, String))> {
    let checks = |of: &&Listener| {
        let has_servers = !of.vgroup.is_empty() || of.sends_to_default_group();
        of.is_running() && has_servers && !of.is_unchecked()
    };
    let checking = index.listeners_of(id).unwrap_or_default().into_iter().filter(checks);
    checking.map(|of| (of.name().to_string(), (of.port, of.protocol.clone()))).collect()
}

/// Asks about each of several things by name, about a few at once. After a call that is not allowed
/// no more are made: none of them would be.
async fn gathered<T>(
    things: impl Iterator<Item = (String, T)>,
    ask: impl AsyncFn(T) -> Result<ClbAnswer, ApiError>,
) -> Vec<(String, Result<ClbAnswer, ApiError>)> {
    let refused: RefCell<Option<ApiError>> = RefCell::default();
    let (refused, ask) = (&refused, &ask);
    let calls = things.map(|(name, thing)| async move {
        let earlier = refused.borrow().clone();
        let result = match earlier {
            Some(error) => Err(error),
            None => ask(thing).await,
        };
        if let Err(error) = &result
            && error.kind == ErrorKind::Forbidden
        {
            *refused.borrow_mut() = Some(error.clone());
        }
        (name, result)
    });
    stream::iter(calls).buffer_unordered(AT_ONCE).collect().await
}
