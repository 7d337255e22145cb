//! The connections of one run of the program: with the clusters of the kubeconfig, and with the CLB
//! API.

mod duplicates;

use std::rc::Rc;

use clbmigrate_cluster::{
    Loaded, Problem,
    live::{self, ClusterState, Connection, ListMode, ReadOptions},
};
use futures::future::join_all;
use tokio::runtime::{Builder, Runtime};

use self::duplicates::KnownCluster;
use crate::{
    clb::ClbConnection, cli::ConnectArgs, error::Error, namespaces::Namespaces, output::Printer,
    request::Request,
};

/// How many threads parse what API servers send. Each holds memory of its own.
const READERS: usize = 2;

/// How much of the clusters a command needs, and how current it has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadScope {
    /// What is looked at, and what shares a group with it, as API servers have it in memory: for a
    /// command that shows what is there.
    Shown,
    /// Everything, as API servers have it in memory: what is looked at may join any group.
    All,
    /// Everything as it is now: a write follows.
    Current,
}

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
    /// Where a context is named twice, where flags that are for one cluster meet several contexts,
    /// or where no context can be connected with. One of several
    /// that fails is kept in [`Self::unreachable`].
    pub fn open(args: &Request) -> Result<Self, Error> {
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
        if names.len() > 1 {
            refuse_flags_of_one_cluster(&args.connect, &names)?;
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

    /// What is read from whom, in words.
    pub fn reading_in_words(&self) -> String {
        let names = self.connections.iter().map(|of| of.context.as_deref().unwrap_or(&of.cluster));
        format!("reading Services, nodes and endpoints of {}", names.collect::<Vec<_>>().join(", "))
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

    /// The namespaces to look at: all with `-A`, else that of `-n`, else each context's own.
    pub fn namespaces(&self, args: &Request) -> Namespaces {
        if args.all_namespaces {
            return Namespaces::All;
        }
        match &args.namespace {
            Some(namespace) => Namespaces::One(namespace.clone()),
            None => Namespaces::own(
                self.connections.iter().map(|of| (of.context.clone(), of.namespace.clone())),
            ),
        }
    }

    /// Reads the state of all clusters at the same time, in the order of [`Self::connections`].
    /// Where the user may read no more than one namespace, that is the one to look at.
    pub async fn read_clusters(
        &self,
        namespaces: &Namespaces,
        scope: ReadScope,
    ) -> Vec<ClusterReadResult> {
        let all = self.connections.iter().map(|connection| {
            live::read_cluster(connection, self.read_options(connection, namespaces, scope))
        });
        join_all(all).await
    }

    /// What is read, or watched, over a connection.
    pub fn read_options<'n>(
        &self,
        connection: &'n Connection,
        namespaces: &'n Namespaces,
        scope: ReadScope,
    ) -> ReadOptions<'n> {
        let is_all = namespaces.of(connection.context.as_deref()).is_none();
        ReadOptions {
            namespace: namespaces.over(connection),
            // Of several clusters, what is looked at in one may share a group with any Service of
            // another.
            is_only_namespace: scope == ReadScope::Shown && !is_all && self.connections.len() == 1,
            mode: match scope {
                ReadScope::Shown | ReadScope::All => ListMode::FromCache,
                ReadScope::Current => ListMode::Consistent,
            },
        }
    }

    /// Reads the same where nothing but the Service of that name is needed, in every cluster that has
    /// one. A cluster without one is read as ever.
    pub async fn read_clusters_around(
        &self,
        namespaces: &Namespaces,
        name: &str,
    ) -> Vec<ClusterReadResult> {
        let all = self.connections.iter().map(async |connection| {
            let namespace = namespaces.over(connection);
            match live::read_cluster_around(connection, namespace, name).await {
                Err(error) if error.kind == live::ErrorKind::NotFound => {
                    let options = self.read_options(connection, namespaces, ReadScope::Current);
                    live::read_cluster(connection, options).await
                }
                state => state,
            }
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
        let mut seen: Vec<KnownCluster> = Vec::new();
        let mut failed: Vec<live::Error> = self.unreachable.clone();
        for (connection, gathered) in self.connections.iter().zip(answers) {
            match gathered {
                Ok(gathered) => {
                    for limit in &gathered.limits {
                        printer.warning(&limit.to_string());
                    }
                    let mut one = gathered.loaded;
                    let known = KnownCluster::new(connection, &one.snapshot);
                    known.refuse_duplicate(&seen)?;
                    seen.push(known);
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

/// Refuses flags that take the place of a part of one context, where there are several: a token would
/// be sent to every cluster, and `--cluster` would make all of them one.
fn refuse_flags_of_one_cluster(
    connect: &ConnectArgs,
    contexts: &[Option<&str>],
) -> Result<(), Error> {
    let Some((flag, why)) = connect.flag_of_one_cluster() else { return Ok(()) };
    let names: Vec<&str> = contexts.iter().copied().flatten().collect();
    Err(Error::Usage {
        message: format!(
            "{flag} {why}, but {} contexts are looked at: {}",
            names.len(),
            names.join(", ")
        ),
        hints: vec![
            "every context has a user and a cluster of its own in the kubeconfig: set them there (kubectl config set-context NAME --user USER), and leave the flag out".to_owned(),
        ],
    })
}
