//! The connections of one run of the program: with the clusters of the kubeconfig, and with the CLB
//! API.

use std::{collections::BTreeMap, rc::Rc};

use clbmigrate_cluster::{
    Loaded, Problem,
    live::{self, ClusterState, Connection},
};
use futures::future::join_all;
use tokio::runtime::{Builder, Runtime};

use crate::{clb::ClbConnection, cli::InputArgs, error::Error, output::Printer};

/// How many threads parse what API servers send. Each holds memory of its own.
const READERS: usize = 2;

/// The state of one cluster, or why it could not be read.
pub type ClusterReadResult = Result<ClusterState, live::Error>;

/// The open connections, and the runtime on which their requests run. A clone shares both.
#[derive(Clone)]
pub struct Session {
    runtime: Rc<Runtime>,
    connections: Vec<Connection>,
    /// Why there is no connection with the other contexts that were asked for.
    unreachable: Vec<live::Error>,
    clb: Rc<ClbConnection>,
}

impl Session {
    /// Connects with the contexts that the flags name, or with the current one.
    ///
    /// # Errors
    /// Where a context is named twice, or where no context can be connected with. One of several
    /// that fails is kept in [`Self::unreachable`].
    pub fn open(args: &InputArgs) -> Result<Self, Error> {
        let mut runtime = Builder::new_current_thread();
        let runtime = Rc::new(runtime.enable_all().max_blocking_threads(READERS).build()?);
        let names: Vec<Option<&str>> = if args.contexts.is_empty() {
            vec![args.context.as_deref()]
        } else {
            args.contexts.iter().map(|name| Some(name.as_str())).collect()
        };
        for (index, name) in names.iter().enumerate() {
            if names.iter().take(index).any(|earlier| earlier == name) {
                let name = name.unwrap_or_default();
                return Err(Error::usage(format!("--contexts names {name:?} more than once")));
            }
        }
        let (mut connections, mut unreachable) = (Vec::new(), Vec::new());
        for name in names {
            match runtime.block_on(args.connect.access(name).connect()) {
                Ok(connection) => connections.push(connection),
                Err(error) => unreachable.push(error),
            }
        }
        if connections.is_empty()
            && let Some(error) = unreachable.pop()
        {
            return Err(error.into());
        }
        Ok(Self { runtime, connections, unreachable, clb: Rc::default() })
    }

    /// The connections with clusters, in the order of the flags; at least one.
    pub fn connections(&self) -> &[Connection] {
        &self.connections
    }

    /// Why contexts that were asked for have no connection; one error each.
    pub fn unreachable(&self) -> &[live::Error] {
        &self.unreachable
    }

    /// The names of the connected contexts, in order. A connection without a context is left out.
    pub fn contexts(&self) -> Vec<&str> {
        let mut contexts: Vec<&str> =
            self.connections.iter().filter_map(|of| of.context.as_deref()).collect();
        contexts.dedup();
        contexts
    }

    /// The connection of a command that writes in one cluster.
    ///
    /// # Errors
    /// A usage error where there are several.
    pub fn single_connection(&self) -> Result<&Connection, Error> {
        match self.connections.as_slice() {
            [one] => Ok(one),
            _ => Err(Error::usage("this command writes in one cluster; name it with --context")),
        }
    }

    /// Runs a future to its end on this thread. It must not be called from within another one.
    pub fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// The namespace to look at: that of `-n`, else that of the contexts. `None` means all
    /// namespaces: with `-A`, and where the contexts have different ones.
    pub fn namespace(&self, args: &InputArgs) -> Option<String> {
        if args.all_namespaces {
            return None;
        }
        let own = self.connections.first().map(|first| first.namespace.clone());
        let agree = self.connections.iter().all(|of| Some(&of.namespace) == own.as_ref());
        args.namespace.clone().or(own.filter(|_| agree))
    }

    /// Reads the state of all clusters at the same time, in the order of [`Self::connections`].
    /// Without a namespace, each is read in that of its own context.
    pub async fn read_clusters(&self, namespace: Option<&str>) -> Vec<ClusterReadResult> {
        let all = self.connections.iter().map(|connection| {
            let namespace = namespace.unwrap_or(&connection.namespace);
            live::read_cluster(connection, namespace)
        });
        join_all(all).await
    }

    /// The connection with the CLB API, which is made when it is first needed.
    pub fn clb(&self) -> &ClbConnection {
        &self.clb
    }

    /// Makes one snapshot of the clusters' states, and warns of what could not be read of each. A
    /// cluster that failed becomes a problem of the result.
    ///
    /// # Errors
    /// Where all clusters failed, or where two contexts are one cluster.
    pub fn merge(
        &self,
        answers: Vec<ClusterReadResult>,
        printer: &mut Printer,
    ) -> Result<Loaded, Error> {
        let mut loaded = Loaded::default();
        let mut seen = BTreeMap::new();
        let mut failed: Vec<live::Error> = self.unreachable.clone();
        for (connection, gathered) in self.connections.iter().zip(answers) {
            match gathered {
                Ok(gathered) => {
                    refuse_duplicate_cluster(connection, &gathered, &mut seen)?;
                    for limit in &gathered.limits {
                        printer.warning(&limit.to_string());
                    }
                    let mut one = gathered.loaded;
                    loaded.snapshot.clusters.append(&mut one.snapshot.clusters);
                    loaded.merge_report(&one);
                }
                Err(error) => failed.push(error),
            }
        }
        if loaded.snapshot.clusters.is_empty()
            && let Some(error) = failed.pop()
        {
            return Err(error.into());
        }
        loaded.problems.extend(failed.into_iter().map(|error| Problem {
            file: error.context.clone().unwrap_or_else(|| "cluster".to_owned()),
            line: None,
            message: error.message,
        }));
        Ok(loaded)
    }
}

/// Refuses a cluster that was read already under another context: every participant would count
/// twice. Clusters are told apart by the UID of `kube-system` and by the API server's address.
fn refuse_duplicate_cluster(
    connection: &Connection,
    gathered: &ClusterState,
    seen: &mut BTreeMap<String, String>,
) -> Result<(), Error> {
    let name = connection.context.as_deref().unwrap_or_default().to_owned();
    let clusters = gathered.loaded.snapshot.clusters.iter();
    let marks = clusters.filter_map(|of| Some(format!("uid {}", of.uid.as_ref()?)));
    for mark in marks.chain([format!("server {}", connection.server)]) {
        if let Some(other) = seen.insert(mark, name.clone()) {
            return Err(Error::Usage {
                message: format!("contexts {other} and {name} are one cluster"),
                hints: vec![format!("name one of them only: --context {other}")],
            });
        }
    }
    Ok(())
}
