//! Everything a cluster has to say about its routes: the same [`Cluster`] that files make.

use std::collections::BTreeSet;

use clbmigrate_core::{object::Service, snapshot::Cluster};
use futures::{
    StreamExt,
    future::{join, try_join},
    stream,
};
use serde::Deserialize;

use super::{
    connect::Connection,
    error::{Error, ErrorKind},
    page::Page,
};
use crate::{
    Loaded, Problem,
    parse::{Fault, ObjectReader},
};

/// Up to how many namespaces are listed one by one; with more, all are listed at once.
const NAMESPACES: usize = 8;

/// How many listings are asked for at once.
const AT_ONCE: usize = 8;

/// The oldest API servers that have what is read here (discovery.k8s.io/v1).
const OLDEST: (u32, u32) = (1, 21);

/// A cluster's state.
pub struct Gathered {
    /// A world of this one cluster, and what of it could not be read.
    pub loaded: Loaded,
    /// What the user may not look at, each with what follows.
    pub limits: Vec<Problem>,
    /// The UID of namespace `kube-system`, which tells clusters apart, if it may be read.
    pub uid: Option<String>,
}

/// Reads what routes and rules need: Services, nodes, EndpointSlices, the workloads behind migrated
/// Services, and the cluster's id.
///
/// What the user may not read becomes a limit, what cannot be understood a problem, and the rest is
/// there. `namespace` is where to look if Services may not be listed in all of them.
///
/// # Errors
/// Where there are no Services to be had at all, or the API server is too old.
pub async fn gather(connection: &Connection, namespace: &str) -> Result<Gathered, Error> {
    old_enough(connection).await?;
    let mut gathering = Gathering::new(connection);
    let (services, nodes) =
        join(gathering.services(namespace), connection.list("/api/v1/nodes")).await;
    let (pages, limit) = services?;
    gathering.limits.extend(limit);
    gathering.take("services", &pages);
    gathering.nodes(nodes)?;
    gathering.behind_services().await?;
    gathering.identity().await?;
    Ok(gathering.done())
}

/// Reads the Services of one namespace alone.
pub async fn services(connection: &Connection, namespace: &str) -> Result<Loaded, Error> {
    let pages = connection.list(&format!("/api/v1/namespaces/{namespace}/services")).await?;
    let mut gathering = Gathering::new(connection);
    gathering.take("services", &pages);
    Ok(gathering.loaded)
}

/// The names of all namespaces.
pub async fn namespaces(connection: &Connection) -> Result<Vec<String>, Error> {
    let pages = connection.list("/api/v1/namespaces").await?;
    Ok(pages.iter().flat_map(Page::names).collect())
}

async fn old_enough(connection: &Connection) -> Result<(), Error> {
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
            Err(connection.fail(error.hint(
                "look at files instead: kubectl get svc,nodes,endpoints -A -o json | kubectl clbmigrate status -f -",
            )))
        }
        _ => Ok(()),
    }
}

struct Gathering<'c> {
    connection: &'c Connection,
    loaded: Loaded,
    limits: Vec<Problem>,
    uid: Option<String>,
}

impl<'c> Gathering<'c> {
    fn new(connection: &'c Connection) -> Self {
        let mut loaded = Loaded::default();
        let mut cluster = Cluster::default();
        cluster.context.clone_from(&connection.context);
        loaded.world.clusters.push(cluster);
        Self { connection, loaded, limits: Vec::new(), uid: None }
    }

    fn done(self) -> Gathered {
        Gathered { loaded: self.loaded, limits: self.limits, uid: self.uid }
    }

    fn cluster(&mut self) -> Option<&mut Cluster> {
        self.loaded.world.clusters.first_mut()
    }

    /// Where problems are said to be.
    fn place(&self) -> String {
        self.connection.context.as_deref().unwrap_or("the cluster").to_owned()
    }

    /// All Services; those of one namespace where the user may not list more.
    async fn services(&self, namespace: &str) -> Result<(Vec<Page>, Option<Problem>), Error> {
        let everywhere = self.connection.list("/api/v1/services").await;
        let forbidden = match everywhere {
            Err(error) if error.kind == ErrorKind::Forbidden => error,
            pages => return Ok((pages?, None)),
        };
        let path = format!("/api/v1/namespaces/{namespace}/services");
        let pages = self.connection.list(&path).await?;
        let limit = self.limit(
            &format!("Services outside namespace {namespace} may not be listed; others in the same groups are not seen"),
            &forbidden,
        );
        Ok((pages, Some(limit)))
    }

    fn limit(&self, what: &str, error: &Error) -> Problem {
        Problem { file: self.place(), line: None, message: format!("{what} ({})", error.message) }
    }

    /// Takes a listing into the cluster; says whether every item could be.
    fn take(&mut self, what: &str, pages: &[Page]) -> bool {
        let place = self.place();
        let reader = ObjectReader { file: None, default_namespace: "" };
        let mut is_whole = true;
        for page in pages {
            page.each(|kind, piece| {
                // A list that was continued may hold an object twice; the first one stands.
                let taken = match self.loaded.take(0, &reader, kind, piece) {
                    Err(Fault::Conflict { .. }) => Ok(false),
                    taken => taken,
                };
                if let Err(fault) = taken {
                    is_whole = false;
                    self.loaded.tell(&place, None, &fault);
                }
            })
            .unwrap_or_else(|fault| {
                is_whole = false;
                self.loaded.tell(format!("{place}: {what}"), None, &fault);
            });
        }
        is_whole
    }

    fn nodes(&mut self, nodes: Result<Vec<Page>, Error>) -> Result<(), Error> {
        let Some(pages) =
            self.allowed(nodes, "nodes may not be listed; weights in Cluster mode are unknown")?
        else {
            return Ok(());
        };
        let is_whole = self.take("nodes", &pages);
        if let Some(cluster) = self.cluster() {
            cluster.nodes_listed = is_whole;
        }
        Ok(())
    }

    /// A listing, or the limit that the user may not have it.
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
    async fn behind_services(&mut self) -> Result<(), Error> {
        let migrated = self.loaded.world.clusters.iter().flat_map(Cluster::services);
        let migrated = migrated.filter(|service| service.is_candidate());
        let namespaces: BTreeSet<String> =
            migrated.map(|service| service.metadata.namespace().to_owned()).collect();
        if namespaces.is_empty() {
            return Ok(());
        }
        let slices = self.of_namespaces("discovery.k8s.io/v1", "endpointslices", &namespaces);
        let slices = slices.await;
        if let Some(pages) =
            self.allowed(slices, "EndpointSlices may not be listed; what serves is unknown")?
            && self.take("endpointslices", &pages)
            && let Some(cluster) = self.cluster()
        {
            cluster.endpoints_listed.clone_from(&namespaces);
        }
        for (group, resource) in [
            ("apps/v1", "deployments"),
            ("apps/v1", "statefulsets"),
            ("apps/v1", "daemonsets"),
            ("autoscaling/v1", "horizontalpodautoscalers"),
        ] {
            let pages = self.of_namespaces(group, resource, &namespaces).await;
            let what = format!("{resource} may not be listed; rules about workloads are silent");
            if let Some(pages) = self.allowed(pages, &what)? {
                self.take(resource, &pages);
            }
        }
        self.pods().await
    }

    /// Pods of Services whose endpoints hang on them: not ready but perhaps gated, or without a
    /// workload of a kind that was listed.
    async fn pods(&mut self) -> Result<(), Error> {
        let wanted: Vec<String> = {
            let clusters = self.loaded.world.clusters.iter();
            let services =
                clusters.flat_map(|cluster| cluster.services().map(move |s| (cluster, s)));
            let wanted = services.filter(|(cluster, service)| needs_pods(cluster, service));
            wanted.map(|(_, service)| pods_path(service)).collect()
        };
        let connection = self.connection;
        let lists = wanted.iter().map(|path| connection.list(path));
        let mut lists = stream::iter(lists).buffered(AT_ONCE);
        while let Some(pages) = lists.next().await {
            let what = "pods may not be listed; readiness gates and bare pods are not seen";
            match self.allowed(pages, what)? {
                Some(pages) => drop(self.take("pods", &pages)),
                None => break,
            }
        }
        Ok(())
    }

    /// One kind's objects in these namespaces.
    async fn of_namespaces(
        &self,
        group: &str,
        resource: &str,
        namespaces: &BTreeSet<String>,
    ) -> Result<Vec<Page>, Error> {
        let root = if group == "v1" { "/api/v1".to_owned() } else { format!("/apis/{group}") };
        if namespaces.len() > NAMESPACES {
            match self.connection.list(&format!("{root}/{resource}")).await {
                Err(error) if error.kind == ErrorKind::Forbidden => {}
                pages => return pages,
            }
        }
        let mut pages = Vec::new();
        for namespace in namespaces {
            let path = format!("{root}/namespaces/{namespace}/{resource}");
            pages.extend(self.connection.list(&path).await?);
        }
        Ok(pages)
    }

    /// The cluster's id and UID, and whether hooks are injected.
    async fn identity(&mut self) -> Result<(), Error> {
        let connection = self.connection;
        let profile =
            connection.object("/api/v1/namespaces/kube-system/configmaps/ack-cluster-profile");
        let hook = connection.object(
            "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/clbmigrate-mutate-workloads",
        );
        let (profile, hook) = try_join(profile, hook).await?;
        for page in [profile, hook].into_iter().flatten() {
            self.take("configuration", &[page]);
        }
        let system = connection.object("/api/v1/namespaces/kube-system").await?;
        self.uid = system.and_then(|page| page.uid());
        let namespaces: BTreeSet<String> = self
            .loaded
            .world
            .clusters
            .iter()
            .flat_map(|cluster| &cluster.endpoints_listed)
            .cloned()
            .collect();
        if namespaces.len() > NAMESPACES {
            match connection.list("/api/v1/namespaces").await {
                Err(error) if error.kind == ErrorKind::Forbidden => {}
                pages => drop(self.take("namespaces", &pages?)),
            }
            return Ok(());
        }
        for namespace in &namespaces {
            let path = format!("/api/v1/namespaces/{namespace}");
            if let Some(page) = connection.object(&path).await? {
                self.take("namespaces", &[page]);
            }
        }
        Ok(())
    }
}

fn needs_pods(cluster: &Cluster, service: &Service) -> bool {
    if !service.is_candidate() || service.spec.selector.is_empty() {
        return false;
    }
    let slices = cluster.slices_of(service).unwrap_or_default();
    let mut endpoints = slices.iter().flat_map(|slice| &slice.endpoints);
    let has_waiting = endpoints.any(|endpoint| {
        let conditions = &endpoint.conditions;
        conditions.ready != Some(true) && conditions.terminating != Some(true)
    });
    has_waiting || cluster.workloads_of(service).next().is_none()
}

fn pods_path(service: &Service) -> String {
    let selector = service.spec.selector.iter().map(|(key, value)| format!("{key}={value}"));
    let selector = selector.collect::<Vec<_>>().join(",");
    let encoded: String = selector.bytes().map(percent).collect();
    format!("/api/v1/namespaces/{}/pods?labelSelector={encoded}", service.metadata.namespace())
}

/// A byte as a query may hold it.
fn percent(byte: u8) -> String {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    }
}
