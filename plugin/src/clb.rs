//! The CLB API: asked about the selected routes, where there are credentials for it.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use clbmigrate_clb::{ClbClient, Error as ApiError, ErrorKind};
use clbmigrate_core::{
    annotation,
    clb_answers::{ClbAnswer, Listener},
    index::routes_of,
    snapshot::Snapshot,
};
use futures::{StreamExt, stream};

use crate::{cli::ClbArgs, error::Error, output::Printer, selection::Selection};

/// Calls at once: the API throttles, and CCM asks it too.
const AT_ONCE: usize = 4;
/// Groups that are asked about; beyond them a call for each would take the quota from CCM.
const MOST_GROUPS: usize = 100;

/// A connection with the CLB API that is made when it is first needed.
#[derive(Debug, Default)]
pub struct ClbConnection {
    state: RefCell<ConnectionState>,
}

/// Whether there is a connection. It waits for the first route: the nodes behind it name the
/// region, and without a route there is nothing to ask.
#[derive(Debug, Clone, Default)]
enum ConnectionState {
    #[default]
    NotTried,
    /// There are no credentials, or none are wanted.
    Disabled,
    Connected(ClbClient),
}

/// What to ask the CLB API about.
#[derive(Debug, Default, PartialEq, Eq)]
struct Queries {
    /// The groups of each CLB whose listeners are asked about.
    clbs: BTreeMap<String, BTreeSet<String>>,
    /// The groups that are asked about themselves.
    groups: BTreeSet<String>,
    /// How many groups are left out.
    left_out: usize,
}

/// An answer of the CLB API, or why there is none.
type QueryResult = Result<ClbAnswer, ApiError>;

impl ClbConnection {
    /// Asks about the routes of the selected Services, and adds the answers to the snapshot. Groups
    /// that the snapshot holds already, from `--overlay`, are not asked about, nor is a CLB whose
    /// listeners are among that. Without credentials,
    /// and with `--no-clb`, nothing is asked.
    ///
    /// # Errors
    /// Where the flags ask for the API and it, or the search for credentials, fails. Without such
    /// flags a failure is a warning.
    pub async fn query(
        &self,
        snapshot: &mut Snapshot,
        selection: &Selection<'_>,
        args: &ClbArgs,
        printer: &mut Printer,
    ) -> Result<(), Error> {
        let queries = Queries::for_services(snapshot, selection);
        if queries.clbs.is_empty() {
            return Ok(());
        }
        let Some(clb) = self.connected(snapshot, args, printer).await? else { return Ok(()) };
        if queries.left_out > 0 {
            printer.warning(&format!(
                "the CLB API is asked about {MOST_GROUPS} groups; {} more are left out, narrow it down with -n or -l",
                queries.left_out
            ));
        }
        let mut failures: BTreeMap<String, usize> = BTreeMap::new();
        for results in queries.run(&clb).await {
            match results {
                Ok(answer) => snapshot.clb_answers.insert(answer),
                // The list of the CLB's groups tells that, and a rule says so.
                Err(error) if is_unknown_group(&error) => {}
                Err(error) if args.is_asked_for() => return Err(error.into()),
                Err(error) => *failures.entry(describe(&error)).or_default() += 1,
            }
        }
        for (failure, times) in failures {
            let times = if times > 1 { format!(" ({times} times)") } else { String::new() };
            printer.warning(&format!("CLB API: {failure}{times}"));
        }
        Ok(())
    }

    /// The client; `None` without credentials, with `--no-clb`, and before there was anything to
    /// ask.
    pub fn client(&self) -> Option<ClbClient> {
        match &*self.state.borrow() {
            ConnectionState::Connected(clb) => Some(clb.clone()),
            ConnectionState::NotTried | ConnectionState::Disabled => None,
        }
    }

    async fn connected(
        &self,
        snapshot: &Snapshot,
        args: &ClbArgs,
        printer: &mut Printer,
    ) -> Result<Option<ClbClient>, Error> {
        let known = self.state.borrow().clone();
        match known {
            ConnectionState::Connected(clb) => return Ok(Some(clb)),
            ConnectionState::Disabled => return Ok(None),
            ConnectionState::NotTried => {}
        }
        let state = if args.no_clb {
            ConnectionState::Disabled
        } else {
            connect(snapshot, args, printer).await?
        };
        *self.state.borrow_mut() = state.clone();
        Ok(if let ConnectionState::Connected(clb) = state { Some(clb) } else { None })
    }
}

fn is_unknown_group(error: &ApiError) -> bool {
    error.kind == ErrorKind::NotFound && error.action == Some("DescribeVServerGroupAttribute")
}

/// An error without what differs from call to call.
fn describe(error: &ApiError) -> String {
    match error.code() {
        Some(code) => format!("{} ({code})", error.message),
        None => error.message.clone(),
    }
}

/// Connects. Where nobody has asked for it, failing is no error: routes are incomplete then.
async fn connect(
    snapshot: &Snapshot,
    args: &ClbArgs,
    printer: &mut Printer,
) -> Result<ConnectionState, Error> {
    match ClbClient::connect(args.options(region_of(snapshot))).await {
        Ok(clb) => {
            printer.note(&format!("CLB API of {}, {}", clb.region(), clb.source()));
            Ok(ConnectionState::Connected(clb))
        }
        Err(error) if args.is_asked_for() => Err(error.into()),
        Err(error) if error.kind == ErrorKind::NoCredentials => Ok(ConnectionState::Disabled),
        Err(error) => {
            printer.warning(&format!("CLB API: {error}"));
            Ok(ConnectionState::Disabled)
        }
    }
}

/// The region of all nodes, where they agree: CCM writes it in front of their instance.
fn region_of(snapshot: &Snapshot) -> Option<String> {
    let nodes = snapshot.clusters.iter().flat_map(|cluster| cluster.nodes().iter());
    let regions: BTreeSet<&str> = nodes.filter_map(|node| node.region()).collect();
    let mut regions = regions.into_iter();
    regions.next().filter(|_| regions.next().is_none()).map(str::to_owned)
}

impl Queries {
    fn for_services(snapshot: &Snapshot, selection: &Selection<'_>) -> Self {
        let mut groups: BTreeSet<(&str, &str)> = BTreeSet::new();
        for cluster in &snapshot.clusters {
            let looked_at = cluster.services().filter(|service| {
                selection.includes(cluster, service) && service.is_taken_by_ccm()
            });
            for service in looked_at {
                let clb = service.metadata.annotations.text(annotation::ID);
                groups.extend(routes_of(service).into_iter().map(|(vgroup, _)| (clb, vgroup)));
            }
        }
        let answers = &snapshot.clb_answers;
        let (known, asked): (Vec<_>, Vec<_>) =
            groups.into_iter().partition(|(_, vgroup)| answers.groups.contains_key(*vgroup));
        let left_out = asked.len().saturating_sub(MOST_GROUPS);
        let asked = asked.into_iter().take(MOST_GROUPS);
        let mut queries = Self { left_out, ..Self::default() };
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

    async fn run(self, clb: &ClbClient) -> Vec<QueryResult> {
        let attributes = self
            .groups
            .iter()
            .map(|id| async move { vec![clb.group(id).await.map(ClbAnswer::Group)] });
        let mut results = gathered(attributes).await;
        let lists = self.clbs.iter().map(|(id, groups)| query_clb(clb, id, groups));
        results.extend(gathered(lists).await);
        results
    }
}

/// Asks about a whole CLB, and about the health of its running listeners that forward to these
/// groups.
async fn query_clb(clb: &ClbClient, id: &str, groups: &BTreeSet<String>) -> Vec<QueryResult> {
    let mut results = vec![
        clb.load_balancer(id).await.map(ClbAnswer::LoadBalancer),
        clb.groups(id).await.map(ClbAnswer::GroupList),
    ];
    match clb.listener_list(id).await {
        Ok(list) => {
            let ours: Vec<Listener> = list
                .listeners
                .iter()
                .filter(|listener| listener.is_running() && groups.contains(&listener.vgroup))
                .cloned()
                .collect();
            results.push(Ok(ClbAnswer::Listeners(list)));
            for listener in ours {
                let health = clb.health(id, listener.port, &listener.protocol).await;
                results.push(health.map(ClbAnswer::Health));
            }
        }
        Err(error) => results.push(Err(error)),
    }
    results
}

async fn gathered(
    asked: impl Iterator<Item = impl Future<Output = Vec<QueryResult>>>,
) -> Vec<QueryResult> {
    let all: Vec<Vec<QueryResult>> = stream::iter(asked).buffer_unordered(AT_ONCE).collect().await;
    all.into_iter().flatten().collect()
}
