//! The CLB API: asked about the selected routes, where there are credentials for it.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use clbmigrate_clb::{ClbClient, Error as ApiError, ErrorKind};
use clbmigrate_core::{
    annotation,
    clb_answers::{ClbAnswer, Listener, UnknownClb},
    index::routes_of,
    snapshot::Snapshot,
};
use futures::{StreamExt, stream};

use crate::{cli::ClbArgs, error::Error, output::Printer, selection::Selection};

/// Calls at once: the API throttles, and CCM asks it too.
const AT_ONCE: usize = 4;
/// Groups that are asked about; beyond them a call for each would take the quota from CCM.
const MOST_GROUPS: usize = 100;

/// How long it may take to learn whose credentials these are.
const WHOSE: Duration = Duration::from_secs(10);

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

/// Groups of one CLB that Services are to join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routes {
    /// The CLB's id.
    pub clb: String,
    /// The Service ports that are to be mapped to each group, by its id.
    pub ports: BTreeMap<String, BTreeSet<u16>>,
}

/// Whose routes the CLB API is asked about.
#[derive(Debug, Clone, Copy)]
pub enum Scope<'q> {
    /// Those of the selected Services.
    Selected(&'q Selection<'q>),
    /// Those that a command line names, and what the listeners of their ports send to now.
    Named(&'q Routes),
}

/// What to ask the CLB API about.
#[derive(Debug, Default, PartialEq, Eq)]
struct Queries {
    /// The groups of each CLB whose listeners are asked about.
    clbs: BTreeMap<String, BTreeSet<String>>,
    /// The groups that are asked about themselves.
    groups: BTreeSet<String>,
    /// The ports whose listeners' groups are asked about as well.
    ports: BTreeSet<u16>,
    /// How many groups are left out.
    left_out: usize,
}

/// An answer of the CLB API, or why there is none.
enum QueryResult {
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

impl ClbConnection {
    /// Asks about the routes of a scope, and adds the answers to the snapshot. Groups
    /// that the snapshot holds already, from `--overlay`, are not asked about, nor is a CLB whose
    /// listeners are among that. Without credentials,
    /// and with `--no-clb`, nothing is asked.
    ///
    /// # Errors
    /// Where the flags ask for the API and it, or the search for credentials, fails. Without such
    /// flags a failure is a warning; that health could not be read always is.
    pub async fn query(
        &self,
        snapshot: &mut Snapshot,
        scope: Scope<'_>,
        args: &ClbArgs,
        printer: &mut Printer,
    ) -> Result<(), Error> {
        let queries = Queries::new(snapshot, scope);
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
        let mut unknown = Vec::new();
        for result in queries.run(&clb).await {
            let error = match result {
                QueryResult::Answer(answer) => {
                    snapshot.clb_answers.insert(answer);
                    continue;
                }
                QueryResult::NoGroup => continue,
                QueryResult::NoClb(id) => {
                    unknown.push(id);
                    continue;
                }
                QueryResult::UnreadClb(id, error) => {
                    snapshot.clb_answers.insert_unread(&id, &describe(&error));
                    error
                }
                QueryResult::NoHealth(error) => {
                    *failures.entry(describe(&error)).or_default() += 1;
                    continue;
                }
                QueryResult::Failed(error) => error,
            };
            if args.is_asked_for() {
                return Err(error.into());
            }
            *failures.entry(describe(&error)).or_default() += 1;
        }
        for unknown in describe_unknown(&clb, unknown).await {
            printer.warning(&format!("CLB API: no CLB {} is in {}", unknown.id, unknown.place()));
            snapshot.clb_answers.insert_unknown(unknown);
        }
        for (failure, times) in failures {
            let times = if times > 1 { format!(" ({times} times)") } else { String::new() };
            printer.warning(&format!("CLB API: {failure}{times}"));
        }
        Ok(())
    }

    /// Connects, also where there was nothing to ask yet: a Service that has left its groups names no
    /// route any more.
    ///
    /// # Errors
    /// Where the flags ask for the API, and the search for credentials fails.
    pub async fn connect(
        &self,
        snapshot: &Snapshot,
        args: &ClbArgs,
        printer: &mut Printer,
    ) -> Result<(), Error> {
        self.connected(snapshot, args, printer).await.map(drop)
    }

    /// The client; `None` without credentials, with `--no-clb`, and before it is connected.
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

/// The evidence that there are no such CLBs, with the account and region that were asked.
async fn describe_unknown(clb: &ClbClient, ids: Vec<String>) -> Vec<UnknownClb> {
    if ids.is_empty() {
        return Vec::new();
    }
    // Whoever may not ask for the account is told by where the credentials are from.
    let account = clb.with_operation_timeout(WHOSE).account().await.ok().map(|of| of.id);
    let unknown = ids.into_iter().map(|id| UnknownClb {
        id,
        region: clb.region().to_owned(),
        account: account.clone(),
        credentials: clb.source().to_owned(),
    });
    unknown.collect()
}

impl QueryResult {
    fn of(answer: Result<ClbAnswer, ApiError>) -> Self {
        answer.map_or_else(Self::Failed, Self::Answer)
    }
}

/// Whether the API says that it has no CLB of the id that was asked for.
fn is_unknown_clb(error: &ApiError) -> bool {
    error.code() == Some("InvalidLoadBalancerId.NotFound")
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
    fn new(snapshot: &Snapshot, scope: Scope<'_>) -> Self {
        match scope {
            Scope::Selected(selection) => Self::for_services(snapshot, selection),
            Scope::Named(routes) => Self::for_routes(snapshot, routes),
        }
    }

    fn for_routes(snapshot: &Snapshot, routes: &Routes) -> Self {
        if annotation::clb_id_problem(&routes.clb).is_some() {
            return Self::default();
        }
        let named = routes.ports.keys().map(|vgroup| (routes.clb.as_str(), vgroup.as_str()));
        let ports = routes.ports.values().flatten().copied().collect();
        Self { ports, ..Self::about(snapshot, named.collect()) }
    }

    fn for_services(snapshot: &Snapshot, selection: &Selection<'_>) -> Self {
        let mut groups: BTreeSet<(&str, &str)> = BTreeSet::new();
        for cluster in &snapshot.clusters {
            let looked_at = cluster.services().filter(|service| {
                selection.includes(cluster, service) && service.is_taken_by_ccm()
            });
            for service in looked_at {
                let clb = service.metadata.annotations.text(annotation::ID);
                if annotation::clb_id_problem(clb).is_some() {
                    continue;
                }
                groups.extend(routes_of(service).into_iter().map(|(vgroup, _)| (clb, vgroup)));
            }
        }
        Self::about(snapshot, groups)
    }

    /// About groups, each with its CLB, as far as the snapshot does not hold the answers.
    fn about(snapshot: &Snapshot, groups: BTreeSet<(&str, &str)>) -> Self {
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
        let attributes = self.groups.iter().map(|id| async move {
            vec![match clb.group(id).await {
                Ok(group) => QueryResult::Answer(ClbAnswer::Group(group)),
                Err(error) if error.kind == ErrorKind::NotFound => QueryResult::NoGroup,
                Err(error) => QueryResult::Failed(error),
            }]
        });
        let mut results = gathered(attributes).await;
        let lists = self.clbs.iter().map(|(id, groups)| query_clb(clb, id, (groups, &self.ports)));
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
) -> Vec<QueryResult> {
    let balancer = clb.load_balancer(id).await;
    if balancer.as_ref().is_err_and(is_unknown_clb) {
        return vec![QueryResult::NoClb(id.to_owned())];
    }
    let list = clb.groups(id).await;
    if list.as_ref().is_err_and(is_unknown_clb) {
        return vec![QueryResult::NoClb(id.to_owned())];
    }
    let mut results = match (balancer, &list) {
        // Its groups show that it is there.
        (Err(error), Err(_)) => vec![QueryResult::UnreadClb(id.to_owned(), error)],
        (balancer, _) => vec![QueryResult::of(balancer.map(ClbAnswer::LoadBalancer))],
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
