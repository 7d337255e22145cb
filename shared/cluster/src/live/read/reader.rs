//! The pieces of a cluster's state, and what becomes of those that fail.

use std::sync::{Arc, Mutex, PoisonError};

use clbmigrate_core::{
    object::Service,
    snapshot::{Cluster, ListedServices, Object},
};
use futures::{
    FutureExt, StreamExt,
    channel::mpsc::{self, UnboundedSender},
    future::{join, try_join5},
    stream,
};

use super::{
    ClusterState, ReadOptions,
    identity::{ClusterIdentity, VersionError, check_version},
    needed_namespaces::NeededNamespaces,
};
use crate::{
    Loaded, Problem,
    live::{
        ccm::CcmObjects,
        connect::Connection,
        error::{Error, ErrorKind},
        list::{ListItems, ListMode, SeeObject},
        namespaces::{Listing, NamespaceObjects, Resource},
        pods,
    },
    loaded::ParsedObject,
};

/// How many listings of pods are read at once: as many as there are connections by then, for a new
/// one takes longer than waiting for one of them.
const AT_ONCE: usize = 4;

/// The connections that pieces are read over. They differ in when their requests end.
#[derive(Clone, Copy)]
pub(in crate::live) struct Sources<'c> {
    /// For the list of Services.
    pub services: &'c Connection,
    /// For everything else.
    pub others: &'c Connection,
}

/// What was read of a cluster so far, and what of it could not be.
pub(in crate::live) struct ClusterReader<'c> {
    connection: &'c Connection,
    sources: Sources<'c>,
    /// The one Service that is needed and was read already; `None` where all are needed.
    around: Option<Service>,
    pub loaded: Loaded,
    limits: Vec<Problem>,
}

impl<'c> ClusterReader<'c> {
    /// A reader that needs the Services, nodes and EndpointSlices.
    pub fn new(connection: &'c Connection) -> Self {
        let mut loaded = Loaded::default();
        let mut cluster = Cluster::default();
        cluster.context.clone_from(&connection.context);
        loaded.snapshot.clusters.push(cluster);
        let sources = Sources { services: connection, others: connection };
        Self { connection, sources, around: None, loaded, limits: Vec::new() }
    }

    /// A reader that needs one Service, which was read.
    pub fn around(connection: &'c Connection, sources: Sources<'c>, service: Service) -> Self {
        Self { sources, around: Some(service), ..Self::new(connection) }
    }

    /// Reads everything.
    pub async fn read(mut self, options: ReadOptions<'_>) -> Result<ClusterState, Error> {
        let (others, mode) = (self.sources.others, options.mode);
        let (found, namespaces) = mpsc::unbounded();
        let is_strict = self.around.is_none();
        let behind_services = async {
            let (version, custom) = join(check_version(others), others.custom_workloads()).await;
            if let Err(VersionError::TooOld(error)) = &version
                && is_strict
            {
                return Err(error.clone());
            }
            let known = custom.as_ref().map(Vec::as_slice).unwrap_or_default();
            let objects = others.namespace_objects(namespaces, known, mode).await;
            Ok((version, custom, objects))
        };
        let (services, nodes, (version, custom, namespace_objects), identity, ccm) = try_join5(
            self.services(options, found),
            others.list("/api/v1/nodes", mode).map(Ok),
            behind_services,
            ClusterIdentity::read(others).map(Ok),
            others.ccm_objects().map(Ok),
        )
        .await?;
        self.version(version)?;
        self.custom_kinds(custom);
        self.take_services(services, options.namespace);
        self.nodes(nodes);
        self.namespace_objects(namespace_objects);
        self.pods(mode).await;
        self.identity(identity);
        self.ccm(ccm);
        Ok(self.done())
    }

    pub fn done(mut self) -> ClusterState {
        if self.around.is_some() {
            // Nothing of this stops who needs the Service alone.
            self.limits.append(&mut self.loaded.problems);
        }
        ClusterState { loaded: self.loaded, limits: self.limits }
    }

    pub fn cluster(&mut self) -> Option<&mut Cluster> {
        self.loaded.snapshot.clusters.first_mut()
    }

    /// The place of problems: the context's name.
    fn place(&self) -> String {
        self.connection.context.as_deref().unwrap_or("the cluster").to_owned()
    }

    /// An API server that is too old is an error, one that does not say how old it is a limit.
    pub fn version(&mut self, version: Result<(), VersionError>) -> Result<(), Error> {
        let error = match version {
            Ok(()) => return Ok(()),
            Err(VersionError::TooOld(error)) if self.around.is_none() => return Err(error),
            Err(VersionError::TooOld(error) | VersionError::Unknown(error)) => error,
        };
        let what = "the API server's version is not known, which has to be 1.21 or newer";
        let limit = self.limit(what, &error);
        self.limits.push(limit);
        Ok(())
    }

    /// The kinds of workload beside Kubernetes' own; none where they could not be read.
    pub fn custom_kinds(&mut self, kinds: Result<Vec<Resource>, Error>) -> Vec<Resource> {
        let unseen = "Argo Rollouts and OpenKruise are not seen";
        self.optional(kinds, "the kinds of workload", unseen).unwrap_or_default()
    }

    /// Lists all Services, or those of one namespace where the user may not list more. The
    /// namespaces of which more is needed are sent to `found` as they are read. `Ok(Err)` where they
    /// cannot be listed, and need not.
    async fn services(
        &self,
        options: ReadOptions<'_>,
        found: UnboundedSender<String>,
    ) -> Result<Result<(ListItems, Option<Problem>), Error>, Error> {
        let only = options.is_only_namespace.then_some(options.namespace);
        let needed = Mutex::new(NeededNamespaces::new(only, found));
        let see = move |service: &Service| {
            needed.lock().unwrap_or_else(PoisonError::into_inner).see(service);
        };
        self.around.iter().for_each(&see);
        let see: SeeObject = Arc::new(move |object| {
            if let ParsedObject::Object(Object::Service(service)) = object {
                see(service);
            }
        });
        match self.list_services(options, see).await {
            Err(error) if self.around.is_none() => Err(error),
            services => Ok(services),
        }
    }

    async fn list_services(
        &self,
        options: ReadOptions<'_>,
        see: SeeObject,
    ) -> Result<(ListItems, Option<Problem>), Error> {
        let (connection, mode) = (self.sources.services, options.mode);
        let everywhere = connection.list_inspecting("/api/v1/services", mode, &see).await;
        let forbidden = match everywhere {
            Err(error) if error.kind == ErrorKind::Forbidden => error,
            services => return Ok((services?, None)),
        };
        let namespace = options.namespace;
        let path = format!("/api/v1/namespaces/{namespace}/services");
        let services = connection.list_inspecting(&path, mode, &see).await?;
        Ok((services, Some(self.one_namespace(namespace, &forbidden))))
    }

    pub fn take_services(
        &mut self,
        services: Result<(ListItems, Option<Problem>), Error>,
        namespace: &str,
    ) {
        let others = "others in the same groups are not seen";
        let mut listed = ListedServices::Unlisted;
        if let Some((services, limit)) = self.optional(services, "Services", others) {
            listed = match limit {
                Some(_) => ListedServices::OfNamespace(namespace.to_owned()),
                None => ListedServices::All,
            };
            self.limits.extend(limit);
            self.take("services", services);
        }
        if let Some(cluster) = self.cluster() {
            cluster.services_listed = listed;
        }
        // The list has it as well, or could not be read.
        if let Some(service) = self.around.clone() {
            self.insert(Object::Service(Box::new(service)));
        }
    }

    fn limit(&self, what: &str, error: &Error) -> Problem {
        Problem { file: self.place(), line: None, message: format!("{what} ({})", error.message) }
    }

    pub fn insert(&mut self, object: Object) {
        // A list that was continued may hold an object twice; the first one stands.
        drop(self.loaded.insert(0, ParsedObject::Object(object)));
    }

    /// Adds a Service that others hold as well.
    pub fn share_service(&mut self, service: Arc<Service>) {
        if let Some(cluster) = self.cluster() {
            cluster.replace_service(service);
            self.loaded.objects += 1;
        }
    }

    /// Inserts the objects of a listing into the cluster. Returns whether all could be parsed.
    pub fn take(&mut self, what: &str, items: ListItems) -> bool {
        let place = self.place();
        let mut is_whole = items.errors.is_empty();
        for object in items.objects {
            match object {
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

    /// A piece that can be done without; a failure becomes a limit. `None` without a limit where the
    /// API server does not have the resource, which then holds nothing.
    pub fn optional<T>(&mut self, piece: Result<T, Error>, what: &str, without: &str) -> Option<T> {
        let error = match piece {
            Ok(value) => return Some(value),
            Err(error) if error.kind == ErrorKind::NotFound => return None,
            Err(error) => error,
        };
        let how = match error.kind {
            ErrorKind::Forbidden => "may not be listed",
            _ => "could not be read",
        };
        let limit = self.limit(&format!("{what} {how}; {without}"), &error);
        self.limits.push(limit);
        None
    }

    /// A piece without which nobody knows what serves. A failure for another reason than the user's
    /// rights is a problem, unless one Service is all that is needed.
    fn needed<T>(&mut self, piece: Result<T, Error>, what: &str, without: &str) -> Option<T> {
        match piece {
            Err(error)
                if self.around.is_none()
                    && !matches!(error.kind, ErrorKind::Forbidden | ErrorKind::NotFound) =>
            {
                let problem = self.limit(&format!("{what} could not be read; {without}"), &error);
                self.loaded.problems.push(problem);
                self.loaded.failures.push(error);
                None
            }
            piece => self.optional(piece, what, without),
        }
    }

    pub fn nodes(&mut self, nodes: Result<ListItems, Error>) {
        if let Some(nodes) = self.needed(nodes, "nodes", "weights in Cluster mode are unknown") {
            let is_whole = self.take("nodes", nodes);
            if let Some(cluster) = self.cluster() {
                cluster.nodes_listed = is_whole;
            }
        }
    }

    /// EndpointSlices and workloads of the namespaces that have migrated Services.
    pub fn namespace_objects(&mut self, namespace_objects: NamespaceObjects) {
        let Listing { items, failure } = namespace_objects.slices;
        let failure = failure.map_or(Ok(()), Err);
        self.needed(failure, "EndpointSlices", "what serves is unknown");
        if self.take("endpointslices", items)
            && let Some(cluster) = self.cluster()
        {
            cluster.endpoints_listed = namespace_objects.namespaces;
        }
        for (resource, Listing { items, failure }) in namespace_objects.workloads {
            let failure = failure.map_or(Ok(()), Err);
            self.optional(failure, &resource, "rules about workloads are silent");
            self.take(&resource, items);
        }
        let Listing { items, failure } = namespace_objects.metadata;
        let labels = "the label that asks for preStop hooks is not seen";
        self.optional(failure.map_or(Ok(()), Err), "namespaces", labels);
        self.take("namespaces", items);
    }

    /// What CCM's and Terway's objects tell. Of these no error is told: CCM runs where nobody can see
    /// it in managed clusters, and flags can say the same. By which release a cluster is judged is
    /// told.
    pub fn ccm(&mut self, found: CcmObjects) {
        for object in found.items.objects.into_iter().flatten() {
            self.loaded.insert(0, object);
        }
        if let Some(cluster) = self.cluster().filter(|_| found.lacks_terway) {
            cluster.backends_evidence.has_terway.get_or_insert(false);
        }
    }

    /// Pods of Services whose endpoints hang on them: not ready but perhaps gated, or without a
    /// workload of a kind that was listed.
    async fn pods(&mut self, mode: ListMode) {
        let clusters = self.loaded.snapshot.clusters.iter();
        let paths: Vec<String> = clusters.flat_map(pods::paths).collect();
        let connection = self.sources.others;
        let mut lists =
            stream::iter(&paths).map(|path| connection.list(path, mode)).buffered(AT_ONCE);
        while let Some(pods) = lists.next().await {
            if !self.take_pods(pods) {
                break;
            }
        }
    }

    /// Inserts a listing of pods. Returns whether there is one.
    pub fn take_pods(&mut self, pods: Result<ListItems, Error>) -> bool {
        let silent = "readiness gates and bare pods are not seen";
        let Some(pods) = self.optional(pods, "pods", silent) else { return false };
        self.take("pods", pods);
        true
    }

    /// Says that Services outside a namespace are not seen, for the user may not list them.
    pub fn one_namespace(&self, namespace: &str, forbidden: &Error) -> Problem {
        self.limit(
            &format!("Services outside namespace {namespace} may not be listed; others in the same groups are not seen"),
            forbidden,
        )
    }

    pub fn identity(&mut self, identity: ClusterIdentity) {
        for (of, object) in identity.configuration {
            if let Some(Some(object)) = self.optional(object, of.name, of.without) {
                self.take("configuration", object);
            }
        }
        let unknown = "nothing tells this cluster from another one behind the same address";
        let uid = self.optional(identity.uid, "namespace kube-system", unknown).flatten();
        if let Some(cluster) = self.cluster() {
            cluster.uid = uid;
        }
    }
}
