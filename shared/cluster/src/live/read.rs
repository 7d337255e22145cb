//! Reading a cluster's state into a [`Cluster`].

use std::collections::BTreeSet;

use clbmigrate_core::snapshot::{Cluster, Object};
use futures::{
    FutureExt, StreamExt,
    channel::mpsc::{self, UnboundedSender},
    future::{try_join, try_join5},
    stream,
};
use serde::Deserialize;

use super::{
    ccm::CcmObjects,
    connect::Connection,
    error::{Error, ErrorKind},
    namespaces::NamespaceObjects,
    page::ListItems,
    pods,
};
use crate::{Loaded, Problem, loaded::ParsedObject};

/// How many listings of pods are read at once: as many as there are connections by then, for a new
/// one takes longer than waiting for one of them.
const AT_ONCE: usize = 4;

/// The oldest API servers that have what is read here (discovery.k8s.io/v1).
const OLDEST: (u32, u32) = (1, 21);

/// A cluster's state, as far as the user may read it.
pub struct ClusterState {
    /// A snapshot of this one cluster, and the objects that could not be parsed.
    pub loaded: Loaded,
    /// The resources that the user may not list, each with the consequence.
    pub limits: Vec<Problem>,
}

/// Reads what routes and rules need: Services, nodes, EndpointSlices, the workloads behind migrated
/// Services, of Argo Rollouts and `OpenKruise` as well, the cluster's id, and what tells of its CCM.
///
/// A resource that the user may not list becomes a limit, an object that cannot be parsed a
/// problem. Where Services may not be listed in all namespaces, those of `namespace` are.
///
/// # Errors
/// Services may not be listed in `namespace` either, the API server is older than 1.21, or a
/// request fails.
pub async fn read_cluster(connection: &Connection, namespace: &str) -> Result<ClusterState, Error> {
    let custom = try_join(check_version(connection), connection.custom_workloads());
    let ((), custom) = custom.await?;
    let mut reader = ClusterReader::new(connection);
    let (found, namespaces) = mpsc::unbounded();
    let (services, nodes, namespace_objects, cluster_identity, ccm) = try_join5(
        reader.services(namespace, found),
        connection.list("/api/v1/nodes").map(Ok),
        connection.namespace_objects(namespaces, custom).map(Ok),
        cluster_identity(connection),
        connection.ccm_objects().map(Ok),
    )
    .await?;
    let (services, limit) = services;
    reader.limits.extend(limit);
    reader.take("services", services);
    reader.nodes(nodes)?;
    reader.namespace_objects(namespace_objects)?;
    reader.pods().await?;
    reader.take("configuration", cluster_identity.configuration);
    reader.ccm(ccm);
    if let Some(cluster) = reader.cluster() {
        cluster.uid = cluster_identity.uid;
    }
    Ok(reader.done())
}

/// Reads the Services of one namespace, and nothing else.
pub async fn services(connection: &Connection, namespace: &str) -> Result<Loaded, Error> {
    let services = connection.list(&format!("/api/v1/namespaces/{namespace}/services")).await?;
    let mut reader = ClusterReader::new(connection);
    reader.take("services", services);
    Ok(reader.loaded)
}

/// The names of all namespaces of the cluster.
pub async fn namespaces(connection: &Connection) -> Result<Vec<String>, Error> {
    let namespaces = connection.list("/api/v1/namespaces").await?.objects.into_iter();
    let names = namespaces.filter_map(|namespace| match namespace {
        Ok(ParsedObject::Object(Object::Namespace(meta))) => Some(meta.name),
        _ => None,
    });
    Ok(names.collect())
}

async fn check_version(connection: &Connection) -> Result<(), Error> {
    #[derive(Deserialize)]
    struct Version {
        major: String,
        minor: String,
        #[serde(rename = "gitVersion", default)]
        full: String,
    }
    let version: Version = connection.get("/version").await?.parse(connection)?;
    let number = |text: &str| {
        let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u32>().ok()
    };
    match (number(&version.major), number(&version.minor)) {
        (Some(major), Some(minor)) if (major, minor) < OLDEST => {
            let message = format!(
                "the API server is Kubernetes {}; this needs {}.{} or newer",
                version.full, OLDEST.0, OLDEST.1
            );
            let error = Error::new(ErrorKind::Other, message);
            Err(connection.in_context(error.hint(
                "look at files instead: kubectl get svc,nodes,endpoints -A -o json | kubectl clbmigrate status -f -",
            )))
        }
        _ => Ok(()),
    }
}

struct ClusterReader<'c> {
    connection: &'c Connection,
    loaded: Loaded,
    limits: Vec<Problem>,
}

impl<'c> ClusterReader<'c> {
    fn new(connection: &'c Connection) -> Self {
        let mut loaded = Loaded::default();
        let mut cluster = Cluster::default();
        cluster.context.clone_from(&connection.context);
        loaded.snapshot.clusters.push(cluster);
        Self { connection, loaded, limits: Vec::new() }
    }

    fn done(self) -> ClusterState {
        ClusterState { loaded: self.loaded, limits: self.limits }
    }

    fn cluster(&mut self) -> Option<&mut Cluster> {
        self.loaded.snapshot.clusters.first_mut()
    }

    /// The place of problems: the context's name.
    fn place(&self) -> String {
        self.connection.context.as_deref().unwrap_or("the cluster").to_owned()
    }

    /// Lists all Services, or those of one namespace where the user may not list more. The
    /// namespaces of migrated Services are sent to `found` as they are read.
    async fn services(
        &self,
        namespace: &str,
        found: UnboundedSender<String>,
    ) -> Result<(ListItems, Option<Problem>), Error> {
        let mut known = BTreeSet::new();
        let mut report = |services: &ListItems| {
            for namespace in services.objects.iter().flatten().filter_map(migrated) {
                if known.insert(namespace.to_owned()) {
                    // The receiver is gone where another listing has failed already.
                    let _ = found.unbounded_send(namespace.to_owned());
                }
            }
        };
        let everywhere = self.connection.list_inspecting("/api/v1/services", &mut report).await;
        let forbidden = match everywhere {
            Err(error) if error.kind == ErrorKind::Forbidden => error,
            services => return Ok((services?, None)),
        };
        let path = format!("/api/v1/namespaces/{namespace}/services");
        let services = self.connection.list_inspecting(&path, report).await?;
        let limit = self.limit(
            &format!("Services outside namespace {namespace} may not be listed; others in the same groups are not seen"),
            &forbidden,
        );
        Ok((services, Some(limit)))
    }

    fn limit(&self, what: &str, error: &Error) -> Problem {
        Problem { file: self.place(), line: None, message: format!("{what} ({})", error.message) }
    }

    /// Inserts the objects of a listing into the cluster. Returns whether all could be parsed.
    fn take(&mut self, what: &str, items: ListItems) -> bool {
        let place = self.place();
        let mut is_whole = items.errors.is_empty();
        for object in items.objects {
            match object {
                // A list that was continued may hold an object twice; the first one stands.
                Ok(object) => drop(self.loaded.insert(0, object)),
                Err(error) => {
                    is_whole = false;
                    self.loaded.report(&place, None, &error);
                }
            }
        }
        for error in &items.errors {
            self.loaded.report(format!("{place}: {what}"), None, error);
        }
        is_whole
    }

    fn nodes(&mut self, nodes: Result<ListItems, Error>) -> Result<(), Error> {
        let Some(nodes) =
            self.allowed(nodes, "nodes may not be listed; weights in Cluster mode are unknown")?
        else {
            return Ok(());
        };
        let is_whole = self.take("nodes", nodes);
        if let Some(cluster) = self.cluster() {
            cluster.nodes_listed = is_whole;
        }
        Ok(())
    }

    /// The listing; `None` where the user may not list it, which becomes a limit, or where the API
    /// server does not have the resource.
    fn allowed<T>(&mut self, result: Result<T, Error>, what: &str) -> Result<Option<T>, Error> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.kind == ErrorKind::Forbidden => {
                let limit = self.limit(what, &error);
                self.limits.push(limit);
                Ok(None)
            }
            // A resource that this API server does not serve holds nothing.
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// EndpointSlices and workloads of the namespaces that have migrated Services.
    fn namespace_objects(&mut self, namespace_objects: NamespaceObjects) -> Result<(), Error> {
        let slices = "EndpointSlices may not be listed; what serves is unknown";
        if let Some(slices) = self.allowed(namespace_objects.slices, slices)?
            && self.take("endpointslices", slices)
            && let Some(cluster) = self.cluster()
        {
            cluster.endpoints_listed = namespace_objects.namespaces;
        }
        for (resource, workloads) in namespace_objects.workloads {
            let what = format!("{resource} may not be listed; rules about workloads are silent");
            if let Some(workloads) = self.allowed(workloads, &what)? {
                self.take(&resource, workloads);
            }
        }
        self.take("namespaces", namespace_objects.metadata?);
        Ok(())
    }

    /// What CCM's and Terway's objects tell. Of these no error is told: CCM runs where nobody can see
    /// it in managed clusters, and flags can say the same.
    fn ccm(&mut self, found: CcmObjects) {
        for object in found.items.objects.into_iter().flatten() {
            self.loaded.insert(0, object);
        }
        if let Some(cluster) = self.cluster().filter(|_| found.lacks_terway) {
            cluster.backends_evidence.has_terway.get_or_insert(false);
        }
    }

    /// Pods of Services whose endpoints hang on them: not ready but perhaps gated, or without a
    /// workload of a kind that was listed.
    async fn pods(&mut self) -> Result<(), Error> {
        let clusters = self.loaded.snapshot.clusters.iter();
        let paths: Vec<String> = clusters.flat_map(pods::paths).collect();
        let connection = self.connection;
        let mut lists = stream::iter(&paths).map(|path| connection.list(path)).buffered(AT_ONCE);
        while let Some(pods) = lists.next().await {
            let what = "pods may not be listed; readiness gates and bare pods are not seen";
            match self.allowed(pods, what)? {
                Some(pods) => drop(self.take("pods", pods)),
                None => break,
            }
        }
        Ok(())
    }
}

/// What identifies and configures a cluster.
struct ClusterIdentity {
    /// The objects that hold its id, and that say whether `preStop` hooks are injected.
    configuration: ListItems,
    uid: Option<String>,
}

async fn cluster_identity(connection: &Connection) -> Result<ClusterIdentity, Error> {
    let paths = [
        "/api/v1/namespaces/kube-system/configmaps/ack-cluster-profile",
        "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/clbmigrate-mutate-workloads",
    ];
    let mut configuration = ListItems::default();
    for path in paths {
        if let Some(page) = connection.object(path).await? {
            configuration = configuration.and(connection.items(page).await?);
        }
    }
    Ok(ClusterIdentity { configuration, uid: connection.cluster_uid().await? })
}

/// The namespace of a Service that is migrated.
fn migrated(object: &ParsedObject) -> Option<&str> {
    match object {
        ParsedObject::Object(Object::Service(service)) if service.is_candidate() => {
            Some(service.metadata.namespace())
        }
        _ => None,
    }
}
