//! The CLB API: asked about the selected routes, where there are credentials for it.

mod memory;
mod queries;
mod scope;
mod whole;

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use clbmigrate_clb::{ClbClient, Error as ApiError, ErrorKind};
use clbmigrate_core::{clb_answers::UnknownClb, snapshot::Snapshot};

use self::{
    memory::Memory,
    queries::{Queries, QueryResult},
};
use crate::{cli::ClbArgs, error::Error, output::Printer, selection::Selection};

pub use queries::MOST_GROUPS;
pub use scope::{Routes, Scope};
pub use whole::{WholeClb, WholeClbError, clbs_at, connect_or_fail, lacking, read_whole};

/// How long it may take to learn whose credentials these are.
const WHOSE: Duration = Duration::from_secs(10);

/// A connection with the CLB API that is made when it is first needed.
#[derive(Debug, Default)]
pub struct ClbConnection {
    state: RefCell<ConnectionState>,
    memory: Memory,
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

impl ClbConnection {
    /// Asks about the routes of a scope, and adds the answers to the snapshot. Groups
    /// that the snapshot holds already, from `--overlay`, are not asked about, nor is a CLB whose
    /// listeners are among that. The list of a CLB's groups is asked for once. Without credentials, and
    /// with `--no-clb`, nothing is asked.
    ///
    /// # Errors
    /// Where the flags ask for the API and it, or the search for credentials, fails. Without such
    /// flags a failure is a warning; that health could not be read always is.
    pub async fn query(
        &self,
        snapshot: &mut Snapshot,
        (scope, selection): (&Scope, &Selection<'_>),
        args: &ClbArgs,
        printer: &mut Printer,
    ) -> Result<(), Error> {
        let groups = scope.groups(snapshot, selection);
        let queries = Queries::about(snapshot, groups, scope.ports());
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
        let line = printer.progress(format!("asking the CLB API about {}", queries.in_words()));
        for result in queries.run(&clb, &self.memory).await {
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
        drop(line);
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

    /// From now on no question is asked twice, until its answer is forgotten: for a command that looks
    /// at the same routes over and over.
    pub fn keep_answers(&self) {
        self.memory.keep_all();
    }

    /// Forgets what groups hold and their health, so that both are asked for again.
    pub fn forget_groups(&self) {
        self.memory.forget_groups();
    }

    /// Forgets all answers.
    pub fn forget_answers(&self) {
        self.memory.forget_all();
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
